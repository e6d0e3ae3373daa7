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
    /// A reply of another form than the model's, refused before anything was decrypted: its level, scale and slots are fixed by the model,
    /// not chosen by the server.
    #[error(
        "the reply's {what} is {found}, and every reply of this model has {wanted}: it was refused and not decrypted; the server does not run this model as it was registered, so ask its provider before sending anything again"
    )]
    Reply {
        /// What differs: `level`, `scale`, `number of slots` or `size`.
        what: &'static str,
        /// What the model fixes.
        wanted: String,
        /// What came.
        found: String,
    },
    /// A slot that should hold zero does not. How far it is off depends on the secret key and is not told.
    #[error("a slot that should hold 0 is off by more than {bound}: the reply is not this model's answer under these keys")]
    Stray {
        /// The largest deviation that is allowed.
        bound: f64,
    },
    /// A logit beyond the contract. Its value depends on the secret key where the reply was made up, and is not told.
    #[error(
        "a logit is beyond {bound}: the image is outside the range that the model was trained for, so its answer means nothing"
    )]
    Logit {
        /// The largest that is allowed.
        bound: f64,
    },
}
