//! Exact sizes, known from the parameters alone. Sums saturate: a size that no machine holds is above every limit.

use super::bits::packed_bytes;
use super::header::HEADER_BYTES;
use crate::encrypt::PublicKey;
use crate::error::Result;
use crate::keys::KeySpec;
use crate::params::Params;
use crate::rns::Basis;

/// Bytes of the parameters' ten fields.
pub(super) const LITERAL_BYTES: usize = 56;
/// Bytes of the number of evaluation keys.
pub(super) const COUNT_BYTES: usize = 4;
/// Bytes of an evaluation key's kind, level and seed.
pub(super) const ENTRY_BYTES: usize = 40;
/// Bytes of a seed.
pub(super) const SEED_BYTES: usize = 32;

/// Bytes of parameters.
pub fn params_bytes() -> usize {
    HEADER_BYTES + LITERAL_BYTES
}

/// Bytes of a ciphertext at `level`: seeded, as it comes from an [`Encryptor`](crate::Encryptor), or with both polynomials.
///
/// # Errors
/// A level that the parameters lack.
pub fn ciphertext_bytes(params: &Params, level: usize, seeded: bool) -> Result<usize> {
    params.check_level(level)?;
    Ok(HEADER_BYTES + ciphertext_payload(params, level, seeded))
}

/// Bytes of the evaluation keys of `spec`.
///
/// # Errors
/// A level that the parameters lack.
pub fn evaluation_keys_bytes(params: &Params, spec: &KeySpec) -> Result<usize> {
    let empty = HEADER_BYTES + COUNT_BYTES;
    spec.entries().try_fold(empty, |sum, (_, level)| Ok(sum.saturating_add(galois_key_bytes(params, level)?)))
}

/// Bytes that one Galois key up to `level` adds to evaluation keys.
///
/// # Errors
/// A level that the parameters lack.
pub fn galois_key_bytes(params: &Params, level: usize) -> Result<usize> {
    params.check_level(level)?;
    Ok(ENTRY_BYTES.saturating_add(switching_key_limbs(params, level)))
}

/// Bytes that a relinearisation key up to `level` adds to evaluation keys: those of a Galois key.
///
/// # Errors
/// A level that the parameters lack.
pub fn relinearisation_key_bytes(params: &Params, level: usize) -> Result<usize> {
    galois_key_bytes(params, level)
}

/// Bytes of a public key.
pub fn public_key_bytes(params: &Params) -> usize {
    HEADER_BYTES + public_key_payload(params)
}

/// Bytes of a secret key.
pub fn secret_key_bytes(params: &Params) -> usize {
    HEADER_BYTES + secret_key_payload(params)
}

pub(super) fn ciphertext_payload(params: &Params, level: usize, seeded: bool) -> usize {
    let poly = poly_bytes(params, params.basis(level));
    if seeded { SEED_BYTES + poly } else { 2 * poly }
}

pub(super) fn switching_key_limbs(params: &Params, level: usize) -> usize {
    params.digits(level).saturating_mul(poly_bytes(params, params.key_basis(level)))
}

pub(super) fn public_key_payload(params: &Params) -> usize {
    SEED_BYTES + poly_bytes(params, PublicKey::basis(params, params.max_level()))
}

pub(super) fn secret_key_payload(params: &Params) -> usize {
    params.n() / 4
}

fn poly_bytes(params: &Params, basis: Basis) -> usize {
    let primes = params.chain().iter().take(basis.q).chain(params.special().iter().take(basis.p));
    primes.map(|m| packed_bytes(params.n(), m.bits())).sum()
}
