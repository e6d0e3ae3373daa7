//! Bytes from outside, bent: whatever they are, an answer comes back, in time and without much memory.
//!
//! Each reader of bytes that others made is a [`Target`]: a function of bytes that never panics. [`targets::all`] lists them;
//! the seeds that they start from are made by a program, never from an image of a patient.
//!
//! | who calls them | with what |
//! |---|---|
//! | `cargo test -p veilray-robustness` | the seeds, and some hundred bent ones of each: seconds |
//! | `robustness run` ([`driver`]) | any number, drawn from a seed; prints inputs, panics, time and memory |
//! | `fuzz/` | what libFuzzer makes of the corpus that `robustness corpus` writes |
//!
//! An input fails by a panic, by more than two seconds of processors ([`driver::MAX_SECONDS`]), or by more than 512 MB allocated at once
//! ([`driver::MAX_BYTES`]).
#![forbid(unsafe_code)]

pub mod driver;
pub mod mutate;
mod scratch;
mod seeds;
mod target;
pub mod targets;

pub use target::{Outcome, SeedError, Seeds, Target};
