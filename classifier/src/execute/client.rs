//! The client's two steps around a circuit: an image's values into ciphertexts, the reply into logits.

use super::error::ExecuteError;
use super::reply::max_precision_bits;
use crate::pack::IoLayout;
use crate::range::RangeContract;
use veilray_he::{Ciphertext, Decryptor, Encoder, Encryptor, Params};

/// Limits within which a client accepts a reply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Largest |logit|; a larger one means that the image is outside the range that the network was trained for.
    pub logit: f64,
    /// Largest value in a slot that should hold zero, or difference between two copies of a logit.
    pub stray: f64,
    /// Bits behind the binary point that are kept of a logit, so that the digits with noise in them are not: the model's, and never more
    /// than [`max_precision_bits`] allows.
    pub precision_bits: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { logit: 64.0, stray: 0.02, precision_bits: u32::MAX }
    }
}

impl Bounds {
    /// The limits for a model whose logits reached `range.logits` on the validation split, and of which so many bits are kept: four times as
    /// much, at least 8 and at most the default. Without a number of bits, as many as the parameters allow.
    #[must_use]
    pub fn of(range: &RangeContract, precision_bits: Option<u32>) -> Self {
        let (default, reach) = (Self::default(), 4.0 * range.logits);
        let logit = if reach.is_finite() { reach.clamp(8.0, default.logit) } else { default.logit };
        Self { logit, precision_bits: precision_bits.unwrap_or(default.precision_bits), ..default }
    }
}

/// Encrypts an image's values, given as [channel, height, width] row by row, as the circuit wants them.
///
/// # Errors
/// Another number of values than the network's input has; what the engine refuses.
pub fn encrypt(
    circuit: &impl AsRef<IoLayout>,
    params: &Params,
    encryptor: &Encryptor<'_>,
    image: &[f64],
) -> Result<Vec<Ciphertext>, ExecuteError> {
    let io = circuit.as_ref();
    let wanted = io.input().values();
    if image.len() != wanted {
        return Err(ExecuteError::Values { wanted, found: image.len() });
    }
    if let Some(index) = image.iter().position(|v| !v.is_finite()) {
        return Err(ExecuteError::NotFinite { index });
    }
    let encoder = Encoder::new(params);
    let encrypt = |slots: Vec<f64>| Ok(encryptor.encrypt(&encoder.encode_at(&slots, io.level(), params.scale())?)?);
    io.input().pack(image).into_iter().map(encrypt).collect()
}

/// Part of what the reply's modulus holds that a logit may take where logits fill every slot. Slots are sums of the ciphertext's
/// coefficients, and a coefficient beyond the modulus comes back from the other end: that shows in slots that should hold zero, where there
/// are any. Where there are none (one logit in all slots, as many as repeat there), it shows in the logits' size alone: a coefficient is no
/// larger than the largest slot, so of logits up to 2 - 0.75 times what the modulus holds, those that wrap around leave one beyond 0.75.
const ROOM: f64 = 0.75;

/// The largest logit that a reply at that level and scale may hold where no slot shows one that wrapped around.
pub(crate) fn safe_room(params: &Params, level: usize, scale: f64) -> f64 {
    ROOM * (params.log_q(level) - 1.0 - scale.log2()).exp2()
}

/// The bound on a network's logits and what a reply holds safely, where the former is larger and no slot of the reply would show it.
pub(crate) fn too_large(range: &RangeContract, io: &IoLayout, params: &Params) -> Option<(f64, f64)> {
    let (wanted, found) = (Bounds::of(range, None).logit, safe_room(params, 0, params.scale()));
    (is_full(io) && wanted > found).then_some((wanted, found))
}

/// Whether logits fill every slot of the reply, so that none holds zero.
fn is_full(io: &IoLayout) -> bool {
    // Of ones everywhere, whatever lies behind the last logit is stray, unless the logits repeat there.
    io.logits(&vec![1.0; io.labels() + 1]).1 == 0.0
}

/// The logits of a reply, rounded to multiples of 2^−`precision_bits`: the digits below carry the noise, which depends on the secret key.
///
/// Level, scale and slots of a reply are the model's: level 0, the parameters' own scale, a ciphertext of the circuit's slots. One of
/// another form is refused before it is decrypted, and what the reply states of its scale is used for nothing else.
///
/// # Errors
/// [`ExecuteError::Reply`] for a reply of another form. [`ExecuteError::Stray`] or [`ExecuteError::Logit`] for a reply that cannot be the
/// network's answer to a sound image: it was computed under other keys, tampered with, or the image left the network's range.
pub fn decrypt_logits(
    circuit: &impl AsRef<IoLayout>,
    decryptor: &Decryptor<'_>,
    reply: &Ciphertext,
    bounds: &Bounds,
) -> Result<Vec<f64>, ExecuteError> {
    let bits = bounds.precision_bits.min(max_precision_bits(reply.params()));
    let logits = decrypt_logits_raw(circuit, decryptor, reply, bounds)?;
    Ok(logits.into_iter().map(|logit| rounded(logit, bits)).collect())
}

/// The logits of a reply with their noise, unrounded, within the same bounds.
///
/// **Do not share the result** with anyone who may also see the reply (see `Decryptor::decrypt_raw`). For tests and measurements of the
/// circuit by the key's holder.
///
/// # Errors
/// As [`decrypt_logits`].
pub fn decrypt_logits_raw(
    circuit: &impl AsRef<IoLayout>,
    decryptor: &Decryptor<'_>,
    reply: &Ciphertext,
    bounds: &Bounds,
) -> Result<Vec<f64>, ExecuteError> {
    let (io, params) = (circuit.as_ref(), reply.params());
    let reply = of_form(reply, io)?;
    let slots = Encoder::new(params).decode(&decryptor.decrypt_raw(&reply)?)?;
    let (logits, stray) = io.logits(&slots);
    // A value that is not a number fails too. Unrounded: two copies of a logit may be rounded to neighbours.
    if stray.is_nan() || stray > bounds.stray {
        return Err(ExecuteError::Stray { bound: bounds.stray });
    }
    // Where several logits fill the slots, single ones may exceed it without a coefficient that does; `Interface::check` refuses such a set.
    let room = safe_room(params, reply.level(), reply.scale());
    let bound = if io.is_constant() { bounds.logit.min(room) } else { bounds.logit };
    if logits.iter().any(|logit| logit.is_nan() || logit.abs() > bound) {
        return Err(ExecuteError::Logit { bound });
    }
    Ok(logits)
}

/// The reply at exactly the parameters' scale, if it has the form that the model fixes. Nothing is decrypted.
fn of_form(reply: &Ciphertext, io: &IoLayout) -> Result<Ciphertext, ExecuteError> {
    let params = reply.params();
    let refuse = |what, wanted: String, found: String| Err(ExecuteError::Reply { what, wanted, found });
    if io.slots() != params.slots() {
        return refuse("number of slots", io.slots().to_string(), params.slots().to_string());
    }
    if reply.level() != 0 {
        return refuse("level", "0".into(), reply.level().to_string());
    }
    match reply.at_scale(params.scale()) {
        Ok(reply) => Ok(reply),
        Err(_) => refuse("scale", format!("2^{:.6}", params.scale().log2()), format!("2^{:.6}", reply.scale().log2())),
    }
}

/// The nearest multiple of 2^−`bits`; zero without a sign.
fn rounded(x: f64, bits: u32) -> f64 {
    let unit = f64::from(bits).exp2();
    (x * unit).round() / unit + 0.0
}
