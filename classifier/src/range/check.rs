//! Whether an image stays within the range of a contract.

use super::contract::RangeContract;
use crate::reference::evaluate_watched;
use crate::spec::NetworkSpec;
use crate::weights::{Weights, WeightsError};
use std::collections::BTreeMap;
use std::fmt;

/// An activation whose input left the range of the contract, or logits that did. A polynomial means nothing there.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeWarning {
    /// The activation's name in the specification, or `logits`.
    pub layer: String,
    /// Largest magnitude that the image brought there.
    pub found: f64,
    /// Largest magnitude of the contract.
    pub contract: f64,
}

impl fmt::Display for RangeWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} reaches {:.2}, beyond the {:.2} of the images that the network was checked on: do not trust its answer",
            self.layer, self.found, self.contract
        )
    }
}

/// What leaves the contract by more than `margin` (1 for none, 1.25 for a quarter), in the order of evaluation. Empty for a sound image.
///
/// # Errors
/// Weights of another network.
pub fn check_range(
    spec: &NetworkSpec,
    weights: &Weights,
    contract: &RangeContract,
    image: &[f64],
    margin: f64,
) -> Result<Vec<RangeWarning>, WeightsError> {
    // A layer that is evaluated twice has two entries of one name.
    let mut bounds: BTreeMap<&str, f64> = BTreeMap::new();
    for range in &contract.layers {
        let bound = bounds.entry(&range.layer).or_default();
        *bound = bound.max(range.largest);
    }
    let mut warnings = Vec::new();
    let mut check = |layer: &str, values: &[f64], contract: f64| {
        // A value that is not a number leaves every range.
        let largest = |m: f64, v: &f64| if v.is_nan() || v.abs() > m { v.abs() } else { m };
        let found = values.iter().fold(0.0, largest);
        if found.is_nan() || found > margin * contract {
            warnings.push(RangeWarning { layer: layer.into(), found, contract });
        }
    };
    let logits = evaluate_watched(spec, weights, image, &mut |layer, x| {
        if let Some(contract) = bounds.get(layer) {
            check(layer, &x.values, *contract);
        }
    })?;
    check("logits", &logits, contract.logits);
    Ok(warnings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks;
    use crate::range::LayerRange;
    use crate::spec::Shape;

    #[test]
    fn an_image_beyond_the_contract_is_named_layer_by_layer() {
        let spec = networks::named("veilnet-xs", Shape::new(2, 16, 16), 3).unwrap();
        let weights = Weights::random(&spec, 1).unwrap();
        let image: Vec<f64> = (0..spec.input.len()).map(|i| (i % 7) as f64 / 3.0 - 1.0).collect();
        let mut layers = Vec::new();
        let logits = evaluate_watched(&spec, &weights, &image, &mut |layer, x| {
            let largest = x.values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            layers.push(LayerRange { layer: layer.into(), largest, rms: 1.0 });
        });
        let logits = logits.unwrap().iter().fold(0.0f64, |m, v| m.max(v.abs()));
        assert_eq!(layers.iter().map(|l| l.layer.as_str()).collect::<Vec<_>>(), ["layers.1.activation", "layers.3.activation"]);
        let contract = RangeContract { images: 1, layers, logits };
        let check = |image: &[f64], margin| check_range(&spec, &weights, &contract, image, margin).unwrap();
        assert!(check(&image, 1.0).is_empty());
        let louder: Vec<f64> = image.iter().map(|v| 3.0 * v).collect();
        let warned = check(&louder, 1.0);
        assert_eq!(warned.first().map(|w| w.layer.as_str()), Some("layers.1.activation"));
        assert!(warned.iter().all(|w| w.found > w.contract) && warned[0].to_string().contains("do not trust"));
        assert!(check(&louder, 1e9).is_empty());
        let mut broken = image;
        broken[0] = f64::NAN;
        assert!(!check(&broken, 1e9).is_empty());
    }
}
