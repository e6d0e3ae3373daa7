//! What a network is trained towards: labels, some unknown, and the probabilities of a teacher.

use crate::error::{Result, setting};
use crate::metrics::UNKNOWN;
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// The loss: binary cross-entropy with logits per label, its mean over all known labels of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// Part of the loss that comes from the teacher's probabilities where there is a teacher (Hinton et al. 2015), in [0, 1].
    pub distil: f64,
    /// Weight of a yes against a no: (no / yes)^balance of the training split, per label; with 0 both count the same.
    pub balance: f64,
    /// Labels are moved towards 1/2 by this much, in [0, 0.5).
    pub smoothing: f64,
    /// Weight of the auxiliary labels (those that are trained on and not reported) against the others.
    pub auxiliary: f64,
    /// Weights each label by (p (1 - p))^-equalise, where p is its share of yes in the training split, scaled so that the mean weight is 1.
    /// With 0 all labels count the same, so that frequent ones change the network most; with 1/2 a label with 1 yes in 500 images counts 11
    /// times as much as one with as many yes as no. For figures that are means over labels, such as the macro ROC-AUC.
    #[serde(skip_serializing_if = "is_zero")]
    pub equalise: f64,
}

/// Whether a setting is what it was before there was one: it is then left out, so that known experiments keep their identity.
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Default for LossConfig {
    fn default() -> Self {
        Self { distil: 0.5, balance: 0.0, smoothing: 0.0, auxiliary: 1.0, equalise: 0.0 }
    }
}

impl LossConfig {
    /// Refuses settings outside their range.
    pub(crate) fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.distil) {
            return setting("loss distil", "in [0, 1]", self.distil);
        }
        if !(0.0..=1.0).contains(&self.balance) {
            return setting("loss balance", "in [0, 1]", self.balance);
        }
        if !(0.0..0.5).contains(&self.smoothing) {
            return setting("loss smoothing", "in [0, 0.5)", self.smoothing);
        }
        if !(self.auxiliary.is_finite() && self.auxiliary >= 0.0) {
            return setting("loss auxiliary", "finite and not negative", self.auxiliary);
        }
        if !(0.0..=1.0).contains(&self.equalise) {
            return setting("loss equalise", "in [0, 1]", self.equalise);
        }
        Ok(())
    }

    /// The weight of each label's yes, from the labels [sample, label] of the training split.
    pub(crate) fn yes_weights(&self, labels: &[u8], count: usize) -> Vec<f32> {
        let weight = |(yes, no)| if yes == 0 || no == 0 { 1.0 } else { (no as f64 / yes as f64).powf(self.balance) as f32 };
        tallies(labels, count).map(weight).collect()
    }

    /// The weight of each label, the first `reported` of which are not auxiliary, from the labels [sample, label] of the training split. A
    /// label without a yes or a no has no such weight: it gets 1 and is left out of the mean.
    pub(crate) fn label_weights(&self, labels: &[u8], count: usize, reported: usize) -> Vec<f32> {
        let rarity = |(yes, no): (usize, usize)| {
            let part = yes as f64 / (yes + no).max(1) as f64;
            (yes > 0 && no > 0).then(|| (part * (1.0 - part)).powf(-self.equalise))
        };
        let weights: Vec<Option<f64>> = tallies(labels, count).map(rarity).collect();
        let (sum, known) = weights.iter().flatten().fold((0.0, 0), |(sum, known), weight| (sum + weight, known + 1));
        let scaled = |weight: &Option<f64>| weight.map_or(1.0, |weight| weight * f64::from(known) / sum);
        let of_kind = |label: usize| if label < reported { 1.0 } else { self.auxiliary };
        weights.iter().enumerate().map(|(label, weight)| (scaled(weight) * of_kind(label)) as f32).collect()
    }
}

/// Each label's yes and no among the labels [sample, label].
fn tallies(labels: &[u8], count: usize) -> impl Iterator<Item = (usize, usize)> {
    let tally = move |label: usize, value: u8| labels.iter().skip(label).step_by(count.max(1)).filter(|v| **v == value).count();
    (0..count).map(move |label| (tally(label, 1), tally(label, 0)))
}

/// Probability to aim at and its weight, of one label of one sample: weight 0 where nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Target {
    pub weight: f32,
    pub probability: f32,
}

impl Target {
    /// Of a label and a teacher's probability. Cross-entropy is linear in the probability aimed at, so that both terms are one.
    pub(crate) fn new(label: u8, yes_weight: f32, teacher: Option<f32>, config: &LossConfig) -> Self {
        let distil = if teacher.is_some() { config.distil as f32 } else { 0.0 };
        let smoothing = config.smoothing as f32;
        let hard = match label {
            UNKNOWN => Self::default(),
            0 => Self { weight: 1.0 - distil, probability: smoothing },
            _ => Self { weight: (1.0 - distil) * yes_weight, probability: 1.0 - smoothing },
        };
        hard.mix(Self { weight: distil, probability: teacher.unwrap_or_default() }, 1.0, 1.0)
    }

    /// `a` times this term plus `b` times the other, as one.
    pub(crate) fn mix(self, other: Self, a: f32, b: f32) -> Self {
        let (mine, theirs) = (a * self.weight, b * other.weight);
        let weight = mine + theirs;
        let sum = mine * self.probability + theirs * other.probability;
        Self { weight, probability: if weight > 0.0 { sum / weight } else { 0.0 } }
    }
}

/// The mean over targets of weight x cross-entropy of `logits` [batch, label] against the probability; the mean is over the targets
/// whose weight is not zero.
pub(crate) fn cross_entropy(logits: &Tensor, targets: &[Target]) -> veilray_nn::Result<Tensor> {
    let column = |value: fn(&Target) -> f32| {
        Tensor::from_vec(targets.iter().map(value).collect::<Vec<f32>>(), logits.shape(), &Device::Cpu)?
            .to_device(logits.device())
    };
    let known = targets.iter().filter(|target| target.weight > 0.0).count().max(1);
    // log(1 + e^z) - p z, the logarithm by way of |z| so that nothing overflows.
    let soft = (logits.relu()? + (logits.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
    let entropy = (soft - logits.mul(&column(|target| target.probability)?)?)?;
    Ok((entropy.mul(&column(|target| target.weight)?)?.sum_all()? / known as f64)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Cross-entropy of one logit from its definition.
    fn entropy(logit: f64, probability: f64) -> f64 {
        let p = 1.0 / (1.0 + (-logit).exp());
        -(probability * p.ln() + (1.0 - probability) * (1.0 - p).ln())
    }

    fn loss(logits: &[f32], targets: &[Target]) -> f64 {
        let logits = Tensor::from_slice(logits, (1, logits.len()), &Device::Cpu).unwrap();
        f64::from(cross_entropy(&logits, targets).unwrap().to_scalar::<f32>().unwrap())
    }

    proptest! {
        #[test]
        fn label_and_teacher_make_the_sum_of_their_own_losses(
            cells in prop::collection::vec((-8f32..8.0, prop_oneof![Just(0u8), Just(1), Just(UNKNOWN)], 0f32..1.0), 1..20),
            distil in 0f64..1.0,
            yes_weight in 0.5f32..4.0,
        ) {
            let config = LossConfig { distil, ..LossConfig::default() };
            let logits: Vec<f32> = cells.iter().map(|cell| cell.0).collect();
            let targets: Vec<Target> = cells.iter().map(|(_, label, p)| Target::new(*label, yes_weight, Some(*p), &config)).collect();
            let mut sum = 0.0;
            for (logit, label, p) in &cells {
                let (logit, p) = (f64::from(*logit), f64::from(*p));
                sum += distil * entropy(logit, p);
                sum += match label {
                    0 => (1.0 - distil) * entropy(logit, 0.0),
                    1 => (1.0 - distil) * f64::from(yes_weight) * entropy(logit, 1.0),
                    _ => 0.0,
                };
            }
            let known = targets.iter().filter(|t| t.weight > 0.0).count().max(1) as f64;
            prop_assert!((loss(&logits, &targets) - sum / known).abs() < 1e-4 * (1.0 + sum.abs()));
        }
    }

    #[test]
    fn the_slope_is_the_probability_less_the_target_and_nothing_where_unknown() {
        let config = LossConfig::default();
        let labels = [1, 0, UNKNOWN];
        let targets: Vec<Target> = labels.iter().map(|label| Target::new(*label, 1.0, None, &config)).collect();
        let logits = candle_core::Var::from_slice(&[0.3f32, 40.0, 5.0], (1, 3), &Device::Cpu).unwrap();
        let gradients = cross_entropy(&logits, &targets).unwrap().backward().unwrap();
        let slope = gradients.get(&logits).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let sigmoid = 1.0 / (1.0 + (-0.3f32).exp());
        assert!((slope[0] - (sigmoid - 1.0) / 2.0).abs() < 1e-6 && (slope[1] - 0.5).abs() < 1e-6 && slope[2] == 0.0, "{slope:?}");
    }

    #[test]
    fn a_sure_and_wrong_logit_costs_what_it_should_without_overflow() {
        let config = LossConfig::default();
        let no = Target::new(0, 1.0, None, &config);
        assert_eq!(loss(&[1000.0], &[no]), 1000.0);
        assert_eq!(loss(&[-1000.0], &[no]), 0.0);
        assert_eq!(loss(&[3.0], &[Target::new(UNKNOWN, 1.0, None, &config)]), 0.0);
    }

    #[test]
    fn rare_labels_weigh_more_the_more_the_loss_equalises() {
        // One yes in 5; one and no no; two in 4, auxiliary.
        let labels = [1, UNKNOWN, 0, 0, 1, 1, 0, UNKNOWN, 0, 0, UNKNOWN, 1, 0, UNKNOWN, UNKNOWN];
        let weights = |equalise| LossConfig { equalise, auxiliary: 0.5, ..LossConfig::default() }.label_weights(&labels, 3, 2);
        assert_eq!(weights(0.0), [1.0, 1.0, 0.5]);
        let [rare, unknown, auxiliary] = weights(0.5)[..] else { panic!("three labels") };
        // Variances 4/25 and 1/4.
        assert!((rare / auxiliary - 2.0 * 1.25).abs() < 1e-5 && unknown == 1.0, "{rare} {auxiliary}");
        assert!((rare + 2.0 * auxiliary - 2.0).abs() < 1e-5, "the mean is 1 but for what is auxiliary");
        assert!((weights(1.0)[0] / weights(1.0)[2] - 2.0 * 1.5625).abs() < 1e-5);
        assert!(LossConfig { equalise: 1.5, ..LossConfig::default() }.check().is_err());
        let text = |equalise| toml::to_string(&LossConfig { equalise, ..LossConfig::default() }).unwrap();
        assert!(text(0.5).contains("equalise") && !text(0.0).contains("equalise"), "older experiments keep their identity");
    }

    #[test]
    fn balance_weighs_a_rare_yes_by_its_rarity() {
        // Label 0: one yes, four no; label 1: never known.
        let labels = [1, UNKNOWN, 0, UNKNOWN, 0, UNKNOWN, 0, UNKNOWN, 0, UNKNOWN];
        for (balance, weight) in [(0.0, 1.0), (0.5, 2.0), (1.0, 4.0)] {
            assert_eq!(LossConfig { balance, ..LossConfig::default() }.yes_weights(&labels, 2), [weight, 1.0]);
        }
        assert!(LossConfig { smoothing: 0.5, ..LossConfig::default() }.check().is_err());
        assert!(LossConfig { distil: 1.1, ..LossConfig::default() }.check().is_err());
    }
}
