//! The activation of encrypted networks: a polynomial of degree two per channel.

use super::{composed, cpu};
use crate::error::Result;
use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor};
use rayon::prelude::*;

/// a x^2 + b x + c for every value x of `input` [batch, channel, ...], with `coefficients` [3, channel] holding a, b and c.
///
/// # Errors
/// Shapes that do not fit each other.
pub fn polynomial2(input: &Tensor, coefficients: &Tensor) -> Result<Tensor> {
    let [_, channels, plane] = cpu::planes(input, "polynomial2")?;
    cpu::expect_shape(coefficients, &[3, channels], "polynomial2", "coefficients")?;
    if !cpu::is_ours(input) || plane == 0 {
        return composed::polynomial2(input, coefficients);
    }
    Ok(input.contiguous()?.apply_op2(&coefficients.contiguous()?, Polynomial2 { channels, plane })?)
}

struct Polynomial2 {
    channels: usize,
    plane: usize,
}

/// The a, b and c of every channel.
fn per_channel(coefficients: &[f32], channels: usize) -> Vec<[f32; 3]> {
    let (a, rest) = coefficients.split_at(channels.min(coefficients.len()));
    let (b, c) = rest.split_at(channels.min(rest.len()));
    a.iter().zip(b).zip(c).map(|((a, b), c)| [*a, *b, *c]).collect()
}

impl CustomOp2 for Polynomial2 {
    fn name(&self) -> &'static str {
        "veilray-polynomial2"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout, p: &CpuStorage, pl: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (x, p) = (cpu::floats(x, xl)?, per_channel(cpu::floats(p, pl)?, self.channels));
        let mut out = vec![0.0; x.len()];
        let image = self.channels * self.plane;
        out.par_chunks_mut(image).zip(x.par_chunks(image)).for_each(|(out, x)| {
            for ((out, x), &[a, b, c]) in out.chunks_mut(self.plane).zip(x.chunks(self.plane)).zip(&p) {
                cpu::vectorised(
                    #[inline(always)]
                    || {
                        for (out, &x) in out.iter_mut().zip(x) {
                            *out = (a * x + b) * x + c;
                        }
                    },
                );
            }
        });
        Ok((CpuStorage::F32(out), xl.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, p: &Tensor, _: &Tensor, g: &Tensor) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let g = g.contiguous()?;
        let (xs, gs) = (cpu::read(x)?, cpu::read(&g)?);
        let coefficients = per_channel(&cpu::read(p)?, self.channels);
        let mut out = vec![0.0; xs.len()];
        let image = self.channels * self.plane;
        let sums: Vec<Vec<[f64; 3]>> = out
            .par_chunks_mut(image)
            .zip(xs.par_chunks(image))
            .zip(gs.par_chunks(image))
            .map(|((out, x), g)| {
                let planes = out.chunks_mut(self.plane).zip(x.chunks(self.plane)).zip(g.chunks(self.plane));
                planes.zip(&coefficients).map(|(((out, x), g), &[a, b, _])| slopes(out, x, g, a, b)).collect()
            })
            .collect();
        let by_p = add_images(&sums, self.channels);
        let by_x = Tensor::from_vec(out, x.shape(), x.device())?;
        Ok((Some(by_x), Some(Tensor::from_vec(by_p, p.shape(), p.device())?)))
    }
}

/// Writes the input gradient g (2 a x + b) and returns the sums of g x^2, g x and g.
fn slopes(out: &mut [f32], x: &[f32], g: &[f32], a: f32, b: f32) -> [f64; 3] {
    cpu::vectorised(
        #[inline(always)]
        || {
            for ((out, &x), &g) in out.iter_mut().zip(x).zip(g) {
                *out = g * (2.0 * a * x + b);
            }
            cpu::sums(
                x,
                g,
                #[inline(always)]
                |x, g| [g * x * x, g * x, g],
            )
        },
    )
}

/// Sums [image]`[channel]`[term] over images into [term, channel].
pub(super) fn add_images<const N: usize>(sums: &[Vec<[f64; N]>], channels: usize) -> Vec<f32> {
    let mut total = vec![[0.0; N]; channels];
    for image in sums {
        for (total, sum) in total.iter_mut().zip(image) {
            for (total, sum) in total.iter_mut().zip(sum) {
                *total += sum;
            }
        }
    }
    (0..N).flat_map(|n| total.iter().map(move |t| t.get(n).map_or(0.0, |sum| *sum as f32))).collect()
}
