//! Operations that are compositions of candle's on every device.

use super::composed;
use crate::error::{Error, Result};
use candle_core::{D, Tensor};
use veilray_base::Rng;

/// Sets each value to zero with probability `p` and scales the others by 1 / (1 - p); the mask comes from `rng`.
///
/// # Errors
/// A probability outside [0, 1).
pub fn dropout(input: &Tensor, p: f64, rng: &mut Rng) -> Result<Tensor> {
    if !(0.0..1.0).contains(&p) {
        return Err(Error::Setting { what: "dropout probability", wanted: "in [0, 1)", found: p.to_string() });
    }
    if p == 0.0 {
        return Ok(input.clone());
    }
    let keep = (1.0 / (1.0 - p)) as f32;
    let mask = (0..input.elem_count()).map(|_| if rng.uniform() < p { 0.0 } else { keep }).collect();
    let mask = Tensor::from_vec(mask, input.shape(), input.device())?.to_dtype(input.dtype())?;
    Ok(input.mul(&mask)?)
}

/// e^x / sum of e^x along the last dimension.
///
/// # Errors
/// candle's, for a tensor without dimensions.
pub fn softmax(input: &Tensor) -> Result<Tensor> {
    // The maximum only moves the exponent's range; no gradient flows through it.
    let shifted = input.broadcast_sub(&input.detach().max_keepdim(D::Minus1)?)?;
    composed::normalise(&shifted.exp()?)
}
