//! Pointwise kernels over any [`Vector`]. Inputs and outputs are residues in [0, q) unless a range is given.
//!
//! # Safety
//! Every function requires the implementor's instruction set; lengths are checked by each function itself.

#![allow(clippy::indexing_slicing, reason = "registers and checked slices are indexed below constants")]

use super::vector::{Lanes, Vector};
use super::{RUN, Source};
use crate::galois::Permutation;
use crate::modulus::{MAX_TERMS, Modulus, Shoup};

/// How far ahead, in residues, the streams of keys and diagonals are asked for: hardware prefetching stops at every page.
const AHEAD: usize = 4096;

/// Checks that all lengths agree and fill whole vectors; the pointer arithmetic below relies on it.
#[inline(always)]
fn checked<V: Vector>(n: usize, others: &[usize]) -> usize {
    assert!(n.is_multiple_of(V::LANES) && others.iter().all(|o| *o == n), "limbs of unequal or odd length");
    n
}

macro_rules! unary_or_binary {
    ($(#[$doc:meta])* $name:ident, |$k:ident, $x:ident, $y:ident| $value:expr) => {
        $(#[$doc])*
        #[inline(always)]
        pub(super) unsafe fn $name<V: Vector>(m: &Modulus, x: &mut [u32], y: &[u32]) {
            let n = checked::<V>(x.len(), &[y.len()]);
            let (px, py) = (x.as_mut_ptr(), y.as_ptr());
            // SAFETY: lengths are checked, the instruction set is the caller's promise.
            unsafe {
                let $k = Lanes::<V>::new(m);
                for i in (0..n).step_by(V::LANES) {
                    let ($x, $y) = (V::load(px.add(i)), V::load(py.add(i)));
                    let value: V = $value;
                    value.store(px.add(i));
                }
            }
        }
    };
}

unary_or_binary!(
    /// x + y.
    add_assign, |k, x, y| Lanes::fold(x.add(y), k.q)
);
unary_or_binary!(
    /// x − y.
    sub_assign, |k, x, y| { let d = x.sub(y); d.min(d.add(k.q)) }
);
unary_or_binary!(
    /// x · y · 2^−32: the product where one factor is in Montgomery form.
    mul_montgomery_assign, |k, x, y| k.montgomery(x.mul_even(y), x.odd().mul_even(y.odd()))
);

/// −x.
#[inline(always)]
pub(super) unsafe fn neg_assign<V: Vector>(m: &Modulus, x: &mut [u32]) {
    let n = checked::<V>(x.len(), &[]);
    let p = x.as_mut_ptr();
    // SAFETY: as the module says.
    unsafe {
        let k = Lanes::<V>::new(m);
        for i in (0..n).step_by(V::LANES) {
            let d = V::splat(0).sub(V::load(p.add(i)));
            d.min(d.add(k.q)).store(p.add(i));
        }
    }
}

/// x · w, for any 32-bit x.
#[inline(always)]
pub(super) unsafe fn mul_scalar_assign<V: Vector>(m: &Modulus, x: &mut [u32], w: Shoup) {
    let n = checked::<V>(x.len(), &[]);
    let p = x.as_mut_ptr();
    // SAFETY: as the module says.
    unsafe {
        let (k, w, wq) = (Lanes::<V>::new(m), V::splat(w.value), V::splat(w.quotient));
        for i in (0..n).step_by(V::LANES) {
            Lanes::fold(k.shoup_lazy_splat(V::load(p.add(i)), w, wq), k.q).store(p.add(i));
        }
    }
}

/// (y − x) · w.
#[inline(always)]
pub(super) unsafe fn sub_from_mul_scalar<V: Vector>(m: &Modulus, x: &mut [u32], y: &[u32], w: Shoup) {
    let n = checked::<V>(x.len(), &[y.len()]);
    let (px, py) = (x.as_mut_ptr(), y.as_ptr());
    // SAFETY: as the module says.
    unsafe {
        let (k, w, wq) = (Lanes::<V>::new(m), V::splat(w.value), V::splat(w.quotient));
        for i in (0..n).step_by(V::LANES) {
            let d = V::load(py.add(i)).add(k.q).sub(V::load(px.add(i)));
            Lanes::fold(k.shoup_lazy_splat(d, w, wq), k.q).store(px.add(i));
        }
    }
}

/// x + y · w.
#[inline(always)]
pub(super) unsafe fn add_mul_scalar_assign<V: Vector>(m: &Modulus, x: &mut [u32], y: &[u32], w: Shoup) {
    let n = checked::<V>(x.len(), &[y.len()]);
    let (px, py) = (x.as_mut_ptr(), y.as_ptr());
    // SAFETY: as the module says.
    unsafe {
        let (k, w, wq) = (Lanes::<V>::new(m), V::splat(w.value), V::splat(w.quotient));
        for i in (0..n).step_by(V::LANES) {
            let s = V::load(px.add(i)).add(k.shoup_lazy_splat(V::load(py.add(i)), w, wq)); // [0, 3q)
            Lanes::fold(Lanes::fold(s, k.q2), k.q).store(px.add(i));
        }
    }
}

/// Key switching's inner product on one limb; see `Backend::dot_key`.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn dot_key<V: Vector>(
    m: &Modulus,
    digits: &[&[u32]],
    key: &[u32],
    left: &mut [u32],
    right: &mut [u32],
    plus: Option<(&[u32], Shoup)>,
    permutation: Option<&Permutation>,
    accumulate: bool,
) {
    let n = checked::<V>(left.len(), &[right.len()]);
    assert!(n.is_multiple_of(RUN) && key.len().is_multiple_of(2 * n) && key.len() >= 2 * n * digits.len(), "wrong key");
    assert!(digits.iter().all(|d| d.len() == n) && plus.is_none_or(|(x, _)| x.len() == n), "limbs of unequal length");
    assert!(permutation.is_none_or(|p| p.index.len() == n && p.runs.len() == n / 8), "wrong permutation");
    let stride = key.len() / n * RUN;
    let (pl, pr) = (left.as_mut_ptr(), right.as_mut_ptr());
    // SAFETY: as the module says. Of each run of 16 the key holds `stride` residues, 32 per digit; destinations are checked.
    unsafe {
        let k = Lanes::<V>::new(m);
        for i in (0..n).step_by(V::LANES) {
            let row = key.as_ptr().add(i / RUN * stride + i % RUN);
            let zero = V::splat(0);
            let (mut l, mut r) = (zero, zero);
            let mut first = 0;
            while first < digits.len() {
                let last = (first + MAX_TERMS).min(digits.len());
                let (mut le, mut lo, mut re, mut ro) = (zero, zero, zero, zero);
                for t in first..last {
                    let s = V::load(digits.get_unchecked(t).as_ptr().add(i));
                    let (x, y) = (V::load(row.add(2 * RUN * t)), V::load(row.add(2 * RUN * t + RUN)));
                    V::prefetch(row.wrapping_add(2 * RUN * t + AHEAD));
                    V::prefetch(row.wrapping_add(2 * RUN * t + RUN + AHEAD));
                    let so = s.odd();
                    le = le.add64(s.mul_even(x));
                    lo = lo.add64(so.mul_even(x.odd()));
                    re = re.add64(s.mul_even(y));
                    ro = ro.add64(so.mul_even(y.odd()));
                }
                l = Lanes::fold(l.add(k.montgomery(le, lo)), k.q);
                r = Lanes::fold(r.add(k.montgomery(re, ro)), k.q);
                first = last;
            }
            if let Some((x, w)) = plus {
                let x = k.shoup_lazy_splat(V::load(x.as_ptr().add(i)), V::splat(w.value), V::splat(w.quotient));
                l = Lanes::fold(Lanes::fold(l.add(x), k.q2), k.q);
            }
            let mut to = i;
            if let Some(p) = permutation {
                to = (*p.runs.get_unchecked(i / 8) as usize * 8) & !(V::LANES - 1);
                assert!(to + V::LANES <= n);
                let lanes = V::load(p.index.as_ptr().add(to));
                (l, r) = (l.permute(lanes), r.permute(lanes));
            }
            if accumulate {
                l = Lanes::fold(l.add(V::load(pl.add(to))), k.q);
                r = Lanes::fold(r.add(V::load(pr.add(to))), k.q);
            }
            l.store(pl.add(to));
            r.store(pr.add(to));
        }
    }
}

/// Sums of rows times palindromic diagonals over a range of one limb and its mirror image; see `Backend::dot_diagonals`.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn dot_diagonals<V: Vector>(
    m: &Modulus,
    packed: &[u32],
    skip: usize,
    a: &[&[u32]],
    b: &[&[u32]],
    range: std::ops::Range<usize>,
    left: &mut [u32],
    right: &mut [u32],
    accumulate: bool,
) {
    let n = checked::<V>(left.len(), &[right.len()]);
    let terms = a.len();
    assert!(n.is_multiple_of(2 * RUN) && packed.len() == (terms + skip) * n / 2 && b.len() == terms, "wrong diagonals");
    assert!(a.iter().chain(b).all(|x| x.len() == n), "limbs of unequal length");
    assert!(range.end <= n / 2 && range.start.is_multiple_of(RUN) && range.end.is_multiple_of(RUN), "wrong range");
    let stride = (terms + skip) * RUN;
    let (pl, pr) = (left.as_mut_ptr(), right.as_mut_ptr());
    // SAFETY: as the module says; i runs through the first half, its mirror image n − i − LANES through the second.
    unsafe {
        let k = Lanes::<V>::new(m);
        let mut first = 0;
        let mut accumulate = accumulate;
        // At least once: a sum of no terms is zero.
        loop {
            let last = (first + MAX_TERMS).min(terms);
            for i in range.clone().step_by(V::LANES) {
                let j = n - i - V::LANES;
                // Past the end where no term follows the skipped ones; nothing is read there.
                let row = packed.as_ptr().wrapping_add(i / RUN * stride + i % RUN + skip * RUN);
                let zero = V::splat(0);
                let mut sums = [zero; 8];
                for t in first..last {
                    let d = V::load(row.add(t * RUN));
                    V::prefetch(row.wrapping_add(t * RUN + AHEAD));
                    let (pa, pb) = (a.get_unchecked(t).as_ptr(), b.get_unchecked(t).as_ptr());
                    let (d_odd, back) = (d.odd(), d.reverse());
                    let back_odd = back.odd();
                    let (x, y) = (V::load(pa.add(i)), V::load(pb.add(i)));
                    sums[0] = sums[0].add64(d.mul_even(x));
                    sums[1] = sums[1].add64(d_odd.mul_even(x.odd()));
                    sums[2] = sums[2].add64(d.mul_even(y));
                    sums[3] = sums[3].add64(d_odd.mul_even(y.odd()));
                    let (x, y) = (V::load(pa.add(j)), V::load(pb.add(j)));
                    sums[4] = sums[4].add64(back.mul_even(x));
                    sums[5] = sums[5].add64(back_odd.mul_even(x.odd()));
                    sums[6] = sums[6].add64(back.mul_even(y));
                    sums[7] = sums[7].add64(back_odd.mul_even(y.odd()));
                }
                for (c, p) in [(0, pl.add(i)), (2, pr.add(i)), (4, pl.add(j)), (6, pr.add(j))] {
                    let mut out = k.montgomery(sums[c], sums[c + 1]);
                    if accumulate {
                        out = Lanes::fold(out.add(V::load(p)), k.q);
                    }
                    out.store(p);
                }
            }
            accumulate = true;
            first = last;
            if first == terms {
                break;
            }
        }
    }
}

/// (a0 + a1·s)(b0 + b1·s) = d0 + d1·s + d2·s².
#[inline(always)]
pub(super) unsafe fn tensor<V: Vector>(m: &Modulus, a: [&[u32]; 2], b: [&[u32]; 2], d: &mut [&mut [u32]; 3]) {
    let [d0, d1, d2] = d;
    let n = checked::<V>(d0.len(), &[d1.len(), d2.len(), a[0].len(), a[1].len(), b[0].len(), b[1].len()]);
    let (pa, pb, pd) = (a.map(<[u32]>::as_ptr), b.map(<[u32]>::as_ptr), [d0.as_mut_ptr(), d1.as_mut_ptr(), d2.as_mut_ptr()]);
    // SAFETY: as the module says.
    unsafe {
        let (k, r2) = (Lanes::<V>::new(m), V::splat(m.r2()));
        for i in (0..n).step_by(V::LANES) {
            let (x0, x1) = (V::load(pa[0].add(i)), V::load(pa[1].add(i)));
            let (y0, y1) = (V::load(pb[0].add(i)), V::load(pb[1].add(i)));
            let y0 = k.montgomery(y0.mul_even(r2), y0.odd().mul_even(r2));
            let y1 = k.montgomery(y1.mul_even(r2), y1.odd().mul_even(r2));
            let (x0o, x1o, y0o, y1o) = (x0.odd(), x1.odd(), y0.odd(), y1.odd());
            k.montgomery(x0.mul_even(y0), x0o.mul_even(y0o)).store(pd[0].add(i));
            let cross = (x0.mul_even(y1).add64(x1.mul_even(y0)), x0o.mul_even(y1o).add64(x1o.mul_even(y0o)));
            k.montgomery(cross.0, cross.1).store(pd[1].add(i));
            k.montgomery(x1.mul_even(y1), x1o.mul_even(y1o)).store(pd[2].add(i));
        }
    }
}

/// x · 2^32: enters Montgomery form.
#[inline(always)]
pub(super) unsafe fn to_montgomery<V: Vector>(m: &Modulus, x: &mut [u32]) {
    let n = checked::<V>(x.len(), &[]);
    let p = x.as_mut_ptr();
    // SAFETY: as the module says.
    unsafe {
        let (k, r2) = (Lanes::<V>::new(m), V::splat(m.r2()));
        for i in (0..n).step_by(V::LANES) {
            let x = V::load(p.add(i));
            k.montgomery(x.mul_even(r2), x.odd().mul_even(r2)).store(p.add(i));
        }
    }
}

/// out[i] = x[index[i]], where every aligned run of 16 indices stays within one aligned run of 16.
#[inline(always)]
pub(super) unsafe fn permute<V: Vector>(index: &[u32], x: &[u32], out: &mut [u32]) {
    let n = checked::<V>(x.len(), &[index.len(), out.len()]);
    let (pi, px, po) = (index.as_ptr(), x.as_ptr(), out.as_mut_ptr());
    for i in (0..n).step_by(V::LANES) {
        // SAFETY: as the module says; `run` is masked below n, a power of two here or checked.
        unsafe {
            let run = (*pi.add(i) as usize) & !(V::LANES - 1);
            assert!(run + V::LANES <= n);
            V::load(px.add(run)).permute(V::load(pi.add(i))).store(po.add(i));
        }
    }
}

/// First half of a basis extension: y_j = x_j · (D/q_j)^−1 mod q_j, and v = round(Σ y_j / q_j).
#[inline(always)]
pub(super) unsafe fn extend_prepare<V: Vector>(sources: &[Source], xs: &[&[u32]], ys: &mut [u32], v: &mut [u32]) {
    let n = checked::<V>(v.len(), &[]);
    assert!(xs.len() == sources.len() && ys.len() == n * sources.len() && xs.iter().all(|x| x.len() == n), "wrong extension");
    let (py, pv) = (ys.as_mut_ptr(), v.as_mut_ptr());
    // SAFETY: as the module says.
    unsafe {
        let half = V::splat64(1 << (Source::FRACTION_BITS - 1));
        for i in (0..n).step_by(V::LANES) {
            let (mut even, mut odd) = (half, half);
            for (j, s) in sources.iter().enumerate() {
                let k = Lanes::<V>::new(&s.modulus);
                let (w, wq) = (V::splat(s.factor.value), V::splat(s.factor.quotient));
                let y = Lanes::fold(k.shoup_lazy_splat(V::load(xs.get_unchecked(j).as_ptr().add(i)), w, wq), k.q);
                let inv = V::splat(s.reciprocal);
                even = even.add64(y.mul_even(inv).shr64(s.shift));
                odd = odd.add64(y.odd().mul_even(inv).shr64(s.shift));
                y.store(py.add(j * n + i));
            }
            V::low(even.shr64(Source::FRACTION_BITS), odd.shr64(Source::FRACTION_BITS)).store(pv.add(i));
        }
    }
}

/// Second half: Σ y_j · hat_j + v · hat_last mod t in [0, 4t), the constants in Montgomery form modulo t; at most [`MAX_TERMS`].
/// Targets are taken up to four at a time: the y_j then come through the caches once for all four.
#[inline(always)]
pub(super) unsafe fn extend_targets<V: Vector>(targets: &[(&Modulus, &[u32])], ys: &[u32], v: &[u32], out: &mut [u32]) {
    let n = checked::<V>(v.len(), &[]);
    assert!(out.len() == n * targets.len(), "wrong extension");
    for (targets, out) in targets.chunks(4).zip(out.chunks_mut(4 * n)) {
        // SAFETY: as the module says; `extend_some` checks lengths.
        unsafe {
            match targets.len() {
                4 => extend_some::<V, 4>(targets, ys, v, out),
                3 => extend_some::<V, 3>(targets, ys, v, out),
                2 => extend_some::<V, 2>(targets, ys, v, out),
                _ => extend_some::<V, 1>(targets, ys, v, out),
            }
        }
    }
}

#[inline(always)]
unsafe fn extend_some<V: Vector, const T: usize>(targets: &[(&Modulus, &[u32])], ys: &[u32], v: &[u32], out: &mut [u32]) {
    let n = v.len();
    let terms = ys.len() / n;
    assert!(targets.len() == T && terms < MAX_TERMS && ys.len() == terms * n, "wrong extension");
    assert!(targets.iter().all(|(_, hats)| hats.len() == terms + 1) && out.len() == T * n, "wrong extension");
    let (py, pv, po) = (ys.as_ptr(), v.as_ptr(), out.as_mut_ptr());
    // SAFETY: as the module says; T constants tables of terms + 1 entries, T limbs of output.
    unsafe {
        let lanes: [Lanes<V>; T] = std::array::from_fn(|t| Lanes::new(targets.get_unchecked(t).0));
        let hats: [*const u32; T] = std::array::from_fn(|t| targets.get_unchecked(t).1.as_ptr());
        for i in (0..n).step_by(V::LANES) {
            let zero = V::splat(0);
            let (mut even, mut odd) = ([zero; T], [zero; T]);
            for j in 0..=terms {
                let y = V::load(if j < terms { py.add(j * n + i) } else { pv.add(i) });
                let y_odd = y.odd();
                for t in 0..T {
                    let c = V::splat(*hats[t].add(j));
                    even[t] = even[t].add64(y.mul_even(c));
                    odd[t] = odd[t].add64(y_odd.mul_even(c));
                }
            }
            for t in 0..T {
                let k = lanes[t];
                let lazy = if terms < 12 { k.montgomery_lazy(even[t], odd[t]) } else { k.montgomery(even[t], odd[t]) };
                lazy.store(po.add(t * n + i));
            }
        }
    }
}

/// x mod q for signed |x| < 2^62.
#[inline(always)]
pub(super) unsafe fn reduce_i64<V: Vector>(m: &Modulus, x: &[i64], out: &mut [u32]) {
    let n = checked::<V>(out.len(), &[x.len()]);
    let (px, po) = (x.as_ptr().cast::<u32>(), out.as_mut_ptr());
    // SAFETY: as the module says; x holds 2n words.
    unsafe {
        let k = Lanes::<V>::new(m);
        // A multiple of q just above 2^62 makes every value non-negative and below 2^63 + q.
        let offset = V::splat64(super::offset_i64(m));
        let (r, r2) = (V::splat(m.r()), V::splat(m.r2()));
        for i in (0..n).step_by(V::LANES) {
            // Two vectors of LANES / 2 values: x = low + 2^32 · high.
            let reduce = |at: usize| {
                let x = V::load(px.add(at)).add64(offset);
                x.mul_even(r).add64(x.odd().mul_even(r2))
            };
            let (a, b) = (reduce(2 * i), reduce(2 * i + V::LANES));
            // `montgomery` returns the reductions of its first argument in the even lanes and of its second in the odd ones.
            let mixed = k.montgomery(a, b);
            let mut lanes = [0u32; 16];
            mixed.store(lanes.as_mut_ptr());
            for l in 0..V::LANES / 2 {
                *po.add(i + l) = lanes[2 * l];
                *po.add(i + V::LANES / 2 + l) = lanes[2 * l + 1];
            }
        }
    }
}
