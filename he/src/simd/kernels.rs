//! Pointwise kernels over any [`Vector`]. Inputs and outputs are residues in [0, q) unless a range is given.
//!
//! # Safety
//! Every function requires the implementor's instruction set; lengths are checked by each function itself.

#![allow(clippy::indexing_slicing, reason = "registers and checked slices are indexed below constants")]

mod dot;
mod extend;

pub(super) use dot::{dot_diagonals, dot_key};
pub(super) use extend::{extend_prepare, extend_targets};

use super::run::offset_i64;
use super::vector::{Lanes, Vector};
use crate::modulus::{Modulus, Shoup};

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

/// x mod q for signed |x| < 2^62.
#[inline(always)]
pub(super) unsafe fn reduce_i64<V: Vector>(m: &Modulus, x: &[i64], out: &mut [u32]) {
    let n = checked::<V>(out.len(), &[x.len()]);
    let (px, po) = (x.as_ptr().cast::<u32>(), out.as_mut_ptr());
    // SAFETY: as the module says; x holds 2n words.
    unsafe {
        let k = Lanes::<V>::new(m);
        // A multiple of q just above 2^62 makes every value non-negative and below 2^63 + q.
        let offset = V::splat64(offset_i64(m));
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
