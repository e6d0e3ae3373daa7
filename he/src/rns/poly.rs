//! A polynomial by limbs; whether it is held by coefficients or by evaluations is part of its type.

use super::{Basis, Ring};
use crate::modulus::Shoup;
use crate::par;
use crate::pool::Buffer;
use std::marker::PhantomData;
use std::sync::Arc;

/// Held by its N coefficients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coeff;
/// Held by its N evaluations, in bit-reversed order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Eval;

/// [`Coeff`] or [`Eval`].
pub(crate) trait Domain: Copy + Send + Sync + 'static {}
impl Domain for Coeff {}
impl Domain for Eval {}

/// Limbs of N residues in [0, q_i), in the order of the basis.
#[derive(Debug, Clone)]
pub(crate) struct Poly<D: Domain> {
    pub ring: Arc<Ring>,
    pub basis: Basis,
    pub data: Buffer,
    domain: PhantomData<D>,
}

impl<D: Domain> Poly<D> {
    /// Residues of any content, to be overwritten.
    pub(crate) fn uninit(ring: &Arc<Ring>, basis: Basis) -> Self {
        let data = ring.pool.take(basis.len() * ring.n());
        Self { ring: Arc::clone(ring), basis, data, domain: PhantomData }
    }

    /// As [`Poly::uninit`], overwritten with zeros when dropped.
    pub(crate) fn uninit_secret(ring: &Arc<Ring>, basis: Basis) -> Self {
        let data = ring.pool.take_secret(basis.len() * ring.n());
        Self { ring: Arc::clone(ring), basis, data, domain: PhantomData }
    }

    /// A copy that is overwritten with zeros when dropped.
    pub(crate) fn secret_copy(&self) -> Self {
        let mut copy = Self::uninit_secret(&self.ring, self.basis);
        copy.data.copy_from_slice(&self.data);
        copy
    }

    /// As [`Poly::uninit`], for what is computed from this one: overwritten with zeros when dropped if this one is.
    pub(crate) fn uninit_alike(&self, basis: Basis) -> Self {
        let data = self.data.alike(basis.len() * self.ring.n());
        Self { ring: Arc::clone(&self.ring), basis, data, domain: PhantomData }
    }

    fn into_domain<E: Domain>(self) -> Poly<E> {
        Poly { ring: self.ring, basis: self.basis, data: self.data, domain: PhantomData }
    }

    #[allow(clippy::indexing_slicing, reason = "callers stay below basis.len()")]
    pub(crate) fn limb(&self, i: usize) -> &[u32] {
        let n = self.ring.n();
        &self.data[i * n..(i + 1) * n]
    }

    #[allow(clippy::indexing_slicing, reason = "callers stay below basis.len()")]
    pub(crate) fn limb_mut(&mut self, i: usize) -> &mut [u32] {
        let n = self.ring.n();
        &mut self.data[i * n..(i + 1) * n]
    }

    /// `f(ring, id, limb)` for every limb, on as many threads as there are.
    pub(crate) fn for_each(&mut self, f: impl Fn(&Ring, usize, &mut [u32]) + Sync + Send) {
        let (ring, basis) = (Arc::clone(&self.ring), self.basis);
        par::chunks(&mut self.data, ring.n(), |i, limb| f(&ring, ring.id(basis, i), limb));
    }

    /// `f(ring, id, limb, other's limb)`; `other` may have more primes of the chain than this.
    fn zip_each(&mut self, other: &Self, f: impl Fn(&Ring, usize, &mut [u32], &[u32])) {
        assert!(self.basis.q <= other.basis.q && self.basis.p <= other.basis.p, "the other operand lacks limbs");
        let (ring, basis) = (Arc::clone(&self.ring), self.basis);
        for (i, limb) in self.data.chunks_exact_mut(ring.n()).enumerate() {
            let from = if i < basis.q { i } else { i - basis.q + other.basis.q };
            f(&ring, ring.id(basis, i), limb, other.limb(from));
        }
    }

    pub(crate) fn add_assign(&mut self, other: &Self) {
        self.zip_each(other, |r, id, x, y| r.backend.add_assign(r.modulus(id), x, y));
    }

    pub(crate) fn sub_assign(&mut self, other: &Self) {
        self.zip_each(other, |r, id, x, y| r.backend.sub_assign(r.modulus(id), x, y));
    }

    pub(crate) fn neg_assign(&mut self) {
        self.for_each(|r, id, x| r.backend.neg_assign(r.modulus(id), x));
    }

    /// Multiplies limb by limb with the constant that `w` gives for its modulus.
    pub(crate) fn mul_scalar_assign(&mut self, w: impl Fn(&crate::modulus::Modulus) -> Shoup + Sync + Send) {
        self.for_each(|r, id, x| r.backend.mul_scalar_assign(r.modulus(id), x, w(r.modulus(id))));
    }

    /// Keeps the first limbs only.
    pub(crate) fn restrict(&self, q: usize) -> Self {
        let mut out = self.uninit_alike(Basis { q, p: 0 });
        let n = out.data.len();
        #[allow(clippy::indexing_slicing, reason = "levels only fall, so self has at least q limbs")]
        out.data.copy_from_slice(&self.data[..n]);
        out
    }
}

impl Poly<Coeff> {
    pub(crate) fn into_eval(mut self) -> Poly<Eval> {
        self.for_each(|r, id, x| r.backend.ntt_forward(r.table(id), x));
        self.into_domain()
    }

    /// The polynomial with those small signed coefficients (|c| < 2^62).
    pub(crate) fn from_signed(ring: &Arc<Ring>, basis: Basis, coefficients: &[i64]) -> Self {
        let mut out = Self::uninit(ring, basis);
        out.for_each(|r, id, x| r.backend.reduce_i64(r.modulus(id), coefficients, x));
        out
    }
}

impl Poly<Eval> {
    pub(crate) fn into_coeff(mut self) -> Poly<Coeff> {
        self.for_each(|r, id, x| r.backend.ntt_inverse(r.table(id), x));
        self.into_domain()
    }

    /// Product where `other` is in Montgomery form.
    pub(crate) fn mul_montgomery_assign(&mut self, other: &Self) {
        self.zip_each(other, |r, id, x, y| r.backend.mul_montgomery_assign(r.modulus(id), x, y));
    }

    /// Enters Montgomery form: every residue times 2^32.
    pub(crate) fn enter_montgomery(&mut self) {
        self.for_each(|r, id, x| r.backend.to_montgomery(r.modulus(id), x));
    }
}
