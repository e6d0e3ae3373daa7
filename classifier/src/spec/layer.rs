//! The layers, their settings and the shapes they give.

use super::error::SpecError;
use super::limits::MAX_VALUES;
use super::shape::Shape;
use serde::{Deserialize, Serialize};

/// One layer, written as a table with a `kind`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Layer {
    /// A convolution.
    Conv(Conv),
    /// A transposed convolution.
    ConvTranspose(ConvTranspose),
    /// Batch normalisation; on ciphertexts it costs nothing.
    BatchNorm(Empty),
    /// A polynomial of degree two.
    Activation(Activation),
    /// Average pooling.
    AvgPool(AvgPool),
    /// The mean of every channel: [C, H, W] to [C, 1, 1].
    GlobalAvgPool(Empty),
    /// [C, H, W] to [C·H·W, 1, 1], rows within channels.
    Flatten(Empty),
    /// A fully connected layer, on a vector.
    Linear(Linear),
    /// Dropout; it exists in training only.
    Dropout(Dropout),
    /// Two branches of one input, added.
    Residual(Residual),
    /// Squeeze and excitation (Hu et al. 2018) in its polynomial form: channel c is multiplied by
    /// s(W₂·act(W₁·mean + b₁) + b₂), s(x) = αx³ + βx + c.
    Se(Squeeze),
    /// As `se`, with the same two layers applied to the mean of squares as well and both results added before the sigmoid: channel
    /// attention of CBAM (Woo et al. 2018) with a branch that polynomials can compute in place of the maximum.
    Cbam(Squeeze),
    /// The cheap gate: channels of `body(x)` are multiplied by a polynomial of one linear layer of the means of x, so that the squeeze
    /// runs beside the body instead of behind it.
    Gated(Gated),
}

/// A layer without settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// Settings of a convolution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Number of output channels.
    pub out: usize,
    /// Height and width of the kernel.
    pub kernel: usize,
    /// Step between two outputs.
    #[serde(default = "one")]
    pub stride: usize,
    /// Zeros added on each side.
    #[serde(default)]
    pub padding: usize,
    /// Channels in and out are cut into this many groups that do not mix.
    #[serde(default = "one")]
    pub groups: usize,
    /// Whether a bias is added.
    #[serde(default = "yes")]
    pub bias: bool,
}

/// Settings of a transposed convolution: side (n − 1)·stride + kernel − 2·padding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvTranspose {
    /// Number of output channels.
    pub out: usize,
    /// Height and width of the kernel.
    pub kernel: usize,
    /// Step between the outputs of two neighbours.
    #[serde(default = "one")]
    pub stride: usize,
    /// Cut from each side.
    #[serde(default)]
    pub padding: usize,
    /// Channels in and out are cut into this many groups that do not mix.
    #[serde(default = "one")]
    pub groups: usize,
}

/// Settings of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// Where its coefficients come from.
    pub form: Form,
    /// `polynomial` only: one a, b and c for all channels instead of one each.
    #[serde(default, skip_serializing_if = "is_false")]
    pub shared: bool,
}

/// Where the coefficients of a·x² + b·x + c come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// HerPN (Park et al. 2022): x and x² are normalised each by itself, then weighted.
    #[default]
    Hermite,
    /// They are parameters.
    Polynomial,
    /// a = 1, b = c = 0.
    Square,
    /// max(x, 0): to train with before the polynomial takes its place. It cannot be encrypted.
    Relu,
    /// max(x, 0) of the batch-normalised value: what HerPN, which normalises too, is compared with. It cannot be encrypted.
    NormRelu,
}

/// Settings of average pooling; zeros that padding adds count in the mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AvgPool {
    /// Height and width of the window.
    pub kernel: usize,
    /// Step between two windows.
    pub stride: usize,
    /// Zeros added on each side.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub padding: usize,
}

/// Settings of a fully connected layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// Number of output values.
    pub out: usize,
}

/// Settings of dropout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// Probability with which a value is left out, in [0, 1).
    pub probability: f64,
}

/// Two branches from one input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residual {
    /// Layers of one branch.
    pub body: Vec<Layer>,
    /// Layers of the other branch; without any, it is the input itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortcut: Vec<Layer>,
}

/// Settings of `se` and `cbam`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Squeeze {
    /// The hidden layer has channels / reduction values, at least one.
    pub reduction: usize,
    /// The activation between the two layers.
    #[serde(default)]
    pub form: Form,
}

/// Settings of the cheap gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gated {
    /// What is gated.
    pub body: Vec<Layer>,
    /// Degree of the gate in the means of x: 1 (linear, no further level than the product) or 2.
    pub degree: usize,
}

impl Layer {
    /// The name of its kind, as in the file and in parameters' names.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Conv(_) => "conv",
            Self::ConvTranspose(_) => "conv_transpose",
            Self::BatchNorm(_) => "batch_norm",
            Self::Activation(_) => "activation",
            Self::AvgPool(_) => "avg_pool",
            Self::GlobalAvgPool(_) => "global_avg_pool",
            Self::Flatten(_) => "flatten",
            Self::Linear(_) => "linear",
            Self::Dropout(_) => "dropout",
            Self::Residual(_) => "residual",
            Self::Se(_) => "se",
            Self::Cbam(_) => "cbam",
            Self::Gated(_) => "gated",
        }
    }

    /// Its path, `<list>.<index>.<kind>`: what its parameters' names begin with.
    pub fn path(&self, list: &str, index: usize) -> String {
        format!("{list}.{index}.{}", self.kind())
    }

    /// The shape it gives; `path` names it in errors.
    ///
    /// # Errors
    /// As [`super::NetworkSpec::check`].
    pub fn output(&self, path: &str, input: Shape) -> Result<Shape, SpecError> {
        let output = match self {
            Self::Conv(conv) => conv.output(path, input)?,
            Self::ConvTranspose(conv) => conv.output(path, input)?,
            Self::AvgPool(pool) => {
                positive(path, "stride", pool.stride)?;
                let side = |n: usize| windows(path, input, n, pool.kernel, pool.stride, pool.padding);
                Shape::new(input.channels, side(input.height)?, side(input.width)?)
            }
            Self::GlobalAvgPool(_) => Shape::flat(input.channels),
            Self::Flatten(_) => Shape::flat(input.len()),
            Self::Linear(linear) => {
                positive(path, "out", linear.out)?;
                if !input.is_flat() {
                    return Err(SpecError::Input {
                        layer: path.into(),
                        wanted: "a vector (put `flatten` before it)".into(),
                        found: input,
                    });
                }
                Shape::flat(linear.out)
            }
            Self::Activation(a) => {
                if a.shared && a.form != Form::Polynomial {
                    return setting(path, "shared", "false unless the form is `polynomial`", true);
                }
                input
            }
            Self::BatchNorm(_) => input,
            Self::Dropout(dropout) => {
                if !(0.0..1.0).contains(&dropout.probability) {
                    return setting(path, "probability", "in [0, 1)", dropout.probability);
                }
                input
            }
            Self::Residual(residual) => {
                let body = last(&residual.body, &format!("{path}.body"), input)?;
                let shortcut = last(&residual.shortcut, &format!("{path}.shortcut"), input)?;
                if body != shortcut {
                    return Err(SpecError::Branches { layer: path.into(), body, shortcut });
                }
                body
            }
            Self::Se(squeeze) | Self::Cbam(squeeze) => {
                positive(path, "reduction", squeeze.reduction)?;
                input
            }
            Self::Gated(gated) => {
                if !matches!(gated.degree, 1 | 2) {
                    return setting(path, "degree", "1 or 2", gated.degree);
                }
                last(&gated.body, &format!("{path}.body"), input)?
            }
        };
        output.check(path)?;
        Ok(output)
    }
}

impl Squeeze {
    /// Values of the hidden layer.
    pub fn hidden(&self, channels: usize) -> usize {
        (channels / self.reduction.max(1)).max(1)
    }
}

impl Conv {
    fn output(&self, path: &str, input: Shape) -> Result<Shape, SpecError> {
        grouped(path, input, self.out, self.groups)?;
        positive(path, "stride", self.stride)?;
        let side = |n: usize| windows(path, input, n, self.kernel, self.stride, self.padding);
        Ok(Shape::new(self.out, side(input.height)?, side(input.width)?))
    }
}

impl ConvTranspose {
    fn output(&self, path: &str, input: Shape) -> Result<Shape, SpecError> {
        grouped(path, input, self.out, self.groups)?;
        positive(path, "stride", self.stride)?;
        positive(path, "kernel", self.kernel)?;
        let side = |n: usize| {
            let whole = (n - 1).checked_mul(self.stride).and_then(|s| s.checked_add(self.kernel));
            match whole.and_then(|s| s.checked_sub(self.padding.checked_mul(2)?)) {
                Some(side) if (1..=MAX_VALUES).contains(&side) => Ok(side),
                _ => setting(path, "padding", "smaller, so that an output is left", self.padding),
            }
        };
        Ok(Shape::new(self.out, side(input.height)?, side(input.width)?))
    }
}

/// Shape behind each layer of a list.
pub(crate) fn shapes(layers: &[Layer], list: &str, input: Shape) -> Result<Vec<Shape>, SpecError> {
    let mut shape = input;
    let step = |(i, layer): (usize, &Layer)| {
        shape = layer.output(&layer.path(list, i), shape)?;
        Ok(shape)
    };
    layers.iter().enumerate().map(step).collect()
}

/// Shape behind the last layer of a list.
pub(crate) fn last(layers: &[Layer], list: &str, input: Shape) -> Result<Shape, SpecError> {
    Ok(shapes(layers, list, input)?.last().copied().unwrap_or(input))
}

fn setting<T>(path: &str, what: &'static str, wanted: impl ToString, found: impl ToString) -> Result<T, SpecError> {
    Err(SpecError::Setting { layer: path.into(), what, wanted: wanted.to_string(), found: found.to_string() })
}

fn positive(path: &str, what: &'static str, found: usize) -> Result<(), SpecError> {
    if (1..=MAX_VALUES).contains(&found) { Ok(()) } else { setting(path, what, format!("1 to {MAX_VALUES}"), found) }
}

fn grouped(path: &str, input: Shape, out: usize, groups: usize) -> Result<(), SpecError> {
    positive(path, "out", out)?;
    if groups == 0 || !input.channels.is_multiple_of(groups) || !out.is_multiple_of(groups) {
        return setting(path, "groups", format!("a divisor of the {} channels in and the {out} out", input.channels), groups);
    }
    Ok(())
}

/// Places of a window along one axis.
fn windows(path: &str, input: Shape, side: usize, kernel: usize, stride: usize, padding: usize) -> Result<usize, SpecError> {
    positive(path, "kernel", kernel)?;
    if padding >= kernel {
        return setting(path, "padding", format!("below the kernel's {kernel}"), padding);
    }
    let Some(room) = (side + 2 * padding).checked_sub(kernel) else {
        let wanted = format!("at least {} high and wide, so that a window fits", kernel - 2 * padding.min(kernel / 2));
        return Err(SpecError::Input { layer: path.into(), wanted, found: input });
    };
    Ok(room / stride + 1)
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}
