//! Hybrid key switching (Han and Ki 2020, "Better bootstrapping for approximate homomorphic encryption"): cut a polynomial into digits,
//! raise each to the primes of QP, multiply with the key, divide by P.

use crate::error::Result;
use crate::keys::ExpandedKey;
use crate::modulus::Shoup;
use crate::par;
use crate::params::Params;
use crate::permutation::Permutation;
use crate::pool::Buffer;
use crate::rns::{Basis, Eval, Poly, Ring, group};
use std::borrow::Cow;
use std::sync::Arc;

/// A polynomial cut into digits, each modulo all primes of QP, by evaluations. Made once, it serves any number of keys: that is hoisting.
pub(crate) struct Decomposed<'a> {
    params: Params,
    ring: Arc<Ring>,
    basis: Basis,
    width: usize,
    /// The polynomial itself: a digit's own limbs are its.
    own: Cow<'a, Poly<Eval>>,
    /// Per digit, the limbs of all other primes in order.
    raised: Vec<Buffer>,
}

impl<'a> Decomposed<'a> {
    /// Cuts `x`, of some level's basis, into its digits.
    #[allow(clippy::indexing_slicing, reason = "digits partition the limbs of the basis")]
    pub(crate) fn new(params: &Params, x: Cow<'a, Poly<Eval>>) -> Result<Self> {
        let tables = params.tables()?;
        let (ring, n) = (Arc::clone(&x.ring), x.ring.n());
        let (limbs, width) = (x.basis.q, params.digit_width());
        let basis = Basis { q: limbs, p: params.special().len() };
        let digits = limbs.div_ceil(width);
        let coefficients = Poly::clone(&x).into_coeff();
        let prepared = par::map(digits, |d| {
            let range = d * width..((d + 1) * width).min(limbs);
            let extension = tables.digit(d, range.len());
            let limbs: Vec<&[u32]> = range.map(|i| coefficients.limb(i)).collect();
            (extension, extension.prepare(&ring, &limbs))
        });
        drop(coefficients);
        let mut raised: Vec<Buffer> = prepared.iter().map(|(e, _)| ring.pool.take((basis.len() - e.width()) * n)).collect();
        // Ordered by prime, so that a prime's tables serve all digits while they are near.
        let group = group();
        let mut tasks: Vec<(Vec<usize>, usize, &mut [u32])> = Vec::new();
        for (d, buffer) in raised.iter_mut().enumerate() {
            let others: Vec<usize> =
                (0..basis.len()).filter(|i| i / width != d || *i >= limbs).map(|i| ring.id(basis, i)).collect();
            let groups = others.chunks(group).map(<[usize]>::to_vec);
            tasks.extend(groups.zip(buffer.chunks_mut(group * n)).map(|(ids, limbs)| (ids, d, limbs)));
        }
        tasks.sort_unstable_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        par::each(&mut tasks, |_, (ids, d, limbs)| {
            let (extension, prepared) = &prepared[*d];
            extension.targets(&ring, prepared, ids, limbs);
        });
        Ok(Self { params: params.clone(), ring, basis, width, own: x, raised })
    }

    /// The basis QP of the digits.
    pub(crate) fn basis(&self) -> Basis {
        self.basis
    }

    pub(crate) fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// Limb `i` of digit `d`.
    #[allow(clippy::indexing_slicing, reason = "limbs and digits run below their counts")]
    fn limb(&self, d: usize, i: usize) -> &[u32] {
        let (n, q) = (self.ring.n(), self.basis.q);
        let (from, to) = (d * self.width, ((d + 1) * self.width).min(q));
        if (from..to).contains(&i) {
            self.own.limb(i)
        } else {
            let at = if i < from { i } else { i - (to - from) };
            &self.raised[d][at * n..(at + 1) * n]
        }
    }

    /// Limb `i` of φ(Σ digit · key), both halves, `plus` added to the left one before the automorphism φ; see `Backend::dot_key`.
    pub(crate) fn limb_product(
        &self,
        key: &ExpandedKey,
        i: usize,
        (left, right): (&mut [u32], &mut [u32]),
        plus: Option<(&[u32], Shoup)>,
        permutation: Option<&Permutation>,
        accumulate: bool,
    ) {
        let m = self.ring.modulus(self.ring.id(self.basis, i));
        let digits: Vec<&[u32]> = (0..self.raised.len()).map(|d| self.limb(d, i)).collect();
        let key = key.limb(&self.params, self.basis.q, i);
        self.ring.backend.dot_key(m, &digits, key, left, right, plus, permutation, accumulate);
    }

    /// Σ digit · key over QP, both halves, without the automorphism.
    pub(crate) fn inner_product(&self, key: &ExpandedKey) -> (Poly<Eval>, Poly<Eval>) {
        let mut left = Poly::uninit(&self.ring, self.basis);
        let mut right = Poly::uninit(&self.ring, self.basis);
        par::chunk_pairs(&mut left.data, &mut right.data, self.ring.n(), |i, l, r| {
            self.limb_product(key, i, (l, r), None, None, false);
        });
        (left, right)
    }

    /// φ(Σ digit · key + P·x) over QP, both halves, φ the key's automorphism; x has no special limbs.
    pub(crate) fn switch(&self, key: &ExpandedKey, x: &Poly<Eval>) -> (Poly<Eval>, Poly<Eval>) {
        let mut left = Poly::uninit(&self.ring, self.basis);
        let mut right = Poly::uninit(&self.ring, self.basis);
        par::chunk_pairs(&mut left.data, &mut right.data, self.ring.n(), |i, l, r| {
            let p = (i < self.basis.q).then(|| self.ring.modulus(i)).map(|m| (x.limb(i), m.shoup(p_mod(&self.params, m))));
            self.limb_product(key, i, (l, r), p, key.permutation.as_ref(), false);
        });
        (left, right)
    }
}

/// Adds P·x, which has no special limbs, to the limbs of the chain.
pub(crate) fn add_times_p(params: &Params, sum: &mut Poly<Eval>, x: &Poly<Eval>) {
    let (ring, n) = (Arc::clone(&sum.ring), sum.ring.n());
    for (i, (limb, x)) in sum.data.chunks_exact_mut(n).zip(x.data.chunks_exact(n)).enumerate() {
        let m = ring.modulus(i);
        ring.backend.add_mul_scalar_assign(m, limb, x, m.shoup(p_mod(params, m)));
    }
}

/// P mod q.
pub(crate) fn p_mod(params: &Params, m: &crate::modulus::Modulus) -> u32 {
    params.special().iter().fold(1, |acc, p| m.mul(acc, p.value()))
}
