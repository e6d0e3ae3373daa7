//! The network, its keys and ciphertexts.

mod client;
mod error;
mod keys;
mod network;
mod parameters;
mod quantise;
mod release;
mod server;
#[cfg(test)]
mod tests;
mod train;

pub use client::{Encoding, Reply, SentImage};
pub use error::{Error, Result};
pub use keys::{ClientKey, SentKey, ServerKey};
pub use network::{Fcnn, LOGITS, Parts};
pub use parameters::{LOG2_FAILURE, NoiseBudget, P2048, TfheParams};
pub use quantise::Quantiser;
pub use release::{FORMAT, KIND, Manifest, Released};
pub use server::EncryptedFcnn;
pub use train::{FcnnConfig, TrainedFcnn, score, scores, train};
