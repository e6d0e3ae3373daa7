//! Checked parameters.

use super::{ParamsLiteral, max_log_qp};
use crate::error::{Error, Result};
use crate::modulus::{MAX_TERMS, Modulus};
use crate::prime::nearest;
use crate::rns::{Basis, Extension, Ring};
use crate::simd::Backend;
use sha2::{Digest, Sha256};
use std::sync::{Arc, OnceLock};

/// Largest ring degree, as log2.
const MAX_LOG_N: u32 = 17;
/// Largest number of primes, those of the chain and the special ones together.
const MAX_PRIMES: usize = 128;

/// Checked, immutable parameters with their primes. Cloning is cheap; the tables are built at first use and shared.
#[derive(Clone)]
pub struct Params(Arc<Inner>);

struct Inner {
    literal: ParamsLiteral,
    secure: bool,
    chain: Vec<Modulus>,
    special: Vec<Modulus>,
    log_qp: f64,
    digest: [u8; 32],
    backend: Backend,
    tables: OnceLock<Result<Tables>>,
}

/// What evaluation needs beyond numbers.
pub(crate) struct Tables {
    pub ring: Arc<Ring>,
    /// `digit[d][w − 1]`: from the first w primes of digit d to all others.
    digit: Vec<Vec<Extension>>,
    /// From the special primes.
    pub down: Extension,
    /// `rescale[ℓ − 1]`: from the primes that level ℓ drops.
    rescale: Vec<Extension>,
    /// `down_rescale[ℓ − 1]`: from those and the special primes.
    down_rescale: Vec<Extension>,
}

#[allow(clippy::indexing_slicing, reason = "levels and digits come from checked values of the same parameters")]
impl Tables {
    pub(crate) fn digit(&self, d: usize, width: usize) -> &Extension {
        &self.digit[d][width - 1]
    }
    pub(crate) fn rescale(&self, level: usize) -> &Extension {
        &self.rescale[level - 1]
    }
    pub(crate) fn down_rescale(&self, level: usize) -> &Extension {
        &self.down_rescale[level - 1]
    }
}

fn refuse<T>(field: &'static str, found: impl ToString, wanted: impl Into<String>) -> Result<T> {
    Err(Error::Params { field, found: found.to_string(), wanted: wanted.into() })
}

impl Params {
    pub(super) fn new(literal: &ParamsLiteral, secure: bool) -> Result<Self> {
        let l = literal.clone();
        let least = if secure { 12 } else { 5 };
        if !(least..=MAX_LOG_N).contains(&l.log_n) {
            return refuse("log_n", l.log_n, format!("{least} to {MAX_LOG_N}"));
        }
        let total = l.levels.saturating_mul(l.primes_per_level).saturating_add(l.base_limbs).saturating_add(l.special_limbs);
        if l.base_limbs == 0 || l.special_limbs == 0 || total > MAX_PRIMES {
            return refuse(
                "base_limbs, special_limbs",
                format!("{}, {}", l.base_limbs, l.special_limbs),
                "at least 1 each, at most 128 primes in all",
            );
        }
        if !(1..=2).contains(&l.primes_per_level) {
            return refuse("primes_per_level", l.primes_per_level, "1 or 2");
        }
        for (field, bits) in [("base_bits", l.base_bits), ("prime_bits", l.prime_bits), ("special_bits", l.special_bits)] {
            let least = f64::from(l.log_n + 1).max(17.0);
            if !(bits >= least && bits < f64::from(Modulus::MAX_BITS)) {
                return refuse(field, bits, format!("at least {least} and below {}", Modulus::MAX_BITS));
            }
        }
        let limbs = l.base_limbs + l.levels * l.primes_per_level;
        if !(1..=limbs).contains(&l.digits) {
            return refuse("digits", l.digits, format!("1 to {limbs}, the limbs of a fresh ciphertext"));
        }
        let width = limbs.div_ceil(l.digits);
        let sources = width.max(l.special_limbs + l.primes_per_level);
        if sources >= MAX_TERMS {
            return refuse(
                "digits, special_limbs",
                format!("{}, {}", l.digits, l.special_limbs),
                format!("more digits: at most {} primes may be extended at once", MAX_TERMS - 1),
            );
        }
        let base_bits = l.base_bits * l.base_limbs as f64;
        if !(l.log_scale >= 10.0 && l.log_scale + 2.0 <= base_bits) {
            return refuse("log_scale", l.log_scale, format!("10 to {}, two bits below the base primes", base_bits - 2.0));
        }

        // Special primes first: they are the largest, just below 2^30 where the sizes say so.
        let mut taken = Vec::new();
        let mut group = |bits: f64, count: usize| -> Result<Vec<Modulus>> {
            let primes = nearest(l.log_n, bits, count, &taken)?;
            taken.extend(&primes);
            primes.into_iter().map(Modulus::new).collect()
        };
        let special = group(l.special_bits, l.special_limbs)?;
        let mut chain = group(l.base_bits, l.base_limbs)?;
        chain.extend(group(l.prime_bits, l.levels * l.primes_per_level)?);

        let log2 = |primes: &[Modulus]| primes.iter().map(|m| f64::from(m.value()).log2()).sum::<f64>();
        let log_qp = log2(&chain) + log2(&special);
        if secure {
            match max_log_qp(l.log_n) {
                Some(max) if log_qp <= f64::from(max) => {}
                max => return Err(Error::Insecure { log_n: l.log_n, log_qp, max: max.unwrap_or(0) }),
            }
        }
        let (special_bits, digit_bits) = (log2(&special), chain.chunks(width).map(log2).fold(0.0, f64::max));
        if digit_bits > special_bits + 1.0 {
            return Err(Error::KeySwitchNoise { special_bits, digit_bits });
        }

        let digest = digest(&l, secure, &chain, &special);
        let backend = Backend::detect()?;
        Ok(Self(Arc::new(Inner { literal: l, secure, chain, special, log_qp, digest, backend, tables: OnceLock::new() })))
    }

    /// Parameters without the security check, for tests of small rings. The wire format refuses whatever is made under them.
    ///
    /// # Errors
    /// As [`ParamsLiteral::check`], security apart.
    pub fn insecure_for_tests(literal: &ParamsLiteral) -> Result<Self> {
        Self::new(literal, false)
    }

    /// The same parameters on another backend.
    pub fn on_backend(&self, backend: Backend) -> Self {
        let i = &*self.0;
        Self(Arc::new(Inner {
            literal: i.literal.clone(),
            chain: i.chain.clone(),
            special: i.special.clone(),
            backend,
            tables: OnceLock::new(),
            ..*i
        }))
    }

    /// What these parameters were made from.
    pub fn literal(&self) -> &ParamsLiteral {
        &self.0.literal
    }

    /// Whether the 128-bit bound was enforced.
    pub fn is_secure(&self) -> bool {
        self.0.secure
    }

    /// The SIMD backend in use.
    pub fn backend(&self) -> Backend {
        self.0.backend
    }

    /// log2 of the ring degree.
    pub fn log_n(&self) -> u32 {
        self.0.literal.log_n
    }

    /// The ring degree N.
    pub fn n(&self) -> usize {
        1 << self.log_n()
    }

    /// Number of slots of one ciphertext.
    pub fn slots(&self) -> usize {
        self.n() / 2
    }

    /// The level of a fresh ciphertext: how many rescalings it can go through.
    pub fn max_level(&self) -> usize {
        self.0.literal.levels
    }

    /// The default scale Δ.
    pub fn scale(&self) -> f64 {
        self.0.literal.log_scale.exp2()
    }

    /// log2(Q·P), bits, which the security bound limits.
    pub fn log_qp(&self) -> f64 {
        self.0.log_qp
    }

    /// log2(Q) at a level, bits.
    pub fn log_q(&self, level: usize) -> f64 {
        self.chain_at(level).iter().map(|m| f64::from(m.value()).log2()).sum()
    }

    /// log2(P), P the product of the special primes; bits.
    pub fn log_p(&self) -> f64 {
        self.0.special.iter().map(|m| f64::from(m.value()).log2()).sum()
    }

    /// Limbs of a polynomial at a level.
    pub fn limbs(&self, level: usize) -> usize {
        let l = &self.0.literal;
        (l.base_limbs + level * l.primes_per_level).min(self.0.chain.len())
    }

    /// The primes of the chain: base primes, then those of level 1, 2, ….
    pub fn chain(&self) -> &[Modulus] {
        &self.0.chain
    }

    /// The special primes.
    pub fn special(&self) -> &[Modulus] {
        &self.0.special
    }

    /// Number of digits of a polynomial at a level.
    pub fn digits(&self, level: usize) -> usize {
        self.limbs(level).div_ceil(self.digit_width())
    }

    /// Product of the primes that a rescaling from `level` to `level − 1` divides by; 1 at level 0.
    pub fn rescale_factor(&self, level: usize) -> f64 {
        let (from, to) = (self.limbs(level), self.limbs(level.saturating_sub(1)));
        self.0.chain.get(to..from).unwrap_or(&[]).iter().map(|m| f64::from(m.value())).product()
    }

    /// SHA-256 over everything that two parties must share.
    pub fn digest(&self) -> &[u8; 32] {
        &self.0.digest
    }

    pub(crate) fn digit_width(&self) -> usize {
        self.0.chain.len().div_ceil(self.0.literal.digits)
    }

    pub(crate) fn chain_at(&self, level: usize) -> &[Modulus] {
        self.0.chain.get(..self.limbs(level)).unwrap_or(&self.0.chain)
    }

    /// Basis of ciphertexts at a level.
    pub(crate) fn basis(&self, level: usize) -> Basis {
        Basis { q: self.limbs(level), p: 0 }
    }

    /// Basis of keys at a level.
    pub(crate) fn key_basis(&self, level: usize) -> Basis {
        Basis { q: self.limbs(level), p: self.0.special.len() }
    }

    /// Bytes of memory in polynomials, keys and diagonals of these parameters, the free buffers kept for reuse among them. Clones share
    /// one count.
    pub fn buffer_bytes(&self) -> usize {
        self.built().map_or(0, |tables| tables.ring.pool.bytes())
    }

    /// Gives the free buffers back to the system: they are otherwise kept at the most that was ever in use at one time.
    pub fn trim(&self) {
        if let Some(tables) = self.built() {
            tables.ring.pool.trim();
        }
    }

    fn built(&self) -> Option<&Tables> {
        self.0.tables.get().and_then(|tables| tables.as_ref().ok())
    }

    pub(crate) fn tables(&self) -> Result<&Tables> {
        self.0.tables.get_or_init(|| self.build()).as_ref().map_err(Clone::clone)
    }

    pub(crate) fn ring(&self) -> Result<&Arc<Ring>> {
        Ok(&self.tables()?.ring)
    }

    fn build(&self) -> Result<Tables> {
        let i = &*self.0;
        let ring = Arc::new(Ring::new(i.literal.log_n, &i.chain, &i.special, i.backend)?);
        let (chain, width) = (i.chain.len(), self.digit_width());
        let special: Vec<usize> = (chain..chain + i.special.len()).collect();
        let digit = (0..i.literal.digits)
            .map(|d| {
                let (from, to) = (d * width, ((d + 1) * width).min(chain));
                (from + 1..=to).map(|end| Extension::new(&ring, &(from..end).collect::<Vec<_>>())).collect()
            })
            .collect();
        let dropped = |level: usize| (self.limbs(level - 1)..self.limbs(level)).collect::<Vec<_>>();
        let levels = 1..=self.max_level();
        Ok(Tables {
            digit,
            down: Extension::new(&ring, &special),
            rescale: levels.clone().map(|l| Extension::new(&ring, &dropped(l))).collect(),
            down_rescale: levels.map(|l| Extension::new(&ring, &[dropped(l), special.clone()].concat())).collect(),
            ring,
        })
    }
}

impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest == other.0.digest
    }
}

impl Eq for Params {}

impl std::fmt::Debug for Params {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Params").field("literal", self.literal()).field("log_qp", &self.log_qp()).finish_non_exhaustive()
    }
}

fn digest(l: &ParamsLiteral, secure: bool, chain: &[Modulus], special: &[Modulus]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"veilray-he params 1");
    let numbers =
        [l.log_n as usize, l.base_limbs, l.levels, l.primes_per_level, l.digits, usize::from(secure), chain.len(), special.len()];
    for v in numbers {
        hash.update((v as u64).to_le_bytes());
    }
    hash.update(l.log_scale.to_le_bytes());
    for m in chain.iter().chain(special) {
        hash.update(m.value().to_le_bytes());
    }
    hash.finalize().into()
}

/// Checks that every operation makes.
impl Params {
    pub(crate) fn check_level(&self, level: usize) -> Result<()> {
        if level > self.max_level() { Err(Error::Level { found: level, max: self.max_level() }) } else { Ok(()) }
    }

    pub(crate) fn check_same(&self, other: &Self) -> Result<()> {
        if self == other {
            return Ok(());
        }
        let describe = |p: &Self| {
            format!("N = 2^{}, {} levels, digest {:02x?}", p.log_n(), p.max_level(), p.digest().get(..4).unwrap_or(&[]))
        };
        Err(Error::ParamsMismatch { wanted: describe(self), found: describe(other) })
    }
}
