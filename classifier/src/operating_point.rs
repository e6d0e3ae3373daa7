//! How a released model turns logits into probabilities and decisions. Chosen on the validation split, by `veilray-training`.

use serde::{Deserialize, Serialize};

/// Temperature and thresholds of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatingPoint {
    /// Divides the logits.
    pub temperature: Temperature,
    /// One logit per label, before the temperature, from which on it is a yes.
    pub thresholds: Thresholds,
}

/// One threshold per label: a score at or above it is a yes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// The labels' names.
    pub labels: Vec<String>,
    /// One for each label, in the unit of the scores they were chosen on.
    pub values: Vec<f32>,
}

/// A positive number by which all logits are divided (Guo et al. 2017): it calibrates probabilities and leaves every ranking as it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Temperature(f64);

/// A temperature that is not positive and finite.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("temperature must be positive and finite, found {0}")]
pub struct TemperatureError(pub f64);

impl TryFrom<f64> for Temperature {
    type Error = TemperatureError;

    fn try_from(value: f64) -> Result<Self, TemperatureError> {
        if value.is_finite() && value > 0.0 { Ok(Self(value)) } else { Err(TemperatureError(value)) }
    }
}

impl From<Temperature> for f64 {
    fn from(temperature: Temperature) -> Self {
        temperature.0
    }
}

impl Temperature {
    /// Leaves logits as they are.
    pub const ONE: Self = Self(1.0);

    /// The probability of a logit, in [0, 1]: 1 / (1 + exp(−logit / temperature)).
    pub fn probability(self, logit: f64) -> f64 {
        1.0 / (1.0 + (-logit / self.0).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temperature_is_a_positive_number_also_in_a_file() {
        assert_eq!(serde_json::to_string(&Temperature::ONE).unwrap(), "1.0");
        for refused in ["-1.0", "0.0"] {
            assert!(serde_json::from_str::<Temperature>(refused).unwrap_err().to_string().contains("positive"), "{refused}");
        }
        assert!(Temperature::try_from(f64::NAN).is_err() && Temperature::try_from(f64::INFINITY).is_err());
        let two = Temperature::try_from(2.0).unwrap();
        assert!((two.probability(2.0) - 1.0 / (1.0 + (-1f64).exp())).abs() < 1e-15 && two.probability(0.0) == 0.5);
    }
}
