//! Every error that a caller can cause, with the values that it names. Nothing a caller passes may panic or give a wrong answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

#[path = "../common/mod.rs"]
mod common;
mod operands;
mod other;
mod values;

use common::{Kit, insecure, single};

fn kit() -> Kit {
    Kit::with_rotations(&insecure(&single(8, 3)), [1, 2])
}
