//! Group normalisation, with SiLU in the same pass.

use super::{activation::silu_slope, composed, cpu, polynomial::add_images};
use crate::error::{Error, Result};
use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Tensor};
use rayon::prelude::*;
use std::sync::OnceLock;

/// Group normalisation (Wu and He 2018) of `input` [batch, channel, ...]: mean 0 and variance 1 over each of `groups` blocks of
/// channels of each image, then `weight` `[channel]` times that plus `bias` `[channel]`; with `silu`, x sigmoid(x) of the result.
///
/// # Errors
/// Shapes that do not fit each other, a number of groups that does not divide the channels.
pub fn group_norm(input: &Tensor, weight: &Tensor, bias: &Tensor, groups: usize, eps: f64, silu: bool) -> Result<Tensor> {
    const OP: &str = "group_norm";
    let [_, channels, plane] = cpu::planes(input, OP)?;
    if groups == 0 || channels % groups != 0 || input.elem_count() == 0 {
        let wanted = format!("a number of channels that {groups} divides, and at least one value");
        return Err(Error::Shape { op: OP, argument: "input", wanted, found: input.dims().to_vec() });
    }
    cpu::expect_shape(weight, &[channels], OP, "weight")?;
    cpu::expect_shape(bias, &[channels], OP, "bias")?;
    if !cpu::is_ours(input) {
        return composed::group_norm(input, weight, bias, groups, eps, silu);
    }
    let op = GroupNorm { groups, channels, plane, eps, silu, moments: OnceLock::new() };
    Ok(input.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)?)
}

struct GroupNorm {
    groups: usize,
    channels: usize,
    plane: usize,
    eps: f64,
    silu: bool,
    /// Of each image and group, found on the way forward.
    moments: OnceLock<Vec<Moments>>,
}

/// Mean and 1 / standard deviation of a group.
#[derive(Clone, Copy)]
struct Moments {
    mean: f32,
    scale: f32,
}

impl Moments {
    #[inline(always)]
    fn of(x: &[f32], eps: f64) -> Self {
        let n = x.len() as f64;
        let [sum] = cpu::sums(
            x,
            x,
            #[inline(always)]
            |x, _| [x],
        );
        let mean = (sum / n) as f32;
        let [squares] = cpu::sums(
            x,
            x,
            #[inline(always)]
            |x, _| [(x - mean) * (x - mean)],
        );
        Self { mean, scale: (1.0 / (squares / n + eps).sqrt()) as f32 }
    }
}

impl GroupNorm {
    /// Values of one group of one image.
    fn group_len(&self) -> usize {
        self.channels / self.groups * self.plane
    }

    /// Weight and bias of the channels of block `index` = image x groups + group.
    #[allow(clippy::indexing_slicing, reason = "weight and bias hold one value per channel, checked in group_norm")]
    fn affine<'a>(&self, index: usize, weight: &'a [f32], bias: &'a [f32]) -> impl Iterator<Item = (f32, f32)> + 'a {
        let per_group = self.channels / self.groups;
        let first = index % self.groups * per_group;
        weight[first..first + per_group].iter().copied().zip(bias[first..first + per_group].iter().copied())
    }
}

impl CustomOp3 for GroupNorm {
    fn name(&self) -> &'static str {
        "veilray-group-norm"
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
        let (x, w, b) = (cpu::floats(x, xl)?, cpu::floats(w, wl)?, cpu::floats(b, bl)?);
        let mut out = vec![0.0; x.len()];
        let group = self.group_len();
        let moments = out.par_chunks_mut(group).zip(x.par_chunks(group)).enumerate().map(|(index, (out, x))| {
            let m = cpu::vectorised(
                #[inline(always)]
                || Moments::of(x, self.eps),
            );
            for ((out, x), (w, b)) in out.chunks_mut(self.plane).zip(x.chunks(self.plane)).zip(self.affine(index, w, b)) {
                let (scale, shift) = (m.scale * w, b - m.mean * m.scale * w);
                cpu::vectorised(
                    #[inline(always)]
                    || {
                        for (out, x) in out.iter_mut().zip(x) {
                            let y = x * scale + shift;
                            *out = if self.silu { y * cpu::sigmoid(y) } else { y };
                        }
                    },
                );
            }
            m
        });
        // A graph runs forward once; were it run again, the input and so the moments would be the same.
        let _ = self.moments.set(moments.collect());
        Ok((CpuStorage::F32(out), xl.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        b: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let g = g.contiguous()?;
        let (xs, gs, ws, bs) = (cpu::read(x)?, cpu::read(&g)?, cpu::read(w)?, cpu::read(b)?);
        let Some(moments) = self.moments.get() else { candle_core::bail!("group norm ran backward before forward") };
        let mut out = vec![0.0; xs.len()];
        let group = self.group_len();
        let blocks = out.par_chunks_mut(group).zip(xs.par_chunks(group)).zip(gs.par_chunks(group)).zip(moments);
        let sums: Vec<Vec<[f64; 2]>> =
            blocks.enumerate().map(|(index, (((out, x), g), m))| self.block(index, out, x, g, *m, &ws, &bs)).collect();
        // One row of sums per image rather than per group.
        let sums: Vec<Vec<[f64; 2]>> = sums.chunks(self.groups).map(|groups| groups.concat()).collect();
        let by_affine = Tensor::from_vec(add_images(&sums, self.channels), (2, self.channels), w.device())?;
        let by_x = Tensor::from_vec(out, x.shape(), x.device())?;
        Ok((Some(by_x), Some(by_affine.get(0)?), Some(by_affine.get(1)?)))
    }
}

impl GroupNorm {
    /// Writes the input gradient of one group and returns each channel's weight and bias gradient.
    #[allow(clippy::too_many_arguments, reason = "one call, of slices that belong together")]
    fn block(&self, index: usize, out: &mut [f32], x: &[f32], g: &[f32], m: Moments, w: &[f32], b: &[f32]) -> Vec<[f64; 2]> {
        let mut mean = [0.0f64; 2];
        let mut sums = Vec::with_capacity(self.channels / self.groups);
        let planes = out.chunks_mut(self.plane).zip(x.chunks(self.plane)).zip(g.chunks(self.plane));
        for (((out, x), g), (w, b)) in planes.zip(self.affine(index, w, b)) {
            let [by_weight, by_bias] = cpu::vectorised(
                #[inline(always)]
                || {
                    for ((out, &x), &g) in out.iter_mut().zip(x).zip(g) {
                        let y = (x - m.mean) * m.scale * w + b;
                        *out = if self.silu { g * silu_slope(y) } else { g };
                    }
                    cpu::sums(
                        x,
                        out,
                        #[inline(always)]
                        |x, g| [g * (x - m.mean) * m.scale, g],
                    )
                },
            );
            mean[0] += by_weight * f64::from(w);
            mean[1] += by_bias * f64::from(w);
            sums.push([by_weight, by_bias]);
        }
        let [along, level] = mean.map(|sum| (sum / self.group_len() as f64) as f32);
        for ((out, x), (w, _)) in out.chunks_mut(self.plane).zip(x.chunks(self.plane)).zip(self.affine(index, w, b)) {
            cpu::vectorised(
                #[inline(always)]
                || {
                    for (out, &x) in out.iter_mut().zip(x) {
                        *out = m.scale * (*out * w - level - (x - m.mean) * m.scale * along);
                    }
                },
            );
        }
        sums
    }
}
