//! Nearest-neighbour upsampling.

use super::{composed, cpu};
use crate::error::Result;
use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;

/// Every value of `input` [batch, channel, height, width] four times: [batch, channel, 2 height, 2 width].
///
/// candle 0.11's `upsample_nearest2d` overwrites the gradient of other consumers of its input; this one adds to it.
///
/// # Errors
/// An input of other than four dimensions.
pub fn upsample_nearest_x2(input: &Tensor) -> Result<Tensor> {
    let [_, _, height, width] = cpu::dims4(input, "upsample_nearest_x2", "input")?;
    if !cpu::is_ours(input) || height * width == 0 {
        return composed::upsample_nearest_x2(input);
    }
    Ok(input.contiguous()?.apply_op1(Double { height, width })?)
}

struct Double {
    height: usize,
    width: usize,
}

impl CustomOp1 for Double {
    fn name(&self) -> &'static str {
        "veilray-upsample-nearest-x2"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let x = cpu::floats(x, xl)?;
        let mut out = vec![0.0; 4 * x.len()];
        let plane = self.height * self.width;
        out.par_chunks_mut(4 * plane).zip(x.par_chunks(plane)).for_each(|(out, x)| {
            for (rows, x) in out.chunks_mut(4 * self.width).zip(x.chunks(self.width)) {
                let (above, below) = rows.split_at_mut(2 * self.width);
                for (pair, x) in above.chunks_exact_mut(2).zip(x) {
                    pair.fill(*x);
                }
                below.copy_from_slice(above);
            }
        });
        let (b, c, h, w) = xl.shape().dims4()?;
        Ok((CpuStorage::F32(out), Shape::from((b, c, 2 * h, 2 * w))))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, g: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let g = g.contiguous()?;
        let gs = cpu::read(&g)?;
        let mut out = vec![0.0; x.elem_count()];
        let plane = self.height * self.width;
        out.par_chunks_mut(plane).zip(gs.par_chunks(4 * plane)).for_each(|(out, g)| {
            for (out, rows) in out.chunks_mut(self.width).zip(g.chunks(4 * self.width)) {
                let (above, below) = rows.split_at(2 * self.width);
                for ((out, above), below) in out.iter_mut().zip(above.chunks_exact(2)).zip(below.chunks_exact(2)) {
                    *out = above.iter().sum::<f32>() + below.iter().sum::<f32>();
                }
            }
        });
        Ok(Some(Tensor::from_vec(out, x.shape(), x.device())?))
    }
}
