//! The critic of patches that the adversarial loss comes from.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use veilray_nn::layers::{BatchNorm, Conv2d, Mode};
use veilray_nn::ops::{self, Activation, Conv2dConfig};
use veilray_nn::{Init, Result, Scope};

/// Shape of a discriminator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiscriminatorConfig {
    /// Channels after the first convolution; doubled by each further one up to eight times this.
    pub channels: usize,
    /// Convolutions of stride 2.
    pub layers: usize,
}

impl Default for DiscriminatorConfig {
    fn default() -> Self {
        Self { channels: 64, layers: 3 }
    }
}

/// PatchGAN (Isola, Zhu, Zhou and Efros, CVPR 2017): 4×4 convolutions that score every patch of an image; with 3 layers of stride 2 a
/// score sees 70 × 70 pixels.
#[derive(Debug, Clone)]
pub struct Discriminator {
    stages: Vec<(Conv2d, Shift)>,
    last: (Conv2d, Tensor),
}

/// What follows a convolution: the first has a bias, the others batch norm.
#[derive(Debug, Clone)]
enum Shift {
    Bias(Tensor),
    Norm(BatchNorm),
}

/// What a discriminator makes of a batch.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// A score per patch, [batch, 1, h, w]; large for real ones.
    pub scores: Tensor,
    /// The features between the convolutions, finest first.
    pub features: Vec<Tensor>,
}

const SLOPE: f32 = 0.2;

impl Discriminator {
    /// Takes its parameters from `scope`.
    ///
    /// # Errors
    /// Parameters that are missing or of another shape.
    pub fn new(scope: &Scope, image_channels: usize, config: &DiscriminatorConfig) -> Result<Self> {
        let init = Init::Normal { mean: 0.0, deviation: 0.02 };
        let (mut stages, mut inputs) = (Vec::new(), image_channels);
        for i in 0..=config.layers {
            let outputs = config.channels * (1 << i.min(3));
            let stride = if i < config.layers { 2 } else { 1 };
            let scope = scope.enter(format!("stage{i}"));
            let conv = Conv2d::with_init(&scope.enter("conv"), [outputs, inputs, 4, 4], Conv2dConfig::new(stride, 1), init)?;
            let shift = match i {
                0 => Shift::Bias(scope.enter("conv").parameter("bias", &[outputs], Init::ZEROS)?),
                _ => Shift::Norm(BatchNorm::new(&scope.enter("norm"), outputs, 1e-5, 0.1)?),
            };
            stages.push((conv, shift));
            inputs = outputs;
        }
        let scope = scope.enter("last");
        let last = Conv2d::with_init(&scope, [1, inputs, 4, 4], Conv2dConfig::new(1, 1), init)?;
        Ok(Self { stages, last: (last, scope.parameter("bias", &[1], Init::ZEROS)?) })
    }

    /// Judges `image` [batch, channel, height, width].
    ///
    /// # Errors
    /// An image of other channels or too small for the layers.
    pub fn forward(&self, image: &Tensor) -> Result<Judgement> {
        let (mut x, mut features) = (image.clone(), Vec::new());
        for (conv, shift) in &self.stages {
            x = conv.forward(&x)?;
            x = match shift {
                Shift::Bias(bias) => ops::bias(&x, bias)?,
                Shift::Norm(norm) => norm.forward(&x, Mode::Train)?,
            };
            x = ops::activate(&x, Activation::LeakyRelu { slope: SLOPE })?;
            features.push(x.clone());
        }
        let (last, bias) = &self.last;
        Ok(Judgement { scores: ops::bias(&last.forward(&x)?, bias)?, features })
    }
}
