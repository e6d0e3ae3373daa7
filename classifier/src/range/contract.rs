//! How far values reached on the validation split.

use serde::{Deserialize, Serialize};

/// How far the inputs of each activation reached on the validation split: part of a release's manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeContract {
    /// Images it was measured on.
    pub images: usize,
    /// One for each activation, in the order of evaluation.
    pub layers: Vec<LayerRange>,
    /// Largest |logit|.
    pub logits: f64,
}

/// The range of one activation's input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerRange {
    /// The activation's name in the specification.
    pub layer: String,
    /// Largest absolute value of its input.
    pub largest: f64,
    /// Root mean square of its input.
    pub rms: f64,
}
