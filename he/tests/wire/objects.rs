//! One object of each kind at the smallest set, from fixed seeds where the library allows it, and what tests do to their bytes.

use std::sync::LazyLock;
use veilray_he::wire::Object;
use veilray_he::{
    Ciphertext, Encoder, Encryptor, EvaluationKeys, Evaluator, KeySpec, Params, ParamsLiteral, PublicKey, SecretKey,
};

/// Where the header's fields begin, as the module's table has them.
pub(crate) const VERSION_AT: usize = 8;
pub(crate) const OBJECT_AT: usize = 10;
pub(crate) const LEVEL_AT: usize = 12;
pub(crate) const SCALE_AT: usize = 16;
pub(crate) const DIGEST_AT: usize = 24;
pub(crate) const PAYLOAD_AT: usize = 56;
pub(crate) const HEADER: usize = 64;
/// Bytes of one key's line in the table of evaluation keys, which begins after the header and the count.
pub(crate) const ENTRY: usize = 40;
pub(crate) const TABLE_AT: usize = HEADER + 4;

pub(crate) const NO_LIMIT: usize = usize::MAX;

pub(crate) fn named(name: &str) -> Params {
    ParamsLiteral::named(name).unwrap().check().unwrap()
}

/// Everything at n12, keys and ciphertexts at level 0 unless the name says otherwise.
pub(crate) struct Objects {
    pub(crate) params: Params,
    pub(crate) secret: SecretKey,
    pub(crate) public: PublicKey,
    pub(crate) keys: EvaluationKeys,
    pub(crate) seeded: Ciphertext,
    pub(crate) full: Ciphertext,
}

/// What the ciphertexts hold in every slot: a constant is the same integers however the embedding is computed.
pub(crate) const MESSAGE: f64 = 0.75;

pub(crate) static OBJECTS: LazyLock<Objects> = LazyLock::new(|| {
    let params = named("n12");
    let secret = SecretKey::from_seed(&params, [1; 32]).unwrap();
    let spec = KeySpec::new().with_relinearisation(0).with_rotations(&params, [1], 0);
    let keys = EvaluationKeys::from_seeds(&secret, &spec, [2; 32], [3; 32]).unwrap();
    let seeded = encrypt(&secret, 0, [4; 32], [5; 32]);
    let full = Evaluator::new(&params).neg(&encrypt(&secret, 0, [6; 32], [7; 32])).unwrap();
    let public = PublicKey::generate(&secret).unwrap();
    Objects { params, secret, public, keys, seeded, full }
});

pub(crate) fn encrypt(secret: &SecretKey, level: usize, secret_seed: [u8; 32], public_seed: [u8; 32]) -> Ciphertext {
    let params = secret.params();
    let plaintext = Encoder::new(params).encode_at(&vec![MESSAGE; params.slots()], level, params.scale()).unwrap();
    Encryptor::new(secret).encrypt_from_seeds(&plaintext, secret_seed, public_seed).unwrap()
}

impl Objects {
    /// One of each kind, as bytes.
    pub(crate) fn all_bytes(&self) -> Vec<(Object, Vec<u8>)> {
        vec![
            (Object::Params, self.params.to_bytes().unwrap()),
            (Object::Ciphertext, self.full.to_bytes().unwrap()),
            (Object::SeededCiphertext, self.seeded.to_bytes().unwrap()),
            (Object::EvaluationKeys, self.keys.to_bytes().unwrap()),
            (Object::PublicKey, self.public.to_bytes().unwrap()),
            (Object::SecretKey, self.secret.to_bytes().unwrap().to_vec()),
        ]
    }
}

/// What the reader of `object` says of the bytes: the bytes of what it read, or why not.
pub(crate) fn read(params: &Params, object: Object, bytes: &[u8], limit: usize) -> veilray_he::Result<Vec<u8>> {
    match object {
        Object::Params => Params::from_bytes(bytes, limit)?.to_bytes(),
        Object::Ciphertext | Object::SeededCiphertext => Ciphertext::from_bytes(params, bytes, limit)?.to_bytes(),
        Object::EvaluationKeys => EvaluationKeys::from_bytes(params, bytes, limit)?.to_bytes(),
        Object::PublicKey => PublicKey::from_bytes(params, bytes, limit)?.to_bytes(),
        Object::SecretKey => Ok(SecretKey::from_bytes(params, bytes, limit)?.to_bytes()?.to_vec()),
        other => unreachable!("{other} has no reader"),
    }
}

/// [`read`] from a stream.
pub(crate) fn read_stream(
    params: &Params,
    object: Object,
    from: &mut impl std::io::Read,
    limit: usize,
) -> veilray_he::Result<Vec<u8>> {
    match object {
        Object::Params => Params::read_from(from, limit)?.to_bytes(),
        Object::Ciphertext | Object::SeededCiphertext => Ciphertext::read_from(params, from, limit)?.to_bytes(),
        Object::EvaluationKeys => EvaluationKeys::read_from(params, from, limit)?.to_bytes(),
        Object::PublicKey => PublicKey::read_from(params, from, limit)?.to_bytes(),
        Object::SecretKey => Ok(SecretKey::read_from(params, from, limit)?.to_bytes()?.to_vec()),
        other => unreachable!("{other} has no reader"),
    }
}

/// The bytes with `value` at `at`.
pub(crate) fn with(bytes: &[u8], at: usize, value: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out[at..at + value.len()].copy_from_slice(value);
    out
}
