//! One number per channel, added.

use super::{composed, cpu};
use crate::error::Result;
use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor};
use rayon::prelude::*;

/// `input` [batch, channel, ...] plus `bias` `[channel]`.
///
/// # Errors
/// Shapes that do not fit each other.
pub fn bias(input: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let [_, channels, plane] = cpu::planes(input, "bias")?;
    cpu::expect_shape(bias, &[channels], "bias", "bias")?;
    if !cpu::is_ours(input) || plane == 0 {
        return composed::bias(input, bias);
    }
    Ok(input.contiguous()?.apply_op2(&bias.contiguous()?, Bias { channels, plane })?)
}

struct Bias {
    channels: usize,
    plane: usize,
}

impl CustomOp2 for Bias {
    fn name(&self) -> &'static str {
        "veilray-bias"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout, b: &CpuStorage, bl: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (x, b) = (cpu::floats(x, xl)?, cpu::floats(b, bl)?);
        let mut out = vec![0.0; x.len()];
        let image = self.channels * self.plane;
        out.par_chunks_mut(image).zip(x.par_chunks(image)).for_each(|(out, x)| {
            let planes = out.chunks_mut(self.plane).zip(x.chunks(self.plane));
            for ((out, x), b) in planes.zip(b) {
                for (out, x) in out.iter_mut().zip(x) {
                    *out = x + b;
                }
            }
        });
        Ok((CpuStorage::F32(out), xl.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, b: &Tensor, _: &Tensor, g: &Tensor) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let g = g.contiguous()?;
        let sums = channel_sums(&cpu::read(&g)?, self.channels, self.plane);
        let by_bias = Tensor::from_vec(sums, b.shape(), b.device())?;
        Ok((Some(g), Some(by_bias)))
    }
}

/// The sum of each channel over batch and `plane`, in `f64` across images.
pub(super) fn channel_sums(values: &[f32], channels: usize, plane: usize) -> Vec<f32> {
    let sums: Vec<f64> = values
        .par_chunks(plane)
        .map(|plane| {
            let [sum] = cpu::vectorised(
                #[inline(always)]
                || {
                    cpu::sums(
                        plane,
                        plane,
                        #[inline(always)]
                        |x, _| [x],
                    )
                },
            );
            sum
        })
        .collect();
    let mut total = vec![0.0; channels];
    for image in sums.chunks(channels) {
        for (total, sum) in total.iter_mut().zip(image) {
            *total += sum;
        }
    }
    total.into_iter().map(|sum| sum as f32).collect()
}
