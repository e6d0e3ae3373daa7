//! From a trained network to its circuit.
//!
//! Whatever is linear is multiplied together: batch norm, pooling, flattening and the constants of activations join the maps beside
//! them. An activation a·x² + b·x + c is ±(√|a|·(x + b/2a))² + (c − b²/4a): √|a| and the shift go into the map before it, sign and
//! constant into the map after it, so it costs one level. Average pooling over windows of 2, 4, … becomes sums by rotation, which cost no
//! level, unless a fully connected layer follows, which takes it in. A gate multiplies; the factors that an activation behind it
//! asks for go into one of its operands.
//!
//! Where |a| is small, the shift b/2a is large and the square nearly cancels against the constant: beyond
//! [`FoldOptions::max_shift`] that is an error, or the next map reads x beside x² ([`WideShift`]).

mod activation;
mod error;
mod expr;
mod folder;
mod maps;
mod options;
mod windows;

pub use error::FoldError;
pub use options::{FoldOptions, WideShift};

use crate::circuit::Circuit;
use crate::spec::{Layer, NetworkSpec};
use crate::weights::{Weights, WeightsError};
use error::Result;
use expr::{Affine, Expr};
use folder::Folder;

/// The circuit of a trained network.
///
/// # Errors
/// Weights of another network, a ReLU, or a shift beyond the bound.
pub fn fold(spec: &NetworkSpec, weights: &Weights, options: &FoldOptions) -> Result<Circuit, FoldError> {
    weights.check(spec)?;
    let (circuit, input) = Circuit::new(&spec.name, spec.labels, spec.input);
    let mut folder = Folder { circuit, weights, options };
    let input = Expr::Affine(Affine::bare("input", spec.input, input));
    let logits = folder.layers(unflattened(spec)?, "layers", input)?;
    let output = folder.affine(logits).linear(&mut folder.circuit);
    Ok(folder.circuit.finish(output))
}

/// The layers without a last `flatten` that changes nothing: where each row and, of several channels, each plane fills a power of two,
/// values already lie in the order of the logits, and a layout tells rows from columns better than a vector's.
fn unflattened(spec: &NetworkSpec) -> Result<&[Layer]> {
    let shapes = spec.check().map_err(WeightsError::from)?;
    if let ([rest @ .., Layer::Flatten(_)], [.., mask, _]) = (spec.layers.as_slice(), shapes.as_slice()) {
        let dense = mask.width.is_power_of_two() && (mask.height.is_power_of_two() || mask.channels == 1);
        return Ok(if dense { rest } else { &spec.layers });
    }
    Ok(&spec.layers)
}

#[cfg(test)]
mod tests;
