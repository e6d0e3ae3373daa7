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

use crate::simd::{Backend, Vectorize};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_4};
use std::ops::{Add, Mul, Sub};

/// Neighbouring points treated together: one AVX-512 register of doubles, and the side of a tile.
const LANES: usize = 8;

/// Chunks of [`LANES`] points per block that goes through all its passes before the next: re and im are 32 KiB, an L1 cache.
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
    pub fn new(log_n: u32) -> Self {
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
    pub fn slots(&self) -> usize {
        1 << self.log_slots
    }

    /// n complex slots → N real coefficients, in place: `re[i]` becomes c_i and `im[i]` becomes c_{i+n}.
    ///
    /// Both slices have n entries. Nothing is allocated; slices aligned to 64 bytes are fastest.
    pub fn slots_to_coeffs(&self, backend: Backend, re: &mut [f64], im: &mut [f64]) {
        self.check(re, im);
        match &self.method {
            Method::Direct(roots) => direct::<true>(roots, re, im),
            Method::Tiled { tile, passes } => backend.vectorize(Transform::<true> { tile, passes, re, im }),
        }
    }

    /// N real coefficients → n complex slots, in place: the inverse of [`Embedding::slots_to_coeffs`].
    pub fn coeffs_to_slots(&self, backend: Backend, re: &mut [f64], im: &mut [f64]) {
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

/// exp(2πi · k / 2^`log_order`), each from one sine and one cosine of an angle in [0, π/4].
fn unit_root(k: u64, log_order: u32) -> Complex {
    let order = 1u64 << log_order;
    let k = k & (order - 1);
    // Eighths of the circle, and the angle from the nearer axis in units of 2π / 8·order.
    let (octant, within) = (8 * k / order, 8 * k % order);
    let from_axis = if octant % 2 == 0 { within } else { order - within };
    let (sin, cos) = match from_axis {
        // The double nearest π/4 has a sine and a cosine that differ.
        diagonal if diagonal == order => (FRAC_1_SQRT_2, FRAC_1_SQRT_2),
        _ => (from_axis as f64 / order as f64 * FRAC_PI_4).sin_cos(),
    };
    let (re, im) = match octant {
        0 => (cos, sin),
        1 => (sin, cos),
        2 => (-sin, cos),
        3 => (-cos, sin),
        4 => (-cos, -sin),
        5 => (-sin, -cos),
        6 => (sin, -cos),
        _ => (cos, -sin),
    };
    Complex { re, im }
}

/// 5^j for j = 0, 1, …; wraps modulo 2^64, which every order divides.
fn powers_of_five() -> impl Iterator<Item = u64> {
    std::iter::successors(Some(1u64), |p| Some(p.wrapping_mul(5)))
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

#[derive(Debug, Clone, Copy)]
struct Complex {
    re: f64,
    im: f64,
}

impl Complex {
    #[inline(always)]
    fn mul_conj(self, w: Self) -> Self {
        Self { re: self.re * w.re + self.im * w.im, im: self.im * w.re - self.re * w.im }
    }

    /// self + i·other.
    #[inline(always)]
    fn add_i(self, other: Self) -> Self {
        Self { re: self.re - other.im, im: self.im + other.re }
    }

    /// self − i·other.
    #[inline(always)]
    fn sub_i(self, other: Self) -> Self {
        Self { re: self.re + other.im, im: self.im - other.re }
    }
}

impl Add for Complex {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self { re: self.re + other.re, im: self.im + other.im }
    }
}

impl Sub for Complex {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self { re: self.re - other.re, im: self.im - other.im }
    }
}

impl Mul for Complex {
    type Output = Self;
    #[inline(always)]
    fn mul(self, w: Self) -> Self {
        Self { re: self.re * w.re - self.im * w.im, im: self.re * w.im + self.im * w.re }
    }
}

impl Mul<f64> for Complex {
    type Output = Self;
    #[inline(always)]
    fn mul(self, by: f64) -> Self {
        Self { re: self.re * by, im: self.im * by }
    }
}

/// One step: transforms of even and odd terms → slots j, j + L. The inverse is times 2.
#[inline(always)]
fn butterfly2<const INVERSE: bool>(a: [Complex; 2], w: Complex) -> [Complex; 2] {
    if INVERSE {
        [a[0] + a[1], (a[0] - a[1]).mul_conj(w)]
    } else {
        let odd = a[1] * w;
        [a[0] + odd, a[0] - odd]
    }
}

/// Two steps at once: transforms of the terms 0, 2, 1, 3 mod 4 → slots j, j + L, j + 2L, j + 3L; `w` is u², u, u³. The inverse is times 4.
#[inline(always)]
fn butterfly4<const INVERSE: bool>(a: [Complex; 4], w: [Complex; 3]) -> [Complex; 4] {
    if INVERSE {
        // Twice the e, g, f of the other direction, and −2i times its h.
        let (e, g, f, d) = (a[0] + a[2], a[0] - a[2], a[1] + a[3], a[1] - a[3]);
        [e + f, (e - f).mul_conj(w[0]), g.add_i(d).mul_conj(w[1]), g.sub_i(d).mul_conj(w[2])]
    } else {
        let (t1, t2, t3) = (a[1] * w[0], a[2] * w[1], a[3] * w[2]);
        let (e, f, g, h) = (a[0] + t1, a[0] - t1, t2 + t3, t2 - t3);
        [e + g, f.sub_i(h), e - g, f.add_i(h)]
    }
}

/// Twiddles of the steps L = 1 (radix 2) and L = 2 (radix 4).
#[derive(Debug, Clone)]
struct TileTwiddles {
    first: Complex,
    second: [[Complex; 3]; 2],
}

impl TileTwiddles {
    fn new() -> Self {
        Self { first: unit_root(1, 3), second: [1, 5].map(|p| [2 * p, p, 3 * p].map(|k| unit_root(k, 5))) }
    }
}

/// Neighbouring real or imaginary parts.
type Chunk = [f64; LANES];

/// Neighbouring complex numbers, aligned to a cache line.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Chunks<const K: usize> {
    re: [Chunk; K],
    im: [Chunk; K],
}

impl<const K: usize> Chunks<K> {
    const ZERO: Self = Self { re: [[0.0; LANES]; K], im: [[0.0; LANES]; K] };

    #[inline(always)]
    fn lane(&self, i: usize) -> [Complex; K] {
        let mut out = [Complex { re: 0.0, im: 0.0 }; K];
        for k in 0..K {
            out[k] = Complex { re: self.re[k][i], im: self.im[k][i] };
        }
        out
    }

    #[inline(always)]
    fn set_lane(&mut self, i: usize, values: [Complex; K]) {
        for k in 0..K {
            self.re[k][i] = values[k].re;
            self.im[k][i] = values[k].im;
        }
    }
}

/// A pass over groups of 2L or 4L points, L = 8 × the number of chunks of twiddles.
#[derive(Debug, Clone)]
enum Pass {
    /// L → 2L.
    Radix2(Vec<Chunks<1>>),
    /// L → 4L.
    Radix4(Vec<Chunks<3>>),
}

impl Pass {
    /// Chunks of points that a butterfly group spans.
    fn span(&self) -> usize {
        match self {
            Self::Radix2(w) => 2 * w.len(),
            Self::Radix4(w) => 4 * w.len(),
        }
    }
}

/// The passes from L = 8 to L = 2^`log_slots`.
fn passes(log_slots: u32) -> Vec<Pass> {
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
fn twiddles<const K: usize>(times: [u64; K], log_l: u32, log_order: u32) -> Vec<Chunks<K>> {
    let powers: Vec<u64> = powers_of_five().take(1 << log_l).collect();
    let chunk = |powers: &[u64]| {
        let mut out = Chunks::ZERO;
        powers.iter().enumerate().for_each(|(i, p)| out.set_lane(i, times.map(|t| unit_root(p.wrapping_mul(t), log_order))));
        out
    };
    powers.chunks(LANES).map(chunk).collect()
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

/// One pass over all groups.
#[inline(always)]
fn apply<const INVERSE: bool>(pass: &Pass, re: &mut [Chunk], im: &mut [Chunk]) {
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
fn radix2<const INVERSE: bool>(twiddles: &[Chunks<1>], re: &mut [Chunk], im: &mut [Chunk]) {
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
fn radix4<const INVERSE: bool>(twiddles: &[Chunks<3>], re: &mut [Chunk], im: &mut [Chunk]) {
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

/// Row of a tile ↔ its place in bit-reversed order.
const REVERSED: [usize; LANES] = [0, 4, 2, 6, 1, 5, 3, 7];

/// A column of 8 chunks n/8 points apart, rows in bit-reversed order.
type Tile = Chunks<LANES>;

/// The steps L = 1, 2, 4 and the bit reversal; or their inverse and the whole transform's division by n.
#[inline(always)]
fn tiles<const INVERSE: bool>(twiddles: &TileTwiddles, re: &mut [Chunk], im: &mut [Chunk]) {
    let columns = re.len() / LANES;
    for column in 0..columns {
        // Reversing all bits of the word leaves the column's at the top; there are none of a single column.
        let partner = column.reverse_bits().checked_shr(usize::BITS - columns.trailing_zeros()).unwrap_or(0);
        if column <= partner {
            let (a, b) = (load_tile(re, im, column), load_tile(re, im, partner));
            store_tile(&tile::<INVERSE>(twiddles, &a, columns), re, im, partner);
            store_tile(&tile::<INVERSE>(twiddles, &b, columns), re, im, column);
        }
    }
}

/// The butterflies of a tile, and its transpose.
#[inline(always)]
fn tile<const INVERSE: bool>(twiddles: &TileTwiddles, tile: &Tile, columns: usize) -> Tile {
    let mut out = Tile::ZERO;
    if INVERSE {
        let scale = 1.0 / (columns * LANES * LANES) as f64;
        for i in 0..LANES {
            let mut y = tile_second::<INVERSE>(twiddles, tile.row(i));
            for v in 0..LANES {
                y[v] = y[v] * scale;
            }
            out.set_lane(i, tile_first::<INVERSE>(twiddles, y));
        }
        out
    } else {
        for i in 0..LANES {
            out.set_lane(i, tile_second::<INVERSE>(twiddles, tile_first::<INVERSE>(twiddles, tile.lane(i))));
        }
        // A loop of its own, strided loads and whole stores, becomes shuffles; strided stores would not.
        let mut transposed = Tile::ZERO;
        for i in 0..LANES {
            transposed.set_lane(i, out.row(i));
        }
        transposed
    }
}

#[inline(always)]
fn tile_first<const INVERSE: bool>(twiddles: &TileTwiddles, y: [Complex; LANES]) -> [Complex; LANES] {
    let w = twiddles.first;
    let ([a, b], [c, d]) = (butterfly2::<INVERSE>([y[0], y[1]], w), butterfly2::<INVERSE>([y[2], y[3]], w));
    let ([e, f], [g, h]) = (butterfly2::<INVERSE>([y[4], y[5]], w), butterfly2::<INVERSE>([y[6], y[7]], w));
    [a, b, c, d, e, f, g, h]
}

#[inline(always)]
fn tile_second<const INVERSE: bool>(twiddles: &TileTwiddles, y: [Complex; LANES]) -> [Complex; LANES] {
    let [a, c, e, g] = butterfly4::<INVERSE>([y[0], y[2], y[4], y[6]], twiddles.second[0]);
    let [b, d, f, h] = butterfly4::<INVERSE>([y[1], y[3], y[5], y[7]], twiddles.second[1]);
    [a, b, c, d, e, f, g, h]
}

impl Tile {
    #[inline(always)]
    fn row(&self, i: usize) -> [Complex; LANES] {
        let mut out = [Complex { re: 0.0, im: 0.0 }; LANES];
        for k in 0..LANES {
            out[k] = Complex { re: self.re[i][k], im: self.im[i][k] };
        }
        out
    }
}

#[inline(always)]
fn load_tile(re: &[Chunk], im: &[Chunk], column: usize) -> Tile {
    let stride = re.len() / LANES;
    let mut tile = Tile::ZERO;
    for v in 0..LANES {
        let at = REVERSED[v] * stride + column;
        (tile.re[v], tile.im[v]) = (re[at], im[at]);
    }
    tile
}

#[inline(always)]
fn store_tile(tile: &Tile, re: &mut [Chunk], im: &mut [Chunk], column: usize) {
    let stride = re.len() / LANES;
    for v in 0..LANES {
        let at = REVERSED[v] * stride + column;
        (re[at], im[at]) = (tile.re[v], tile.im[v]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    /// Uniform in [−1, 1) (xorshift64*).
    fn random(len: usize, seed: u64) -> Vec<f64> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        (0..len)
            .map(|_| {
                state ^= state >> 12;
                state ^= state << 25;
                state ^= state >> 27;
                (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 * 2f64.powi(-52) - 1.0
            })
            .collect()
    }

    fn best() -> Backend {
        Backend::available().pop().unwrap()
    }

    fn evaluate(log_n: u32, coefficients: &[f64]) -> Vec<(f64, f64)> {
        let (re, im) = coefficients.split_at(coefficients.len() / 2);
        let (mut re, mut im) = (re.to_vec(), im.to_vec());
        Embedding::new(log_n).coeffs_to_slots(best(), &mut re, &mut im);
        re.into_iter().zip(im).collect()
    }

    /// The real polynomial at ζ^(5^j), coefficient by coefficient.
    fn naive(coefficients: &[f64]) -> Vec<(f64, f64)> {
        let order = 2 * coefficients.len();
        let slot = |point: usize| {
            coefficients.iter().enumerate().fold((0.0, 0.0), |(re, im), (i, c)| {
                let angle = 2.0 * PI * (i * point % order) as f64 / order as f64;
                (re + c * angle.cos(), im + c * angle.sin())
            })
        };
        std::iter::successors(Some(1), |p| Some(p * 5 % order)).take(order / 4).map(slot).collect()
    }

    fn distance(a: &[(f64, f64)], b: &[(f64, f64)]) -> f64 {
        assert_eq!(a.len(), b.len());
        let norm = |x: &mut dyn Iterator<Item = (f64, f64)>| x.map(|(re, im)| re.hypot(im)).fold(0.0, f64::max);
        norm(&mut a.iter().zip(b).map(|(a, b)| (a.0 - b.0, a.1 - b.1))) / norm(&mut b.iter().copied()).max(1e-300)
    }

    #[test]
    fn slots_are_evaluations_at_powers_of_five() {
        for log_n in 3..=11 {
            let coefficients = random(1 << log_n, u64::from(log_n));
            let error = distance(&evaluate(log_n, &coefficients), &naive(&coefficients));
            assert!(error < 1e-13 * f64::from(log_n), "N = 2^{log_n}: relative error {error}");
        }
    }

    #[test]
    fn one_monomial_evaluates_to_roots_in_the_largest_rings() {
        for log_n in 12..=17 {
            let (order, degree) = (2u64 << log_n, (1usize << log_n) - 3);
            let mut coefficients = vec![0.0; 1 << log_n];
            coefficients[degree] = 1.0;
            let exponents = powers_of_five().take(1 << (log_n - 1)).map(|p| p.wrapping_mul(degree as u64) % order);
            let expected: Vec<_> =
                exponents.map(|k| (2.0 * PI * k as f64 / order as f64).sin_cos()).map(|(s, c)| (c, s)).collect();
            let error = distance(&evaluate(log_n, &coefficients), &expected);
            assert!(error < 1e-14, "N = 2^{log_n}: {error}");
        }
    }

    #[test]
    fn slots_to_coeffs_inverts_coeffs_to_slots() {
        for log_n in 3..=17 {
            let embedding = Embedding::new(log_n);
            let (re, im) = (random(embedding.slots(), 1), random(embedding.slots(), 2));
            let original: Vec<_> = re.iter().copied().zip(im.iter().copied()).collect();
            let transforms = [Embedding::slots_to_coeffs, Embedding::coeffs_to_slots];
            for order in [[0usize, 1], [1, 0]] {
                let (mut x, mut y) = (re.clone(), im.clone());
                for i in order {
                    let transform: fn(&Embedding, Backend, &mut [f64], &mut [f64]) = transforms[i];
                    transform(&embedding, best(), &mut x, &mut y);
                }
                let error = distance(&x.into_iter().zip(y).collect::<Vec<_>>(), &original);
                assert!(error < 2e-15, "N = 2^{log_n}: round trip error {error}");
            }
        }
    }

    #[test]
    fn embedding_is_linear() {
        let (a, b) = (random(1 << 12, 3), random(1 << 12, 4));
        let combined: Vec<f64> = a.iter().zip(&b).map(|(a, b)| 3.0 * a - 0.7 * b).collect();
        let (va, vb) = (evaluate(12, &a), evaluate(12, &b));
        let expected: Vec<_> = va.iter().zip(&vb).map(|(a, b)| (3.0 * a.0 - 0.7 * b.0, 3.0 * a.1 - 0.7 * b.1)).collect();
        assert!(distance(&evaluate(12, &combined), &expected) < 1e-14);
    }

    /// P(X) → P(X^g) in the ring of X^N + 1.
    fn automorphism(coefficients: &[f64], g: usize) -> Vec<f64> {
        let n = coefficients.len();
        let mut out = vec![0.0; n];
        for (i, c) in coefficients.iter().enumerate() {
            let power = i * g % (2 * n);
            out[power % n] += if power < n { *c } else { -c };
        }
        out
    }

    #[test]
    fn x_to_x5_rotates_slots_left_by_one() {
        for log_n in [3, 6, 7, 8, 11, 14] {
            let coefficients = random(1 << log_n, 5);
            let mut expected = evaluate(log_n, &coefficients);
            expected.rotate_left(1);
            let error = distance(&evaluate(log_n, &automorphism(&coefficients, 5)), &expected);
            assert!(error < 1e-14, "N = 2^{log_n}: {error}");
        }
    }

    #[test]
    fn x_to_its_inverse_conjugates_slots() {
        for log_n in [3, 6, 7, 8, 11, 14] {
            let coefficients = random(1 << log_n, 6);
            let expected: Vec<_> = evaluate(log_n, &coefficients).into_iter().map(|(re, im)| (re, -im)).collect();
            let error = distance(&evaluate(log_n, &automorphism(&coefficients, (2 << log_n) - 1)), &expected);
            assert!(error < 1e-14, "N = 2^{log_n}: {error}");
        }
    }

    #[test]
    fn backends_agree_bit_for_bit() {
        for log_n in 3..=16 {
            let embedding = Embedding::new(log_n);
            let run = |backend, transform: fn(&Embedding, Backend, &mut [f64], &mut [f64])| {
                let (mut re, mut im) = (random(embedding.slots(), 7), random(embedding.slots(), 8));
                transform(&embedding, backend, &mut re, &mut im);
                re.into_iter().chain(im).map(f64::to_bits).collect::<Vec<_>>()
            };
            for backend in Backend::available() {
                for transform in [Embedding::slots_to_coeffs, Embedding::coeffs_to_slots] {
                    assert!(run(backend, transform) == run(Backend::SCALAR, transform), "{} at N = 2^{log_n}", backend.name());
                }
            }
        }
    }

    #[test]
    fn unit_roots_are_accurate_and_symmetric() {
        for log_order in [3, 5, 12] {
            let order = 1u64 << log_order;
            for k in 0..order {
                let (at, angle) = (unit_root(k, log_order), 2.0 * PI * k as f64 / order as f64);
                assert!((at.re - angle.cos()).abs() < 1e-15 && (at.im - angle.sin()).abs() < 1e-15);
                let (opposite, mirrored) = (unit_root(k + order / 2, log_order), unit_root(order - k, log_order));
                assert_eq!((opposite.re, opposite.im), (-at.re, -at.im));
                assert_eq!((mirrored.re, mirrored.im), (at.re, -at.im));
            }
        }
    }
}
