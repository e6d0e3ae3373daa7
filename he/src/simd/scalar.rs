//! The portable kernels: the plain statement of what every backend computes, and the oracle of their tests.

#![allow(
    clippy::indexing_slicing,
    reason = "slices have equal lengths, which the dispatcher's callers and the vector kernels' checks see to"
)]

use super::run::{RUN, Source, offset_i64};
use crate::modulus::{MAX_TERMS, Modulus, Shoup};
use crate::ntt::NttTable;
use crate::permutation::Permutation;

pub(super) fn ntt_forward(t: &NttTable, x: &mut [u32]) {
    let m = &t.modulus;
    let q2 = m.value() << 1;
    let n = x.len();
    let (mut len, mut groups) = (n / 2, 1);
    while groups < n {
        for (g, group) in x.chunks_exact_mut(2 * len).enumerate() {
            let w = Shoup { value: t.forward[groups + g], quotient: t.forward_quotients[groups + g] };
            let (a, b) = group.split_at_mut(len);
            for (a, b) in a.iter_mut().zip(b) {
                let u = (*a).min(a.wrapping_sub(q2));
                let v = m.mul_shoup_lazy(*b, w);
                *a = u + v;
                *b = u + q2 - v;
            }
        }
        len /= 2;
        groups *= 2;
    }
    for x in x {
        let y = (*x).min(x.wrapping_sub(q2));
        *x = y.min(y.wrapping_sub(m.value()));
    }
}

pub(super) fn ntt_inverse(t: &NttTable, x: &mut [u32]) {
    let m = &t.modulus;
    let q2 = m.value() << 1;
    let n = x.len();
    let (mut len, mut groups) = (1, n / 2);
    while groups > 0 {
        for (g, group) in x.chunks_exact_mut(2 * len).enumerate() {
            let w = Shoup { value: t.inverse[groups + g], quotient: t.inverse_quotients[groups + g] };
            let (a, b) = group.split_at_mut(len);
            for (a, b) in a.iter_mut().zip(b) {
                let (s, d) = (*a + *b, *a + q2 - *b);
                *a = s.min(s.wrapping_sub(q2));
                *b = m.mul_shoup_lazy(d, w);
            }
        }
        len *= 2;
        groups /= 2;
    }
    mul_scalar_assign(m, x, t.n_inverse);
}

pub(super) fn add_assign(m: &Modulus, x: &mut [u32], y: &[u32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x = m.add(*x, *y));
}

pub(super) fn sub_assign(m: &Modulus, x: &mut [u32], y: &[u32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x = m.sub(*x, *y));
}

pub(super) fn neg_assign(m: &Modulus, x: &mut [u32]) {
    x.iter_mut().for_each(|x| *x = m.neg(*x));
}

pub(super) fn mul_montgomery_assign(m: &Modulus, x: &mut [u32], y: &[u32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x = m.montgomery_reduce(u64::from(*x) * u64::from(*y)));
}

pub(super) fn to_montgomery(m: &Modulus, x: &mut [u32]) {
    x.iter_mut().for_each(|x| *x = m.montgomery_reduce(u64::from(*x) * u64::from(m.r2())));
}

pub(super) fn mul_scalar_assign(m: &Modulus, x: &mut [u32], w: Shoup) {
    x.iter_mut().for_each(|x| *x = m.mul_shoup(*x, w));
}

pub(super) fn sub_from_mul_scalar(m: &Modulus, x: &mut [u32], y: &[u32], w: Shoup) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x = m.mul_shoup(*y + m.value() - *x, w));
}

pub(super) fn add_mul_scalar_assign(m: &Modulus, x: &mut [u32], y: &[u32], w: Shoup) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x = m.add(*x, m.mul_shoup(*y, w)));
}

#[allow(clippy::too_many_arguments)]
pub(super) fn dot_key(
    m: &Modulus,
    digits: &[&[u32]],
    key: &[u32],
    left: &mut [u32],
    right: &mut [u32],
    plus: Option<(&[u32], Shoup)>,
    permutation: Option<&Permutation>,
    accumulate: bool,
) {
    let stride = key.len() / left.len() * RUN;
    for (to, (left, right)) in left.iter_mut().zip(right).enumerate() {
        let i = permutation.map_or(to, |p| p.index[to] as usize);
        let row = &key[i / RUN * stride + i % RUN..];
        let sum = |half: usize| {
            digits.chunks(MAX_TERMS).enumerate().fold(0, |sum, (c, digits)| {
                let products = digits
                    .iter()
                    .enumerate()
                    .map(|(t, d)| u64::from(d[i]) * u64::from(row[2 * RUN * (c * MAX_TERMS + t) + half * RUN]));
                m.add(sum, m.montgomery_reduce(products.sum()))
            })
        };
        let l = plus.map_or(sum(0), |(x, w)| m.add(sum(0), m.mul_shoup(x[i], w)));
        (*left, *right) = if accumulate { (m.add(*left, l), m.add(*right, sum(1))) } else { (l, sum(1)) };
    }
}

#[allow(clippy::too_many_arguments)]
pub(super) fn dot_diagonals(
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
    let n = left.len();
    let stride = (a.len() + skip) * RUN;
    for i in range {
        let row = &packed[i / RUN * stride + i % RUN..];
        for at in [i, n - 1 - i] {
            for (out, rows) in [(&mut left[at], a), (&mut right[at], b)] {
                let start = if accumulate { *out } else { 0 };
                *out = rows.chunks(MAX_TERMS).enumerate().fold(start, |sum, (c, rows)| {
                    let products =
                        rows.iter().enumerate().map(|(t, x)| u64::from(x[at]) * u64::from(row[(skip + c * MAX_TERMS + t) * RUN]));
                    m.add(sum, m.montgomery_reduce(products.sum()))
                });
            }
        }
    }
}

pub(super) fn tensor(m: &Modulus, a: [&[u32]; 2], b: [&[u32]; 2], d: &mut [&mut [u32]; 3]) {
    for i in 0..d[0].len() {
        let (x0, x1) = (u64::from(a[0][i]), u64::from(a[1][i]));
        let enter = |y: u32| u64::from(m.montgomery_reduce(u64::from(y) * u64::from(m.r2())));
        let (y0, y1) = (enter(b[0][i]), enter(b[1][i]));
        d[0][i] = m.montgomery_reduce(x0 * y0);
        d[1][i] = m.montgomery_reduce(x0 * y1 + x1 * y0);
        d[2][i] = m.montgomery_reduce(x1 * y1);
    }
}

pub(super) fn permute(index: &[u32], x: &[u32], out: &mut [u32]) {
    out.iter_mut().zip(index).for_each(|(out, i)| *out = x[*i as usize]);
}

pub(super) fn extend_prepare(sources: &[Source], xs: &[&[u32]], ys: &mut [u32], v: &mut [u32]) {
    let n = v.len();
    for (i, v) in v.iter_mut().enumerate() {
        let mut sum = 1u64 << (Source::FRACTION_BITS - 1);
        for (j, s) in sources.iter().enumerate() {
            let y = s.modulus.mul_shoup(xs[j][i], s.factor);
            sum += (u64::from(y) * u64::from(s.reciprocal)) >> s.shift;
            ys[j * n + i] = y;
        }
        *v = (sum >> Source::FRACTION_BITS) as u32;
    }
}

pub(super) fn extend_targets(targets: &[(&Modulus, &[u32])], ys: &[u32], v: &[u32], out: &mut [u32]) {
    let n = v.len();
    for ((t, hats), out) in targets.iter().zip(out.chunks_exact_mut(n)) {
        for (i, out) in out.iter_mut().enumerate() {
            let terms = ys.iter().skip(i).step_by(n).chain([&v[i]]).zip(*hats);
            *out = t.montgomery_reduce(terms.map(|(y, c)| u64::from(*y) * u64::from(*c)).sum());
        }
    }
}

pub(super) fn reduce_i64(m: &Modulus, x: &[i64], out: &mut [u32]) {
    let offset = offset_i64(m);
    for (out, x) in out.iter_mut().zip(x) {
        let x = x.cast_unsigned().wrapping_add(offset);
        *out = m.montgomery_reduce((x & 0xffff_ffff) * u64::from(m.r()) + (x >> 32) * u64::from(m.r2()));
    }
}
