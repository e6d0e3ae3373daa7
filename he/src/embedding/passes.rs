//! Passes over chunks of neighbouring points, in radix 2 and 4.

#![allow(
    clippy::indexing_slicing,
    reason = "indices are loop counters below the constant lengths of arrays, or below a table's length"
)]
#![allow(clippy::needless_range_loop, reason = "one index runs through several arrays; this form vectorises")]

use super::complex::{Complex, butterfly2, butterfly4, powers_of_five, unit_root};

/// Neighbouring points treated together: one AVX-512 register of doubles, and the side of a tile.
pub(super) const LANES: usize = 8;

/// Neighbouring real or imaginary parts.
pub(super) type Chunk = [f64; LANES];

/// Neighbouring complex numbers, aligned to a cache line.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Chunks<const K: usize> {
    pub(super) re: [Chunk; K],
    pub(super) im: [Chunk; K],
}

impl<const K: usize> Chunks<K> {
    pub(super) const ZERO: Self = Self { re: [[0.0; LANES]; K], im: [[0.0; LANES]; K] };

    #[inline(always)]
    pub(super) fn lane(&self, i: usize) -> [Complex; K] {
        let mut out = [Complex { re: 0.0, im: 0.0 }; K];
        for k in 0..K {
            out[k] = Complex { re: self.re[k][i], im: self.im[k][i] };
        }
        out
    }

    #[inline(always)]
    pub(super) fn set_lane(&mut self, i: usize, values: [Complex; K]) {
        for k in 0..K {
            self.re[k][i] = values[k].re;
            self.im[k][i] = values[k].im;
        }
    }
}

/// A pass over groups of 2L or 4L points, L = 8 × the number of chunks of twiddles.
#[derive(Debug, Clone)]
pub(super) enum Pass {
    /// L → 2L.
    Radix2(Vec<Chunks<1>>),
    /// L → 4L.
    Radix4(Vec<Chunks<3>>),
}

impl Pass {
    /// Chunks of points that a butterfly group spans.
    pub(super) fn span(&self) -> usize {
        match self {
            Self::Radix2(w) => 2 * w.len(),
            Self::Radix4(w) => 4 * w.len(),
        }
    }
}

/// The passes from L = 8 to L = 2^`log_slots`.
pub(super) fn passes(log_slots: u32) -> Vec<Pass> {
    let mut out = Vec::new();
    let mut log_l = 3;
    while log_l < log_slots {
        if (log_slots - log_l) % 2 == 1 {
            out.push(Pass::Radix2(twiddles([1], log_l, log_l + 3)));
            log_l += 1;
        } else {
            out.push(Pass::Radix4(twiddles([2, 1, 3], log_l, log_l + 4)));
            log_l += 2;
        }
    }
    out
}

/// exp(2πi · t · 5^j / 2^`log_order`) for j < 2^`log_l` and each t of `times`.
pub(super) fn twiddles<const K: usize>(times: [u64; K], log_l: u32, log_order: u32) -> Vec<Chunks<K>> {
    let powers: Vec<u64> = powers_of_five().take(1 << log_l).collect();
    let chunk = |powers: &[u64]| {
        let mut out = Chunks::ZERO;
        powers.iter().enumerate().for_each(|(i, p)| out.set_lane(i, times.map(|t| unit_root(p.wrapping_mul(t), log_order))));
        out
    };
    powers.chunks(LANES).map(chunk).collect()
}

/// One pass over all groups.
#[inline(always)]
pub(super) fn apply<const INVERSE: bool>(pass: &Pass, re: &mut [Chunk], im: &mut [Chunk]) {
    let span = pass.span();
    for (re, im) in re.chunks_exact_mut(span).zip(im.chunks_exact_mut(span)) {
        match pass {
            Pass::Radix2(twiddles) => radix2::<INVERSE>(twiddles, re, im),
            Pass::Radix4(twiddles) => radix4::<INVERSE>(twiddles, re, im),
        }
    }
}

/// Butterflies over the halves of a group.
#[inline(always)]
pub(super) fn radix2<const INVERSE: bool>(twiddles: &[Chunks<1>], re: &mut [Chunk], im: &mut [Chunk]) {
    let ((r0, r1), (i0, i1)) = (re.split_at_mut(twiddles.len()), im.split_at_mut(twiddles.len()));
    for ((((w, r0), r1), i0), i1) in twiddles.iter().zip(r0).zip(r1).zip(i0).zip(i1) {
        let terms = Chunks { re: [*r0, *r1], im: [*i0, *i1] };
        let mut out = Chunks::ZERO;
        for i in 0..LANES {
            out.set_lane(i, butterfly2::<INVERSE>(terms.lane(i), w.lane(i)[0]));
        }
        ([*r0, *r1], [*i0, *i1]) = (out.re, out.im);
    }
}

/// Butterflies over the quarters of a group.
#[inline(always)]
pub(super) fn radix4<const INVERSE: bool>(twiddles: &[Chunks<3>], re: &mut [Chunk], im: &mut [Chunk]) {
    let l = twiddles.len();
    let ((r01, r23), (i01, i23)) = (re.split_at_mut(2 * l), im.split_at_mut(2 * l));
    let ((r0, r1), (r2, r3)) = (r01.split_at_mut(l), r23.split_at_mut(l));
    let ((i0, i1), (i2, i3)) = (i01.split_at_mut(l), i23.split_at_mut(l));
    let reals = r0.iter_mut().zip(r1).zip(r2).zip(r3);
    let imaginaries = i0.iter_mut().zip(i1).zip(i2).zip(i3);
    for ((w, (((r0, r1), r2), r3)), (((i0, i1), i2), i3)) in twiddles.iter().zip(reals).zip(imaginaries) {
        let terms = Chunks { re: [*r0, *r1, *r2, *r3], im: [*i0, *i1, *i2, *i3] };
        let mut out = Chunks::ZERO;
        for i in 0..LANES {
            out.set_lane(i, butterfly4::<INVERSE>(terms.lane(i), w.lane(i)));
        }
        ([*r0, *r1, *r2, *r3], [*i0, *i1, *i2, *i3]) = (out.re, out.im);
    }
}
