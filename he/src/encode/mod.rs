//! Slots ↔ ring elements.

mod embedding;
mod encoder;
mod lift;

pub(crate) use embedding::Embedding;
pub use encoder::{Encoder, Plaintext};
