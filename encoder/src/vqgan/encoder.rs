//! Image to latent.

use super::blocks::{self, Middle, NormSilu, Residual};
use super::config::Config;
use candle_core::Tensor;
use veilray_nn::layers::Conv2d;
use veilray_nn::ops::Conv2dConfig;
use veilray_nn::{Result, Scope};

/// The encoder: [batch, image channel, side, side] to [batch, latent channel, side / f, side / f].
#[derive(Debug, Clone)]
pub struct Encoder {
    unshuffle: usize,
    first: Conv2d,
    levels: Vec<Level>,
    middle: Option<Middle>,
    norm: NormSilu,
    last: Conv2d,
}

/// One resolution: residual blocks, then half the side but at the coarsest.
#[derive(Debug, Clone)]
struct Level {
    blocks: Vec<Residual>,
    down: Option<Conv2d>,
}

impl Encoder {
    /// Takes its parameters from `scope`.
    ///
    /// # Errors
    /// Parameters that are missing or of another shape.
    pub fn new(scope: &Scope, config: &Config) -> Result<Self> {
        let widths = &config.encoder.channels;
        let mut inputs = widths.first().copied().unwrap_or_default();
        let stem = config.image_channels * config.unshuffle * config.unshuffle;
        let first = blocks::conv(&scope.enter("first"), stem, inputs, 3)?;
        let mut levels = Vec::new();
        for (i, (&outputs, &count)) in widths.iter().zip(&config.encoder.blocks).enumerate() {
            let scope = scope.enter(format!("level{i}"));
            let blocks = blocks::residuals(&scope, count, inputs, outputs, config.norm)?;
            inputs = if count == 0 { inputs } else { outputs };
            let down = match widths.get(i + 1) {
                Some(&next) => {
                    let next = if config.encoder.early { next } else { inputs };
                    let down = Conv2d::new(&scope.enter("down"), inputs, next, 3, Conv2dConfig::new(2, 0))?;
                    inputs = next;
                    Some(down)
                }
                None => None,
            };
            levels.push(Level { blocks, down });
        }
        let middle = match config.encoder.attention {
            true => Some(Middle::new(&scope.enter("middle"), inputs, config.norm)?),
            false => None,
        };
        let norm = NormSilu::new(&scope.enter("norm"), inputs, config.norm)?;
        let last = blocks::conv(&scope.enter("last"), inputs, config.latent_channels, 3)?;
        Ok(Self { unshuffle: config.unshuffle, first, levels, middle, norm, last })
    }

    /// The latent, before quantisation.
    ///
    /// # Errors
    /// An image of other channels, or of a side that f does not divide.
    pub fn forward(&self, image: &Tensor) -> Result<Tensor> {
        let mut x = self.first.forward(&blocks::unshuffle(image, self.unshuffle)?)?;
        for level in &self.levels {
            for block in &level.blocks {
                x = block.forward(&x)?;
            }
            if let Some(down) = &level.down {
                // One row and column of zeros below and to the right, as published.
                x = down.forward(&x.pad_with_zeros(2, 0, 1)?.pad_with_zeros(3, 0, 1)?)?;
            }
        }
        if let Some(middle) = &self.middle {
            x = middle.forward(&x)?;
        }
        self.last.forward(&self.norm.forward(&x)?)
    }
}
