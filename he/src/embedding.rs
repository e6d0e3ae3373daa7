//! The canonical embedding of CKKS (Cheon, Kim, Kim, Song 2017, §3.2): N real coefficients ↔ n = N/2 complex slots.
//!
//! Slot j is the polynomial's value at ζ^(5^j), ζ = exp(2πi/2N). Because 5^j ≡ 1 mod 4 and ζ^n = i, coefficients c_i and c_{i+n} act as one
//! complex number c_i + i·c_{i+n}, and slot j = Σ_{i<n} (c_i + i·c_{i+n}) · ζ^(i·5^j): a transform of n complex points.
//!
//! It is evaluated by decimation in time. Let E and O be the transforms of the even and odd terms, of length L each; 5^L ≡ 1 + 4L mod 8L, so
//! slot j = E_j + w_j·O_j and slot j + L = E_j − w_j·O_j with w_j = exp(2πi · 5^j / 8L). Slots come out in order, from terms in
//! bit-reversed order. Two such steps make a radix-4 pass: with u = exp(2πi · 5^j / 16L) the twiddles are u² (both first
//! steps), u, and u_{j+L} = −i·u_j for L ≥ 2, because 5^L ≡ 1 + 12L mod 16L.
//!
//! The bit reversal costs nothing of its own. The first three steps combine terms n/8 apart, so 8 × 8 tiles (8 strides, 8 neighbours) hold
//! whole butterflies; tile m, transposed, belongs exactly where the tile of m's reversed bits was. Tiles are processed in such pairs, in place.
//!
//! Every operation is a separate IEEE multiplication or addition in the same order on every backend: results agree bit for bit.
#![allow(
    clippy::indexing_slicing,
    reason = "indices are loop counters below the constant lengths of arrays, or below a table's length"
)]
#![allow(clippy::needless_range_loop, reason = "one index runs through several arrays; this form vectorises")]

mod complex;
mod passes;
#[cfg(test)]
mod tests;
mod tiles;

use crate::simd::{Backend, Vectorize};
use complex::{Complex, powers_of_five, unit_root};
use passes::{Pass, apply, passes};
use tiles::{TileTwiddles, tiles};

/// Chunks of eight points per block that goes through all its passes before the next: re and im are 32 KiB, an L1 cache.
const BLOCK: usize = 256;

/// The transform for one ring degree, with its twiddles.
#[derive(Debug, Clone)]
pub(crate) struct Embedding {
    /// log2 of the number of slots.
    log_slots: u32,
    method: Method,
}

#[derive(Debug, Clone)]
enum Method {
    /// Fewer than 64 slots, which only tests use: ζ^k for k < 2N, and the sums as they are written.
    Direct(Vec<Complex>),
    /// Tiles for the first three steps, then passes of growing span.
    Tiled { tile: TileTwiddles, passes: Vec<Pass> },
}

impl Embedding {
    /// The embedding of ring degree N = 2^`log_n`, 3 ≤ `log_n` ≤ 17.
    pub(crate) fn new(log_n: u32) -> Self {
        assert!((3..=17).contains(&log_n), "ring degree 2^{log_n} is outside 2^3..=2^17");
        let log_slots = log_n - 1;
        let method = if log_slots < 6 {
            Method::Direct((0..2u64 << log_n).map(|k| unit_root(k, log_n + 1)).collect())
        } else {
            Method::Tiled { tile: TileTwiddles::new(), passes: passes(log_slots) }
        };
        Self { log_slots, method }
    }

    /// Number of slots n = N/2.
    pub(crate) fn slots(&self) -> usize {
        1 << self.log_slots
    }

    /// n complex slots → N real coefficients, in place: `re[i]` becomes c_i and `im[i]` becomes c_{i+n}.
    ///
    /// Both slices have n entries. Nothing is allocated; slices aligned to 64 bytes are fastest.
    pub(crate) fn slots_to_coeffs(&self, backend: Backend, re: &mut [f64], im: &mut [f64]) {
        self.check(re, im);
        match &self.method {
            Method::Direct(roots) => direct::<true>(roots, re, im),
            Method::Tiled { tile, passes } => backend.vectorize(Transform::<true> { tile, passes, re, im }),
        }
    }

    /// N real coefficients → n complex slots, in place: the inverse of [`Embedding::slots_to_coeffs`].
    pub(crate) fn coeffs_to_slots(&self, backend: Backend, re: &mut [f64], im: &mut [f64]) {
        self.check(re, im);
        match &self.method {
            Method::Direct(roots) => direct::<false>(roots, re, im),
            Method::Tiled { tile, passes } => backend.vectorize(Transform::<false> { tile, passes, re, im }),
        }
    }

    fn check(&self, re: &[f64], im: &[f64]) {
        assert!(re.len() == self.slots() && im.len() == self.slots(), "the embedding is for {} slots", self.slots());
    }
}

/// The defining sums, for at most 32 slots.
fn direct<const INVERSE: bool>(roots: &[Complex], re: &mut [f64], im: &mut [f64]) {
    let n = re.len();
    let (mut x, mut y) = ([0.0; 32], [0.0; 32]);
    for (j, power) in powers_of_five().take(n).enumerate() {
        for i in 0..n {
            let Complex { re: cos, im: sin } = roots[(i as u64).wrapping_mul(power) as usize % roots.len()];
            let (from, to, sin) = if INVERSE { (j, i, -sin) } else { (i, j, sin) };
            x[to] += re[from] * cos - im[from] * sin;
            y[to] += re[from] * sin + im[from] * cos;
        }
    }
    let scale = if INVERSE { 1.0 / n as f64 } else { 1.0 };
    re.iter_mut().zip(x).for_each(|(out, x)| *out = x * scale);
    im.iter_mut().zip(y).for_each(|(out, y)| *out = y * scale);
}

/// The tiled transform: to slots, or to coefficients if `INVERSE`.
struct Transform<'a, const INVERSE: bool> {
    tile: &'a TileTwiddles,
    passes: &'a [Pass],
    re: &'a mut [f64],
    im: &'a mut [f64],
}

// No closures below: one that the compiler does not inline would run without the backend's instructions.
impl<const INVERSE: bool> Vectorize for Transform<'_, INVERSE> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (re, im) = (self.re.as_chunks_mut().0, self.im.as_chunks_mut().0);
        let inner = self.passes.iter().take_while(|p| p.span() <= BLOCK).count();
        let (inner, outer) = self.passes.split_at(inner);
        if INVERSE {
            for pass in outer.iter().rev() {
                apply::<INVERSE>(pass, re, im);
            }
            for (re, im) in re.chunks_mut(BLOCK).zip(im.chunks_mut(BLOCK)) {
                for pass in inner.iter().rev() {
                    apply::<INVERSE>(pass, re, im);
                }
            }
            tiles::<INVERSE>(self.tile, re, im);
        } else {
            tiles::<INVERSE>(self.tile, re, im);
            for (re, im) in re.chunks_mut(BLOCK).zip(im.chunks_mut(BLOCK)) {
                for pass in inner {
                    apply::<INVERSE>(pass, re, im);
                }
            }
            for pass in outer {
                apply::<INVERSE>(pass, re, im);
            }
        }
    }
}
