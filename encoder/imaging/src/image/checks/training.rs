//! How far an image is from those that its model was trained on.

use super::Warning;
use serde::{Deserialize, Serialize};
use std::fmt;

/// By what an image is compared with the training images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Statistic {
    /// Mean squared difference between the canonical image and its reconstruction.
    ReconstructionError,
    /// Smallest value of the latent.
    LatentMin,
    /// Largest value of the latent.
    LatentMax,
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReconstructionError => "the reconstruction error",
            Self::LatentMin => "the smallest latent value",
            Self::LatentMax => "the largest latent value",
        })
    }
}

/// What a manifest states of the images its encoder was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingLimits {
    /// Largest mean squared reconstruction error, of values in [−1, 1].
    pub reconstruction_error: f64,
    /// Smallest value of a latent, in units of its channels' standard deviations.
    pub latent_min: f64,
    /// Largest value of a latent, in the same unit.
    pub latent_max: f64,
}

/// What an encoder measured of one image, in the units of [`TrainingLimits`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Mean squared reconstruction error, of values in [−1, 1].
    pub reconstruction_error: f64,
    /// Smallest value of a latent, in units of its channels' standard deviations.
    pub latent_min: f64,
    /// Largest value of a latent, in the same unit.
    pub latent_max: f64,
}

/// A [`Warning::FarFromTraining`] for every limit that an image oversteps; a value that is not a number oversteps.
pub fn far_from_training(found: &Measured, limits: &TrainingLimits) -> Vec<Warning> {
    let outside =
        |inside: bool, statistic, value, limit| (!inside).then_some(Warning::FarFromTraining { statistic, value, limit });
    let (error, low, high) = (found.reconstruction_error, found.latent_min, found.latent_max);
    [
        outside(error <= limits.reconstruction_error, Statistic::ReconstructionError, error, limits.reconstruction_error),
        outside(low >= limits.latent_min, Statistic::LatentMin, low, limits.latent_min),
        outside(high <= limits.latent_max, Statistic::LatentMax, high, limits.latent_max),
    ]
    .into_iter()
    .flatten()
    .collect()
}
