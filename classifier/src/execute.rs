//! One packed circuit, several executors.
//!
//! [`ClearExecutor`] computes in f64 and proves packing right, [`EncryptedCircuit`] on ciphertexts for the server, and [`client`] is what
//! stands before and behind it.

mod clear;
pub mod client;
mod encrypted;
mod error;

pub use clear::{ClearExecutor, Traced};
pub use encrypted::{EncryptedCircuit, Step, inputs};
pub use error::ExecuteError;
