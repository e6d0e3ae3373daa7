//! The wire format: round trips, exact sizes, every refusal, hostile bytes, golden files.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: stopping at the first surprise is their business"
)]

mod golden;
mod hostile;
mod objects;
mod refusals;
mod round_trip;
