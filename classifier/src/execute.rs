//! One packed circuit, several executors.
//!
//! [`ClearExecutor`] computes in f64 and proves packing right, [`simulate()`] adds the errors that ciphertexts would have, [`EncryptedCircuit`]
//! computes on ciphertexts for the server, and [`client`] is what stands before and behind it. [`trace()`] shows what every node of an
//! encrypted run held.
//!
//! The client refuses a reply whose logits lie beyond its [`Bounds`](client::Bounds), and sees nothing of the layers before them: it has no
//! weights. Where they are, [`check_range`] tells whether an image leaves the range of a layer; `veilray-sweep evaluate` reports it.

mod clear;
pub mod client;
mod encrypted;
mod error;
pub(crate) mod needs;
mod range;
mod simulate;
mod slots;
mod trace;

pub use clear::{ClearExecutor, Traced};
pub(crate) use encrypted::readers;
pub use encrypted::{EncryptedCircuit, Step, inputs};
pub use error::ExecuteError;
pub use range::{RangeWarning, check_range};
pub use simulate::{NodeError, Sample, Simulation, simulate};
pub use trace::{Trace, TraceRow, trace};
