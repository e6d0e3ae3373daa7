//! A network evaluated as its layers are defined, in f64 and loop by loop: what folding and packing are tested against.

mod calibrated;

use crate::spec::{Activation, AvgPool, Conv, ConvTranspose, Form, Layer, NORM_EPS, NetworkSpec, Shape, Squeeze};
use crate::weights::{Weights, WeightsError};

/// Values of one image between two layers, rows within channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    /// Their extents.
    pub shape: Shape,
    /// Row by row.
    pub values: Vec<f64>,
}

impl Values {
    fn at(&self, c: usize, y: usize, x: usize) -> f64 {
        self.values.get(self.shape.index(c, y, x)).copied().unwrap_or(0.0)
    }

    /// As [`Values::at`], with zeros around the image.
    fn padded(&self, c: usize, y: Option<usize>, x: Option<usize>) -> f64 {
        match (y, x) {
            (Some(y), Some(x)) if y < self.shape.height && x < self.shape.width => self.at(c, y, x),
            _ => 0.0,
        }
    }

    fn build(shape: Shape, mut value: impl FnMut(usize, usize, usize) -> f64) -> Self {
        let values = (0..shape.len()).map(|i| {
            let (c, y, x) = shape.position(i);
            value(c, y, x)
        });
        Self { shape, values: values.collect() }
    }

    fn map(&self, mut f: impl FnMut(usize, f64) -> f64) -> Self {
        Self::build(self.shape, |c, y, x| f(c, self.at(c, y, x)))
    }

    fn means(&self, f: impl Fn(f64) -> f64) -> Self {
        let plane = (self.shape.height * self.shape.width) as f64;
        let sum = |c: usize| {
            let rows = (0..self.shape.height).flat_map(|y| (0..self.shape.width).map(move |x| (y, x)));
            rows.map(|(y, x)| f(self.at(c, y, x))).sum::<f64>()
        };
        Self::build(Shape::flat(self.shape.channels), |c, _, _| sum(c) / plane)
    }
}

/// The logits of one image's values, as [channel, height, width] row by row.
///
/// # Errors
/// Weights of another network, a network that does not fit together.
pub fn evaluate(spec: &NetworkSpec, weights: &Weights, input: &[f64]) -> Result<Vec<f64>, WeightsError> {
    evaluate_watched(spec, weights, input, &mut |_, _| {})
}

/// As [`evaluate`], showing what goes into every activation, with its name in the specification, to `watch`.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_watched(
    spec: &NetworkSpec,
    weights: &Weights,
    input: &[f64],
    watch: Watch<'_>,
) -> Result<Vec<f64>, WeightsError> {
    weights.check(spec)?;
    let input =
        Values { shape: spec.input, values: (0..spec.input.len()).map(|i| input.get(i).copied().unwrap_or(0.0)).collect() };
    Ok(layers(&spec.layers, "layers", weights, input, watch)?.values)
}

/// Called with an activation's name and input.
pub type Watch<'a> = &'a mut dyn FnMut(&str, &Values);

fn layers(list: &[Layer], path: &str, weights: &Weights, mut x: Values, watch: Watch<'_>) -> Result<Values, WeightsError> {
    for (i, one) in list.iter().enumerate() {
        x = layer(one, &one.path(path, i), weights, x, watch)?;
    }
    Ok(x)
}

/// What comes out of one layer, which stands at that path.
///
/// # Errors
/// Weights of another network, an input that does not fit the layer.
pub(crate) fn layer(layer: &Layer, path: &str, weights: &Weights, x: Values, watch: Watch<'_>) -> Result<Values, WeightsError> {
    let output = layer.output(path, x.shape)?;
    Ok(match layer {
        Layer::Conv(settings) => conv(settings, path, weights, &x, output)?,
        Layer::ConvTranspose(settings) => conv_transpose(settings, path, weights, &x, output)?,
        Layer::BatchNorm(_) => batch_norm(path, weights, &x)?,
        Layer::Activation(settings) => activation(*settings, path, weights, &x, watch)?,
        Layer::AvgPool(pool) => avg_pool(pool, &x, output),
        Layer::GlobalAvgPool(_) => x.means(|v| v),
        Layer::Flatten(_) => Values { shape: output, ..x },
        Layer::Linear(_) => linear(path, weights, &x, output.channels)?,
        Layer::Dropout(_) => x,
        Layer::Residual(residual) => {
            let body = layers(&residual.body, &format!("{path}.body"), weights, x.clone(), watch)?;
            let shortcut = layers(&residual.shortcut, &format!("{path}.shortcut"), weights, x, watch)?;
            Values::build(output, |c, y, x| body.at(c, y, x) + shortcut.at(c, y, x))
        }
        Layer::Se(squeeze) => {
            let scores = excite(squeeze, path, weights, &x.means(|v| v), watch)?;
            sigmoid_gate(path, weights, &x, &scores, watch)?
        }
        Layer::Cbam(squeeze) => {
            let mean = excite(squeeze, path, weights, &x.means(|v| v), watch)?;
            let square = excite(squeeze, path, weights, &x.means(|v| v * v), watch)?;
            sigmoid_gate(path, weights, &x, &mean.map(|c, v| v + square.at(c, 0, 0)), watch)?
        }
        Layer::Gated(gated) => {
            let body = layers(&gated.body, &format!("{path}.body"), weights, x.clone(), watch)?;
            let path = format!("{path}.gate");
            let mut gate = linear(&path, weights, &x.means(|v| v), output.channels)?;
            if gated.degree == 2 {
                let settings = Activation { form: Form::Polynomial, shared: false };
                gate = activation(settings, &format!("{path}.activation"), weights, &gate, watch)?;
            }
            body.map(|c, v| v * gate.at(c, 0, 0))
        }
    })
}

/// The values of a parameter as a function of the place.
fn get<'a>(weights: &'a Weights, path: &str, name: &str) -> Result<impl Fn(usize) -> f64 + 'a, WeightsError> {
    let values = weights.values(&format!("{path}.{name}"))?;
    Ok(move |i: usize| values.get(i).copied().map_or(0.0, f64::from))
}

fn conv(settings: &Conv, path: &str, weights: &Weights, x: &Values, output: Shape) -> Result<Values, WeightsError> {
    let weight = get(weights, path, "weight")?;
    let bias = if settings.bias { Some(get(weights, path, "bias")?) } else { None };
    let (inputs, outputs) = (x.shape.channels / settings.groups, settings.out / settings.groups);
    let k = settings.kernel;
    Ok(Values::build(output, |o, y, column| {
        let mut sum = bias.as_ref().map_or(0.0, |b| b(o));
        for i in 0..inputs {
            for ky in 0..k {
                for kx in 0..k {
                    let from = |at: usize, tap: usize| (at * settings.stride + tap).checked_sub(settings.padding);
                    let value = x.padded(o / outputs * inputs + i, from(y, ky), from(column, kx));
                    sum += weight(((o * inputs + i) * k + ky) * k + kx) * value;
                }
            }
        }
        sum
    }))
}

fn conv_transpose(
    settings: &ConvTranspose,
    path: &str,
    weights: &Weights,
    x: &Values,
    output: Shape,
) -> Result<Values, WeightsError> {
    let (weight, bias) = (get(weights, path, "weight")?, get(weights, path, "bias")?);
    let (inputs, outputs) = (x.shape.channels / settings.groups, settings.out / settings.groups);
    let k = settings.kernel;
    let mut sums: Vec<f64> = (0..output.len()).map(|i| bias(output.position(i).0)).collect();
    for i in 0..x.shape.channels {
        for (o, ky, kx) in (0..outputs).flat_map(|o| (0..k * k).map(move |t| (o, t / k, t % k))) {
            let factor = weight(((i * outputs + o) * k + ky) * k + kx);
            for (y, column) in (0..x.shape.height).flat_map(|y| (0..x.shape.width).map(move |c| (y, c))) {
                let to = |at: usize, tap: usize| (at * settings.stride + tap).checked_sub(settings.padding);
                if let (Some(ty), Some(tx)) = (to(y, ky), to(column, kx))
                    && ty < output.height
                    && tx < output.width
                    && let Some(sum) = sums.get_mut(output.index(i / inputs * outputs + o, ty, tx))
                {
                    *sum += factor * x.at(i, y, column);
                }
            }
        }
    }
    Ok(Values { shape: output, values: sums })
}

fn avg_pool(pool: &AvgPool, x: &Values, output: Shape) -> Values {
    let (k, s, p) = (pool.kernel, pool.stride, pool.padding);
    Values::build(output, |c, y, column| {
        let taps = (0..k * k).map(|t| (t / k, t % k));
        let value = |(ky, kx): (usize, usize)| x.padded(c, (y * s + ky).checked_sub(p), (column * s + kx).checked_sub(p));
        taps.map(value).sum::<f64>() / (k * k) as f64
    })
}

fn linear(path: &str, weights: &Weights, x: &Values, outputs: usize) -> Result<Values, WeightsError> {
    let (weight, bias) = (get(weights, path, "weight")?, get(weights, path, "bias")?);
    let n = x.values.len();
    let sum = |o: usize| x.values.iter().enumerate().map(|(i, v)| weight(o * n + i) * v).sum::<f64>();
    Ok(Values::build(Shape::flat(outputs), |o, _, _| sum(o) + bias(o)))
}

fn batch_norm(path: &str, weights: &Weights, x: &Values) -> Result<Values, WeightsError> {
    let [weight, bias] = [get(weights, path, "weight")?, get(weights, path, "bias")?];
    let [mean, variance] = [get(weights, path, "mean")?, get(weights, path, "variance")?];
    Ok(x.map(|c, v| weight(c) * (v - mean(c)) / (variance(c) + NORM_EPS).sqrt() + bias(c)))
}

fn activation(settings: Activation, path: &str, weights: &Weights, x: &Values, watch: Watch<'_>) -> Result<Values, WeightsError> {
    watch(path, x);
    Ok(match settings.form {
        Form::Square => x.map(|_, v| v * v),
        Form::Relu => x.map(|_, v| v.max(0.0)),
        Form::NormRelu => batch_norm(&format!("{path}.norm"), weights, x)?.map(|_, v| v.max(0.0)),
        Form::Polynomial => {
            let coefficients = get(weights, path, "coefficients")?;
            let columns = if settings.shared { 1 } else { x.shape.channels };
            let at = |row: usize, c: usize| coefficients(row * columns + if settings.shared { 0 } else { c });
            x.map(|c, v| at(0, c) * v * v + at(1, c) * v + at(2, c))
        }
        Form::Hermite => {
            let [basis, bias] = [get(weights, path, "basis")?, get(weights, path, "bias")?];
            let [mean, variance] = [get(weights, path, "mean")?, get(weights, path, "variance")?];
            let n = x.shape.channels;
            let term =
                |t: usize, c: usize, v: f64| basis(t * n + c) * (v - mean(t * n + c)) / (variance(t * n + c) + NORM_EPS).sqrt();
            x.map(|c, v| term(0, c, v) + term(1, c, v * v) + bias(c))
        }
    })
}

/// The two layers of a gate, on one value per channel.
fn excite(squeeze: &Squeeze, path: &str, weights: &Weights, means: &Values, watch: Watch<'_>) -> Result<Values, WeightsError> {
    let channels = means.shape.channels;
    let hidden = linear(&format!("{path}.reduce"), weights, means, squeeze.hidden(channels))?;
    let settings = Activation { form: squeeze.form, shared: false };
    let hidden = activation(settings, &format!("{path}.activation"), weights, &hidden, watch)?;
    linear(&format!("{path}.expand"), weights, &hidden, channels)
}

fn sigmoid_gate(path: &str, weights: &Weights, x: &Values, scores: &Values, watch: Watch<'_>) -> Result<Values, WeightsError> {
    watch(&format!("{path}.sigmoid"), scores);
    let coefficients = get(weights, path, "sigmoid.coefficients")?;
    let [cubic, slope, constant] = [0, 1, 2].map(coefficients);
    let gate = |v: f64| cubic * v * v * v + slope * v + constant;
    Ok(x.map(|c, v| v * gate(scores.at(c, 0, 0))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::Tensor;
    use std::collections::BTreeMap;

    fn run(layers: &str, tensors: &[(&str, &[usize], &[f32])], input: [usize; 3], x: &[f64]) -> Vec<f64> {
        let [c, h, w] = input;
        let head = format!("name = \"t\"\nlabels = 1\n[input]\nchannels = {c}\nheight = {h}\nwidth = {w}\n");
        let spec: NetworkSpec = toml::from_str(&(head + layers)).unwrap();
        let tensor = |(name, shape, values): &(&str, &[usize], &[f32])| {
            (format!("layers.0.{name}"), Tensor::new(name, shape.to_vec(), values.to_vec()).unwrap())
        };
        let weights = Weights::new(tensors.iter().map(tensor).collect::<BTreeMap<_, _>>());
        let x = Values { shape: spec.input, values: x.to_vec() };
        super::layers(&spec.layers, "layers", &weights, x, &mut |_, _| {}).unwrap().values
    }

    #[test]
    fn a_convolution_slides_its_kernel_without_turning_it() {
        let x: Vec<f64> = (1..=9).map(f64::from).collect();
        let layer = "[[layers]]\nkind = \"conv\"\nout = 1\nkernel = 2\nstride = 2\npadding = 1\n";
        let tensors: [(&str, &[usize], &[f32]); 2] =
            [("conv.weight", &[1, 1, 2, 2], &[1.0, 10.0, 100.0, 1000.0]), ("conv.bias", &[1], &[0.5])];
        // Windows with their corner at (-1, -1), (-1, 1), (1, -1), (1, 1).
        assert_eq!(run(layer, &tensors, [1, 3, 3], &x), [1000.5, 3200.5, 7040.5, 9865.5]);
    }

    #[test]
    fn a_transposed_convolution_spreads_each_value_by_its_kernel() {
        let layer = "[[layers]]\nkind = \"conv_transpose\"\nout = 1\nkernel = 2\nstride = 2\n";
        let tensors: [(&str, &[usize], &[f32]); 2] =
            [("conv_transpose.weight", &[1, 1, 2, 2], &[1.0, 2.0, 3.0, 4.0]), ("conv_transpose.bias", &[1], &[0.0])];
        assert_eq!(run(layer, &tensors, [1, 1, 2], &[1.0, 10.0]), [1.0, 2.0, 10.0, 20.0, 3.0, 4.0, 30.0, 40.0]);
    }

    #[test]
    fn hermite_weighs_x_and_its_square_each_normalised() {
        let layer = "[[layers]]\nkind = \"activation\"\nform = \"hermite\"\n";
        let variance = [4.0 - NORM_EPS as f32, 9.0];
        let tensors: [(&str, &[usize], &[f32]); 4] = [
            ("activation.basis", &[2, 1], &[2.0, 3.0]),
            ("activation.bias", &[1], &[0.25]),
            ("activation.mean", &[2, 1], &[1.0, 7.0]),
            ("activation.variance", &[2, 1], &variance),
        ];
        // 2 (3 - 1) / 2 + 3 (9 - 7) / 3 + 0.25.
        let y = run(layer, &tensors, [1, 1, 1], &[3.0]);
        assert!((y[0] - 4.25).abs() < 1e-5, "{y:?}");
    }

    #[test]
    fn a_gate_multiplies_channels_by_the_sigmoid_of_their_scores() {
        let layer = "[[layers]]\nkind = \"se\"\nreduction = 2\nform = \"square\"\n";
        let tensors: [(&str, &[usize], &[f32]); 5] = [
            ("se.reduce.weight", &[1, 2], &[1.0, 2.0]),
            ("se.reduce.bias", &[1], &[1.0]),
            ("se.expand.weight", &[2, 1], &[1.0, -1.0]),
            ("se.expand.bias", &[2], &[0.0, 2.0]),
            ("se.sigmoid.coefficients", &[3, 1], &[1.0, 2.0, 3.0]),
        ];
        // Means 2 and -1, hidden (2 - 2 + 1)² = 1, scores 1 and 1, gate 1 + 2 + 3.
        assert_eq!(run(layer, &tensors, [2, 1, 2], &[1.0, 3.0, -1.0, -1.0]), [6.0, 18.0, -6.0, -6.0]);
    }

    #[test]
    fn pooling_counts_the_zeros_of_its_padding() {
        let layer = "[[layers]]\nkind = \"avg_pool\"\nkernel = 2\nstride = 2\npadding = 1\n";
        assert_eq!(run(layer, &[], [1, 2, 2], &[4.0, 8.0, 12.0, 16.0]), [1.0, 2.0, 3.0, 4.0]);
    }
}
