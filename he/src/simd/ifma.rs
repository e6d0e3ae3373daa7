//! The forward transform with AVX-512 IFMA: eight 52-bit lanes, in which a butterfly is five operations and never reduces.
//!
//! A value is held modulo 2^52, with anything above: the multipliers read the low 52 bits only. Every stage adds less than 2q, so after
//! fourteen stages from [0, 4q) values stay below 32q < 2^35. docs/notes/002 has the measurements.

#![allow(clippy::indexing_slicing, reason = "registers are indexed below constants")]

use super::avx512::U32x16;
use super::ntt::pass_forward;
use super::vector::Lanes;
use crate::modulus::Modulus;
use crate::ntt::{MIN_LOG_N, NttTable, WideTwiddles};
use std::arch::x86_64::*;

/// log2 of the coefficients that the last stages take at a time: four stages across sixteen vectors, four more, and three inside vectors.
const LOG_BLOCK: u32 = 11;

/// log2 of the coefficients that are held as 64-bit numbers at a time: larger rings begin on 32-bit lanes.
const LOG_WIDE: u32 = 14;

/// Room for them: 128 KiB of stack.
type Scratch = std::mem::MaybeUninit<[__m512i; 1 << (LOG_WIDE - 3)]>;

// One stage at least comes before a block's.
const _: () = assert!(MIN_LOG_N > LOG_BLOCK);

#[derive(Clone, Copy)]
struct Constants {
    /// 2^52 − q.
    minus_q: __m512i,
    q2: __m512i,
    two: __m512i,
}

/// (a + w·b, a − w·b + 2q), w with its quotient.
#[inline(always)]
unsafe fn butterfly(k: Constants, a: &mut __m512i, b: &mut __m512i, w: __m512i, wq: __m512i) {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let h = _mm512_madd52hi_epu64(_mm512_setzero_si512(), *b, wq);
        let sum = _mm512_madd52lo_epu64(_mm512_madd52lo_epu64(*a, *b, w), h, k.minus_q);
        *b = _mm512_sub_epi64(_mm512_madd52lo_epu64(k.q2, *a, k.two), sum);
        *a = sum;
    }
}

impl Constants {
    #[inline(always)]
    unsafe fn new(m: &Modulus) -> Self {
        let q = u64::from(m.value());
        // SAFETY: the caller has the instruction set.
        unsafe {
            Self {
                minus_q: _mm512_set1_epi64(((1 << 52) - q) as i64),
                q2: _mm512_set1_epi64(2 * q as i64),
                two: _mm512_set1_epi64(2),
            }
        }
    }
}

/// log2(R) stages over R vectors; `node` is the twiddle of the stage that joins all (see `ntt.rs`).
#[inline(always)]
unsafe fn stages<const R: usize>(k: Constants, x: &mut [__m512i; R], w: *const u64, wq: *const u64, node: usize) {
    let (mut half, mut base) = (R / 2, node);
    while half > 0 {
        let mut g = 0;
        while g < R / (2 * half) {
            // SAFETY: the caller has the instruction set; base + g is a node of the table.
            unsafe {
                let (w, wq) = (_mm512_set1_epi64(*w.add(base + g) as i64), _mm512_set1_epi64(*wq.add(base + g) as i64));
                let mut r = 0;
                while r < half {
                    let (mut a, mut b) = (x[2 * half * g + r], x[2 * half * g + half + r]);
                    butterfly(k, &mut a, &mut b, w, wq);
                    (x[2 * half * g + r], x[2 * half * g + half + r]) = (a, b);
                    r += 1;
                }
            }
            g += 1;
        }
        half /= 2;
        base *= 2;
    }
}

/// The first log2(R) stages of `len` coefficients in [0, 4q) at `p`, into 64-bit numbers.
#[inline(always)]
unsafe fn widen<const R: usize>(k: Constants, wide: &WideTwiddles, p: *const u32, len: usize, node: usize, out: *mut __m512i) {
    let (w, wq) = wide.pointers();
    let h = len / R;
    for j in (0..h).step_by(8) {
        // SAFETY: the caller has the instruction set, owns `len` coefficients and room for them.
        unsafe {
            let mut x: [__m512i; R] = std::array::from_fn(|r| _mm512_cvtepu32_epi64(_mm256_loadu_si256(p.add(r * h + j).cast())));
            stages(k, &mut x, w, wq, node);
            for (r, v) in x.iter().enumerate() {
                *out.add((r * h + j) / 8) = *v;
            }
        }
    }
}

/// One stage inside vectors: each pair is split by the lanes `first` and `second`, and stays so.
macro_rules! stage {
    ($k:ident, $x:ident, $w:expr, $wq:expr, $first:expr, $second:expr, $load:expr) => {
        for p in 0..8 {
            let (a, b) = ($x[2 * p], $x[2 * p + 1]);
            let mut low = _mm512_permutex2var_epi64(a, $first, b);
            let mut high = _mm512_permutex2var_epi64(a, $second, b);
            butterfly($k, &mut low, &mut high, $load($w, p), $load($wq, p));
            ($x[2 * p], $x[2 * p + 1]) = (low, high);
        }
    };
}

/// The last eleven stages of a block of 2^11 numbers in `scratch`, whose twiddle is `node`, into coefficients at `p`.
#[inline(always)]
unsafe fn block(k: Constants, t: &NttTable, wide: &WideTwiddles, scratch: *mut __m512i, p: *mut u32, node: usize) {
    // SAFETY: the caller has the instruction set and owns the block in both places; `node` is of the stage that leaves eleven.
    unsafe {
        let (w, wq) = wide.pointers();
        let q = u64::from(t.modulus.value());
        for j in 0..16 {
            let mut x: [__m512i; 16] = std::array::from_fn(|r| *scratch.add(16 * r + j));
            stages(k, &mut x, w, wq, node);
            for (r, v) in x.iter().enumerate() {
                *scratch.add(16 * r + j) = *v;
            }
        }

        let (first4, second4) = (_mm512_setr_epi64(0, 1, 2, 3, 8, 9, 10, 11), _mm512_setr_epi64(4, 5, 6, 7, 12, 13, 14, 15));
        let (first2, second2) = (_mm512_setr_epi64(0, 1, 4, 5, 8, 9, 12, 13), _mm512_setr_epi64(2, 3, 6, 7, 10, 11, 14, 15));
        let (first1, second1) = (_mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15));
        let (spread4, spread2) = (_mm512_setr_epi64(0, 0, 0, 0, 1, 1, 1, 1), _mm512_setr_epi64(0, 0, 2, 2, 1, 1, 3, 3));
        // Low words of the two vectors back in natural order.
        let natural = _mm512_setr_epi32(0, 16, 8, 24, 4, 20, 12, 28, 2, 18, 10, 26, 6, 22, 14, 30);
        let (reciprocal, vq) = (_mm512_set1_epi64(((1 << 52) / q) as i64), _mm512_set1_epi32(q as i32));
        for b in 0..16 {
            let mut x: [__m512i; 16] = std::array::from_fn(|r| *scratch.add(16 * b + r));
            let node = 16 * node + b;
            stages(k, &mut x, w, wq, node);
            let at = 16 * node;
            stage!(k, x, w, wq, first4, second4, |w: *const u64, i: usize| {
                _mm512_permutexvar_epi64(spread4, _mm512_castsi128_si512(_mm_loadu_si128(w.add(at + 2 * i).cast())))
            });
            stage!(k, x, w, wq, first2, second2, |w: *const u64, i: usize| {
                _mm512_permutexvar_epi64(spread2, _mm512_castsi256_si512(_mm256_loadu_si256(w.add(2 * at + 4 * i).cast())))
            });
            stage!(k, x, w, wq, first1, second1, |w: *const u64, i: usize| _mm512_loadu_si512(w.add(4 * at + 8 * i).cast()));
            for pair in 0..8 {
                // Barrett: x − ⌊x · ⌊2^52/q⌋ / 2^52⌋ · q is below 2q for x < 2^35.
                let reduce = |v: __m512i| {
                    let h = _mm512_madd52hi_epu64(_mm512_setzero_si512(), v, reciprocal);
                    _mm512_madd52lo_epu64(v, h, k.minus_q)
                };
                let y = _mm512_permutex2var_epi32(reduce(x[2 * pair]), natural, reduce(x[2 * pair + 1]));
                _mm512_storeu_si512(p.add(128 * b + 16 * pair).cast(), _mm512_min_epu32(y, _mm512_sub_epi32(y, vq)));
            }
        }
    }
}

/// N coefficients in [0, 4q), natural order → [0, q), bit-reversed order.
///
/// # Safety
/// The CPU has AVX-512 F, DQ, BW, VL and IFMA; `x` holds N = 2^log_n ≥ 2^[`MIN_LOG_N`] elements and `t` is the table of that N.
#[inline(always)]
pub(super) unsafe fn ntt_forward(t: &NttTable, wide: &WideTwiddles, x: &mut [u32]) {
    // SAFETY: the caller's promise. Every vector of `scratch` is written by `widen` before `block` reads it.
    unsafe {
        let (k, p, n) = (Constants::new(&t.modulus), x.as_mut_ptr(), 1usize << t.log_n);
        let narrow = t.log_n.saturating_sub(LOG_WIDE);
        let lanes = Lanes::<U32x16>::new(&t.modulus);
        match narrow {
            0 => {}
            1 => pass_forward::<U32x16, 2>(lanes, t, p, n, 1),
            2 => pass_forward::<U32x16, 4>(lanes, t, p, n, 1),
            _ => pass_forward::<U32x16, 8>(lanes, t, p, n, 1),
        }
        let mut scratch = Scratch::uninit();
        let scratch = scratch.as_mut_ptr().cast::<__m512i>();
        let first = t.log_n.min(LOG_WIDE) - LOG_BLOCK;
        for part in 0..1usize << narrow {
            let (p, node, len) = (p.add((n >> narrow) * part), (1usize << narrow) + part, n >> narrow);
            match first {
                1 => widen::<2>(k, wide, p, len, node, scratch),
                2 => widen::<4>(k, wide, p, len, node, scratch),
                _ => widen::<8>(k, wide, p, len, node, scratch),
            }
            for s in 0..1usize << first {
                block(k, t, wide, scratch.add(s << (LOG_BLOCK - 3)), p.add(s << LOG_BLOCK), (node << first) + s);
            }
        }
    }
}
