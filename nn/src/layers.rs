//! Layers: parameters of a [`Scope`](crate::Scope) and the operation that uses them.

mod activation;
mod conv;
mod linear;
mod norm;

pub use activation::{HermiteActivation, Polynomial2};
pub use conv::{Conv2d, ConvTranspose2d};
pub use linear::Linear;
pub use norm::{BatchNorm, GroupNorm};

/// Whether a layer that behaves differently in training is in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The statistics of the batch, which also move the running ones.
    Train,
    /// The running statistics, which stay as they are.
    Evaluate,
}
