//! Whether probabilities mean what they say.

use super::error::{Error, Result};
use super::scored::Scored;
use serde::{Deserialize, Serialize};
use veilray_classifier::operating_point::Temperature;

/// The temperatures between which [`fit_temperature`] looks.
const RANGE: [f64; 2] = [0.01, 100.0];

/// The temperature with the least cross-entropy on `logits`, a validation split's: between 0.01 and 100, and 1 where no label is known.
/// Cross-entropy is convex in 1 / temperature, so that bisecting its slope finds it (Guo et al. 2017).
pub fn fit_temperature(logits: &Scored) -> Temperature {
    let pairs: Vec<(f64, f64)> = (0..logits.names().len())
        .flat_map(|label| logits.known(label).map(|(_, z, yes)| (f64::from(z), f64::from(u8::from(yes)))))
        .collect();
    if pairs.is_empty() {
        return Temperature::ONE;
    }
    let slope = |inverse: f64| pairs.iter().map(|(z, y)| z * (sigmoid(inverse * z) - y)).sum::<f64>();
    let [coldest, hottest] = RANGE;
    let (mut low, mut high) = (hottest.recip(), coldest.recip());
    for _ in 0..100 {
        let middle = (low * high).sqrt();
        if slope(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    // Positive and finite, as everything between the two bounds.
    Temperature::try_from((low * high).sqrt().recip()).unwrap_or(Temperature::ONE)
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// The probabilities of one part of [0, 1], and what came true.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bin {
    /// Pairs of image and label whose probability lies in the part.
    pub count: usize,
    /// Their mean probability.
    pub probability: f64,
    /// Part of them that is yes.
    pub yes: f64,
}

/// The reliability of a split's probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The temperature used.
    pub temperature: Temperature,
    /// Expected calibration error (Naeini et al. 2015): the mean over pairs of |probability - part that is yes| of the pair's bin.
    pub error: f64,
    /// Mean cross-entropy, in nats.
    pub cross_entropy: f64,
    /// Bins of equal width that hold any pair, by rising probability.
    pub bins: Vec<Bin>,
}

impl Calibration {
    /// Of `logits` at a temperature, over `bins` bins of equal width; all pairs of image and known label together.
    ///
    /// # Errors
    /// No bins.
    pub fn of(logits: &Scored, temperature: Temperature, bins: usize) -> Result<Self> {
        if bins == 0 {
            return Err(Error::Setting { what: "calibration bins", wanted: "at least 1", found: 0.0 });
        }
        let mut sums = vec![(0usize, 0.0, 0.0); bins];
        let (mut pairs, mut entropy) = (0usize, 0.0);
        for label in 0..logits.names().len() {
            for (_, logit, yes) in logits.known(label) {
                let logit = f64::from(logit) / f64::from(temperature);
                let probability = sigmoid(logit);
                pairs += 1;
                // log(1 + e^z) - y z, by way of |z|.
                entropy += logit.max(0.0) + (-logit.abs()).exp().ln_1p() - if yes { logit } else { 0.0 };
                if let Some((count, sum, hits)) = sums.get_mut(((probability * bins as f64) as usize).min(bins - 1)) {
                    *count += 1;
                    *sum += probability;
                    *hits += f64::from(u8::from(yes));
                }
            }
        }
        let bin = |(count, sum, hits): (usize, f64, f64)| {
            let all = count as f64;
            (count > 0).then(|| Bin { count, probability: sum / all, yes: hits / all })
        };
        let bins: Vec<Bin> = sums.into_iter().filter_map(bin).collect();
        let all = pairs.max(1) as f64;
        let error = bins.iter().map(|bin| bin.count as f64 * (bin.probability - bin.yes).abs()).sum::<f64>() / all;
        Ok(Self { temperature, error, cross_entropy: entropy / all, bins })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::UNKNOWN;
    use proptest::prelude::*;
    use veilray_base::Rng;

    fn one_label(logits: Vec<f32>, labels: Vec<u8>) -> Scored {
        Scored::new(logits, labels, vec!["a".into()]).unwrap()
    }

    #[test]
    fn known_answers() {
        // Probabilities 1/2 of which 3 in 4 come true, and e^4 / (1 + e^4) of which all do.
        let scored = one_label(vec![0.0, 0.0, 0.0, 0.0, 4.0, -1.0], vec![1, 1, 1, 0, 1, UNKNOWN]);
        let calibration = Calibration::of(&scored, Temperature::ONE, 10).unwrap();
        let sure = 1.0 / (1.0 + (-4.0f64).exp());
        assert!((calibration.error - (4.0 * 0.25 + (1.0 - sure)) / 5.0).abs() < 1e-12);
        assert!((calibration.cross_entropy - (4.0 * 2f64.ln() - sure.ln()) / 5.0).abs() < 1e-12);
        let counts: Vec<usize> = calibration.bins.iter().map(|bin| bin.count).collect();
        assert_eq!(counts, [4, 1]);
        assert!(Calibration::of(&scored, Temperature::ONE, 0).is_err());
        assert_eq!(fit_temperature(&one_label(vec![1.0], vec![UNKNOWN])), Temperature::ONE);
        assert_eq!(serde_json::to_string(&Temperature::ONE).unwrap(), "1.0");
        assert!(serde_json::from_str::<Temperature>("-1").is_err());
    }

    #[test]
    fn overconfident_logits_get_back_the_factor_they_were_stretched_by() {
        let mut rng = Rng::new(5, "calibration");
        let honest: Vec<f64> = (0..40_000).map(|_| 1.5 * rng.normal()).collect();
        let labels = honest.iter().map(|z| u8::from(rng.uniform() < sigmoid(*z))).collect();
        let scored = one_label(honest.iter().map(|z| (3.0 * z) as f32).collect(), labels);
        let temperature = fit_temperature(&scored);
        assert!((f64::from(temperature) - 3.0).abs() < 0.1, "{temperature:?}");
        let before = Calibration::of(&scored, Temperature::ONE, 15).unwrap();
        let after = Calibration::of(&scored, temperature, 15).unwrap();
        assert!(before.error > 0.1 && after.error < 0.01, "{} then {}", before.error, after.error);
    }

    proptest! {
        /// The naive way: a fine grid of temperatures.
        #[test]
        fn no_temperature_on_a_grid_is_better(pairs in prop::collection::vec((-30i8..31, 0u8..2), 1..40)) {
            let scored = one_label(pairs.iter().map(|(z, _)| f32::from(*z) / 5.0).collect(), pairs.iter().map(|p| p.1).collect());
            let entropy = |t: f64| Calibration::of(&scored, Temperature::try_from(t).unwrap(), 5).unwrap().cross_entropy;
            let best = entropy(fit_temperature(&scored).into());
            for step in 0..=200 {
                prop_assert!(best <= entropy(10f64.powf(-2.0 + f64::from(step) / 50.0)) + 1e-9);
            }
        }
    }
}
