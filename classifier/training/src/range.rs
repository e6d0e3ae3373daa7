//! Where a polynomial stays what it was trained to be.
//!
//! A polynomial of degree two is a good activation near the values it was trained on and nowhere else. Training keeps those values
//! together ([`RangePenalty`]) and records how far they reach ([`measure_range`]), so that what leaves the range is noticed.

use crate::error::{Result, setting};
use crate::network::{Network, Pass, Watched};
use crate::predict::{Change, gather, tensor};
use crate::samples::Samples;
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use veilray_classifier::range::{LayerRange, RangeContract};
use veilray_nn::ops::{Unit, excess};

/// Two terms of the loss. Both are zero where nothing is out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RangePenalty {
    /// Weight of the mean square by which |pre-activation| exceeds `target`; 0 leaves the term out.
    pub weight: f64,
    /// Where the excess begins.
    pub target: f64,
    /// Whether `target` counts in root mean squares of the layer (for activations that normalise their input) or absolutely.
    pub relative: bool,
    /// Weight of the mean square by which |b| exceeds 2 `shift` |a| in the activations a x^2 + b x + c; 0 leaves the term out. Folding
    /// completes the square to a (x + b/2a)^2, which loses precision where the shift b/2a is large.
    pub shift_weight: f64,
    /// The largest shift |b/2a| that costs nothing, in the unit of the pre-activation.
    pub shift: f64,
}

impl Default for RangePenalty {
    fn default() -> Self {
        Self { weight: 0.0, target: 5.0, relative: true, shift_weight: 0.0, shift: 8.0 }
    }
}

impl RangePenalty {
    /// Refuses settings outside their range.
    pub(crate) fn check(&self) -> Result<()> {
        let settings = [
            ("range weight", self.weight),
            ("range target", self.target),
            ("range shift_weight", self.shift_weight),
            ("range shift", self.shift),
        ];
        match settings.into_iter().find(|(_, value)| !(value.is_finite() && *value >= 0.0)) {
            Some((what, value)) => setting(what, "finite and not negative", value),
            None => Ok(()),
        }
    }

    /// Whether it needs to see the activations' inputs.
    pub(crate) fn is_used(&self) -> bool {
        self.weight > 0.0 || self.shift_weight > 0.0
    }

    /// The penalty of one pass, [].
    pub(crate) fn of(&self, watched: &[Watched]) -> veilray_nn::Result<Option<Tensor>> {
        let mut terms = Vec::new();
        for layer in watched {
            if self.weight > 0.0 {
                let unit = if self.relative { Unit::RootMeanSquare } else { Unit::Absolute };
                terms.push((excess(&layer.values, self.target, unit)? * self.weight)?);
            }
            if let Some(coefficients) = layer.coefficients.as_ref().filter(|_| self.shift_weight > 0.0) {
                let (a, b) = (coefficients.get(0)?.abs()?, coefficients.get(1)?.abs()?);
                terms.push(((b - (a * (2.0 * self.shift))?)?.relu()?.sqr()?.mean_all()? * self.shift_weight)?);
            }
        }
        let sum = terms.into_iter().map(Ok).reduce(|a: candle_core::Result<Tensor>, b| a? + b?);
        Ok(sum.transpose()?)
    }
}

/// Measures `network` on `samples`, `batch` at a time.
///
/// # Errors
/// Samples of another shape than the network's input.
pub fn measure_range(network: &dyn Network, samples: &Samples, batch: usize) -> Result<RangeContract> {
    let mut contract = RangeContract { images: samples.len(), layers: Vec::new(), logits: 0.0 };
    let all: Vec<usize> = (0..samples.len()).collect();
    let mut squares: Vec<(f64, usize)> = Vec::new();
    for indices in all.chunks(batch.max(1)) {
        let input = tensor(samples, gather(samples, indices, Change::None), indices.len())?;
        let mut pass = Pass::evaluate().watching();
        let logits = network.forward(&input, &mut pass)?;
        contract.logits = contract.logits.max(largest(&logits)?);
        for (place, layer) in pass.watched().into_iter().enumerate() {
            if contract.layers.len() <= place {
                contract.layers.push(LayerRange { layer: layer.layer, largest: 0.0, rms: 0.0 });
                squares.push((0.0, 0));
            }
            let sum = f64::from(layer.values.sqr()?.mean_all()?.to_scalar::<f32>()?) * layer.values.elem_count() as f64;
            if let (Some(range), Some((squares, count))) = (contract.layers.get_mut(place), squares.get_mut(place)) {
                range.largest = range.largest.max(largest(&layer.values)?);
                *squares += sum;
                *count += layer.values.elem_count();
            }
        }
    }
    for (range, (squares, count)) in contract.layers.iter_mut().zip(squares) {
        range.rms = (squares / count.max(1) as f64).sqrt();
    }
    Ok(contract)
}

fn largest(values: &Tensor) -> Result<f64> {
    Ok(f64::from(values.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Inputs;
    use candle_core::{Device, Var};

    fn watched(values: &Tensor, coefficients: Option<&Tensor>) -> Vec<Watched> {
        vec![Watched { layer: "act".into(), values: values.clone(), coefficients: coefficients.cloned() }]
    }

    #[test]
    fn only_what_exceeds_the_target_costs() {
        let values = Tensor::new(&[[1f32, -7.0, 4.0, 6.0]], &Device::Cpu).unwrap();
        let penalty = RangePenalty { weight: 0.5, target: 5.0, relative: false, ..RangePenalty::default() };
        let of =
            |penalty: &RangePenalty, values| penalty.of(&watched(values, None)).unwrap().unwrap().to_scalar::<f32>().unwrap();
        assert_eq!(of(&penalty, &values), 0.5 * (4.0 + 1.0) / 4.0);
        // The root mean square is sqrt(102 / 4); at 1.2 of them only -7 exceeds.
        let relative = RangePenalty { relative: true, target: 1.2, weight: 1.0, ..penalty };
        let root = (102f32 / 4.0).sqrt();
        assert!((of(&relative, &values) - (7.0 / root - 1.2).powi(2) / 4.0).abs() < 1e-6);
        assert_eq!(of(&relative, &(&values * 16.0).unwrap()), of(&relative, &(&values * 4.0).unwrap()));
        assert!(RangePenalty::default().of(&[]).unwrap().is_none());
        assert!(RangePenalty { target: -1.0, ..penalty }.check().is_err());
    }

    #[test]
    fn a_large_shift_pushes_the_square_term_away_from_zero() {
        // Channel 0: |b/2a| = 25 beyond 8; channel 1: 1/2 within.
        let coefficients = Var::new(&[[-0.01f32, 1.0], [0.5, 1.0], [0.0, 0.0]], &Device::Cpu).unwrap();
        let values = Tensor::zeros((1, 2), candle_core::DType::F32, &Device::Cpu).unwrap();
        let penalty = RangePenalty { shift_weight: 1.0, ..RangePenalty::default() };
        let cost = penalty.of(&watched(&values, Some(coefficients.as_tensor()))).unwrap().unwrap();
        assert!((cost.to_scalar::<f32>().unwrap() - (0.5f32 - 0.16).powi(2) / 2.0).abs() < 1e-6);
        let slope = cost.backward().unwrap().get(&coefficients).unwrap().to_vec2::<f32>().unwrap();
        assert!(slope[0][0] > 0.0 && slope[0][1] == 0.0 && slope[1][0] > 0.0, "descent makes |a| grow and |b| fall: {slope:?}");
    }

    struct Doubling;

    impl Network for Doubling {
        fn forward(&self, input: &Tensor, pass: &mut Pass<'_>) -> veilray_nn::Result<Tensor> {
            pass.watch("first", input, None);
            let doubled = (input * 2.0)?;
            pass.watch("second", &doubled, None);
            Ok(doubled.flatten_from(1)?.narrow(1, 0, 1)?)
        }
    }

    #[test]
    fn the_contract_holds_the_largest_value_of_each_layer_over_all_batches() {
        let values: Vec<f32> = (0..20).map(|i| if i == 13 { -9.0 } else { i as f32 / 10.0 }).collect();
        let strings = |text: &str| vec![text.to_string(); 5];
        let samples =
            Samples::new(Inputs::Latents(values.clone()), [1, 2, 2], vec![0; 5], vec!["a".into()], strings("p"), strings(""))
                .unwrap();
        let contract = measure_range(&Doubling, &samples, 2).unwrap();
        let rms = (values.iter().map(|v| f64::from(v * v)).sum::<f64>() / 20.0).sqrt();
        let found: Vec<(&str, f64)> = contract.layers.iter().map(|l| (l.layer.as_str(), l.largest)).collect();
        assert_eq!(found, [("first", 9.0), ("second", 18.0)]);
        assert!((contract.layers[0].rms - rms).abs() < 1e-6 && (contract.layers[1].rms - 2.0 * rms).abs() < 1e-6);
        // The first value of each sample, doubled: the largest is that of the last, 16 / 10.
        assert!((contract.logits - 3.2).abs() < 1e-6 && contract.images == 5);
        let text = serde_json::to_string(&contract).unwrap();
        assert_eq!(serde_json::from_str::<RangeContract>(&text).unwrap(), contract);
    }
}
