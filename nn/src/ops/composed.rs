//! The same operations composed of candle's own: for other devices and types, and the oracle of this crate's tests.
//!
//! Shapes are checked by the callers in [`crate::ops`]; candle's errors pass through.

use super::types::{Activation, Conv2dConfig, Statistics, Unit, at_least};
use crate::error::Result;
use candle_core::{D, DType, Tensor};

/// [`super::conv2d`] by candle's convolution.
///
/// candle 0.11 fails on the way back where stride leaves over another number of rows than of columns: these are cut off first.
///
/// # Errors
/// [`Error::Tensor`](crate::Error::Tensor) where candle refuses shapes, types or devices.
pub fn conv2d(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>, config: Conv2dConfig) -> Result<Tensor> {
    let Conv2dConfig { stride, padding, groups } = config;
    let (_, _, height, width) = input.dims4()?;
    let (_, _, kh, kw) = weight.dims4()?;
    let left = [(height + 2 * padding - kh) % stride, (width + 2 * padding - kw) % stride];
    let [rows, columns] = left;
    if rows == columns {
        return with_bias(input.conv2d(weight, padding, stride, 1, groups)?, bias);
    }
    let padded = input.pad_with_zeros(2, padding, padding)?.pad_with_zeros(3, padding, padding)?;
    let used = padded.narrow(2, 0, height + 2 * padding - rows)?.narrow(3, 0, width + 2 * padding - columns)?;
    with_bias(used.contiguous()?.conv2d(weight, 0, stride, 1, groups)?, bias)
}

/// [`super::conv_transpose2d`] by candle's transposed convolution, group by group.
///
/// # Errors
/// [`Error::Tensor`](crate::Error::Tensor) where candle refuses shapes, types or devices.
pub fn conv_transpose2d(
    input: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    config: Conv2dConfig,
    output_padding: usize,
) -> Result<Tensor> {
    let Conv2dConfig { stride, padding, groups } = config;
    let (inputs, weights) = (input.chunk(groups, 1)?, weight.chunk(groups, 0)?);
    let outputs = inputs
        .iter()
        .zip(&weights)
        .map(|(x, w)| x.contiguous()?.conv_transpose2d(&w.contiguous()?, padding, output_padding, stride, 1))
        .collect::<candle_core::Result<Vec<_>>>()?;
    with_bias(Tensor::cat(&outputs, 1)?, bias)
}

fn with_bias(output: Tensor, add: Option<&Tensor>) -> Result<Tensor> {
    add.map_or(Ok(output.clone()), |add| bias(&output, add))
}

/// `values` `[channel]` as [1, channel, 1, ...], to broadcast over `input`.
fn per_channel(values: &Tensor, input: &Tensor) -> Result<Tensor> {
    let mut shape = vec![1; input.rank()];
    if let Some(channels) = shape.get_mut(1) {
        *channels = values.elem_count();
    }
    Ok(values.reshape(shape)?)
}

/// [`super::bias`] by broadcasting.
///
/// # Errors
/// [`Error::Tensor`](crate::Error::Tensor) where candle refuses shapes, types or devices.
pub fn bias(input: &Tensor, bias: &Tensor) -> Result<Tensor> {
    Ok(input.broadcast_add(&per_channel(bias, input)?)?)
}

/// [`super::activate`] by candle's elementwise operations.
///
/// # Errors
/// [`Error::Tensor`](crate::Error::Tensor) where candle refuses shapes, types or devices.
pub fn activate(input: &Tensor, function: Activation) -> Result<Tensor> {
    Ok(match function {
        Activation::Relu => input.relu()?,
        Activation::LeakyRelu { slope } => (input.relu()? - (input.neg()?.relu()? * f64::from(slope))?)?,
        Activation::Silu => (input / (input.neg()?.exp()? + 1.0)?)?,
        Activation::Square => input.sqr()?,
    })
}

/// [`super::group_norm`] by means over reshaped tensors.
///
/// # Errors
/// [`Error::Tensor`](crate::Error::Tensor) where candle refuses shapes, types or devices.
pub fn group_norm(input: &Tensor, weight: &Tensor, bias: &Tensor, groups: usize, eps: f64, silu: bool) -> Result<Tensor> {
    let flat = input.reshape((input.dim(0)?, groups, ()))?;
    let centred = flat.broadcast_sub(&flat.mean_keepdim(D::Minus1)?)?;
    let deviation = (centred.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?;
    let normal = centred.broadcast_div(&deviation)?.reshape(input.shape())?;
    let output = normal.broadcast_mul(&per_channel(weight, input)?)?.broadcast_add(&per_channel(bias, input)?)?;
    if silu { activate(&output, Activation::Silu) } else { Ok(output) }
}

/// [`super::batch_norm`] and [`super::hermite_norm`] (as many terms as `weight` [terms, channel] has rows) by means over
/// transposed tensors.
///
/// # Errors
/// [`Error::Tensor`](crate::Error::Tensor) where candle refuses shapes, types or devices.
pub fn basis_norm(input: &Tensor, weight: &Tensor, add: &Tensor, eps: f64) -> Result<(Tensor, Statistics)> {
    let (mut means, mut variances) = (Vec::new(), Vec::new());
    let mut power = input.clone();
    let mut output = bias(&input.zeros_like()?, add)?;
    for term in 0..weight.dim(0)? {
        if term > 0 {
            power = power.mul(input)?;
        }
        let flat = power.transpose(0, 1)?.flatten_from(1)?;
        let mean = flat.mean(1)?;
        let centred = power.broadcast_sub(&per_channel(&mean, input)?)?;
        let variance = centred.sqr()?.transpose(0, 1)?.flatten_from(1)?.mean(1)?;
        let scale = weight.get(term)?.div(&(&variance + eps)?.sqrt()?)?;
        output = (output + centred.broadcast_mul(&per_channel(&scale, input)?)?)?;
        means.push(mean.detach());
        variances.push(variance.detach());
    }
    Ok((output, Statistics { mean: Tensor::stack(&means, 0)?, variance: Tensor::stack(&variances, 0)? }))
}

/// [`super::polynomial2`] by broadcasting.
///
/// # Errors
/// [`Error::Tensor`](crate::Error::Tensor) where candle refuses shapes, types or devices.
pub fn polynomial2(input: &Tensor, coefficients: &Tensor) -> Result<Tensor> {
    let row = |i: usize| per_channel(&coefficients.get(i)?, input);
    let sloped = input.broadcast_mul(&row(0)?)?.broadcast_add(&row(1)?)?;
    Ok(sloped.mul(input)?.broadcast_add(&row(2)?)?)
}

/// [`super::excess`], value by value.
///
/// # Errors
/// [`Error::Tensor`](crate::Error::Tensor) where candle refuses shapes, types or devices.
pub fn excess(input: &Tensor, bound: f64, unit: Unit) -> Result<Tensor> {
    let values = match unit {
        Unit::Absolute => input.abs()?,
        Unit::RootMeanSquare => {
            let squares = input.detach().to_dtype(DType::F64)?.sqr()?.mean_all()?.to_scalar::<f64>()?;
            (input.abs()? / at_least(squares.sqrt()))?
        }
    };
    Ok((values - bound)?.relu()?.sqr()?.mean_all()?)
}

/// [`super::upsample_nearest_x2`] by broadcasting, whose gradient adds to that of other consumers.
///
/// # Errors
/// [`Error::Tensor`](crate::Error::Tensor) where candle refuses shapes, types or devices.
pub fn upsample_nearest_x2(input: &Tensor) -> Result<Tensor> {
    let (b, c, h, w) = input.dims4()?;
    Ok(input.reshape((b, c, h, 1, w, 1))?.broadcast_as((b, c, h, 2, w, 2))?.reshape((b, c, 2 * h, 2 * w))?)
}

/// [`super::avg_pool2d`] as a sum of shifted, strided views.
///
/// # Errors
/// [`Error::Tensor`](crate::Error::Tensor) where candle refuses shapes, types or devices.
pub fn avg_pool2d(input: &Tensor, kernel: (usize, usize), stride: (usize, usize)) -> Result<Tensor> {
    let (_, _, height, width) = input.dims4()?;
    let starts = |size: usize, kernel: usize, stride: usize| -> candle_core::Result<Tensor> {
        let positions: Vec<u32> = (0..=size - kernel).step_by(stride).map(|i| i as u32).collect();
        Tensor::new(positions, input.device())
    };
    let ys = starts(height, kernel.0, stride.0)?;
    let xs = starts(width, kernel.1, stride.1)?;
    let mut sum: Option<Tensor> = None;
    for dy in 0..kernel.0 {
        let rows = input.narrow(2, dy, height - kernel.0 + 1)?.contiguous()?.index_select(&ys, 2)?;
        for dx in 0..kernel.1 {
            let window = rows.narrow(3, dx, width - kernel.1 + 1)?.contiguous()?.index_select(&xs, 3)?;
            sum = Some(match sum {
                Some(sum) => (sum + window)?,
                None => window,
            });
        }
    }
    let sum = sum.ok_or_else(|| candle_core::Error::Msg("average pooling with an empty kernel".into()))?;
    Ok((sum / (kernel.0 * kernel.1) as f64)?)
}

/// Values divided by their sum along the last dimension.
///
/// # Errors
/// [`Error::Tensor`](crate::Error::Tensor) where candle refuses shapes, types or devices.
pub(super) fn normalise(input: &Tensor) -> Result<Tensor> {
    Ok(input.broadcast_div(&input.sum_keepdim(D::Minus1)?)?)
}
