//! The wire format: round trips, exact sizes, every refusal, hostile bytes, golden files.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends at the first surprise")]

mod golden;
mod hostile;
mod objects;
mod refusals;
mod round_trip;
