//! Latent to image.

use super::blocks::{self, Middle, NormSilu, Residual};
use super::config::Config;
use candle_core::Tensor;
use veilray_nn::layers::Conv2d;
use veilray_nn::{Result, Scope, ops};

/// The decoder: [batch, latent channel, h, w] to [batch, image channel, f h, f w].
#[derive(Debug, Clone)]
pub struct Decoder {
    first: Conv2d,
    middle: Option<Middle>,
    /// One entry per upsampling by 2, from the smallest extents to the largest.
    levels: Vec<Level>,
    norm: NormSilu,
    last: Conv2d,
    shuffle: usize,
}

/// One resolution: residual blocks, then twice the side but at the finest.
#[derive(Debug, Clone)]
struct Level {
    blocks: Vec<Residual>,
    up: Option<Conv2d>,
}

impl Decoder {
    /// Takes its parameters from `scope`.
    ///
    /// # Errors
    /// Parameters that are missing or of another shape.
    pub fn new(scope: &Scope, config: &Config) -> Result<Self> {
        let widths = &config.decoder.channels;
        let mut inputs = widths.last().copied().unwrap_or_default();
        let first = blocks::conv(&scope.enter("first"), config.latent_channels, inputs, 3)?;
        let middle = match config.decoder.attention {
            true => Some(Middle::new(&scope.enter("middle"), inputs, config.norm)?),
            false => None,
        };
        let mut levels = Vec::new();
        for (i, (&outputs, &count)) in widths.iter().zip(&config.decoder.blocks).enumerate().rev() {
            let scope = scope.enter(format!("level{i}"));
            let blocks = blocks::residuals(&scope, count, inputs, outputs, config.norm)?;
            inputs = if count == 0 { inputs } else { outputs };
            let up = match i.checked_sub(1).and_then(|finer| widths.get(finer)) {
                Some(&next) => {
                    let next = if config.decoder.early { next } else { inputs };
                    let up = blocks::conv(&scope.enter("up"), inputs, next, 3)?;
                    inputs = next;
                    Some(up)
                }
                None => None,
            };
            levels.push(Level { blocks, up });
        }
        let norm = NormSilu::new(&scope.enter("norm"), inputs, config.norm)?;
        let outputs = config.image_channels * config.unshuffle * config.unshuffle;
        let last = blocks::conv(&scope.enter("last"), inputs, outputs, 3)?;
        Ok(Self { first, middle, levels, norm, last, shuffle: config.unshuffle })
    }

    /// The image, not clamped to [−1, 1].
    ///
    /// # Errors
    /// A latent of other channels.
    pub fn forward(&self, latent: &Tensor) -> Result<Tensor> {
        self.finish(&self.features(latent)?)
    }

    /// What the last convolution reads.
    ///
    /// # Errors
    /// As [`Decoder::forward`].
    pub fn features(&self, latent: &Tensor) -> Result<Tensor> {
        let mut x = self.first.forward(latent)?;
        if let Some(middle) = &self.middle {
            x = middle.forward(&x)?;
        }
        for level in &self.levels {
            for block in &level.blocks {
                x = block.forward(&x)?;
            }
            if let Some(up) = &level.up {
                x = up.forward(&ops::upsample_nearest_x2(&x)?)?;
            }
        }
        self.norm.forward(&x)
    }

    /// The last convolution, on what [`Decoder::features`] gave.
    ///
    /// # Errors
    /// Features of another shape.
    pub fn finish(&self, features: &Tensor) -> Result<Tensor> {
        blocks::shuffle(&self.last.forward(features)?, self.shuffle)
    }

    /// The last convolution's weight, from whose gradients the adversarial loss takes its own weight.
    pub(crate) fn last_weight(&self) -> &Tensor {
        self.last.weight()
    }
}
