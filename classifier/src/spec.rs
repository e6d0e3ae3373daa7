//! What a network is made of: a list of layers as written in a TOML file, its shapes and its parameters' names.
//!
//! # Names of parameters
//!
//! A parameter's name is the path to its layer and its own: `layers.<index>.<kind>.<parameter>`, with `<kind>` as in the file. Layers
//! inside others continue the path: `layers.4.residual.body.0.conv.weight`. These are the names in a model's safetensors file, with the
//! shapes that the layers of `veilray-nn` use:
//!
//! | kind | parameters |
//! |---|---|
//! | `conv` | `weight` [out, in / groups, kernel, kernel]; `bias` `[out]` unless `bias = false` |
//! | `conv_transpose` | `weight` [in, out / groups, kernel, kernel]; `bias` `[out]` |
//! | `batch_norm` | `weight`, `bias` `[channels]`; buffers `mean`, `variance` [1, channels] |
//! | `activation`, `hermite` | `basis` [2, channels] (of x, x²), `bias` `[channels]`; buffers `mean`, `variance` [2, channels] |
//! | `activation`, `polynomial` | `coefficients` [3, channels] (a, b, c), or [3, 1] where `shared = true` |
//! | `linear` | `weight` [out, in], `bias` `[out]` |
//! | `se`, `cbam` | `reduce.weight`, `reduce.bias`, `activation.*`, `expand.weight`, `expand.bias`; `sigmoid.coefficients` [3, 1] (α, β, c) |
//! | `gated` | those of `body.<index>`; `gate.weight` [channels out, channels in], `gate.bias`; at degree 2 `gate.activation.coefficients` [3, channels out] |
//! | `residual` | those of `body.<index>` and `shortcut.<index>` |
//!
//! `flatten`, `avg_pool`, `global_avg_pool` and `dropout` have none. Variances get [`NORM_EPS`] added wherever they divide.

mod error;
mod layer;
mod limits;
mod parameters;
mod shape;

pub use error::SpecError;
pub use layer::{Activation, AvgPool, Conv, ConvTranspose, Dropout, Empty, Form, Gated, Layer, Linear, Residual, Squeeze};
pub use parameters::{Parameter, Role};
pub use shape::Shape;

use serde::{Deserialize, Serialize};
use std::path::Path;

/// Added to a variance before its square root is divided by.
pub const NORM_EPS: f64 = 1e-5;

/// α, β and c from which the cubic sigmoid αx³ + βx + c of a gate starts.
pub const CUBIC_SIGMOID: [f64; 3] = [-1e-5, 0.12, 0.5];

/// A network as a list of layers, the last of which gives one logit per label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// Its name, such as `veilnet-s`.
    pub name: String,
    /// Number of logits.
    pub labels: usize,
    /// What goes in.
    pub input: Shape,
    /// From input to logits.
    pub layers: Vec<Layer>,
}

impl NetworkSpec {
    /// Reads a TOML text and checks it.
    ///
    /// # Errors
    /// [`SpecError::Toml`], or as [`NetworkSpec::check`].
    pub fn from_toml(text: &str) -> Result<Self, SpecError> {
        let spec: Self = toml::from_str(text).map_err(|e| SpecError::Toml { why: e.to_string() })?;
        spec.check()?;
        Ok(spec)
    }

    /// Reads a TOML file and checks it.
    ///
    /// # Errors
    /// [`SpecError::Read`], or as [`NetworkSpec::from_toml`].
    pub fn read(path: &Path) -> Result<Self, SpecError> {
        let text = std::fs::read_to_string(path).map_err(|e| SpecError::Read { path: path.into(), why: e.to_string() })?;
        Self::from_toml(&text)
    }

    /// The network as TOML.
    ///
    /// # Errors
    /// [`SpecError::Toml`] for numbers that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, SpecError> {
        toml::to_string(self).map_err(|e| SpecError::Toml { why: e.to_string() })
    }

    /// Shape behind each layer of the list, if every layer fits the one before it and the last gives the logits.
    ///
    /// # Errors
    /// A setting out of range, an input a layer cannot take, branches that differ, or another output than the labels; each names the layer.
    pub fn check(&self) -> Result<Vec<Shape>, SpecError> {
        self.input.check("input")?;
        let shapes = layer::shapes(&self.layers, "layers", self.input)?;
        let found = shapes.last().copied().unwrap_or(self.input);
        if found != Shape::flat(self.labels) {
            return Err(SpecError::Output { labels: self.labels, found });
        }
        Ok(shapes)
    }

    /// Every parameter and buffer by name, in the order of the layers.
    ///
    /// # Errors
    /// As [`NetworkSpec::check`].
    pub fn parameters(&self) -> Result<Vec<Parameter>, SpecError> {
        self.check()?;
        let mut out = Vec::new();
        parameters::of_layers(&self.layers, "layers", self.input, &mut out)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
