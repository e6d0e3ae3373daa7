//! The layers of a specification, built: one [`Node`] each.

use crate::error::Result;
use crate::network::Pass;
use candle_core::Tensor;
use veilray_classifier::spec::{self, CUBIC_SIGMOID, Form, Layer, NORM_EPS};
use veilray_nn::layers::{BatchNorm, Conv2d, ConvTranspose2d, HermiteActivation};
use veilray_nn::ops::{self, Conv2dConfig};
use veilray_nn::{Init, Scope};

/// Part of a batch's statistics that goes into the running ones.
const MOMENTUM: f64 = 0.1;

/// ReLU's expansion in the first three Hermite polynomials, f0 + f1 x + f2 (x^2 - 1) / sqrt 2 with f0 = 1/sqrt(2 pi), f1 = 1/2,
/// f2 = 1/sqrt(4 pi), as a, b and c: a is 1/sqrt(8 pi), and c, f0 less a, is the same.
const RELU_EXPANSION: [f64; 3] = [0.199_471_140_200_716_35, 0.5, 0.199_471_140_200_716_35];

/// Layers one after the other. Values are always [batch, channel, height, width]; a vector has height and width 1.
pub(crate) struct List(Vec<Node>);

impl List {
    /// Parameters of layer i of `list` stand below `<list>.<i>.<kind>` of `root`.
    pub(crate) fn new(root: &Scope, list: &str, layers: &[Layer], input: spec::Shape) -> Result<Self> {
        let (mut nodes, mut shape) = (Vec::new(), input);
        for (index, layer) in layers.iter().enumerate() {
            let path = layer.path(list, index);
            nodes.push(Node::new(root, &path, layer, shape)?);
            shape = layer.output(&path, shape)?;
        }
        Ok(Self(nodes))
    }

    /// [batch, channel, height, width] through all of them.
    pub(crate) fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> veilray_nn::Result<Tensor> {
        self.0.iter().try_fold(x.clone(), |x, node| node.forward(&x, pass))
    }
}

/// One layer with its parameters.
enum Node {
    Conv(Conv2d),
    ConvTranspose(ConvTranspose2d),
    BatchNorm(BatchNorm),
    Activation(Activation),
    AvgPool { kernel: usize, stride: usize, padding: usize },
    GlobalAvgPool,
    Flatten,
    Linear(Linear),
    Dropout(f64),
    Residual { body: List, shortcut: List },
    Squeeze(Box<Squeeze>),
    Gated { body: List, gate: Linear, activation: Option<Activation> },
}

impl Node {
    fn new(root: &Scope, path: &str, layer: &Layer, input: spec::Shape) -> Result<Self> {
        let scope = root.enter(path);
        let channels = input.channels;
        let inside = |part: &str, layers: &[Layer]| List::new(root, &format!("{path}.{part}"), layers, input);
        Ok(match layer {
            Layer::Conv(conv) => {
                let config = Conv2dConfig::new(conv.stride, conv.padding).groups(conv.groups);
                Self::Conv(match conv.bias {
                    true => Conv2d::new(&scope, channels, conv.out, conv.kernel, config)?,
                    false => Conv2d::without_bias(&scope, channels, conv.out, conv.kernel, config)?,
                })
            }
            Layer::ConvTranspose(conv) => {
                let config = Conv2dConfig::new(conv.stride, conv.padding).groups(conv.groups);
                Self::ConvTranspose(ConvTranspose2d::new(&scope, channels, conv.out, conv.kernel, config, 0)?)
            }
            Layer::BatchNorm(_) => Self::BatchNorm(BatchNorm::new(&scope, channels, NORM_EPS, MOMENTUM)?),
            Layer::Activation(activation) => Self::Activation(Activation::new(&scope, path, *activation, channels)?),
            Layer::AvgPool(pool) => Self::AvgPool { kernel: pool.kernel, stride: pool.stride, padding: pool.padding },
            Layer::GlobalAvgPool(_) => Self::GlobalAvgPool,
            Layer::Flatten(_) => Self::Flatten,
            Layer::Linear(linear) => Self::Linear(Linear::new(&scope, input.len(), linear.out, 0.0)?),
            Layer::Dropout(dropout) => Self::Dropout(dropout.probability),
            Layer::Residual(residual) => {
                Self::Residual { body: inside("body", &residual.body)?, shortcut: inside("shortcut", &residual.shortcut)? }
            }
            Layer::Se(squeeze) => Self::Squeeze(Box::new(Squeeze::new(&scope, path, squeeze, channels, false)?)),
            Layer::Cbam(squeeze) => Self::Squeeze(Box::new(Squeeze::new(&scope, path, squeeze, channels, true)?)),
            Layer::Gated(gated) => {
                let body = inside("body", &gated.body)?;
                let out = layer.output(path, input)?.channels;
                // The gate starts near one: the body as it is.
                let gate = Linear::new(&scope.enter("gate"), channels, out, 1.0)?;
                let form = spec::Activation { form: Form::Polynomial, shared: false };
                let activation = match gated.degree {
                    2 => Some(Activation::starting(
                        &scope.enter("gate.activation"),
                        &format!("{path}.gate"),
                        form,
                        out,
                        [0.1, 1.0, 0.0],
                    )?),
                    _ => None,
                };
                Self::Gated { body, gate, activation }
            }
        })
    }

    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> veilray_nn::Result<Tensor> {
        match self {
            Self::Conv(conv) => conv.forward(x),
            Self::ConvTranspose(conv) => conv.forward(x),
            Self::BatchNorm(norm) => norm.forward(x, pass.mode()),
            Self::Activation(activation) => activation.forward(x, pass),
            Self::AvgPool { kernel, stride, padding } => {
                let padded = match padding {
                    0 => x.clone(),
                    n => x.pad_with_zeros(2, *n, *n)?.pad_with_zeros(3, *n, *n)?,
                };
                ops::avg_pool2d(&padded, (*kernel, *kernel), (*stride, *stride))
            }
            Self::GlobalAvgPool => means(x),
            Self::Flatten => {
                let (batch, channels, height, width) = x.dims4()?;
                Ok(x.reshape((batch, channels * height * width, 1, 1))?)
            }
            Self::Linear(linear) => linear.forward(x),
            Self::Dropout(probability) => pass.dropout(x, *probability),
            Self::Residual { body, shortcut } => Ok((body.forward(x, pass)? + shortcut.forward(x, pass)?)?),
            Self::Squeeze(squeeze) => squeeze.forward(x, pass),
            Self::Gated { body, gate, activation } => {
                let mut gates = gate.forward(&means(x)?)?;
                if let Some(activation) = activation {
                    gates = activation.forward(&gates, pass)?;
                }
                Ok(body.forward(x, pass)?.broadcast_mul(&gates)?)
            }
        }
    }
}

/// The mean of every channel, [batch, channel, 1, 1].
fn means(x: &Tensor) -> veilray_nn::Result<Tensor> {
    let (batch, channels, _, _) = x.dims4()?;
    Ok(ops::global_avg_pool2d(x)?.reshape((batch, channels, 1, 1))?)
}

/// A fully connected layer on [batch, values, 1, 1].
struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    fn new(scope: &Scope, inputs: usize, outputs: usize, bias: f64) -> Result<Self> {
        let weight = scope.parameter("weight", &[outputs, inputs], Init::KaimingUniform { gain: 3f64.sqrt().recip() })?;
        Ok(Self { weight, bias: scope.parameter("bias", &[outputs], Init::Constant(bias))? })
    }

    fn forward(&self, x: &Tensor) -> veilray_nn::Result<Tensor> {
        let product = ops::bias(&x.flatten_from(1)?.matmul(&self.weight.t()?)?, &self.bias)?;
        Ok(product.unsqueeze(2)?.unsqueeze(3)?)
    }
}

/// An activation with its parameters, watched under its path.
struct Activation {
    path: String,
    function: Function,
}

enum Function {
    Plain(ops::Activation),
    NormRelu(BatchNorm),
    /// a, b and c, [3, channel] or [3, 1].
    Polynomial(Tensor),
    Hermite(HermiteActivation),
}

impl Activation {
    fn new(scope: &Scope, path: &str, activation: spec::Activation, channels: usize) -> Result<Self> {
        Self::starting(scope, path, activation, channels, RELU_EXPANSION)
    }

    fn starting(scope: &Scope, path: &str, activation: spec::Activation, channels: usize, start: [f64; 3]) -> Result<Self> {
        let function = match activation.form {
            Form::Hermite => Function::Hermite(HermiteActivation::new(scope, channels, NORM_EPS, MOMENTUM)?),
            Form::Polynomial => {
                let columns = if activation.shared { 1 } else { channels };
                Function::Polynomial(scope.parameter("coefficients", &[3, columns], Init::Rows(start))?)
            }
            Form::Square => Function::Plain(ops::Activation::Square),
            Form::Relu => Function::Plain(ops::Activation::Relu),
            Form::NormRelu => Function::NormRelu(BatchNorm::new(&scope.enter("norm"), channels, NORM_EPS, MOMENTUM)?),
        };
        Ok(Self { path: path.into(), function })
    }

    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> veilray_nn::Result<Tensor> {
        if pass.is_watching() {
            let coefficients = match &self.function {
                Function::Plain(_) | Function::NormRelu(_) => None,
                Function::Polynomial(coefficients) => Some(coefficients.clone()),
                Function::Hermite(hermite) => Some(hermite.coefficients()?),
            };
            pass.watch(&self.path, x, coefficients);
        }
        match &self.function {
            Function::Plain(function) => ops::activate(x, *function),
            Function::NormRelu(norm) => ops::activate(&norm.forward(x, pass.mode())?, ops::Activation::Relu),
            Function::Polynomial(coefficients) => {
                let channels = x.dim(1)?;
                ops::polynomial2(x, &coefficients.broadcast_as((3, channels))?.contiguous()?)
            }
            Function::Hermite(hermite) => hermite.forward(x, pass.mode()),
        }
    }
}

/// Squeeze and excitation, of the means or of means and means of squares.
struct Squeeze {
    path: String,
    reduce: Linear,
    activation: Activation,
    expand: Linear,
    /// α, β and c [3, 1].
    sigmoid: Tensor,
    squares: bool,
}

impl Squeeze {
    fn new(scope: &Scope, path: &str, squeeze: &spec::Squeeze, channels: usize, squares: bool) -> Result<Self> {
        let hidden = squeeze.hidden(channels);
        let form = spec::Activation { form: squeeze.form, shared: false };
        Ok(Self {
            path: path.into(),
            reduce: Linear::new(&scope.enter("reduce"), channels, hidden, 0.0)?,
            activation: Activation::new(&scope.enter("activation"), &format!("{path}.activation"), form, hidden)?,
            expand: Linear::new(&scope.enter("expand"), hidden, channels, 0.0)?,
            sigmoid: scope.enter("sigmoid").parameter("coefficients", &[3, 1], Init::Rows(CUBIC_SIGMOID))?,
            squares,
        })
    }

    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> veilray_nn::Result<Tensor> {
        let mut squeezed = means(x)?;
        let batch = squeezed.dim(0)?;
        if self.squares {
            // As one batch, so that a normalising activation has one set of statistics for both.
            squeezed = Tensor::cat(&[&squeezed, &means(&x.sqr()?)?], 0)?;
        }
        let hidden = self.activation.forward(&self.reduce.forward(&squeezed)?, pass)?;
        let mut z = self.expand.forward(&hidden)?;
        if self.squares {
            z = (z.narrow(0, 0, batch)? + z.narrow(0, batch, batch)?)?;
        }
        pass.watch(&format!("{}.sigmoid", self.path), &z, None);
        let term = |row: usize| self.sigmoid.narrow(0, row, 1)?.reshape((1, 1, 1, 1));
        let cubic = z.powf(3.0)?.broadcast_mul(&term(0)?)?;
        let gates = (cubic + z.broadcast_mul(&term(1)?)?)?.broadcast_add(&term(2)?)?;
        Ok(x.broadcast_mul(&gates)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Architecture, Network, Student};
    use candle_core::Device;
    use veilray_base::Rng;
    use veilray_classifier::spec::NetworkSpec;
    use veilray_nn::ParamStore;

    fn network(layer: &str, channels: usize) -> (ParamStore, Box<dyn Network>) {
        let text = format!(
            "name = \"one\"\nlabels = {channels}\ninput = {{ channels = {channels}, height = 2, width = 2 }}\n[[layers]]\n{layer}\n\
             [[layers]]\nkind = \"global_avg_pool\""
        );
        let student = Student::new(NetworkSpec::from_toml(&text).unwrap()).unwrap();
        let params = ParamStore::seeded(4, &Device::Cpu);
        let network = student.build(&params.root()).unwrap();
        (params, network)
    }

    fn values(params: &ParamStore, name: &str) -> Vec<f64> {
        let tensor = &params.tensors()[name];
        tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f64::from).collect()
    }

    /// W x + b, row by row.
    fn linear(params: &ParamStore, path: &str, x: &[f64]) -> Vec<f64> {
        let (weight, bias) = (values(params, &format!("{path}.weight")), values(params, &format!("{path}.bias")));
        weight.chunks(x.len()).zip(bias).map(|(row, bias)| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() + bias).collect()
    }

    #[test]
    fn gates_are_what_their_formulas_say() {
        let x = veilray_nn::normal_tensor(&mut Rng::new(9, "x"), (1, 4, 2, 2), &Device::Cpu).unwrap();
        let planes: Vec<Vec<f64>> = x
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()
            .chunks(4)
            .map(|p| p.iter().map(|v| f64::from(*v)).collect())
            .collect();
        let mean: Vec<f64> = planes.iter().map(|p| p.iter().sum::<f64>() / 4.0).collect();
        let mean_square: Vec<f64> = planes.iter().map(|p| p.iter().map(|v| v * v).sum::<f64>() / 4.0).collect();
        let cubic = |z: f64| CUBIC_SIGMOID[0] * z * z * z + CUBIC_SIGMOID[1] * z + CUBIC_SIGMOID[2];
        for kind in ["se", "cbam", "gated"] {
            let settings = match kind {
                "gated" => "degree = 2\nbody = [{ kind = \"dropout\", probability = 0.5 }]",
                _ => "reduction = 2\nform = \"square\"",
            };
            let (params, network) = network(&format!("kind = \"{kind}\"\n{settings}"), 4);
            let path = format!("layers.0.{kind}");
            let squeeze = |means: &[f64]| {
                let hidden: Vec<f64> = linear(&params, &format!("{path}.reduce"), means).iter().map(|v| v * v).collect();
                linear(&params, &format!("{path}.expand"), &hidden)
            };
            let gates: Vec<f64> = match kind {
                "se" => squeeze(&mean).into_iter().map(cubic).collect(),
                "cbam" => squeeze(&mean).iter().zip(squeeze(&mean_square)).map(|(a, b)| cubic(a + b)).collect(),
                _ => linear(&params, &format!("{path}.gate"), &mean).into_iter().map(|z| 0.1 * z * z + z).collect(),
            };
            let found = network.forward(&x, &mut Pass::evaluate()).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            for ((found, gate), mean) in found.iter().zip(&gates).zip(&mean) {
                assert!((f64::from(*found) - gate * mean).abs() < 1e-5, "{kind}: {found} against {}", gate * mean);
            }
        }
    }
}
