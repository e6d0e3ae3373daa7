//! The negacyclic NTT over any [`Vector`]: Harvey's lazy butterflies, three stages per pass in registers, and the last
//! 2 · log2(LANES) stages on one block of LANES² coefficients without touching memory.
//!
//! Order: Cooley–Tukey forward from natural to bit-reversed, Gentleman–Sande back (Longa and Naehrig 2016, §3).

#![allow(clippy::indexing_slicing, reason = "registers are indexed below R, a constant")]

use super::vector::{Lanes, Vector};
use crate::ntt::NttTable;

/// Forward butterfly: (a + w·b, a − w·b) in [0, 4q) from a, b in [0, 4q).
#[inline(always)]
unsafe fn forward<V: Vector>(k: Lanes<V>, a: &mut V, b: &mut V, w: V, wq: V, splat: bool) {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let x = Lanes::fold(*a, k.q2);
        let y = if splat { k.shoup_lazy_splat(*b, w, wq) } else { k.shoup_lazy(*b, w, wq) };
        *a = x.add(y);
        *b = x.add(k.q2).sub(y);
    }
}

/// Inverse butterfly: (a + b, w·(a − b)) in [0, 2q) from a, b in [0, 2q).
#[inline(always)]
unsafe fn inverse<V: Vector>(k: Lanes<V>, a: &mut V, b: &mut V, w: V, wq: V, splat: bool) {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let (s, d) = (a.add(*b), a.add(k.q2).sub(*b));
        *a = Lanes::fold(s, k.q2);
        *b = if splat { k.shoup_lazy_splat(d, w, wq) } else { k.shoup_lazy(d, w, wq) };
    }
}

/// log2(R) stages over R vectors held in registers. Twiddles form a binary tree: those of node i's halves are 2i and 2i + 1; `first` is
/// the node of the stage that joins all R.
#[inline(always)]
unsafe fn registers_forward<V: Vector, const R: usize>(k: Lanes<V>, x: &mut [V; R], w: *const u32, wq: *const u32, first: usize) {
    let mut half = R / 2;
    let mut base = first;
    while half > 0 {
        let mut g = 0;
        while g < R / (2 * half) {
            // SAFETY: the caller has the instruction set, and the table holds N twiddles of which base + g is one.
            unsafe {
                let (tw, twq) = (V::splat(*w.add(base + g)), V::splat(*wq.add(base + g)));
                let mut r = 0;
                while r < half {
                    let (mut a, mut b) = (x[2 * half * g + r], x[2 * half * g + half + r]);
                    forward(k, &mut a, &mut b, tw, twq, true);
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

/// The inverse of [`registers_forward`], up to the stage that joins `span` vectors; `first` is the twiddle of the stage that joins all R.
#[inline(always)]
unsafe fn registers_inverse<V: Vector, const R: usize>(
    k: Lanes<V>,
    x: &mut [V; R],
    w: *const u32,
    wq: *const u32,
    first: usize,
    span: usize,
) {
    let mut half = 1;
    while half < span {
        let groups = R / (2 * half);
        let base = first * groups;
        let mut g = 0;
        while g < groups {
            // SAFETY: as in `registers_forward`.
            unsafe {
                let (tw, twq) = (V::splat(*w.add(base + g)), V::splat(*wq.add(base + g)));
                let mut r = 0;
                while r < half {
                    let (mut a, mut b) = (x[2 * half * g + r], x[2 * half * g + half + r]);
                    inverse(k, &mut a, &mut b, tw, twq, true);
                    (x[2 * half * g + r], x[2 * half * g + half + r]) = (a, b);
                    r += 1;
                }
            }
            g += 1;
        }
        half *= 2;
    }
}

/// One stage with runs of T < LANES coefficients on neighbouring vectors.
#[inline(always)]
unsafe fn lanes_forward<V: Vector, const T: usize, const R: usize>(k: Lanes<V>, x: &mut [V; R], w: *const u32, wq: *const u32) {
    let mut p = 0;
    while p < R / 2 {
        // SAFETY: the caller has the instruction set; each pair of vectors uses the next LANES / T twiddles of its stage.
        unsafe {
            let (mut a, mut b) = V::deinterleave::<T>(x[2 * p], x[2 * p + 1]);
            let at = p * (V::LANES / T);
            forward(k, &mut a, &mut b, V::expand::<T>(w.add(at)), V::expand::<T>(wq.add(at)), false);
            (x[2 * p], x[2 * p + 1]) = V::interleave::<T>(a, b);
        }
        p += 1;
    }
}

#[inline(always)]
unsafe fn lanes_inverse<V: Vector, const T: usize, const R: usize>(k: Lanes<V>, x: &mut [V; R], w: *const u32, wq: *const u32) {
    let mut p = 0;
    while p < R / 2 {
        // SAFETY: as in `lanes_forward`.
        unsafe {
            let (mut a, mut b) = V::deinterleave::<T>(x[2 * p], x[2 * p + 1]);
            let at = p * (V::LANES / T);
            inverse(k, &mut a, &mut b, V::expand::<T>(w.add(at)), V::expand::<T>(wq.add(at)), false);
            (x[2 * p], x[2 * p + 1]) = V::interleave::<T>(a, b);
        }
        p += 1;
    }
}

#[inline(always)]
unsafe fn load_all<V: Vector, const R: usize>(p: *const u32, stride: usize) -> [V; R] {
    // SAFETY: the caller owns R vectors at that stride.
    std::array::from_fn(|r| unsafe { V::load(p.add(r * stride)) })
}

#[inline(always)]
unsafe fn store_all<V: Vector, const R: usize>(x: &[V; R], p: *mut u32, stride: usize) {
    for (r, v) in x.iter().enumerate() {
        // SAFETY: the caller owns R vectors at that stride.
        unsafe { v.store(p.add(r * stride)) }
    }
}

/// log2(R) stages of the group of `len` coefficients at `p` whose twiddle is node `twiddle`.
#[inline(always)]
pub(super) unsafe fn pass_forward<V: Vector, const R: usize>(k: Lanes<V>, t: &NttTable, p: *mut u32, len: usize, twiddle: usize) {
    let h = len / R;
    let (w, wq) = (t.forward.as_ptr(), t.forward_quotients.as_ptr());
    let mut j = 0;
    while j < h {
        // SAFETY: j + (R − 1)·h + LANES ≤ len because h is a multiple of LANES.
        unsafe {
            let mut x: [V; R] = load_all(p.add(j), h);
            registers_forward(k, &mut x, w, wq, twiddle);
            store_all(&x, p.add(j), h);
        }
        j += V::LANES;
    }
}

/// Twiddle `twiddle` is that of the last (joining) stage of the pass. With `scale`, that stage also multiplies by N^−1.
#[inline(always)]
unsafe fn pass_inverse<V: Vector, const R: usize>(
    k: Lanes<V>,
    t: &NttTable,
    p: *mut u32,
    len: usize,
    twiddle: usize,
    scale: bool,
) {
    let h = len / R;
    let (w, wq) = (t.inverse.as_ptr(), t.inverse_quotients.as_ptr());
    let mut j = 0;
    while j < h {
        // SAFETY: as in `pass_forward`.
        unsafe {
            let mut x: [V; R] = load_all(p.add(j), h);
            if scale {
                // All stages but the joining one.
                registers_inverse(k, &mut x, w, wq, twiddle, R / 2);
                let (n, nq) = (V::splat(t.n_inverse.value), V::splat(t.n_inverse.quotient));
                let (z, zq) = (V::splat(t.n_inverse_last.value), V::splat(t.n_inverse_last.quotient));
                let mut r = 0;
                while r < R / 2 {
                    let (a, b) = (x[r], x[R / 2 + r]);
                    let (s, d) = (a.add(b), a.add(k.q2).sub(b));
                    x[r] = Lanes::fold(k.shoup_lazy_splat(s, n, nq), k.q);
                    x[R / 2 + r] = Lanes::fold(k.shoup_lazy_splat(d, z, zq), k.q);
                    r += 1;
                }
            } else {
                registers_inverse(k, &mut x, w, wq, twiddle, R);
            }
            store_all(&x, p.add(j), h);
        }
        j += V::LANES;
    }
}

/// All the last stages of one block of R·LANES coefficients (R = LANES), the subtree of twiddle `node`.
#[inline(always)]
unsafe fn block_forward<V: Vector, const R: usize>(k: Lanes<V>, t: &NttTable, p: *mut u32, node: usize) {
    // SAFETY: the caller owns R·LANES coefficients at p; the twiddles of the block's stages lie at node · 2^s.
    unsafe {
        let (w, wq) = (t.forward.as_ptr(), t.forward_quotients.as_ptr());
        let mut x: [V; R] = load_all(p, V::LANES);
        registers_forward(k, &mut x, w, wq, node);
        let mut at = node * R;
        if V::LANES == 16 {
            lanes_forward::<V, 8, R>(k, &mut x, w.add(at), wq.add(at));
            at *= 2;
        }
        lanes_forward::<V, 4, R>(k, &mut x, w.add(at), wq.add(at));
        at *= 2;
        lanes_forward::<V, 2, R>(k, &mut x, w.add(at), wq.add(at));
        at *= 2;
        lanes_forward::<V, 1, R>(k, &mut x, w.add(at), wq.add(at));
        for v in &mut x {
            *v = Lanes::fold(Lanes::fold(*v, k.q2), k.q);
        }
        store_all(&x, p, V::LANES);
    }
}

#[inline(always)]
unsafe fn block_inverse<V: Vector, const R: usize>(k: Lanes<V>, t: &NttTable, p: *mut u32, node: usize) {
    // SAFETY: as in `block_forward`.
    unsafe {
        let (w, wq) = (t.inverse.as_ptr(), t.inverse_quotients.as_ptr());
        let mut x: [V; R] = load_all(p, V::LANES);
        let mut at = node * R * (V::LANES / 2);
        lanes_inverse::<V, 1, R>(k, &mut x, w.add(at), wq.add(at));
        at /= 2;
        lanes_inverse::<V, 2, R>(k, &mut x, w.add(at), wq.add(at));
        at /= 2;
        lanes_inverse::<V, 4, R>(k, &mut x, w.add(at), wq.add(at));
        if V::LANES == 16 {
            at /= 2;
            lanes_inverse::<V, 8, R>(k, &mut x, w.add(at), wq.add(at));
        }
        registers_inverse(k, &mut x, w, wq, node, R);
        store_all(&x, p, V::LANES);
    }
}

/// Smallest log2(N) that the vector kernels take: one pass before the block.
pub(super) const fn min_log_n<V: Vector>() -> u32 {
    2 * V::LOG_LANES + 1
}

/// How many stages the first pass, and the second one, take of the `front` stages before the blocks.
#[inline(always)]
fn split(front: u32) -> u32 {
    match front {
        0..=3 => front,
        4 => 2,
        _ => 3,
    }
}

/// Forward transform of the group of 2^log_len coefficients at p whose twiddle is number `twiddle`, depth first.
#[inline(always)]
unsafe fn descend_forward<V: Vector, const R: usize>(k: Lanes<V>, t: &NttTable, p: *mut u32, log_n: u32) {
    // SAFETY: the caller owns N = 2^log_n coefficients at p, and every part below is a part of them.
    unsafe {
        let block = 2 * V::LOG_LANES;
        let front = log_n - block;
        let first = split(front);
        let n = 1usize << log_n;
        match first {
            1 => pass_forward::<V, 2>(k, t, p, n, 1),
            2 => pass_forward::<V, 4>(k, t, p, n, 1),
            _ => pass_forward::<V, 8>(k, t, p, n, 1),
        }
        let len = n >> first;
        for g in 0..1usize << first {
            let (p, mut twiddle) = (p.add(g * len), (1usize << first) + g);
            let (mut left, mut parts, mut len) = (front - first, 1usize, len);
            while left > 0 {
                let now = split(left);
                for s in 0..parts {
                    let (p, tw) = (p.add(s * len), twiddle + s);
                    match now {
                        1 => pass_forward::<V, 2>(k, t, p, len, tw),
                        2 => pass_forward::<V, 4>(k, t, p, len, tw),
                        _ => pass_forward::<V, 8>(k, t, p, len, tw),
                    }
                }
                twiddle <<= now;
                parts <<= now;
                len >>= now;
                left -= now;
            }
            for s in 0..parts {
                block_forward::<V, R>(k, t, p.add(s * len), twiddle + s);
            }
        }
    }
}

/// N coefficients in [0, 4q), natural order → [0, q), bit-reversed order.
///
/// # Safety
/// The instruction set is there; `x` holds N = 2^log_n ≥ 2^[`min_log_n`] elements and `t` is the table of that N.
#[inline(always)]
pub(super) unsafe fn ntt_forward<V: Vector, const R: usize>(t: &NttTable, x: &mut [u32]) {
    // SAFETY: the caller's promise.
    unsafe { descend_forward::<V, R>(Lanes::new(&t.modulus), t, x.as_mut_ptr(), t.log_n) }
}

/// N values in [0, 2q), bit-reversed order → [0, q), natural order.
///
/// # Safety
/// As [`ntt_forward`].
#[inline(always)]
pub(super) unsafe fn ntt_inverse<V: Vector, const R: usize>(t: &NttTable, x: &mut [u32]) {
    // SAFETY: the caller's promise; the mirror image of `descend_forward`.
    unsafe {
        let k = Lanes::<V>::new(&t.modulus);
        let p = x.as_mut_ptr();
        let block = 2 * V::LOG_LANES;
        let front = t.log_n - block;
        let first = split(front);
        let n = 1usize << t.log_n;
        for g in 0..1usize << first {
            let (p, root) = (p.add((n >> first) * g), (1usize << first) + g);
            // The passes of the descent, outermost first: (stages, stages done before it within this part).
            let (mut passes, mut count, mut done) = ([(0u32, 0u32); 4], 0, 0);
            while done < front - first {
                let now = split(front - first - done);
                passes[count] = (now, done);
                count += 1;
                done += now;
            }
            for s in 0..1usize << done {
                block_inverse::<V, R>(k, t, p.add(s << block), (root << done) + s);
            }
            for &(now, before) in passes[..count].iter().rev() {
                let len = (n >> first) >> before;
                for s in 0..1usize << before {
                    let (p, tw) = (p.add(s * len), (root << before) + s);
                    match now {
                        1 => pass_inverse::<V, 2>(k, t, p, len, tw, false),
                        2 => pass_inverse::<V, 4>(k, t, p, len, tw, false),
                        _ => pass_inverse::<V, 8>(k, t, p, len, tw, false),
                    }
                }
            }
        }
        match first {
            1 => pass_inverse::<V, 2>(k, t, p, n, 1, true),
            2 => pass_inverse::<V, 4>(k, t, p, n, 1, true),
            _ => pass_inverse::<V, 8>(k, t, p, n, 1, true),
        }
    }
}
