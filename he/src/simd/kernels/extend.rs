//! Extension of a polynomial from one basis of primes to another.
//!
//! # Safety
//! Every function requires the implementor's instruction set; lengths are checked by each function itself.

#![allow(clippy::indexing_slicing, reason = "registers and checked slices are indexed below constants")]

use super::checked;
use crate::modulus::{MAX_TERMS, Modulus};
use crate::simd::Source;
use crate::simd::vector::{Lanes, Vector};

/// First half of a basis extension: y_j = x_j · (D/q_j)^−1 mod q_j, and v = round(Σ y_j / q_j).
#[inline(always)]
pub(in crate::simd) unsafe fn extend_prepare<V: Vector>(sources: &[Source], xs: &[&[u32]], ys: &mut [u32], v: &mut [u32]) {
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
pub(in crate::simd) unsafe fn extend_targets<V: Vector>(targets: &[(&Modulus, &[u32])], ys: &[u32], v: &[u32], out: &mut [u32]) {
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
