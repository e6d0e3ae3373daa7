//! Why a network has no circuit.

use crate::weights::WeightsError;

/// The result of folding.
pub(super) type Result<T, E = FoldError> = std::result::Result<T, E>;

/// Why a network has no circuit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError {
    /// An activation that is no polynomial.
    #[error("{layer} is a ReLU, which ciphertexts cannot compute; train on with the form `hermite`")]
    Relu {
        /// Path of the layer.
        layer: String,
    },
    /// A shift out of bounds.
    #[error(
        "{layer}, channel {channel}: b/2a of a·x² + b·x + c is {shift:.1}, beyond the bound {bound}, so the square would cancel against its \
         constant; keep |a| away from zero in training, or fold with `KeepLinearTerm`"
    )]
    Shift {
        /// Path of the layer.
        layer: String,
        /// Index of the channel.
        channel: usize,
        /// b/2a.
        shift: f64,
        /// The largest allowed.
        bound: f64,
    },
    /// Weights that are not the network's, or a network that does not fit together.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}
