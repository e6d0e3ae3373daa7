//! What a network sees an image through: a released encoder, or its pixels.

use crate::ingest::{Canonical, Warning};
use crate::pixels::Pixels;
use crate::release::Released;
use crate::vqgan::Result;

/// What makes a network's input of a canonical image.
#[derive(Debug, Clone)]
pub enum Eye {
    /// The continuous latent of a released encoder.
    Encoder(Box<Released>),
    /// The image at a smaller side.
    Pixels(Pixels),
}

impl Eye {
    /// Its name, as models' manifests state it.
    pub fn name(&self) -> &str {
        match self {
            Self::Encoder(encoder) => &encoder.manifest().name,
            Self::Pixels(pixels) => pixels.name(),
        }
    }

    /// SHA-256 of the encoder's manifest or of what is done to pixels, hexadecimal.
    pub fn digest(&self) -> &str {
        match self {
            Self::Encoder(encoder) => encoder.digest(),
            Self::Pixels(pixels) => pixels.digest(),
        }
    }

    /// [channel, height, width] of an input.
    pub fn shape(&self) -> [usize; 3] {
        match self {
            Self::Encoder(encoder) => encoder.manifest().latent,
            Self::Pixels(pixels) => pixels.shape(),
        }
    }

    /// The inputs of `images`, [n, channel, height, width] row by row.
    ///
    /// # Errors
    /// candle's.
    pub fn encode(&self, images: &[Canonical]) -> Result<Vec<f32>> {
        match self {
            Self::Encoder(encoder) => encoder.encode(images),
            Self::Pixels(pixels) => Ok(images.iter().flat_map(|image| pixels.values(image)).collect()),
        }
    }

    /// The input of one image, and where the image lies far from those the encoder was trained on; pixels are never warned of.
    ///
    /// # Errors
    /// candle's.
    pub fn look(&self, image: &Canonical) -> Result<(Vec<f32>, Vec<Warning>)> {
        Ok(match self {
            Self::Encoder(encoder) => {
                let compressed = encoder.compress(image)?;
                (compressed.latent, compressed.warnings)
            }
            Self::Pixels(pixels) => (pixels.values(image), Vec::new()),
        })
    }
}
