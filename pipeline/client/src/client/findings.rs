//! From logits to what a person reads.

use serde::{Deserialize, Serialize};
use veilray_classifier::operating_point::OperatingPoint;

/// What every result is accompanied by.
pub(crate) const NOT_FOR_DIAGNOSIS: &str = "Research software: not for diagnostic use.";

/// One label of one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Finding {
    /// The label's name, such as `Effusion`.
    pub name: String,
    /// As the network gives it.
    pub logit: f64,
    /// Calibrated: the sigmoid of the logit over the model's temperature.
    pub probability: f64,
    /// The logit from which on the label is positive.
    pub threshold: f64,
    /// Whether it is.
    pub positive: bool,
}

/// The findings of an image's logits, in the model's order of labels.
pub(crate) fn of(logits: &[f64], point: &OperatingPoint) -> Vec<Finding> {
    let labels = point.thresholds.labels.iter().zip(&point.thresholds.values);
    let finding = |(logit, (name, threshold)): (&f64, (&String, &f32))| {
        let threshold = f64::from(*threshold);
        Finding {
            name: name.clone(),
            logit: *logit,
            probability: point.temperature.probability(*logit),
            threshold,
            positive: *logit >= threshold,
        }
    };
    logits.iter().zip(labels).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use veilray_classifier::operating_point::{Temperature, Thresholds};

    #[test]
    fn a_logit_at_its_threshold_is_positive_and_probabilities_use_the_temperature() {
        let thresholds = Thresholds { labels: ["a", "b", "c"].map(String::from).into(), values: vec![0.5, 0.5, -1.0] };
        let point = OperatingPoint { temperature: Temperature::try_from(2.0).unwrap(), thresholds };
        let found = of(&[0.5, 0.499, 0.0], &point);
        assert_eq!(found.iter().map(|f| f.positive).collect::<Vec<_>>(), [true, false, true]);
        assert!((found[0].probability - 1.0 / (1.0 + (-0.25f64).exp())).abs() < 1e-12);
        assert_eq!(found[2].probability, 0.5);
    }
}
