//! Two-dimensional convolution and transposed convolution.

mod geometry;
mod kernels;
mod phases;
mod winograd;

use super::types::Conv2dConfig;
use super::{bias, composed, cpu};
use crate::error::Result;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Shape, Tensor};
use geometry::Geometry;

/// Convolution (as in every network library: correlation) of `input` [batch, channel, height, width] with `weight`
/// [outputs, channel / groups, kernel height, kernel width], plus `bias` `[outputs]`.
///
/// The result is [batch, outputs, (height + 2 padding - kernel height) / stride + 1, ...], rounded down.
///
/// # Errors
/// Shapes that do not fit each other, a stride or a number of groups of zero.
pub fn conv2d(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>, config: Conv2dConfig) -> Result<Tensor> {
    let geometry = Geometry::convolution(input, weight, config)?;
    check_bias(bias, geometry.groups * geometry.outputs, "conv2d")?;
    if !cpu::is_ours(input) {
        return composed::conv2d(input, weight, bias, config);
    }
    apply(Convolution(geometry), input, weight, bias)
}

/// Transposed convolution of `input` [batch, channel, height, width] with `weight` [channel, outputs / groups, kernel height,
/// kernel width], plus `bias` `[outputs]`: the input gradient of the convolution with the same weight.
///
/// The result is [batch, outputs, (height - 1) stride + kernel height + output padding - 2 padding, ...].
///
/// # Errors
/// Shapes that do not fit each other, a stride or a number of groups of zero, an output padding not below the stride.
pub fn conv_transpose2d(
    input: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    config: Conv2dConfig,
    output_padding: usize,
) -> Result<Tensor> {
    let geometry = Geometry::transposed(input, weight, config, output_padding)?;
    check_bias(bias, geometry.groups * geometry.inputs, "conv_transpose2d")?;
    if !cpu::is_ours(input) {
        return composed::conv_transpose2d(input, weight, bias, config, output_padding);
    }
    apply(Transposed(geometry), input, weight, bias)
}

fn check_bias(bias: Option<&Tensor>, channels: usize, op: &'static str) -> Result<()> {
    bias.map_or(Ok(()), |bias| cpu::expect_shape(bias, &[channels], op, "bias"))
}

fn apply<O>(op: O, input: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor>
where
    O: CustomOp2 + CustomOp3 + Send + Sync + 'static,
{
    let (input, weight) = (input.contiguous()?, weight.contiguous()?);
    Ok(match bias {
        Some(bias) => input.apply_op3(&weight, &bias.contiguous()?, op)?,
        None => input.apply_op2(&weight, op)?,
    })
}

/// The convolution, by whichever way is faster.
fn forward(g: &Geometry, input: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let kernel = if winograd::handles(g) { winograd::forward } else { kernels::forward };
    kernel(g, input, weight, bias)
}

/// The gradient of a convolution's input, likewise.
fn input_gradient(g: &Geometry, gradient: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let kernel = if winograd::handles(g) { winograd::input_gradient } else { kernels::input_gradient };
    kernel(g, gradient, weight, bias)
}

/// The gradient of a convolution's weight, likewise.
fn weight_gradient(g: &Geometry, input: &[f32], gradient: &[f32]) -> Vec<f32> {
    let kernel = if winograd::handles(g) { winograd::weight_gradient } else { kernels::weight_gradient };
    kernel(g, input, gradient)
}

/// Gradients of input, weight and bias.
type Gradients = (Option<Tensor>, Option<Tensor>, Option<Tensor>);

struct Convolution(Geometry);

impl Convolution {
    fn shape(&self) -> Shape {
        let g = &self.0;
        Shape::from((g.batch, g.groups * g.outputs, g.out_height, g.out_width))
    }

    fn backward(&self, input: &Tensor, weight: &Tensor, gradient: &Tensor) -> candle_core::Result<(Option<Tensor>, Tensor)> {
        let gradient = cpu::read(gradient)?;
        let by_input = match input.track_op() {
            true => {
                let values = input_gradient(&self.0, &gradient, &cpu::read(weight)?, None);
                Some(Tensor::from_vec(values, input.shape(), input.device())?)
            }
            false => None,
        };
        let by_weight = weight_gradient(&self.0, &cpu::read(input)?, &gradient);
        Ok((by_input, Tensor::from_vec(by_weight, weight.shape(), weight.device())?))
    }
}

struct Transposed(Geometry);

impl Transposed {
    fn shape(&self) -> Shape {
        let g = &self.0;
        Shape::from((g.batch, g.groups * g.inputs, g.height, g.width))
    }

    fn backward(&self, input: &Tensor, weight: &Tensor, gradient: &Tensor) -> candle_core::Result<(Option<Tensor>, Tensor)> {
        let gradient = cpu::read(gradient)?;
        let by_input = match input.track_op() {
            true => {
                let values = forward(&self.0, &gradient, &cpu::read(weight)?, None);
                Some(Tensor::from_vec(values, input.shape(), input.device())?)
            }
            false => None,
        };
        let by_weight = weight_gradient(&self.0, &gradient, &cpu::read(input)?);
        Ok((by_input, Tensor::from_vec(by_weight, weight.shape(), weight.device())?))
    }
}

/// Both operations take the bias as an optional third argument; only name and kernel differ.
macro_rules! custom_op {
    ($op:ident, $name:literal, $kernel:path) => {
        impl CustomOp2 for $op {
            fn name(&self) -> &'static str {
                $name
            }

            fn cpu_fwd(
                &self,
                x: &CpuStorage,
                xl: &Layout,
                w: &CpuStorage,
                wl: &Layout,
            ) -> candle_core::Result<(CpuStorage, Shape)> {
                let output = $kernel(&self.0, cpu::floats(x, xl)?, cpu::floats(w, wl)?, None);
                Ok((CpuStorage::F32(output), self.shape()))
            }

            fn bwd(
                &self,
                x: &Tensor,
                w: &Tensor,
                _: &Tensor,
                g: &Tensor,
            ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
                let (by_input, by_weight) = self.backward(x, w, &g.contiguous()?)?;
                Ok((by_input, Some(by_weight)))
            }
        }

        impl CustomOp3 for $op {
            fn name(&self) -> &'static str {
                $name
            }

            fn cpu_fwd(
                &self,
                x: &CpuStorage,
                xl: &Layout,
                w: &CpuStorage,
                wl: &Layout,
                b: &CpuStorage,
                bl: &Layout,
            ) -> candle_core::Result<(CpuStorage, Shape)> {
                let output = $kernel(&self.0, cpu::floats(x, xl)?, cpu::floats(w, wl)?, Some(cpu::floats(b, bl)?));
                Ok((CpuStorage::F32(output), self.shape()))
            }

            fn bwd(&self, x: &Tensor, w: &Tensor, b: &Tensor, _: &Tensor, g: &Tensor) -> candle_core::Result<Gradients> {
                let g = g.contiguous()?;
                let (by_input, by_weight) = self.backward(x, w, &g)?;
                let plane = self.shape().dims().iter().skip(2).product();
                let by_bias = bias::channel_sums(&cpu::read(&g)?, b.elem_count(), plane);
                Ok((by_input, Some(by_weight), Some(Tensor::from_vec(by_bias, b.shape(), b.device())?)))
            }
        }
    };
}

custom_op!(Convolution, "veilray-conv2d", forward);
custom_op!(Transposed, "veilray-conv-transpose2d", input_gradient);
