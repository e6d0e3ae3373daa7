//! Slots ↔ ring elements.

mod encoder;
mod lift;

pub use encoder::{Encoder, Plaintext};
