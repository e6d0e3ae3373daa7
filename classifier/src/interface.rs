//! What a client must know of a model to ask it: everything but the network and its weights, which stay with the provider.
//!
//! An interface comes from a server that the client does not trust. It can make the client's answer wrong, which no cryptography
//! prevents, but not unsafe: parameters are a named set that the client knows, and what it asks for is bounded by [`Interface::check`].

use crate::execute::EncryptedCircuit;
use crate::execute::client::{Bounds, too_large};
use crate::execute::levels::same_scale;
use crate::execute::reply::{MIN_PRECISION_BITS, ReplyContract};
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
/// Least part of the slots that hold no label: all but a sixteenth. They hold zeros or copies, so that a reply that was made up shows, and
/// what a made-up reply makes a client print is no more than a sixteenth of what the secret key consists of. The released models have at
/// most 14 labels in 8192 slots. A mask may fill the slots: of each of its logits the client keeps whether it is above the threshold.
const SLOTS_PER_LABEL: usize = 16;
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

/// The most labels that replies under these parameters may hold, where a model has more.
pub(crate) fn too_many_labels(mask: Option<Mask>, io: &IoLayout, params: &Params) -> Option<usize> {
    let most = params.slots() / SLOTS_PER_LABEL;
    (mask.is_none() && io.labels() > most).then_some(most)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::client::safe_room;
    use crate::fold::{FoldOptions, fold};
    use crate::operating_point::{Temperature, Thresholds};
    use crate::pack::{PackOptions, pack};
    use crate::spec::Shape;
    use crate::weights::Weights;

    fn interface() -> (Interface, EncryptedCircuit) {
        let spec = crate::networks::named("veilnet-xs", Shape::new(4, 32, 32), 3).unwrap();
        let params = ParamsLiteral::named("n13").unwrap().check().unwrap();
        let folded = fold(&spec, &Weights::random(&spec, 1).unwrap(), &FoldOptions::default()).unwrap();
        let circuit = EncryptedCircuit::new(pack(&folded, &PackOptions::new(&params, &folded)).unwrap(), &params).unwrap();
        let thresholds = Thresholds { labels: ["a", "b", "c"].map(String::from).into(), values: vec![0.0; 3] };
        let interface = Interface {
            model: "test".into(),
            manifest_sha256: "00".into(),
            encoder: "encoder-f8".into(),
            encoder_sha256: "00".into(),
            params: "n13".into(),
            mask: None,
            operating_point: OperatingPoint { temperature: Temperature::ONE, thresholds },
            range: RangeContract { images: 1, layers: vec![], logits: 1.0 },
            reply: Some(ReplyContract::new(&params, Some(9))),
            keys: circuit.key_spec().clone(),
            io: circuit.circuit().io().clone(),
        };
        (interface, circuit)
    }

    #[test]
    fn it_travels_as_json_and_packs_an_image_as_the_circuit_does() {
        let (interface, circuit) = interface();
        let text = serde_json::to_string(&interface).unwrap();
        assert!(text.len() < 8000, "{} bytes", text.len());
        let back: Interface = serde_json::from_str(&text).unwrap();
        assert_eq!(back, interface);
        assert_eq!(back.check(1 << 30).unwrap().log_n(), 13);
        let image: Vec<f64> = (0..4096).map(|i| f64::from(i) / 4096.0).collect();
        assert_eq!(back.io.input().pack(&image), circuit.circuit().input().pack(&image));
    }

    #[test]
    fn what_contradicts_itself_or_asks_too_much_is_refused() {
        let (good, _) = interface();
        assert!(matches!(good.check(1000), Err(InterfaceError::Keys { most: 1000, .. })));
        let other_set = Interface { params: "n14".into(), ..good.clone() };
        assert!(matches!(other_set.check(1 << 30), Err(InterfaceError::Unsound { .. })));
        let unknown = Interface { params: "n99".into(), ..good.clone() };
        assert!(matches!(unknown.check(1 << 30), Err(InterfaceError::Params(_))));
        let mut labels = good.clone();
        labels.operating_point.thresholds.labels.pop();
        assert!(matches!(labels.check(1 << 30), Err(InterfaceError::Unsound { .. })));

        labels.operating_point.thresholds.labels.truncate(1);
        labels.operating_point.thresholds.values.truncate(1);
        let mask = |height, width| Interface { mask: Some(Mask { height, width }), ..labels.clone() };
        assert!(mask(1, 3).check(1 << 30).is_ok(), "one label, three pixels");
        for bad in [mask(1, 4), mask(0, 3), mask(3, usize::MAX), Interface { mask: mask(1, 3).mask, ..good.clone() }] {
            assert!(matches!(bad.check(1 << 30), Err(InterfaceError::Unsound { .. })), "{:?}", bad.mask);
        }

        let json = serde_json::to_value(&good).unwrap();
        for (path, value) in [
            ("/ends/input/values", serde_json::json!(4095)),
            ("/ends/input/layout/log_slots", serde_json::json!(60)),
            ("/ends/input/layout/period", serde_json::json!(3)),
            ("/ends/input/layout/places", serde_json::json!("cccq")),
            ("/ends/input/layout/shape/channels", serde_json::json!(usize::MAX)),
        ] {
            let mut bad = json.clone();
            *bad.pointer_mut(path).unwrap() = value;
            assert!(serde_json::from_value::<Interface>(bad).is_err(), "{path}");
        }
    }

    /// The interface with other values at those places of its JSON.
    fn altered(interface: &Interface, places: &[(&str, serde_json::Value)]) -> Interface {
        let mut json = serde_json::to_value(interface).unwrap();
        for (path, value) in places {
            *json.pointer_mut(path).unwrap() = value.clone();
        }
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn images_of_more_than_64_mb_are_refused() {
        let (good, _) = interface();
        let wide = |blocks: usize| {
            let values = blocks * 4096;
            let layout = serde_json::json!({
                "shape": { "channels": values, "height": 1, "width": 1 },
                "log_slots": 12,
                "places": "c".repeat(values.trailing_zeros() as usize),
                "period": 4096,
                "clean": false,
            });
            let input = serde_json::json!({ "values": values, "layout": layout });
            altered(&good, &[("/ends/input", input), ("/ends/level", serde_json::json!(5))])
        };
        // At level 5 of n13 there are a limb of 30 bits and five of 26: 160 bits for each of 8 192 coefficients, 163 840 bytes and a header.
        assert!(wide(256).check(1 << 30).is_ok());
        let refused = wide(512).check(1 << 30);
        assert!(
            matches!(refused, Err(InterfaceError::Upload { found, most: 64_000_000, .. }) if found > 512 * 163_840),
            "{refused:?}"
        );
    }

    #[test]
    fn a_set_too_small_for_the_logits_is_refused_where_no_slot_would_show_one_that_wrapped() {
        let (good, _) = interface();
        let check = |labels: usize, period: usize, reach: f64| {
            let point = serde_json::json!({ "labels": vec!["a", "b", "c", "d"][..labels], "values": vec![0.0; labels] });
            let places = [
                ("/ends/labels", serde_json::json!(labels)),
                ("/ends/period", serde_json::json!(period)),
                ("/operating_point/thresholds", point),
                ("/range/logits", serde_json::json!(reach)),
            ];
            altered(&good, &places).check(1 << 30)
        };
        // Base 29.9 bits, one for the sign, scale 25.3: n13 holds 2^3.6 = 12.1, of which three quarters are 9.1. The bound is four times the
        // reach and at least 8.
        for (labels, period) in [(1, 1), (2, 2), (4, 4)] {
            assert!(check(labels, period, 2.2).is_ok(), "{labels} labels in {period} slots");
            let refused = check(labels, period, 2.3);
            let Err(InterfaceError::Room { wanted, found, .. }) = refused else { panic!("{labels} in {period}: {refused:?}") };
            assert!((wanted - 9.2).abs() < 1e-9 && (found - 9.09).abs() < 0.01, "{wanted} {found}");
        }
        for (labels, period) in [(1, 2), (3, 4), (4, 4096)] {
            assert!(check(labels, period, 1e3).is_ok(), "slots that hold zero would show it");
        }
    }

    #[test]
    fn the_sets_of_the_released_models_hold_their_logits() {
        let mut seen = 0;
        for folder in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../weights")).unwrap() {
            // Encoders and networks under TFHE have other manifests.
            let Ok(text) = std::fs::read_to_string(folder.unwrap().path().join(crate::release::MANIFEST)) else { continue };
            let Ok(manifest) = toml::from_str::<crate::release::Manifest>(&text) else { continue };
            let params = ParamsLiteral::named(&manifest.params).unwrap().check().unwrap();
            let (bound, room) = (Bounds::of(&manifest.range, None).logit, safe_room(&params, 0, params.scale()));
            assert!(bound <= room, "{}: {bound} of {room}", manifest.name);
            seen += 1;
        }
        assert!(seen > 0);
    }
}
