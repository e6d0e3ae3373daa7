//! What makes a network's input of a canonical image: a released encoder, or the pixels themselves.

use crate::release::{Compressed, Released};
use crate::vqgan::Result;
use veilray_base::release;
use veilray_imaging::fitness;
use veilray_imaging::ingest::{Canonical, Warning};
use veilray_imaging::pixels::Pixels;

/// What makes a network's input of a canonical image.
#[derive(Debug, Clone)]
pub enum InputEncoder {
    /// The continuous latent of a released encoder.
    Encoder(Box<Released>),
    /// The image at a smaller side.
    Pixels(Pixels),
}

impl InputEncoder {
    /// Opens what a model's manifest names: pixels for `pixels-1` to `pixels-256`, otherwise the released encoder of that name, found by
    /// [`veilray_base::release::find`], or in that folder.
    ///
    /// # Errors
    /// [`Error::Unknown`](crate::vqgan::Error::Unknown) if there is no such encoder, and those of [`Released::open`].
    pub fn open(name: &str) -> Result<Self> {
        Ok(match Pixels::named(name) {
            Some(pixels) => Self::Pixels(pixels),
            None => Self::Encoder(Box::new(Released::open(&release::find(name)?)?)),
        })
    }

    /// Its name, as models' manifests state it.
    pub fn name(&self) -> &str {
        match self {
            Self::Encoder(encoder) => &encoder.manifest().name,
            Self::Pixels(pixels) => pixels.name(),
        }
    }

    /// SHA-256 of the encoder's manifest or of what is done to pixels, 64 hexadecimal digits.
    pub fn digest(&self) -> &str {
        match self {
            Self::Encoder(encoder) => encoder.digest(),
            Self::Pixels(pixels) => pixels.digest(),
        }
    }

    /// `[channel, height, width]` of an input.
    pub fn shape(&self) -> [usize; 3] {
        match self {
            Self::Encoder(encoder) => encoder.manifest().latent,
            Self::Pixels(pixels) => pixels.shape(),
        }
    }

    /// The inputs of `images`, `[n, channel, height, width]` row by row.
    ///
    /// # Errors
    /// [`Error::Network`](crate::vqgan::Error::Network).
    pub fn encode(&self, images: &[Canonical]) -> Result<Vec<f32>> {
        match self {
            Self::Encoder(encoder) => encoder.encode(images),
            Self::Pixels(pixels) => Ok(images.iter().flat_map(|image| pixels.values(image)).collect()),
        }
    }

    /// The input of one image, `[channel, height, width]`, and what is to be said of the image itself: that it shows no upright chest
    /// ([`fitness`]), and for an encoder each limit of its training images that the image is beyond.
    ///
    /// # Errors
    /// [`Error::Network`](crate::vqgan::Error::Network).
    pub fn encode_checked(&self, image: &Canonical) -> Result<(Vec<f32>, Vec<Warning>)> {
        let mut said = fitness::warnings(image);
        Ok(match self {
            Self::Encoder(encoder) => {
                let Compressed { latent, warnings, .. } = encoder.compress(image)?;
                said.extend(warnings);
                (latent, said)
            }
            Self::Pixels(pixels) => (pixels.values(image), said),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vqgan::Error;

    #[test]
    fn a_name_opens_an_encoder_or_pixels() {
        assert_eq!(InputEncoder::open("encoder-f8").unwrap().shape(), [4, 32, 32]);
        assert_eq!(InputEncoder::open("pixels-64").unwrap().shape(), [1, 64, 64]);
        assert!(matches!(InputEncoder::open("pixels-0"), Err(Error::Unknown(_))));
    }
}
