//! The VQGAN: encoder, codebook, decoder, and what trains them (Esser, Rombach and Ommer, CVPR 2021).
//!
//! A [`Config`] says the shapes; `configs/encoder/paper-f*.toml` the published ones, `configs/encoder/f*.toml` those that Veilray trains
//! and releases. The classifier reads the encoder's continuous output ([`Vqgan::encode`]); the codebook serves the researcher who wants
//! it and the comparison with the published system.

mod blocks;
mod config;
mod decoder;
mod discriminator;
mod encoder;
mod error;
pub mod loss;
mod quantizer;

pub use config::{Codebook, Config, Levels, Norm};
pub use decoder::Decoder;
pub use discriminator::{Discriminator, DiscriminatorConfig, Judgement};
pub use encoder::Encoder;
pub use error::{Error, Result};
pub use quantizer::{Quantized, Quantizer, Tracker, nearest};

use candle_core::Tensor;
use veilray_nn::{Buffer, Init, ParamStore, Scope};

/// Encoder, codebook and decoder with one set of parameters.
#[derive(Debug, Clone)]
pub struct Vqgan {
    config: Config,
    encoder: Encoder,
    quantizer: Quantizer,
    decoder: Decoder,
    standard: Standard,
}

/// Mean and deviation of each latent channel over the training images; the latent that leaves [`Vqgan::encode`] has them taken out, so
/// that every released encoder's latents have mean 0 and variance 1.
#[derive(Debug, Clone)]
struct Standard {
    mean: Buffer,
    deviation: Buffer,
}

impl Vqgan {
    /// Takes its parameters from `params`.
    ///
    /// # Errors
    /// A configuration that cannot be built; parameters that are missing or of another shape.
    pub fn new(params: &ParamStore, config: &Config) -> Result<Self> {
        config.check()?;
        let root = params.root();
        let standard = Standard::new(&root.enter("latent"), config.latent_channels)?;
        Ok(Self {
            config: config.clone(),
            encoder: Encoder::new(&root.enter("encoder"), config)?,
            quantizer: Quantizer::new(&root.enter("codebook"), config)?,
            decoder: Decoder::new(&root.enter("decoder"), config)?,
            standard,
        })
    }

    /// The shapes it was built from.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The codebook between encoder and decoder.
    pub fn quantizer(&self) -> &Quantizer {
        &self.quantizer
    }

    /// The network from latent to image.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// The encoder's own output, before it is standardised: what codebook and decoder read.
    ///
    /// # Errors
    /// [`Error::Image`] for another number of channels, [`Error::Side`] where f does not divide the side.
    pub fn raw_latent(&self, image: &Tensor) -> Result<Tensor> {
        let (_, channels, height, width) = image.dims4()?;
        if channels != self.config.image_channels {
            return Err(Error::Image { wanted: self.config.image_channels, found: channels });
        }
        self.config.latent_shape(height)?;
        self.config.latent_shape(width)?;
        Ok(self.encoder.forward(image)?)
    }

    /// The latent [batch, channel, side / f, side / f] of `image` [batch, image channel, side, side] in [−1, 1], before quantisation:
    /// mean 0 and variance 1 per channel over the training images.
    ///
    /// # Errors
    /// As [`Vqgan::raw_latent`].
    pub fn encode(&self, image: &Tensor) -> Result<Tensor> {
        self.standard.apply(&self.raw_latent(image)?)
    }

    /// The image of a latent that [`Vqgan::encode`] gave, in [−1, 1].
    ///
    /// # Errors
    /// A latent of other channels.
    pub fn decode(&self, latent: &Tensor) -> Result<Tensor> {
        let raw = self.standard.undo(latent)?;
        Ok(self.decoder.forward(&self.quantizer.bypass(&raw)?)?.clamp(-1f32, 1f32)?)
    }

    /// The image of the quantised latent, in [−1, 1], and the codebook entries used.
    ///
    /// # Errors
    /// A latent of other channels.
    pub fn decode_quantized(&self, latent: &Tensor) -> Result<(Tensor, Vec<u32>)> {
        let quantized = self.quantizer.forward(&self.standard.undo(latent)?)?;
        Ok((self.decoder.forward(&quantized.latent)?.clamp(-1f32, 1f32)?, quantized.indices))
    }

    /// A latent that [`Vqgan::encode`] gave with each position at its nearest codebook entry, standardised as before.
    ///
    /// # Errors
    /// A latent of other channels.
    pub(crate) fn quantize(&self, latent: &Tensor) -> Result<Tensor> {
        self.standard.apply(&self.quantizer.forward(&self.standard.undo(latent)?)?.latent)
    }
}

impl Standard {
    fn new(scope: &Scope, channels: usize) -> Result<Self> {
        let shape = [1, channels, 1, 1];
        Ok(Self { mean: scope.buffer("mean", &shape, Init::ZEROS)?, deviation: scope.buffer("deviation", &shape, Init::ONES)? })
    }

    fn apply(&self, raw: &Tensor) -> Result<Tensor> {
        Ok(raw.broadcast_sub(self.mean.tensor())?.broadcast_div(self.deviation.tensor())?)
    }

    fn undo(&self, latent: &Tensor) -> Result<Tensor> {
        Ok(latent.broadcast_mul(self.deviation.tensor())?.broadcast_add(self.mean.tensor())?)
    }
}
