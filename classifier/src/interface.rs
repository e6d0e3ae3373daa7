//! What a client must know of a model to ask it: everything but the network and its weights, which stay with the provider.
//!
//! An interface comes from a server that the client does not trust. It can make the client's answer wrong, which no cryptography
//! prevents, but not unsafe: parameters are a named set that the client knows, and what it asks for is bounded by [`Interface::check`].

use crate::execute::EncryptedCircuit;
use crate::mask::Mask;
use crate::metrics::OperatingPoint;
use crate::pack::Ends;
use crate::release::Model;
use crate::train::RangeContract;
use serde::{Deserialize, Serialize};
use veilray_he::wire::evaluation_keys_bytes;
use veilray_he::{KeySpec, Params, ParamsLiteral};

/// Most labels of a model.
const MOST_LABELS: usize = 4096;

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
    /// The evaluation keys that it needs.
    pub keys: KeySpec,
    /// Where an image's values go and where the logits come out.
    pub ends: Ends,
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
        /// The model.
        model: String,
        /// What is wrong.
        why: String,
    },
    /// Keys that would take too much room.
    #[error(
        "{model} wants evaluation keys of {found} bytes, more than the {most} that are allowed; raise the limit if you trust its provider"
    )]
    Keys {
        /// The model.
        model: String,
        /// Bytes of its keys.
        found: usize,
        /// The limit.
        most: usize,
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
            keys: circuit.key_spec().clone(),
            ends: circuit.circuit().ends().clone(),
        }
    }

    /// The parameters, once the interface is found sound: its parts fit them and each other, and its keys take at most `most_key_bytes`.
    ///
    /// # Errors
    /// An unknown parameter set, parts that contradict each other, too many keys.
    pub fn check(&self, most_key_bytes: usize) -> Result<Params, InterfaceError> {
        let params = ParamsLiteral::named(&self.params)?.check()?;
        let unsound = |why: String| Err(InterfaceError::Unsound { model: self.model.clone(), why });
        let (labels, thresholds) = (&self.operating_point.thresholds.labels, &self.operating_point.thresholds.values);
        let (names, values) = (labels.len(), thresholds.len());
        if Mask::logits(self.mask, names) != Some(self.ends.labels()) || values != names || names > MOST_LABELS {
            let mask = self.mask.map_or(String::new(), |mask| format!(", a mask of {} x {}", mask.height, mask.width));
            return unsound(format!("{} logits, {names} labels, {values} thresholds{mask}", self.ends.labels()));
        }
        if thresholds.iter().any(|t| !t.is_finite()) {
            return unsound("a threshold is not finite".into());
        }
        if self.ends.slots() != params.slots() || !self.ends.is_sound() {
            return unsound(format!("packed for {} slots, the set {} has {}", self.ends.slots(), self.params, params.slots()));
        }
        if self.ends.level() > params.max_level() || self.ends.input().layout().blocks() > 1024 {
            return unsound(format!("input at level {}, the set {} has {}", self.ends.level(), self.params, params.max_level()));
        }
        let found = evaluation_keys_bytes(&params, &self.keys)?;
        if found > most_key_bytes {
            return Err(InterfaceError::Keys { model: self.model.clone(), found, most: most_key_bytes });
        }
        Ok(params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::{FoldOptions, fold};
    use crate::metrics::{Temperature, Thresholds};
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
            keys: circuit.key_spec().clone(),
            ends: circuit.circuit().ends().clone(),
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
        assert_eq!(back.ends.input().pack(&image), circuit.circuit().input().pack(&image));
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
}
