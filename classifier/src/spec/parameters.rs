//! Every parameter's name and shape.

use super::error::SpecError;
use super::layer::{Activation, Form, Layer, last};
use super::shape::Shape;

/// A tensor that a model's weights hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, see [the naming](crate::spec).
    pub name: String,
    /// Its extents.
    pub shape: Vec<usize>,
    /// What it is.
    pub role: Role,
}

/// What a parameter is: how random ones are drawn, and whether it is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Multiplies values; each output sums over `fan_in` of them.
    Weight {
        /// Products per output.
        fan_in: usize,
    },
    /// Added to an output: one value per channel, or per output of a linear layer.
    Bias,
    /// A normalisation's factor.
    Scale,
    /// Coefficients a, b and c (rows) of a polynomial of degree two.
    Polynomial,
    /// Weights of x and x² (rows) of a HerPN activation.
    Basis,
    /// α, β and c of a cubic sigmoid.
    Sigmoid,
    /// A buffer: running mean.
    Mean,
    /// A buffer: running variance.
    Variance,
}

impl Role {
    /// Whether training follows a running statistic instead of a gradient.
    pub fn is_buffer(self) -> bool {
        matches!(self, Self::Mean | Self::Variance)
    }
}

pub(super) fn of_layers(layers: &[Layer], list: &str, input: Shape, out: &mut Vec<Parameter>) -> Result<(), SpecError> {
    let mut shape = input;
    for (i, layer) in layers.iter().enumerate() {
        let path = layer.path(list, i);
        of_layer(layer, &path, shape, out)?;
        shape = layer.output(&path, shape)?;
    }
    Ok(())
}

fn of_layer(layer: &Layer, path: &str, input: Shape, out: &mut Vec<Parameter>) -> Result<(), SpecError> {
    let channels = input.channels;
    let mut push = |name: &str, shape: &[usize], role: Role| {
        out.push(Parameter { name: format!("{path}.{name}"), shape: shape.to_vec(), role });
    };
    match layer {
        Layer::Conv(conv) => {
            let inputs = channels / conv.groups.max(1);
            let fan_in = inputs * conv.kernel * conv.kernel;
            push("weight", &[conv.out, inputs, conv.kernel, conv.kernel], Role::Weight { fan_in });
            if conv.bias {
                push("bias", &[conv.out], Role::Bias);
            }
        }
        Layer::ConvTranspose(conv) => {
            let groups = conv.groups.max(1);
            let taps = conv.kernel.div_ceil(conv.stride.max(1));
            let shape = [channels, conv.out / groups, conv.kernel, conv.kernel];
            push("weight", &shape, Role::Weight { fan_in: channels / groups * taps * taps });
            push("bias", &[conv.out], Role::Bias);
        }
        Layer::BatchNorm(_) => of_batch_norm(path, channels, out),
        Layer::Activation(activation) => of_activation(*activation, path, channels, out),
        Layer::Linear(linear) => of_linear(path, input.len(), linear.out, out),
        Layer::Se(squeeze) | Layer::Cbam(squeeze) => {
            let hidden = squeeze.hidden(channels);
            of_linear(&format!("{path}.reduce"), channels, hidden, out);
            of_activation(Activation { form: squeeze.form, shared: false }, &format!("{path}.activation"), hidden, out);
            of_linear(&format!("{path}.expand"), hidden, channels, out);
            out.push(Parameter { name: format!("{path}.sigmoid.coefficients"), shape: vec![3, 1], role: Role::Sigmoid });
        }
        Layer::Gated(gated) => {
            let list = format!("{path}.body");
            of_layers(&gated.body, &list, input, out)?;
            let outputs = last(&gated.body, &list, input)?.channels;
            of_linear(&format!("{path}.gate"), channels, outputs, out);
            if gated.degree == 2 {
                let activation = Activation { form: Form::Polynomial, shared: false };
                of_activation(activation, &format!("{path}.gate.activation"), outputs, out);
            }
        }
        Layer::Residual(residual) => {
            of_layers(&residual.body, &format!("{path}.body"), input, out)?;
            of_layers(&residual.shortcut, &format!("{path}.shortcut"), input, out)?;
        }
        Layer::AvgPool(_) | Layer::GlobalAvgPool(_) | Layer::Flatten(_) | Layer::Dropout(_) => {}
    }
    Ok(())
}

fn of_linear(path: &str, inputs: usize, outputs: usize, out: &mut Vec<Parameter>) {
    out.push(Parameter { name: format!("{path}.weight"), shape: vec![outputs, inputs], role: Role::Weight { fan_in: inputs } });
    out.push(Parameter { name: format!("{path}.bias"), shape: vec![outputs], role: Role::Bias });
}

fn of_batch_norm(path: &str, channels: usize, out: &mut Vec<Parameter>) {
    let shapes = [
        ("weight", vec![channels], Role::Scale),
        ("bias", vec![channels], Role::Bias),
        ("mean", vec![1, channels], Role::Mean),
        ("variance", vec![1, channels], Role::Variance),
    ];
    out.extend(shapes.into_iter().map(|(name, shape, role)| Parameter { name: format!("{path}.{name}"), shape, role }));
}

fn of_activation(activation: Activation, path: &str, channels: usize, out: &mut Vec<Parameter>) {
    let mut push = |name: &str, shape: &[usize], role: Role| {
        out.push(Parameter { name: format!("{path}.{name}"), shape: shape.to_vec(), role });
    };
    match activation.form {
        Form::Hermite => {
            push("basis", &[2, channels], Role::Basis);
            push("bias", &[channels], Role::Bias);
            push("mean", &[2, channels], Role::Mean);
            push("variance", &[2, channels], Role::Variance);
        }
        Form::Polynomial => push("coefficients", &[3, if activation.shared { 1 } else { channels }], Role::Polynomial),
        Form::Square | Form::Relu => {}
        Form::NormRelu => of_batch_norm(&format!("{path}.norm"), channels, out),
    }
}
