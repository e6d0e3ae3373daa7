//! Batch normalisation of a basis: of x alone, or of x and x^2 each by itself.

use super::polynomial::add_images;
use super::types::Statistics;
use super::{composed, cpu};
use crate::error::{Error, Result};
use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Tensor};
use rayon::prelude::*;

/// Batch normalisation (Ioffe and Szegedy 2015) of `input` [batch, channel, ...] by the batch's own statistics, then `weight`
/// `[channel]` times that plus `bias` `[channel]`.
///
/// # Errors
/// Shapes that do not fit each other.
pub fn batch_norm(input: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<(Tensor, Statistics)> {
    basis_norm::<1>(input, &weight.reshape((1, ()))?, bias, eps)
}

/// Batch normalisation per basis term (HerPN, Park et al. 2022): w1 N(x) + w2 N(x^2) + bias, where N is batch normalisation by the
/// batch's own statistics, `weight` [2, channel] holds w1 and w2, and `bias` is `[channel]`.
///
/// The Hermite polynomials of degree 1 and 2, x and (x^2 - 1) / sqrt 2, differ from these terms by what normalisation removes.
///
/// # Errors
/// Shapes that do not fit each other.
pub fn hermite_norm(input: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<(Tensor, Statistics)> {
    basis_norm::<2>(input, weight, bias, eps)
}

fn basis_norm<const TERMS: usize>(input: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<(Tensor, Statistics)> {
    const OP: &str = "batch_norm";
    let [_, channels, plane] = cpu::planes(input, OP)?;
    if input.elem_count() == 0 {
        let wanted = "at least one value".into();
        return Err(Error::Shape { op: OP, argument: "input", wanted, found: input.dims().to_vec() });
    }
    cpu::expect_shape(weight, &[TERMS, channels], OP, "weight")?;
    cpu::expect_shape(bias, &[channels], OP, "bias")?;
    if !cpu::is_ours(input) {
        return composed::basis_norm(input, weight, bias, eps);
    }
    let input = input.contiguous()?;
    let mut op = BasisNorm::<TERMS> { channels, plane, moments: Vec::new() };
    let measured = op.measure(&cpu::read(&input)?);
    let moment = |[mean, variance]: [f64; 2]| Moments { mean: mean as f32, scale: (1.0 / (variance + eps).sqrt()) as f32 };
    op.moments = measured.iter().map(|terms| terms.map(moment)).collect();
    let column = |which: usize| {
        let value = |[mean, variance]: [f64; 2]| if which == 0 { mean as f32 } else { variance as f32 };
        let of_term = |term| measured.iter().filter_map(move |terms| terms.get(term)).map(move |pair| value(*pair));
        Tensor::from_vec((0..TERMS).flat_map(of_term).collect(), (TERMS, channels), input.device())
    };
    let statistics = Statistics { mean: column(0)?, variance: column(1)? };
    Ok((input.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)?, statistics))
}

/// Mean and 1 / standard deviation of one term of one channel.
#[derive(Clone, Copy)]
struct Moments {
    mean: f32,
    scale: f32,
}

struct BasisNorm<const TERMS: usize> {
    channels: usize,
    plane: usize,
    /// Of each channel.
    moments: Vec<[Moments; TERMS]>,
}

/// x, x^2 as far as there are terms.
#[inline(always)]
fn basis<const TERMS: usize>(x: f32) -> [f32; TERMS] {
    let mut power = 1.0;
    [(); TERMS].map(|()| {
        power *= x;
        power
    })
}

/// The same of another array, value by value.
#[inline(always)]
fn zip<const TERMS: usize, A: Copy, B: Copy, C>(a: [A; TERMS], b: [B; TERMS], f: impl Fn(A, B) -> C) -> [C; TERMS] {
    let mut b = b.iter();
    a.map(|a| match b.next() {
        Some(b) => f(a, *b),
        None => unreachable!("both arrays have TERMS values"),
    })
}

impl<const TERMS: usize> BasisNorm<TERMS> {
    /// [mean, biased variance] of every term of every channel, in two passes.
    fn measure(&self, x: &[f32]) -> Vec<[[f64; 2]; TERMS]> {
        let count = (x.len() / self.channels) as f64;
        let sums = self.per_channel(x, |_, plane| {
            cpu::sums(
                plane,
                plane,
                #[inline(always)]
                |x, _| basis(x),
            )
        });
        let means: Vec<[f32; TERMS]> = sums.iter().map(|sums| sums.map(|sum| (sum / count) as f32)).collect();
        let squares = self.per_channel(x, |c, plane| {
            let mean = means.get(c).copied().unwrap_or([0.0; TERMS]);
            cpu::sums(
                plane,
                plane,
                #[inline(always)]
                |x, _| {
                    zip(
                        basis(x),
                        mean,
                        #[inline(always)]
                        |h, m| (h - m) * (h - m),
                    )
                },
            )
        });
        means
            .iter()
            .zip(squares)
            .map(|(means, squares)| zip(*means, squares, |mean, sum| [f64::from(mean), sum / count]))
            .collect()
    }

    /// Sums of `f` over the planes of each channel, image by image.
    fn per_channel(&self, x: &[f32], f: impl Fn(usize, &[f32]) -> [f64; TERMS] + Sync) -> Vec<[f64; TERMS]> {
        let planes: Vec<[f64; TERMS]> = x
            .par_chunks(self.plane)
            .enumerate()
            .with_min_len(8)
            .map(|(i, plane)| {
                cpu::vectorised(
                    #[inline(always)]
                    || f(i % self.channels, plane),
                )
            })
            .collect();
        let mut total = vec![[0.0; TERMS]; self.channels];
        for image in planes.chunks(self.channels) {
            for (total, sums) in total.iter_mut().zip(image) {
                *total = zip(*total, *sums, |a, b| a + b);
            }
        }
        total
    }

    /// Each channel's weights.
    fn weights(&self, weight: &[f32]) -> Vec<[f32; TERMS]> {
        let mut of_channel = vec![[0.0; TERMS]; self.channels];
        for (term, line) in weight.chunks(self.channels).enumerate() {
            for (to, from) in of_channel.iter_mut().zip(line) {
                if let Some(to) = to.get_mut(term) {
                    *to = *from;
                }
            }
        }
        of_channel
    }
}

impl<const TERMS: usize> CustomOp3 for BasisNorm<TERMS> {
    fn name(&self) -> &'static str {
        "veilray-batch-norm"
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
        let (x, w, b) = (cpu::floats(x, xl)?, self.weights(cpu::floats(w, wl)?), cpu::floats(b, bl)?);
        let mut out = vec![0.0; x.len()];
        let image = self.channels * self.plane;
        out.par_chunks_mut(image).zip(x.par_chunks(image)).for_each(|(out, x)| {
            let planes = out.chunks_mut(self.plane).zip(x.chunks(self.plane));
            for (((out, x), moments), (w, b)) in planes.zip(&self.moments).zip(w.iter().zip(b)) {
                let scale = zip(*w, *moments, |w, m| w * m.scale);
                let shift = b - zip(scale, *moments, |s, m| s * m.mean).iter().sum::<f32>();
                cpu::vectorised(
                    #[inline(always)]
                    || {
                        for (out, &x) in out.iter_mut().zip(x) {
                            *out = shift
                                + zip(
                                    basis(x),
                                    scale,
                                    #[inline(always)]
                                    |h, s| h * s,
                                )
                                .iter()
                                .sum::<f32>();
                        }
                    },
                );
            }
        });
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
        let (xs, gs, weights) = (cpu::read(x)?, cpu::read(&g)?, self.weights(&cpu::read(w)?));
        let image = self.channels * self.plane;
        // Per image and channel: the sum of g times each normalised term, and the sum of g.
        let sums: Vec<Vec<([f64; TERMS], f64)>> = xs
            .par_chunks(image)
            .zip(gs.par_chunks(image))
            .map(|(x, g)| {
                let planes = x.chunks(self.plane).zip(g.chunks(self.plane)).zip(&self.moments);
                planes.map(|((x, g), moments)| gradient_sums(x, g, *moments)).collect()
            })
            .collect();
        let along: Vec<Vec<[f64; TERMS]>> = sums.iter().map(|image| image.iter().map(|(along, _)| *along).collect()).collect();
        let level: Vec<Vec<[f64; 1]>> = sums.iter().map(|image| image.iter().map(|(_, level)| [*level]).collect()).collect();
        let (by_weight, by_bias) = (add_images(&along, self.channels), add_images(&level, self.channels));
        let count = (xs.len() / self.channels) as f32;
        let along = self.weights(&by_weight);
        let mut out = vec![0.0; xs.len()];
        out.par_chunks_mut(image).zip(xs.par_chunks(image)).zip(gs.par_chunks(image)).for_each(|((out, x), g)| {
            let planes = out.chunks_mut(self.plane).zip(x.chunks(self.plane)).zip(g.chunks(self.plane));
            let terms = self.moments.iter().zip(&weights).zip(along.iter().zip(&by_bias));
            for (((out, x), g), ((moments, weights), (along, level))) in planes.zip(terms) {
                let (along, level) = (along.map(|sum| sum / count), level / count);
                let terms = zip(zip(*moments, *weights, |m, w| (m, w * m.scale)), along, |(m, scale), along| (m, scale, along));
                input_gradient(out, x, g, terms, level);
            }
        });
        let by_x = Tensor::from_vec(out, x.shape(), x.device())?;
        let by_weight = Tensor::from_vec(by_weight, w.shape(), w.device())?;
        Ok((Some(by_x), Some(by_weight), Some(Tensor::from_vec(by_bias, b.shape(), b.device())?)))
    }
}

/// Sums of g times each normalised term, and of g.
fn gradient_sums<const TERMS: usize>(x: &[f32], g: &[f32], moments: [Moments; TERMS]) -> ([f64; TERMS], f64) {
    cpu::vectorised(
        #[inline(always)]
        || {
            let normal = |x: f32, g: f32| {
                zip(
                    basis(x),
                    moments,
                    #[inline(always)]
                    |h: f32, m: Moments| g * (h - m.mean) * m.scale,
                )
            };
            let along = cpu::sums(x, g, normal);
            let [level] = cpu::sums(
                g,
                g,
                #[inline(always)]
                |g, _| [g],
            );
            (along, level)
        },
    )
}

/// Adds up, per term h with (moments, weight / deviation, mean of g times the normalised term): h'(x) of
/// weight / deviation x (g - mean of g - normalised term x its mean).
fn input_gradient<const TERMS: usize>(out: &mut [f32], x: &[f32], g: &[f32], terms: [(Moments, f32, f32); TERMS], level: f32) {
    cpu::vectorised(
        #[inline(always)]
        || {
            for ((out, &x), &g) in out.iter_mut().zip(x).zip(g) {
                let mut slope = 1.0;
                let parts = zip(
                    basis(x),
                    terms,
                    #[inline(always)]
                    |h: f32, (m, scale, along)| scale * (g - level - (h - m.mean) * m.scale * along),
                );
                *out = parts.iter().fold(0.0, |sum, part| {
                    let sum = sum + slope * part;
                    slope = 2.0 * x;
                    sum
                });
            }
        },
    );
}
