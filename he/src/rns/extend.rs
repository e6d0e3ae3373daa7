//! Exact basis extension, and division by a product of primes with rounding, which stands on it.
//!
//! x in a source basis of product D becomes its centred representative modulo other primes: with y_j = x·(D/q_j)^−1 mod q_j,
//! x = Σ y_j·(D/q_j) − v·D and v = round(Σ y_j/q_j) (Halevi, Polyakov, Shoup 2019, "An improved RNS variant of the BFV scheme", §2.2).
//! The quotient is taken in fixed point, so that every backend rounds alike.

use super::{Basis, Eval, Poly, Ring};
use crate::modulus::Shoup;
use crate::par;
use crate::pool::Buffer;
use crate::simd::Source;
use std::sync::Arc;

/// Constants for extending from some primes to all others of the ring.
#[derive(Debug)]
pub(crate) struct Extension {
    sources: Vec<Source>,
    /// By target id, in Montgomery form: D/q_j mod t for every j, then −D mod t.
    hats: Vec<Vec<u32>>,
    /// By target id: D^−1 mod t.
    inverse: Vec<Shoup>,
}

/// Limbs extended by one task. Up to four share the reading of the source; where there are threads, smaller groups share the work better.
pub(crate) fn group() -> usize {
    if par::parts() > 1 { 2 } else { 4 }
}

/// The y_j and v of one polynomial.
pub(crate) struct Prepared {
    ys: Buffer,
    v: Buffer,
}

impl Extension {
    /// From the primes with those ids to every other.
    pub(crate) fn new(ring: &Ring, from: &[usize]) -> Self {
        let product = |t: usize, skip: Option<usize>| {
            let m = ring.modulus(t);
            from.iter().filter(|j| Some(**j) != skip).fold(1, |acc, j| m.mul(acc, ring.modulus(*j).value()))
        };
        let sources = from.iter().map(|&j| {
            let m = *ring.modulus(j);
            Source::new(m, m.shoup(m.inv(product(j, Some(j)))))
        });
        let targets = 0..ring.primes();
        let hats = targets.clone().map(|t| {
            let m = ring.modulus(t);
            let last = m.neg(product(t, None));
            from.iter().map(|&j| product(t, Some(j))).chain([last]).map(|c| m.to_montgomery(c)).collect()
        });
        let inverse = targets.map(|t| {
            let m = ring.modulus(t);
            m.shoup(m.inv(product(t, None)))
        });
        Self { sources: sources.collect(), hats: hats.collect(), inverse: inverse.collect() }
    }

    /// Number of source primes.
    pub(crate) fn width(&self) -> usize {
        self.sources.len()
    }

    /// First half: from the source limbs, by coefficients.
    pub(crate) fn prepare(&self, ring: &Ring, limbs: &[&[u32]]) -> Prepared {
        let n = ring.n();
        self.prepare_in(ring, limbs, Prepared { ys: ring.pool.take(n * self.width()), v: ring.pool.take(n) })
    }

    fn prepare_in(&self, ring: &Ring, limbs: &[&[u32]], mut prepared: Prepared) -> Prepared {
        ring.backend.extend_prepare(&self.sources, limbs, &mut prepared.ys, &mut prepared.v);
        prepared
    }

    /// Second half: the centred representative modulo each prime of `ids`, by evaluations, one limb of `out` each.
    #[allow(clippy::indexing_slicing, reason = "one row of constants per prime of the ring")]
    pub(crate) fn targets(&self, ring: &Ring, prepared: &Prepared, ids: &[usize], out: &mut [u32]) {
        let targets: Vec<_> = ids.iter().map(|id| (ring.modulus(*id), self.hats[*id].as_slice())).collect();
        ring.backend.extend_targets(&targets, &prepared.ys, &prepared.v, out);
        for (id, limb) in ids.iter().zip(out.chunks_exact_mut(ring.n())) {
            ring.backend.ntt_forward(ring.table(*id), limb);
        }
    }

    /// [`Extension::divide`] of both.
    pub(crate) fn divide_pair(&self, x: &mut Poly<Eval>, y: &mut Poly<Eval>) -> (Poly<Eval>, Poly<Eval>) {
        par::join(|| self.divide(x), || self.divide(y))
    }

    /// round(x / D), where the source primes are the last limbs of `x` (which are consumed); their limbs fall away. If `x` is overwritten
    /// with zeros when dropped, so are the result and what lies between.
    #[allow(clippy::indexing_slicing, reason = "a basis is split where its last limbs begin; one constant per prime")]
    pub(crate) fn divide(&self, x: &mut Poly<Eval>) -> Poly<Eval> {
        let ring = Arc::clone(&x.ring);
        let (n, basis) = (ring.n(), x.basis);
        let kept = basis.len() - self.width();
        let between = Prepared { ys: x.data.alike(n * self.width()), v: x.data.alike(n) };
        let mut out = x.uninit_alike(Basis { q: kept.min(basis.q), p: kept.saturating_sub(basis.q) });
        let (head, tail) = x.data.split_at_mut(kept * n);
        par::chunks(tail, n, |i, limb| ring.backend.ntt_inverse(ring.table(ring.id(basis, kept + i)), limb));
        let limbs: Vec<&[u32]> = tail.chunks_exact(n).collect();
        let prepared = self.prepare_in(&ring, &limbs, between);
        let ids: Vec<usize> = (0..kept).map(|i| ring.id(basis, i)).collect();
        let group = group();
        par::chunks(&mut out.data, group * n, |g, limbs| {
            let ids = &ids[g * group..kept.min((g + 1) * group)];
            self.targets(&ring, &prepared, ids, limbs);
            for (i, (id, limb)) in (g * group..).zip(ids.iter().zip(limbs.chunks_exact_mut(n))) {
                let minuend = &head[i * n..(i + 1) * n];
                ring.backend.sub_from_mul_scalar(ring.modulus(*id), limb, minuend, self.inverse[*id]);
            }
        });
        out
    }
}
