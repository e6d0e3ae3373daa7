//! One object of each kind of the wire format, at the smallest set and from fixed seeds where the library allows it.

use std::sync::LazyLock;
use veilray_he::{Ciphertext, Encoder, Encryptor, EvaluationKeys, Evaluator, ExpandedKeys, KeySpec, Params, ParamsLiteral};
use veilray_he::{PublicKey, Result, SecretKey};

/// The largest object that readers are told to take, bytes.
pub(crate) const LIMIT: usize = 64 << 20;

/// All at n12 and level 0, so that inputs are small.
pub(crate) struct Objects {
    pub params: Params,
    pub secret: SecretKey,
    pub public: PublicKey,
    pub keys: EvaluationKeys,
    pub expanded: ExpandedKeys,
    pub full: Ciphertext,
}

/// Made once.
pub(crate) static OBJECTS: LazyLock<Result<Objects, String>> = LazyLock::new(|| Objects::make().map_err(|e| e.to_string()));

impl Objects {
    fn make() -> Result<Self> {
        let params = ParamsLiteral::named("n12")?.check()?;
        let secret = SecretKey::from_seed(&params, [1; 32])?;
        let spec = KeySpec::new().with_relinearisation(0).with_rotations(&params, [1], 0);
        let keys = EvaluationKeys::from_seeds(&secret, &spec, [2; 32], [3; 32])?;
        let full = Evaluator::new(&params).neg(&encrypt(&secret, 0, 6)?)?;
        let public = PublicKey::from_seeds(&secret, [10; 32], [11; 32])?;
        Ok(Self { expanded: ExpandedKeys::new(&keys)?, params, secret, public, keys, full })
    }

    /// Whole and seeded, at two levels.
    pub(crate) fn ciphertexts(&self) -> Result<Vec<Vec<u8>>> {
        [&self.full, &encrypt(&self.secret, 0, 4)?, &encrypt(&self.secret, 1, 8)?].map(Ciphertext::to_bytes).into_iter().collect()
    }
}

fn encrypt(secret: &SecretKey, level: usize, seed: u8) -> Result<Ciphertext> {
    let params = secret.params();
    let plaintext = Encoder::new(params).encode_at(&vec![0.75; params.slots()], level, params.scale())?;
    Encryptor::new(secret).encrypt_from_seeds(&plaintext, [seed; 32], [seed + 1; 32])
}
