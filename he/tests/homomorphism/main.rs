//! Decryption is a homomorphism: what is done to ciphertexts is done to slots, within the noise, and level and scale are exact.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

#[path = "../common/mod.rs"]
mod common;
mod edges;
mod properties;

use common::{Kit, double, insecure, named, single, values};
use std::sync::LazyLock;

/// Steps that the shared keys rotate by.
const STEPS: [i64; 8] = [1, -1, 2, 3, -3, 7, 100, 63];

/// One prime per level and two, on a ring of 2^8; and a named set.
static KITS: LazyLock<[Kit; 3]> = LazyLock::new(|| {
    [insecure(&single(8, 5)), insecure(&double(8, 3)), named("n12")].map(|params| Kit::with_rotations(&params, STEPS))
});

fn slots(kit: &Kit, seed: u64) -> Vec<f64> {
    values(kit.params.slots(), seed)
}
