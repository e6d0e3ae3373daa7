//! Average pooling.

use super::{composed, cpu};
use crate::error::{Error, Result};
use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;

/// The mean of each `kernel` (height, width) window of `input` [batch, channel, height, width], windows `stride` apart, no padding:
/// [batch, channel, (height - kernel height) / stride + 1, ...], rounded down. Values that no window covers get no gradient.
///
/// candle 0.11's `avg_pool2d` has a wrong gradient where windows do not tile the input; this one has not.
///
/// # Errors
/// An input of other than four dimensions or smaller than the kernel; a kernel or stride of zero.
pub fn avg_pool2d(input: &Tensor, kernel: (usize, usize), stride: (usize, usize)) -> Result<Tensor> {
    const OP: &str = "avg_pool2d";
    let [_, _, height, width] = cpu::dims4(input, OP, "input")?;
    if kernel.0 == 0 || kernel.1 == 0 || stride.0 == 0 || stride.1 == 0 {
        let found = format!("kernel {kernel:?}, stride {stride:?}");
        return Err(Error::Setting { what: "kernel and stride of avg_pool2d", wanted: "at least 1", found });
    }
    if height < kernel.0 || width < kernel.1 || input.elem_count() == 0 {
        let wanted = format!("height and width of at least the kernel's {kernel:?}");
        return Err(Error::Shape { op: OP, argument: "input", wanted, found: input.dims().to_vec() });
    }
    let (out_height, out_width) = ((height - kernel.0) / stride.0 + 1, (width - kernel.1) / stride.1 + 1);
    if !cpu::is_ours(input) {
        return composed::avg_pool2d(input, kernel, stride);
    }
    Ok(input.contiguous()?.apply_op1(AvgPool { kernel, stride, height, width, out_height, out_width })?)
}

/// The mean of each channel: [batch, channel, height, width] to [batch, channel].
///
/// # Errors
/// An input of other than four dimensions or without a value.
pub fn global_avg_pool2d(input: &Tensor) -> Result<Tensor> {
    let [batch, channels, height, width] = cpu::dims4(input, "global_avg_pool2d", "input")?;
    Ok(avg_pool2d(input, (height, width), (1, 1))?.reshape((batch, channels))?)
}

struct AvgPool {
    kernel: (usize, usize),
    stride: (usize, usize),
    height: usize,
    width: usize,
    out_height: usize,
    out_width: usize,
}

impl AvgPool {
    fn scale(&self) -> f32 {
        1.0 / (self.kernel.0 * self.kernel.1) as f32
    }

    /// Calls `visit(output index, start of a kernel row in the input plane)` for every kernel row of every window.
    #[inline(always)]
    fn rows(&self, mut visit: impl FnMut(usize, usize)) {
        for y in 0..self.out_height {
            for ky in 0..self.kernel.0 {
                let row = (y * self.stride.0 + ky) * self.width;
                for x in 0..self.out_width {
                    visit(y * self.out_width + x, row + x * self.stride.1);
                }
            }
        }
    }
}

impl CustomOp1 for AvgPool {
    fn name(&self) -> &'static str {
        "veilray-avg-pool2d"
    }

    #[allow(clippy::indexing_slicing, reason = "rows() visits windows inside the plane only")]
    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let x = cpu::floats(x, xl)?;
        let (b, c, _, _) = xl.shape().dims4()?;
        let (plane, out_plane, scale) = (self.height * self.width, self.out_height * self.out_width, self.scale());
        let mut out = vec![0.0; b * c * out_plane];
        out.par_chunks_mut(out_plane).zip(x.par_chunks(plane)).for_each(|(out, x)| {
            self.rows(|to, from| out[to] += x[from..from + self.kernel.1].iter().sum::<f32>());
            out.iter_mut().for_each(|sum| *sum *= scale);
        });
        Ok((CpuStorage::F32(out), Shape::from((b, c, self.out_height, self.out_width))))
    }

    #[allow(clippy::indexing_slicing, reason = "rows() visits windows inside the plane only")]
    fn bwd(&self, x: &Tensor, _: &Tensor, g: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let g = g.contiguous()?;
        let gs = cpu::read(&g)?;
        let (plane, out_plane, scale) = (self.height * self.width, self.out_height * self.out_width, self.scale());
        let mut out = vec![0.0; x.elem_count()];
        out.par_chunks_mut(plane).zip(gs.par_chunks(out_plane)).for_each(|(out, g)| {
            self.rows(|from, to| out[to..to + self.kernel.1].iter_mut().for_each(|sum| *sum += scale * g[from]));
        });
        Ok(Some(Tensor::from_vec(out, x.shape(), x.device())?))
    }
}
