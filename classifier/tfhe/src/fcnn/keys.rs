//! The client's secret and what it gives the server to bootstrap with.

use super::parameters::TfheParams;
use super::{Error, Result};
use std::fmt;
use tfhe::core_crypto::commons::math::random::Seed;
use tfhe::core_crypto::prelude::*;
use zeroize::Zeroize;

/// Bytes of a seed.
pub(super) const SEED: usize = 16;

/// The client's two secret keys: one for images, one for replies. They stay in memory, are wiped on drop and have no serial form.
pub struct ClientKey {
    pub(super) params: TfheParams,
    pub(super) input: GlweSecretKeyOwned<u64>,
    pub(super) output: GlweSecretKeyOwned<u64>,
}

/// The bootstrap key as it is sent: masks are replaced by the seed they grow from.
pub struct SentKey {
    seed: u128,
    bodies: Vec<u64>,
}

/// The bootstrap key, expanded for the server.
pub struct ServerKey {
    pub(super) params: TfheParams,
    pub(super) key: FourierLweBootstrapKeyOwned,
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientKey {{ {}, secret }}", self.params.name)
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerKey {{ {} }}", self.params.name)
    }
}

impl Drop for ClientKey {
    fn drop(&mut self) {
        self.input.as_mut().zeroize();
        self.output.as_mut().zeroize();
    }
}

impl ClientKey {
    /// Fresh keys from the processor's or the system's randomness.
    pub fn generate(params: &TfheParams) -> Self {
        let mut seeder = new_seeder();
        let mut generator = SecretRandomGenerator::<DefaultRandomGenerator>::new(seeder.seed());
        let mut key = |rank, polynomial| {
            allocate_and_generate_new_binary_glwe_secret_key(GlweDimension(rank), PolynomialSize(polynomial), &mut generator)
        };
        let (input, output) = (key(params.input_rank, params.input_polynomial), key(params.rank, params.polynomial));
        Self { params: *params, input, output }
    }

    /// What the server needs to evaluate for this client.
    pub fn bootstrap_key(&self) -> SentKey {
        let mut seeder = new_seeder();
        let seed = seeder.seed().0;
        let mut key = empty(&self.params, seed);
        par_generate_seeded_lwe_bootstrap_key(
            &self.input.as_lwe_secret_key(),
            &self.output,
            &mut key,
            self.params.noise(),
            seeder.as_mut(),
        );
        SentKey { seed, bodies: key.into_container() }
    }
}

impl SentKey {
    /// The seed, then the bodies; little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.seed.to_le_bytes().to_vec();
        bytes.reserve_exact(self.bodies.len() * size_of::<u64>());
        self.bodies.iter().for_each(|body| bytes.extend(body.to_le_bytes()));
        bytes
    }

    /// From bytes that [`SentKey::to_bytes`] gave under these parameters.
    ///
    /// # Errors
    /// [`Error::Bytes`] for another length.
    pub fn from_bytes(params: &TfheParams, bytes: &[u8]) -> Result<Self> {
        let wanted = SEED + bodies(params) * size_of::<u64>();
        match bytes.split_first_chunk::<SEED>() {
            Some((seed, rest)) if bytes.len() == wanted => {
                let bodies = rest.as_chunks().0.iter().map(|body| u64::from_le_bytes(*body)).collect();
                Ok(Self { seed: u128::from_le_bytes(*seed), bodies })
            }
            _ => Err(Error::Bytes { what: "bootstrap key", wanted, found: bytes.len() }),
        }
    }

    /// Grows the masks and goes over to the Fourier domain.
    ///
    /// # Errors
    /// [`Error::Bytes`] for a key of other parameters.
    pub fn expand(self, params: &TfheParams) -> Result<ServerKey> {
        let size = size_of::<u64>();
        if self.bodies.len() != bodies(params) {
            return Err(Error::Bytes { what: "bootstrap key", wanted: bodies(params) * size, found: self.bodies.len() * size });
        }
        let (base, levels) = (DecompositionBaseLog(params.base_log), DecompositionLevelCount(params.levels));
        let (rank, polynomial) = (GlweDimension(params.rank).to_glwe_size(), PolynomialSize(params.polynomial));
        let (seed, modulus) = (Seed(self.seed).into(), CiphertextModulus::new_native());
        let sent = SeededLweBootstrapKey::from_container(self.bodies, rank, polynomial, base, levels, seed, modulus);
        let standard = sent.par_decompress_into_lwe_bootstrap_key();
        let mut key = FourierLweBootstrapKeyOwned::new(LweDimension(params.input_dimension()), rank, polynomial, base, levels);
        par_convert_standard_lwe_bootstrap_key_to_fourier(&standard, &mut key);
        Ok(ServerKey { params: *params, key })
    }
}

/// Numbers of a bootstrap key without its masks.
fn bodies(params: &TfheParams) -> usize {
    params.input_dimension() * params.levels * (params.rank + 1) * params.polynomial
}

fn empty(params: &TfheParams, seed: u128) -> SeededLweBootstrapKeyOwned<u64> {
    SeededLweBootstrapKey::new(
        0,
        GlweDimension(params.rank).to_glwe_size(),
        PolynomialSize(params.polynomial),
        DecompositionBaseLog(params.base_log),
        DecompositionLevelCount(params.levels),
        LweDimension(params.input_dimension()),
        Seed(seed).into(),
        CiphertextModulus::new_native(),
    )
}
