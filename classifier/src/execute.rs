//! One packed circuit, several executors.
//!
//! [`ClearExecutor`] computes in f64 and shows that the packing is right; [`simulate()`] adds the errors that ciphertexts would have;
//! [`EncryptedCircuit`] computes on ciphertexts for the server. [`client`] encrypts an image and decrypts the reply. [`trace()`] shows
//! what every node of an encrypted run held.
//!
//! The client refuses a reply whose logits lie beyond its [`Bounds`](client::Bounds). It cannot check the layers before them, because it
//! has no weights. Where the weights are, [`crate::range::check_range`] tells whether an image leaves the range of a layer; the command
//! `veilray-sweep evaluate` reports it.

mod clear;
pub mod client;
mod compile;
mod encrypted;
mod error;
pub mod levels;
pub mod reply;
mod run;
mod simulate;
mod slots;
mod trace;

pub use clear::{ClearExecutor, Traced};
pub use encrypted::{EncryptedCircuit, Step};
pub use error::ExecuteError;
pub use simulate::{NodeError, Sample, Simulation, simulate};
pub use trace::{Trace, TraceRow, trace};
