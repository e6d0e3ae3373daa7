//! What all CPU operations share: reading tensors as slices and cutting vector loops to the instruction set at hand.

use crate::error::{Error, Result};
use candle_core::{CpuStorage, DType, Layout, Storage, Tensor};
use rayon::prelude::*;
use std::ops::{Deref, Range};

/// Whether the operations of this crate, not candle's, run on `tensor`.
pub(crate) fn is_ours(tensor: &Tensor) -> bool {
    tensor.device().is_cpu() && tensor.dtype() == DType::F32
}

/// The floats of a contiguous tensor as a custom operation sees it.
pub(crate) fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    let all = storage.as_slice::<f32>()?;
    let range = layout.contiguous_offsets().map(|(start, end)| start..end);
    match range.and_then(|range| all.get(range)) {
        Some(floats) => Ok(floats),
        None => candle_core::bail!("a custom operation of veilray-nn was given a tensor that is not contiguous"),
    }
}

/// A contiguous CPU tensor, borrowed as a slice through the lock on its storage.
pub(crate) struct Floats<G> {
    guard: G,
    range: Range<usize>,
}

/// The floats of a contiguous tensor on the CPU.
pub(crate) fn read(tensor: &Tensor) -> candle_core::Result<Floats<impl Deref<Target = Storage> + '_>> {
    let (guard, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*guard else { candle_core::bail!("expected a tensor on the CPU") };
    let len = floats(storage, layout)?.len();
    let start = layout.start_offset();
    Ok(Floats { guard, range: start..start + len })
}

impl<G: Deref<Target = Storage>> Deref for Floats<G> {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        match &*self.guard {
            Storage::Cpu(CpuStorage::F32(all)) => all.get(self.range.clone()).unwrap_or_default(),
            _ => &[],
        }
    }
}

/// `[batch, channel, height, width]` of `tensor`, or an error that names `op` and `argument`.
pub(crate) fn dims4(tensor: &Tensor, op: &'static str, argument: &'static str) -> Result<[usize; 4]> {
    match tensor.dims() {
        &[b, c, h, w] => Ok([b, c, h, w]),
        found => Err(Error::Shape { op, argument, wanted: "a tensor of four dimensions".into(), found: found.to_vec() }),
    }
}

/// `[batch, channel, everything else]` of a tensor of at least two dimensions.
pub(crate) fn planes(tensor: &Tensor, op: &'static str) -> Result<[usize; 3]> {
    match tensor.dims() {
        [b, c, rest @ ..] => Ok([*b, *c, rest.iter().product()]),
        found => Err(Error::Shape {
            op,
            argument: "input",
            wanted: "at least the dimensions [batch, channel]".into(),
            found: found.to_vec(),
        }),
    }
}

/// Refuses `tensor` unless it has the shape `wanted`.
pub(crate) fn expect_shape(tensor: &Tensor, wanted: &[usize], op: &'static str, argument: &'static str) -> Result<()> {
    if tensor.dims() == wanted {
        return Ok(());
    }
    Err(Error::Shape { op, argument, wanted: format!("shape {wanted:?}"), found: tensor.dims().to_vec() })
}

/// Runs a loop compiled once per instruction set (AVX-512, AVX2, baseline), chosen at run time.
///
/// The closure should be a plain loop; what it calls must be `#[inline(always)]`.
#[inline(always)]
pub(crate) fn vectorised<R, F: FnOnce() -> R>(work: F) -> R {
    struct Op<F>(F);
    impl<R, F: FnOnce() -> R> pulp::WithSimd for Op<F> {
        type Output = R;
        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) -> R {
            (self.0)()
        }
    }
    pulp::Arch::new().dispatch(Op(work))
}

/// Values that one task of an elementwise operation handles.
pub(crate) const CHUNK: usize = 1 << 14;

/// f of every value, in parallel.
pub(crate) fn map(x: &[f32], f: impl Fn(f32) -> f32 + Copy + Sync) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(out, x)| {
        vectorised(
            #[inline(always)]
            || {
                for (out, x) in out.iter_mut().zip(x) {
                    *out = f(*x);
                }
            },
        );
    });
    out
}

/// f of every pair of values, in parallel.
pub(crate) fn map2(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32 + Copy + Sync) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).zip(y.par_chunks(CHUNK)).for_each(|((out, x), y)| {
        vectorised(
            #[inline(always)]
            || {
                for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
                    *out = f(*x, *y);
                }
            },
        );
    });
    out
}

/// Lanes of the partial sums: one AVX-512 register.
const LANES: usize = 16;
/// Values summed in `f32` before the partial sums join an `f64`.
const BLOCK: usize = 1024;

/// Sums `N` functions of two slices of equal length, in `f32` per block of 1024 values and in `f64` across blocks.
///
/// The order of additions depends on the length alone.
#[inline(always)]
pub(crate) fn sums<const N: usize>(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> [f32; N]) -> [f64; N] {
    let mut total = [0.0; N];
    for (x, y) in x.chunks(BLOCK).zip(y.chunks(BLOCK)) {
        let mut lanes = [[0f32; LANES]; N];
        let (xs, ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
        let (x_rest, y_rest) = (xs.remainder(), ys.remainder());
        for (x, y) in xs.zip(ys) {
            for lane in 0..LANES {
                accumulate(&mut lanes, lane, f(at(x, lane), at(y, lane)));
            }
        }
        for (lane, (x, y)) in x_rest.iter().zip(y_rest).enumerate() {
            accumulate(&mut lanes, lane, f(*x, *y));
        }
        for (total, lanes) in total.iter_mut().zip(&lanes) {
            *total += f64::from(lanes.iter().sum::<f32>());
        }
    }
    total
}

#[inline(always)]
#[allow(clippy::indexing_slicing, reason = "lane < LANES, the length of every chunk")]
fn at(x: &[f32], lane: usize) -> f32 {
    x[lane]
}

#[inline(always)]
#[allow(clippy::indexing_slicing, reason = "lane < LANES and n < N by construction")]
fn accumulate<const N: usize>(lanes: &mut [[f32; LANES]; N], lane: usize, values: [f32; N]) {
    for n in 0..N {
        lanes[n][lane] += values[n];
    }
}

/// e^x to 2 units in the last place, as a loop without calls that vectorises; x is clamped to [-87, 88].
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // 2^23 * 1.5: adding it rounds to an integer, which then stands in the low bits (Cody and Waite reduction, Cephes polynomial).
    const MAGIC: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4f32;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 0.166_666_65;
    let p = p * r + 0.5;
    let e = p * r * r + r + 1.0;
    e * f32::from_bits(shifted.to_bits().wrapping_sub(MAGIC.to_bits()).wrapping_add(127) << 23)
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    #[test]
    fn exponential_agrees_with_the_standard_library() {
        for i in -8600..=8700 {
            let x = i as f32 / 100.0 + 0.003;
            let (ours, exact) = (f64::from(super::exp(x)), f64::from(x).exp());
            assert!((ours / exact - 1.0).abs() < 3e-7, "e^{x}: {ours} against {exact}");
        }
    }

    #[test]
    fn block_sums_agree_with_a_plain_sum() {
        for len in [1, 15, 16, 17, 1023, 1024, 5000] {
            let x: Vec<f32> = (0..len).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect();
            let [sum, squares] = super::sums(&x, &x, |a, b| [a, a * b]);
            assert!((sum - x.iter().map(|v| f64::from(*v)).sum::<f64>()).abs() < 1e-3);
            assert!((squares - x.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>()).abs() < 1e-3);
        }
    }
}
