//! Objects of the engine's wire format, and the operations on what was read.

use crate::seeds::objects::{LIMIT, OBJECTS, Objects};
use crate::target::{Outcome, SeedError, Seeds, Target, said};
use veilray_he::{
    Ciphertext, Decryptor, Encoder, EvaluationKeys, Evaluator, ExpandedKeys, Params, ParamsLiteral, PublicKey, SecretKey, wire,
};

pub(crate) const TARGETS: &[Target] = &[
    Target::binary("wire-params", params, || one(|o| Ok(vec![o.params.to_bytes()?])), 40).mended(length),
    Target::binary("wire-ciphertext", ciphertext, || one(Objects::ciphertexts), 30).mended(length),
    Target::binary("wire-evaluation-keys", evaluation_keys, || one(|o| Ok(vec![o.keys.to_bytes()?])), 12).mended(length),
    Target::binary("wire-public-key", public_key, || one(|o| Ok(vec![o.public.to_bytes()?])), 12).mended(length),
    Target::binary("wire-secret-key", secret_key, || one(|o| Ok(vec![o.secret.to_bytes()?.to_vec()])), 30).mended(length),
];

fn one(bytes: impl FnOnce(&Objects) -> veilray_he::Result<Vec<Vec<u8>>>) -> Seeds {
    Ok(bytes(objects()?)?)
}

fn objects() -> Result<&'static Objects, String> {
    OBJECTS.as_ref().map_err(Clone::clone)
}

/// A payload's length that fits what is there.
fn length(bytes: &mut [u8]) {
    let payload = bytes.len().saturating_sub(wire::HEADER_BYTES) as u64;
    bytes.iter_mut().skip(56).zip(payload.to_le_bytes()).for_each(|(to, from)| *to = from);
}

/// Parameters, and the primes that they lead to.
fn params(bytes: &[u8]) -> Outcome {
    let _ = wire::inspect(bytes);
    let params = Params::from_bytes(bytes, LIMIT).map_err(said)?;
    let again = params.to_bytes().map_err(said)?;
    assert_eq!(again, bytes, "one object has one encoding");
    Ok(())
}

fn ciphertext(bytes: &[u8]) -> Outcome {
    let o = objects()?;
    let read = Ciphertext::from_bytes(&o.params, bytes, LIMIT).map_err(said)?;
    evaluate(o, &read, &o.expanded)
}

fn evaluation_keys(bytes: &[u8]) -> Outcome {
    let o = objects()?;
    let read = EvaluationKeys::from_bytes(&o.params, bytes, LIMIT).map_err(said)?;
    evaluate(o, &o.full, &ExpandedKeys::new(&read).map_err(said)?)
}

fn public_key(bytes: &[u8]) -> Outcome {
    let o = objects()?;
    let read = PublicKey::from_bytes(&o.params, bytes, LIMIT).map_err(said)?;
    let plaintext = Encoder::new(&o.params).encode_at(&[1.0], 0, o.params.scale()).map_err(said)?;
    decrypt(o, &o.secret, &read.encrypt(&plaintext).map_err(said)?)
}

fn secret_key(bytes: &[u8]) -> Outcome {
    let o = objects()?;
    decrypt(o, &SecretKey::from_bytes(&o.params, bytes, LIMIT).map_err(said)?, &o.full)
}

/// What a server does with a ciphertext, and a client with the result. Some of it is refused.
fn evaluate(o: &Objects, ciphertext: &Ciphertext, keys: &ExpandedKeys) -> Outcome {
    let evaluator = Evaluator::new(&o.params);
    let _ = evaluator.add(ciphertext, &o.full);
    let _ = evaluator.rescale(ciphertext);
    let _ = evaluator.multiply(ciphertext, ciphertext, keys);
    if let Ok(rotated) = evaluator.rotate(ciphertext, 1, keys) {
        decrypt(o, &o.secret, &rotated)?;
    }
    decrypt(o, &o.secret, ciphertext)
}

fn decrypt(o: &Objects, secret: &SecretKey, ciphertext: &Ciphertext) -> Outcome {
    let plaintext = Decryptor::new(secret).decrypt_raw(ciphertext).map_err(said)?;
    Encoder::new(&o.params).decode(&plaintext).map_err(said)?;
    Decryptor::new(secret).decrypt(ciphertext, 12).map_err(said)?;
    Ok(())
}

/// A parameter set as a person writes it.
pub(crate) fn literal(bytes: &[u8]) -> Outcome {
    let text = std::str::from_utf8(bytes).map_err(said)?;
    ParamsLiteral::from_toml(text).and_then(|literal| literal.check()).map_err(said)?;
    Ok(())
}

/// The named sets.
pub(crate) fn literals() -> Seeds {
    let text = |name: &str| -> Result<Vec<u8>, SeedError> { Ok(toml::to_string(&ParamsLiteral::named(name)?)?.into_bytes()) };
    ParamsLiteral::names().map(text).collect()
}
