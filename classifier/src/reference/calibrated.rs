//! Random weights whose normalisations fit some images: what an untrained network needs to be a benchmark.

use super::{Values, layer};
use crate::spec::{Form, Layer, NetworkSpec};
use crate::weights::{Tensor, Weights, WeightsError};

/// What goes into one normalisation, on all images.
type Batch = Vec<Values>;

impl Weights {
    /// [`Weights::random`] with the means and variances of batch norms and HerPN activations measured on images, each given as
    /// [channel, height, width] row by row, layer behind layer: so values stay of order one however deep the network is, as training
    /// leaves them. Random statistics instead let a network of twenty layers grow beyond any modulus.
    ///
    /// # Errors
    /// A network that does not fit together. Without images the weights are [`Weights::random`].
    pub fn calibrated(spec: &NetworkSpec, seed: u64, images: &[Vec<f64>]) -> Result<Self, WeightsError> {
        let mut weights = Self::random(spec, seed)?;
        if !images.is_empty() {
            let values = |image: &Vec<f64>| Values { shape: spec.input, values: image.clone() };
            weights.calibrate(&spec.layers, "layers", images.iter().map(values).collect())?;
        }
        Ok(weights)
    }

    /// Measures every normalisation of a list of layers; returns what comes out behind them.
    fn calibrate(&mut self, list: &[Layer], path: &str, mut batch: Batch) -> Result<Batch, WeightsError> {
        for (i, one) in list.iter().enumerate() {
            let path = one.path(path, i);
            match one {
                Layer::BatchNorm(_) => self.measure(&path, &batch, &[|v| v])?,
                Layer::Activation(activation) if activation.form == Form::Hermite => self.hermite(one, &path, &path, &batch)?,
                Layer::Se(squeeze) | Layer::Cbam(squeeze) if squeeze.form == Form::Hermite => {
                    self.hermite(one, &path, &format!("{path}.activation"), &batch)?;
                }
                Layer::Residual(residual) => {
                    self.calibrate(&residual.body, &format!("{path}.body"), batch.clone())?;
                    self.calibrate(&residual.shortcut, &format!("{path}.shortcut"), batch.clone())?;
                }
                Layer::Gated(gated) => drop(self.calibrate(&gated.body, &format!("{path}.body"), batch.clone())?),
                _ => {}
            }
            batch = batch.into_iter().map(|x| layer(one, &path, self, x, &mut |_, _| {})).collect::<Result<_, _>>()?;
        }
        Ok(batch)
    }

    /// Measures the HerPN activation of that name, which is evaluated somewhere in a layer.
    fn hermite(&mut self, one: &Layer, path: &str, name: &str, batch: &Batch) -> Result<(), WeightsError> {
        let mut seen = Batch::new();
        for x in batch {
            layer(one, path, self, x.clone(), &mut |activation, x| {
                if activation == name {
                    seen.push(x.clone());
                }
            })?;
        }
        self.measure(name, &seen, &[|v| v, |v| v * v])
    }

    /// Sets mean and variance of each channel of each of those functions of the values.
    fn measure(&mut self, name: &str, batch: &Batch, functions: &[fn(f64) -> f64]) -> Result<(), WeightsError> {
        let channels = batch.first().map_or(0, |x| x.shape.channels);
        let (mut means, mut variances) = (Vec::new(), Vec::new());
        for (function, channel) in functions.iter().flat_map(|f| (0..channels).map(move |c| (f, c))) {
            let values = || {
                let of = move |x: &Values| {
                    let plane = x.shape.height * x.shape.width;
                    x.values.iter().skip(channel * plane).take(plane).map(|v| function(*v)).collect::<Vec<f64>>()
                };
                batch.iter().flat_map(of)
            };
            let count = values().count().max(1) as f64;
            let mean = values().sum::<f64>() / count;
            means.push(mean as f32);
            variances.push((values().map(|v| (v - mean).powi(2)).sum::<f64>() / count) as f32);
        }
        for (kind, values) in [("mean", means), ("variance", variances)] {
            let name = format!("{name}.{kind}");
            let tensor = Tensor::new(&name, vec![functions.len(), channels], values)?;
            self.insert(name, tensor);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks;
    use crate::reference::evaluate_watched;
    use crate::spec::Shape;
    use std::collections::BTreeMap;
    use veilray_base::Rng;

    fn images(spec: &NetworkSpec, seeds: std::ops::Range<u64>) -> Vec<Vec<f64>> {
        let image = |seed| {
            let mut rng = Rng::new(seed, "image");
            (0..spec.input.len()).map(|_| rng.normal()).collect()
        };
        seeds.map(image).collect()
    }

    /// The largest magnitude that any activation is given, by name.
    fn ranges(spec: &NetworkSpec, weights: &Weights, images: &[Vec<f64>]) -> BTreeMap<String, f64> {
        let mut out: BTreeMap<String, f64> = BTreeMap::new();
        for image in images {
            let mut watch = |name: &str, x: &Values| {
                let largest = out.entry(name.into()).or_default();
                *largest = x.values.iter().fold(*largest, |m, v| m.max(v.abs()));
            };
            evaluate_watched(spec, weights, image, &mut watch).unwrap();
        }
        out
    }

    #[test]
    fn a_deep_network_stays_in_range_on_images_it_was_not_calibrated_on() {
        for name in ["resnet20", "resnet20-cbam", "veilnet-se", "hefnet"] {
            let spec = networks::named(name, Shape::new(2, 32, 32), 3).unwrap();
            let weights = Weights::calibrated(&spec, 1, &images(&spec, 0..2)).unwrap();
            weights.check(&spec).unwrap();
            for (activation, largest) in ranges(&spec, &weights, &images(&spec, 10..12)) {
                assert!((0.1..64.0).contains(&largest), "{name}, {activation}: {largest}");
            }
        }
    }

    #[test]
    fn what_is_normalised_has_the_measured_mean_and_variance() {
        let spec = networks::named("hefnet", Shape::new(1, 30, 30), 2).unwrap();
        let images = images(&spec, 0..2);
        let weights = Weights::calibrated(&spec, 3, &images).unwrap();
        // The first activation stands behind a batch norm: mean its bias, deviation its weight.
        let [weight, bias] = ["weight", "bias"].map(|kind| weights.tensors()[&format!("layers.1.batch_norm.{kind}")].values());
        let mut seen = Vec::new();
        for image in &images {
            evaluate_watched(&spec, &weights, image, &mut |name, x| {
                if name == "layers.2.activation" {
                    seen.push(x.clone());
                }
            })
            .unwrap();
        }
        let plane = seen[0].shape.height * seen[0].shape.width;
        for channel in 0..seen[0].shape.channels {
            let values: Vec<f64> = seen.iter().flat_map(|x| x.values[channel * plane..][..plane].to_vec()).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
            assert!((mean - f64::from(bias[channel])).abs() < 1e-4, "{mean} {}", bias[channel]);
            assert!((deviation - f64::from(weight[channel]).abs()).abs() < 1e-3, "{deviation} {}", weight[channel]);
        }
    }

    #[test]
    fn without_images_weights_are_random_ones() {
        let spec = networks::default_for("veilnet-xs").unwrap();
        assert_eq!(Weights::calibrated(&spec, 5, &[]).unwrap(), Weights::random(&spec, 5).unwrap());
    }
}
