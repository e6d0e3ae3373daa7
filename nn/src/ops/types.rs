//! Settings and results that an operation and its composed form share.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// Stride, zero padding (both the same in height and width) and groups of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Conv2dConfig {
    /// Distance between the patches of neighbouring outputs, at least 1.
    pub stride: usize,
    /// Zeros added on each of the four sides.
    pub padding: usize,
    /// Blocks of channels that do not see each other, at least 1.
    pub groups: usize,
}

impl Default for Conv2dConfig {
    fn default() -> Self {
        Self { stride: 1, padding: 0, groups: 1 }
    }
}

impl Conv2dConfig {
    /// One group, the given stride and padding.
    pub fn new(stride: usize, padding: usize) -> Self {
        Self { stride, padding, groups: 1 }
    }

    /// The same with `groups` groups.
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }
}

/// An activation function without parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Activation {
    /// ReLU: max(x, 0).
    Relu,
    /// x for positive x, `slope` x otherwise.
    LeakyRelu {
        /// Slope below zero, usually 0.2.
        slope: f32,
    },
    /// x / (1 + e^-x).
    Silu,
    /// The square, x^2.
    Square,
}

/// Mean and biased variance over batch and space of each basis term, [terms, channel] each, outside the gradient.
#[derive(Debug, Clone)]
pub struct Statistics {
    /// Means, [terms, channel].
    pub mean: Tensor,
    /// Variances, [terms, channel], divided by the number of values (not by one less).
    pub variance: Tensor,
}

/// What the bound of [`excess`](super::excess) is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// The values' own unit.
    Absolute,
    /// Root mean squares of all values of the input, which are taken as constants: no gradient flows through them.
    RootMeanSquare,
}

/// A root mean square to divide by: not less than 1e-12; NaN stays NaN.
pub(super) fn at_least(unit: f64) -> f64 {
    if unit < 1e-12 { 1e-12 } else { unit }
}
