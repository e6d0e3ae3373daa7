//! Keys for evaluation: which are needed ([`KeySpec`]), as they travel ([`EvaluationKeys`]) and as they are used ([`ExpandedKeys`]).

use crate::error::{Error, Result};
use crate::galois;
use crate::par;
use crate::params::Params;
use crate::permutation::Permutation;
use crate::pool::Buffer;
use crate::rns::{Eval, Poly};
use crate::secret::{SecretKey, error_poly};
use crate::seed::{SecretRng, Seed, uniform_limb};
use crate::simd::RUN;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The evaluation keys a circuit needs, each up to the highest level it is used at: a key for level ℓ has only the limbs of ℓ.
///
/// One that was deserialised may ask for what parameters cannot have; generating the keys or asking for their bytes then is an error.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySpec {
    /// Highest level of ciphertext products.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    relinearisation: Option<usize>,
    /// Highest level by Galois element.
    galois: BTreeMap<u32, usize>,
}

impl KeySpec {
    /// A specification that asks for no key.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds products of ciphertexts up to a level.
    #[must_use]
    pub fn with_relinearisation(mut self, level: usize) -> Self {
        self.relinearisation = self.relinearisation.max(Some(level));
        self
    }

    /// Adds rotations by each of `steps` up to a level.
    #[must_use]
    pub fn with_rotations(mut self, params: &Params, steps: impl IntoIterator<Item = i64>, level: usize) -> Self {
        for k in steps {
            self.add_galois(galois::rotation_element(params, k), level);
        }
        self
    }

    /// Adds conjugation up to a level.
    #[must_use]
    pub fn with_conjugation(mut self, params: &Params, level: usize) -> Self {
        self.add_galois(galois::conjugation_element(params), level);
        self
    }

    /// Adds all that `other` needs.
    #[must_use]
    pub fn union(mut self, other: &Self) -> Self {
        self.relinearisation = self.relinearisation.max(other.relinearisation);
        other.galois.iter().for_each(|(g, level)| self.add_galois(*g, *level));
        self
    }

    /// The identity needs no key.
    fn add_galois(&mut self, element: u32, level: usize) {
        if element != 1 {
            let known = self.galois.entry(element).or_insert(level);
            *known = level.max(*known);
        }
    }

    /// Highest level of ciphertext products, if there are any.
    pub fn relinearisation(&self) -> Option<usize> {
        self.relinearisation
    }

    /// Galois elements with their highest levels.
    pub fn galois(&self) -> &BTreeMap<u32, usize> {
        &self.galois
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.galois.len() + usize::from(self.relinearisation.is_some())
    }

    /// Whether no key is needed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (KeyKind, usize)> {
        let relin = self.relinearisation.map(|level| (KeyKind::Relinearisation, level));
        relin.into_iter().chain(self.galois.iter().map(|(g, level)| (KeyKind::Galois(*g), *level)))
    }
}

/// What a switching key switches from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KeyKind {
    /// From s², after a product, to s.
    Relinearisation,
    /// From s to its image under the inverse automorphism of that Galois element; the automorphism is applied to the result.
    Galois(u32),
}

/// One switching key as it travels: the uniform halves are a seed.
#[derive(Debug, Clone)]
pub(crate) struct SwitchingKey {
    pub kind: KeyKind,
    pub level: usize,
    pub seed: Seed,
    /// One b = −a·s′ + e + P·g·s″ for every digit.
    pub b: Vec<Poly<Eval>>,
}

/// Evaluation keys as the client makes and sends them, seed-compressed.
#[derive(Debug, Clone)]
pub struct EvaluationKeys {
    pub(crate) params: Params,
    pub(crate) keys: Vec<SwitchingKey>,
}

impl EvaluationKeys {
    /// Generates exactly the keys of `spec`.
    ///
    /// # Errors
    /// A level that the parameters lack, an even Galois element, or no randomness.
    pub fn generate(secret: &SecretKey, spec: &KeySpec) -> Result<Self> {
        Self::generate_with(secret, spec, &mut SecretRng::from_os()?, Seed::random)
    }

    /// The keys that two seeds determine, for known-answer tests. Never reuse `secret_seed`.
    ///
    /// # Errors
    /// As [`EvaluationKeys::generate`].
    pub fn from_seeds(secret: &SecretKey, spec: &KeySpec, secret_seed: [u8; 32], public_seed: [u8; 32]) -> Result<Self> {
        let mut public = SecretRng::from_seed(public_seed);
        Self::generate_with(secret, spec, &mut SecretRng::from_seed(secret_seed), move || {
            let mut bytes = [0; 32];
            public.fill(&mut bytes);
            Ok(Seed::from_bytes(bytes))
        })
    }

    fn generate_with(
        secret: &SecretKey,
        spec: &KeySpec,
        rng: &mut SecretRng,
        mut seed: impl FnMut() -> Result<Seed>,
    ) -> Result<Self> {
        let params = secret.params();
        let keys = spec.entries().map(|(kind, level)| generate_one(secret, kind, level, rng, seed()?)).collect::<Result<_>>()?;
        Ok(Self { params: params.clone(), keys })
    }

    /// The parameters they belong to.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Which keys these are.
    pub fn spec(&self) -> KeySpec {
        let mut spec = KeySpec::new();
        for key in &self.keys {
            match key.kind {
                KeyKind::Relinearisation => spec.relinearisation = spec.relinearisation.max(Some(key.level)),
                KeyKind::Galois(g) => spec.add_galois(g, key.level),
            }
        }
        spec
    }
}

/// The place of a limb's uniform half in its seed's stream: prime id and digit.
pub(crate) fn stream(digit: usize, id: usize) -> u64 {
    (digit as u64) << 32 | id as u64
}

#[allow(clippy::indexing_slicing, reason = "permutations and limbs have N entries")]
fn generate_one(secret: &SecretKey, kind: KeyKind, level: usize, rng: &mut SecretRng, seed: Seed) -> Result<SwitchingKey> {
    let params = secret.params();
    params.check_level(level)?;
    let ring = params.ring()?;
    let (basis, width) = (params.key_basis(level), params.digit_width());
    let inverse = match kind {
        KeyKind::Galois(g) if g % 2 == 0 || g as usize >= 2 * params.n() => {
            return Err(Error::GaloisElement { found: g, n: params.n() });
        }
        KeyKind::Galois(g) => Some(Permutation::new(params.log_n(), galois::inverse_element(params.n(), g))),
        KeyKind::Relinearisation => None,
    };
    let b = (0..params.digits(level)).map(|d| {
        let mut b = error_poly(ring, basis, rng);
        b.for_each(|r, id, b| {
            let (m, s) = (r.modulus(id), secret.limb(id));
            let mut work = zeroize::Zeroizing::new(vec![0; b.len()]);
            // −a·s′: the key that the result is under.
            match &inverse {
                Some(p) => r.backend.permute(&p.index, s, &mut work),
                None => work.copy_from_slice(s),
            }
            r.backend.to_montgomery(m, &mut work);
            let mut a = r.pool.take_secret(b.len());
            uniform_limb(&seed, stream(d, id), m.value(), &mut a);
            r.backend.mul_montgomery_assign(m, &mut a, &work);
            r.backend.sub_assign(m, b, &a);
            // P·s″ in the primes of the digit, 0 elsewhere.
            if id / width == d && id < r.chain() {
                let p = params.special().iter().fold(1, |acc, p| m.mul(acc, p.value()));
                work.copy_from_slice(s);
                if kind == KeyKind::Relinearisation {
                    r.backend.to_montgomery(m, &mut work);
                    r.backend.mul_montgomery_assign(m, &mut work, s);
                }
                r.backend.add_mul_scalar_assign(m, b, &work, m.shoup(p));
            }
        });
        b.data.publish();
        b
    });
    Ok(SwitchingKey { kind, level, seed, b: b.collect() })
}

/// One switching key ready for use: in Montgomery form, packed as `Backend::dot_key` reads it, one stream through memory.
#[derive(Debug)]
pub(crate) struct ExpandedKey {
    pub level: usize,
    /// Limb by limb.
    packed: Buffer,
    limb_len: usize,
    /// That of its automorphism; `None` for relinearisation.
    pub permutation: Option<Permutation>,
}

impl ExpandedKey {
    #[allow(clippy::indexing_slicing, reason = "runs partition limbs, limbs partition the packed buffer")]
    fn new(params: &Params, key: &SwitchingKey) -> Result<Self> {
        let ring = params.ring()?;
        let (n, basis) = (ring.n(), params.key_basis(key.level));
        let limb_len = 2 * key.b.len() * n;
        let mut packed = ring.pool.take_to_keep(basis.len() * limb_len);
        par::chunks(&mut packed, limb_len, |i, packed| {
            let (id, mut work) = (ring.id(basis, i), ring.pool.take(n));
            let m = ring.modulus(id);
            for (d, b) in key.b.iter().enumerate() {
                for half in 0..2 {
                    if half == 0 {
                        work.copy_from_slice(b.limb(i));
                    } else {
                        uniform_limb(&key.seed, stream(d, id), m.value(), &mut work);
                    }
                    ring.backend.to_montgomery(m, &mut work);
                    let at = (2 * d + half) * RUN;
                    for (row, run) in packed.chunks_exact_mut(2 * key.b.len() * RUN).zip(work.chunks_exact(RUN)) {
                        row[at..at + RUN].copy_from_slice(run);
                    }
                }
            }
        });
        let permutation = match key.kind {
            KeyKind::Galois(g) => Some(Permutation::new(params.log_n(), g)),
            KeyKind::Relinearisation => None,
        };
        Ok(Self { level: key.level, packed, limb_len, permutation })
    }

    /// Limb `i` of a basis of key level or below, whose chain part has `q` limbs.
    #[allow(clippy::indexing_slicing, reason = "callers ask for limbs of a level up to the key's")]
    pub(crate) fn limb(&self, params: &Params, q: usize, i: usize) -> &[u32] {
        let at = if i < q { i } else { i - q + params.limbs(self.level) };
        &self.packed[at * self.limb_len..(at + 1) * self.limb_len]
    }
}

/// Evaluation keys as the server uses them: uniform halves expanded, limbs in the form the inner products want.
#[derive(Debug)]
pub struct ExpandedKeys {
    params: Params,
    keys: BTreeMap<KeyKind, ExpandedKey>,
}

impl ExpandedKeys {
    /// Expands the seeds to the uniform halves of the keys: the memory they take is [`ExpandedKeys::memory_bytes`].
    ///
    /// # Errors
    /// If the parameters' tables cannot be built.
    pub fn new(keys: &EvaluationKeys) -> Result<Self> {
        let params = &keys.params;
        params.ring()?;
        let expanded = par::map(keys.keys.len(), |i| keys.keys.get(i).map(|k| Ok((k.kind, ExpandedKey::new(params, k)?))));
        Ok(Self { params: params.clone(), keys: expanded.into_iter().flatten().collect::<Result<_>>()? })
    }

    /// The parameters they belong to.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Bytes of memory the expanded keys take.
    pub fn memory_bytes(&self) -> usize {
        let one = |k: &ExpandedKey| k.packed.len() + k.permutation.as_ref().map_or(0, |p| p.index.len() + p.runs.len());
        4 * self.keys.values().map(one).sum::<usize>()
    }

    pub(crate) fn relinearisation(&self, level: usize) -> Result<&ExpandedKey> {
        match self.keys.get(&KeyKind::Relinearisation) {
            Some(key) if key.level >= level => Ok(key),
            found => Err(Error::MissingRelinearisationKey { level, found: found.map(|k| k.level) }),
        }
    }

    pub(crate) fn galois(&self, element: u32, level: usize) -> Result<&ExpandedKey> {
        match self.keys.get(&KeyKind::Galois(element)) {
            Some(key) if key.level >= level => Ok(key),
            found => Err(Error::MissingGaloisKey { element, level, found: found.map(|k| k.level) }),
        }
    }
}
