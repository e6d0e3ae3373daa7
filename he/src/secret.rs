//! The secret key: a type of its own, in memory of its own.

use crate::error::Result;
use crate::params::Params;
use crate::rns::{Basis, Eval, Poly, Ring};
use crate::sample;
use crate::seed::SecretRng;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A uniform ternary secret s. Overwritten with zeros when dropped; it cannot be cloned, printed or put beside anything else on the wire.
pub struct SecretKey {
    params: Params,
    coefficients: Zeroizing<Vec<i8>>,
    /// Evaluations modulo every prime of the ring, by prime id.
    evaluations: Zeroizing<Vec<u32>>,
}

impl SecretKey {
    /// A new key from the operating system's randomness.
    ///
    /// # Errors
    /// [`crate::Error::Randomness`] if there is none.
    pub fn generate(params: &Params) -> Result<Self> {
        Self::sample(params, &mut SecretRng::from_os()?)
    }

    /// The key that a seed determines, for known-answer tests only: the seed is then as secret as the key.
    ///
    /// # Errors
    /// If the parameters' tables cannot be built.
    pub fn from_seed(params: &Params, seed: [u8; 32]) -> Result<Self> {
        Self::sample(params, &mut SecretRng::from_seed(seed))
    }

    fn sample(params: &Params, rng: &mut SecretRng) -> Result<Self> {
        let mut coefficients = Zeroizing::new(vec![0; params.n()]);
        sample::ternary(rng, &mut coefficients);
        Self::from_coefficients(params, coefficients)
    }

    /// The key with those coefficients, each −1, 0 or 1.
    pub(crate) fn from_coefficients(params: &Params, coefficients: Zeroizing<Vec<i8>>) -> Result<Self> {
        crate::simd::mark_secret(bytemuck::cast_slice(&coefficients));
        let ring = params.ring()?;
        let n = ring.n();
        let mut evaluations = Zeroizing::new(vec![0; ring.primes() * n]);
        crate::par::chunks(&mut evaluations, n, |id, limb| evaluate_small(ring, id, &coefficients, limb));
        Ok(Self { params: params.clone(), coefficients, evaluations })
    }

    /// The parameters it belongs to.
    pub fn params(&self) -> &Params {
        &self.params
    }

    pub(crate) fn coefficients(&self) -> &[i8] {
        &self.coefficients
    }

    /// s modulo prime `id`, by evaluations.
    #[allow(clippy::indexing_slicing, reason = "one limb per prime id of the ring")]
    pub(crate) fn limb(&self, id: usize) -> &[u32] {
        let n = self.params.n();
        &self.evaluations[id * n..(id + 1) * n]
    }
}

/// Small signed coefficients modulo prime `id`, by evaluations; constant time.
pub(crate) fn evaluate_small<T: Copy + Into<i32>>(ring: &Ring, id: usize, coefficients: &[T], limb: &mut [u32]) {
    let q = ring.modulus(id).value();
    for (out, c) in limb.iter_mut().zip(coefficients) {
        let c: i32 = (*c).into();
        *out = c.cast_unsigned().wrapping_add(q & (c >> 31).cast_unsigned());
    }
    ring.backend.ntt_forward(ring.table(id), limb);
}

/// A fresh error polynomial over a basis, by evaluations: discrete Gaussian of [`sample::SIGMA`].
pub(crate) fn error_poly(ring: &Arc<Ring>, basis: Basis, rng: &mut SecretRng) -> Poly<Eval> {
    let mut e = Zeroizing::new(vec![0i32; ring.n()]);
    sample::gaussian(rng, &mut e);
    small_poly(ring, basis, &e)
}

/// The polynomial with those small coefficients, by evaluations.
pub(crate) fn small_poly<T: Copy + Into<i32> + Sync>(ring: &Arc<Ring>, basis: Basis, coefficients: &[T]) -> Poly<Eval> {
    let mut out = Poly::uninit_secret(ring, basis);
    out.for_each(|r, id, limb| evaluate_small(r, id, coefficients, limb));
    out
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

#[cfg(test)]
mod tests;
