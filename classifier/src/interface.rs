//! What a client must know of a model to ask it: everything but the network and its weights, which stay with the provider.
//!
//! An interface comes from a server that the client does not trust. It can make the client's answer wrong, which no cryptography
//! prevents, but not unsafe: parameters are a named set that the client knows, and what it asks for is bounded by [`Interface::check`].

#[cfg(test)]
mod tests;

use crate::execute::EncryptedCircuit;
use crate::execute::client::{Bounds, too_large};
use crate::execute::levels::same_scale;
use crate::execute::reply::{MIN_PRECISION_BITS, ReplyContract, too_many_labels};
use crate::mask::Mask;
use crate::operating_point::OperatingPoint;
use crate::pack::IoLayout;
use crate::range::RangeContract;
use crate::release::Model;
use serde::{Deserialize, Serialize};
use veilray_he::wire::{ciphertext_bytes, evaluation_keys_bytes};
use veilray_he::{KeySpec, Params, ParamsLiteral};

/// Largest number of labels of a model.
const MAX_LABELS: usize = 4096;
/// Largest number of ciphertexts of an image.
const MAX_CIPHERTEXTS: usize = 1024;
/// Largest size of an image's ciphertexts, bytes; the released models' images have at most 6 MB.
const MAX_UPLOAD_BYTES: usize = 64_000_000;

/// What a client must know of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// The model's name.
    pub model: String,
    /// SHA-256 of the model's manifest: requests name it, and another model refuses them.
    pub manifest_sha256: String,
    /// The encoder whose latents it reads.
    pub encoder: String,
    /// SHA-256 of that encoder's manifest.
    pub encoder_sha256: String,
    /// The parameter set, by name.
    pub params: String,
    /// Where the logits are the pixels of a mask: its extents. The operating point then has one label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<Mask>,
    /// Temperature, labels and thresholds.
    pub operating_point: OperatingPoint,
    /// How far the values between layers reached on the validation split.
    pub range: RangeContract,
    /// What its replies are alike in. Key sets of earlier releases have none: level 0, the parameters' own scale, and as many bits of a
    /// logit as the parameters allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<ReplyContract>,
    /// The evaluation keys that it needs.
    pub keys: KeySpec,
    /// Where an image's values go and where the logits come out.
    #[serde(rename = "ends")]
    pub io: IoLayout,
}

/// Why an interface was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InterfaceError {
    /// A parameter set that this release does not know.
    #[error(transparent)]
    Params(#[from] veilray_he::Error),
    /// Parts that contradict each other.
    #[error("the interface of {model} contradicts itself: {why}; ask the provider for a sound one")]
    Unsound {
        /// The model's name.
        model: String,
        /// What is wrong.
        why: String,
    },
    /// Keys that would take too much room.
    #[error(
        "{model} wants evaluation keys of {found} bytes, more than the {most} that are allowed; raise the limit if you trust its provider"
    )]
    Keys {
        /// The model's name.
        model: String,
        /// Bytes of its keys.
        found: usize,
        /// The limit, bytes.
        most: usize,
    },
    /// Images that would take too much room.
    #[error(
        "{model} wants images of {found} bytes in ciphertexts, more than the {most} that are allowed; ask the provider for a sound one"
    )]
    Upload {
        /// The model's name.
        model: String,
        /// Bytes of an image's ciphertexts.
        found: usize,
        /// The limit, bytes.
        most: usize,
    },
    /// A parameter set that cannot tell large logits from others that wrapped around.
    #[error(
        "the logits of {model} may reach {wanted:.1} by its range, but a reply under {params} has no slot that would show one beyond {found:.1} coming back from the other end; ask the provider for the model under a set with a larger base, such as n14"
    )]
    Room {
        /// The model's name.
        model: String,
        /// The parameter set.
        params: String,
        /// The bound on its logits.
        wanted: f64,
        /// The largest logit that the set holds safely.
        found: f64,
    },
}

impl Interface {
    /// That of a model and its circuit.
    pub fn of(model: &Model, circuit: &EncryptedCircuit) -> Self {
        let manifest = model.manifest();
        Self {
            model: manifest.name.clone(),
            manifest_sha256: model.digest().into(),
            encoder: manifest.encoder.clone(),
            encoder_sha256: manifest.encoder_sha256.clone(),
            params: manifest.params.clone(),
            mask: manifest.mask,
            operating_point: manifest.operating_point.clone(),
            range: manifest.range.clone(),
            reply: Some(ReplyContract::new(model.params(), manifest.reply_bits)),
            keys: circuit.key_spec().clone(),
            io: circuit.circuit().io().clone(),
        }
    }

    /// Limits within which a client accepts the model's replies.
    pub fn bounds(&self) -> Bounds {
        Bounds::of(&self.range, self.reply.map(|reply| reply.precision_bits))
    }

    /// The parameters, once the interface is found sound: its parts fit them and each other, its keys take at most `max_key_bytes`, an
    /// image's ciphertexts no more than 64 MB, the set holds the logits that the range allows, its replies end at level 0 and the
    /// parameters' own scale, and enough of their slots hold no label.
    ///
    /// # Errors
    /// An unknown parameter set, parts that contradict each other, too many keys, too large images, too small a set.
    pub fn check(&self, max_key_bytes: usize) -> Result<Params, InterfaceError> {
        let params = ParamsLiteral::named(&self.params)?.check()?;
        let unsound = |why: String| Err(InterfaceError::Unsound { model: self.model.clone(), why });
        let thresholds = &self.operating_point.thresholds;
        if let Some(found) = Mask::contradiction(self.mask, thresholds, self.io.labels()) {
            return unsound(found);
        }
        let names = thresholds.labels.len();
        if names > MAX_LABELS {
            return unsound(format!("{names} labels, at most {MAX_LABELS} are allowed"));
        }
        if let Some(most) = too_many_labels(self.mask, &self.io, &params) {
            return unsound(format!("{} labels, at most {most} are allowed under {}", self.io.labels(), self.params));
        }
        if let Some(why) = self.reply.and_then(|reply| reply_fault(&reply, &params)) {
            return unsound(why);
        }
        if thresholds.values.iter().any(|t| !t.is_finite()) {
            return unsound("a threshold is not finite".into());
        }
        if self.io.slots() != params.slots() || !self.io.is_sound() {
            return unsound(format!("packed for {} slots, the set {} has {}", self.io.slots(), self.params, params.slots()));
        }
        let (level, blocks) = (self.io.level(), self.io.input().layout().blocks());
        if level > params.max_level() || blocks > MAX_CIPHERTEXTS {
            let most = params.max_level();
            return unsound(format!("{blocks} ciphertexts at level {level}, the set {} has {most} levels", self.params));
        }
        let found = ciphertext_bytes(&params, level, true)?.saturating_mul(blocks);
        if found > MAX_UPLOAD_BYTES {
            return Err(InterfaceError::Upload { model: self.model.clone(), found, most: MAX_UPLOAD_BYTES });
        }
        if let Some((wanted, found)) = too_large(&self.range, &self.io, &params) {
            return Err(InterfaceError::Room { model: self.model.clone(), params: self.params.clone(), wanted, found });
        }
        let found = evaluation_keys_bytes(&params, &self.keys)?;
        if found > max_key_bytes {
            return Err(InterfaceError::Keys { model: self.model.clone(), found, most: max_key_bytes });
        }
        Ok(params)
    }
}

/// Why replies may not be as a model states, if so. Scales are compared as the engine does: two machines may round a power of two differently.
fn reply_fault(reply: &ReplyContract, params: &Params) -> Option<String> {
    if reply.level != 0 || !same_scale(reply.scale, params.scale()) {
        let (level, found, wanted) = (reply.level, reply.scale.log2(), params.scale().log2());
        return Some(format!("replies at level {level} and scale 2^{found:.6}, they must end at level 0 and 2^{wanted:.6}"));
    }
    let bits = reply.precision_bits;
    (bits < MIN_PRECISION_BITS).then(|| format!("{bits} bits of a logit are kept, at least {MIN_PRECISION_BITS} are needed"))
}
