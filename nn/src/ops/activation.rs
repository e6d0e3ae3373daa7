//! Activation functions without parameters.

use super::types::Activation;
use super::{composed, cpu};
use crate::error::Result;
use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};

/// `function` of every value of `input`.
///
/// # Errors
/// [`Error::Tensor`](crate::Error::Tensor) where memory or device fail.
pub fn activate(input: &Tensor, function: Activation) -> Result<Tensor> {
    if !cpu::is_ours(input) {
        return composed::activate(input, function);
    }
    Ok(input.contiguous()?.apply_op1(Activate(function))?)
}

struct Activate(Activation);

impl CustomOp1 for Activate {
    fn name(&self) -> &'static str {
        "veilray-activation"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let x = cpu::floats(x, xl)?;
        let out = match self.0 {
            Activation::Relu => cpu::map(
                x,
                #[inline(always)]
                |x| x.max(0.0),
            ),
            Activation::LeakyRelu { slope } => cpu::map(
                x,
                #[inline(always)]
                |x| if x > 0.0 { x } else { slope * x },
            ),
            Activation::Silu => cpu::map(
                x,
                #[inline(always)]
                |x| x * cpu::sigmoid(x),
            ),
            Activation::Square => cpu::map(
                x,
                #[inline(always)]
                |x| x * x,
            ),
        };
        Ok((CpuStorage::F32(out), xl.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, g: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let g = g.contiguous()?;
        let (xs, gs) = (cpu::read(x)?, cpu::read(&g)?);
        let out = match self.0 {
            Activation::Relu => cpu::map2(
                &xs,
                &gs,
                #[inline(always)]
                |x, g| if x > 0.0 { g } else { 0.0 },
            ),
            Activation::LeakyRelu { slope } => cpu::map2(
                &xs,
                &gs,
                #[inline(always)]
                |x, g| if x > 0.0 { g } else { slope * g },
            ),
            Activation::Silu => cpu::map2(
                &xs,
                &gs,
                #[inline(always)]
                |x, g| g * silu_slope(x),
            ),
            Activation::Square => cpu::map2(
                &xs,
                &gs,
                #[inline(always)]
                |x, g| 2.0 * x * g,
            ),
        };
        Ok(Some(Tensor::from_vec(out, x.shape(), x.device())?))
    }
}

/// d/dx x sigmoid(x).
#[inline(always)]
pub(super) fn silu_slope(x: f32) -> f32 {
    let s = cpu::sigmoid(x);
    s * (1.0 + x * (1.0 - s))
}
