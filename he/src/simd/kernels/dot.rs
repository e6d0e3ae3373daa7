//! Sums of products: key switching and diagonals.
//!
//! # Safety
//! Every function requires the implementor's instruction set; lengths are checked by each function itself.

#![allow(clippy::indexing_slicing, reason = "registers and checked slices are indexed below constants")]

use super::checked;
use crate::modulus::{MAX_TERMS, Modulus, Shoup};
use crate::permutation::Permutation;
use crate::simd::RUN;
use crate::simd::vector::{Lanes, Vector};

/// How far ahead, in residues, the streams of keys and diagonals are asked for: hardware prefetching stops at every page.
const AHEAD: usize = 4096;

/// Key switching's inner product on one limb; see `Backend::dot_key`.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(in crate::simd) unsafe fn dot_key<V: Vector>(
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
pub(in crate::simd) unsafe fn dot_diagonals<V: Vector>(
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
