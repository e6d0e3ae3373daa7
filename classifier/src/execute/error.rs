//! Why a circuit was not executed or its result was refused.

use super::levels::LevelsError;
use crate::pack::PackError;

/// Why a circuit was not executed or its result was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The circuit does not fit the parameters.
    #[error(transparent)]
    Levels(#[from] LevelsError),
    /// Diagonals that could not be built.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] veilray_he::Error),
    /// Another number of ciphertexts.
    #[error("{wanted} ciphertexts are needed, {found} were given; encrypt the image for this model")]
    Input {
        /// Of the layout.
        wanted: usize,
        /// Number that was given.
        found: usize,
    },
    /// An input of another level or scale.
    #[error(
        "the input must be at level {wanted_level} and scale 2^{wanted_scale:.3}, it is at {found_level} and 2^{found_scale:.3}; encrypt the image for this model"
    )]
    LevelScale {
        /// Level of the circuit's input.
        wanted_level: usize,
        /// log2 of the parameters' scale.
        wanted_scale: f64,
        /// Level that came.
        found_level: usize,
        /// log2 of the scale that came.
        found_scale: f64,
    },
    /// Another number of values.
    #[error("the network reads {wanted} values, {found} were given; compress the image with this model's encoder")]
    Values {
        /// Of the network's input.
        wanted: usize,
        /// Number that was given.
        found: usize,
    },
    /// A value that is infinite or not a number.
    #[error("value {index} of the latent is not finite; compress the image again")]
    NotFinite {
        /// Index of the value in the image.
        index: usize,
    },
    /// A slot that should hold zero does not.
    #[error(
        "a slot that should hold 0 is off by {found:.4}, more than {bound}: the reply is not this model's answer under these keys"
    )]
    Stray {
        /// Largest deviation in any slot.
        found: f64,
        /// The largest that is allowed.
        bound: f64,
    },
    /// A logit beyond the contract.
    #[error(
        "a logit of {found:.2} is beyond {bound}: the image is outside the range that the model was trained for, so its answer means nothing"
    )]
    Logit {
        /// The logit's value.
        found: f64,
        /// The largest that is allowed.
        bound: f64,
    },
}
