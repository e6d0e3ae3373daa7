//! The client's two steps around a circuit: an image's values into ciphertexts, the reply into logits.

use super::error::ExecuteError;
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
    /// Bits behind the binary point that decryption keeps.
    pub precision_bits: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { logit: 64.0, stray: 0.02, precision_bits: 16 }
    }
}

impl Bounds {
    /// The limits for a model whose logits reached `range.logits` on the validation split: four times as much, at least 8 and at most the
    /// default.
    #[must_use]
    pub fn of(range: &RangeContract) -> Self {
        let (default, reach) = (Self::default(), 4.0 * range.logits);
        let logit = if reach.is_finite() { reach.clamp(8.0, default.logit) } else { default.logit };
        Self { logit, ..default }
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
    let (wanted, found) = (Bounds::of(range).logit, safe_room(params, 0, params.scale()));
    (is_full(io) && wanted > found).then_some((wanted, found))
}

/// Whether logits fill every slot of the reply, so that none holds zero.
fn is_full(io: &IoLayout) -> bool {
    // Of ones everywhere, whatever lies behind the last logit is stray, unless the logits repeat there.
    io.logits(&vec![1.0; io.labels() + 1]).1 == 0.0
}

/// The logits of a reply.
///
/// # Errors
/// [`ExecuteError::Stray`] or [`ExecuteError::Logit`] for a reply that cannot be the network's answer to a sound image: it was computed
/// under other keys, tampered with, or the image left the network's range.
pub fn decrypt_logits(
    circuit: &impl AsRef<IoLayout>,
    decryptor: &Decryptor<'_>,
    reply: &Ciphertext,
    bounds: &Bounds,
) -> Result<Vec<f64>, ExecuteError> {
    let slots = decryptor.decrypt(reply, bounds.precision_bits)?;
    let (logits, stray) = circuit.as_ref().logits(&slots);
    // A value that is not a number fails too.
    if stray.is_nan() || stray > bounds.stray {
        return Err(ExecuteError::Stray { found: stray, bound: bounds.stray });
    }
    // Where several logits fill the slots, single ones may exceed it without a coefficient that does; `Interface::check` refuses such a set.
    let room = safe_room(reply.params(), reply.level(), reply.scale());
    let bound = if circuit.as_ref().is_constant() { bounds.logit.min(room) } else { bounds.logit };
    match logits.iter().copied().find(|logit| logit.is_nan() || logit.abs() > bound) {
        Some(found) => Err(ExecuteError::Logit { found, bound }),
        None => Ok(logits),
    }
}
