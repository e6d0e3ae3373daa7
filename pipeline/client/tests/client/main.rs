//! The client from outside: the program, a daemon in this process, and files.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::result_large_err
)]

mod batches;
mod commands;
mod common;
mod journey;
mod keysets;
mod kills;
mod refusals;
mod segment;
