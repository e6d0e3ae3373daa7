//! What training refuses.

use crate::metrics;
use veilray_classifier::spec::SpecError;

/// The result of training.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why samples, a configuration or a run was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An operation, a checkpoint or the loop.
    #[error(transparent)]
    Network(#[from] veilray_nn::Error),
    /// A table of scores.
    #[error(transparent)]
    Metrics(#[from] metrics::Error),
    /// A network that does not fit together.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Samples whose columns do not fit each other.
    #[error("{what} of the samples: expected {wanted}, found {found}")]
    Samples {
        /// The column's name.
        what: &'static str,
        /// What it should be.
        wanted: String,
        /// What it is.
        found: String,
    },
    /// A setting outside its range.
    #[error("{what} must be {wanted}, found {found}")]
    Setting {
        /// The setting's name.
        what: &'static str,
        /// The range it must lie in.
        wanted: String,
        /// The value given.
        found: String,
    },
    /// A layer that cannot be built for training.
    #[error("layer {layer}: {why}")]
    Layer {
        /// The layer's name in the specification.
        layer: String,
        /// What is wrong and what to do.
        why: String,
    },
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Network(error.into())
    }
}

/// Refuses a setting.
pub(crate) fn setting<T>(what: &'static str, wanted: impl Into<String>, found: impl ToString) -> Result<T> {
    Err(Error::Setting { what, wanted: wanted.into(), found: found.to_string() })
}
