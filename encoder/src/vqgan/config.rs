//! What an autoencoder is built from: a TOML file of shapes.

use super::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Shapes of an encoder, its decoder and the codebook between them.
///
/// A published VQGAN (Esser, Rombach and Ommer, CVPR 2021) and a compact one that a CPU can train differ in these settings alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Channels of the image: 1, or 3 with the grey image repeated.
    pub image_channels: usize,
    /// Side of the pixel blocks that become channels before the first convolution: 1, 2, 4 or 8.
    pub unshuffle: usize,
    /// Channels of the latent.
    pub latent_channels: usize,
    /// Normalisation inside the residual blocks.
    pub norm: Norm,
    /// Resolutions from image to latent.
    pub encoder: Levels,
    /// Resolutions from latent to image; `channels` from fine to coarse as in the encoder.
    pub decoder: Levels,
    /// Size of the codebook and of its entries.
    pub codebook: Codebook,
}

/// One way between image and latent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Levels {
    /// Channels per resolution, finest first; each further one halves the side.
    pub channels: Vec<usize>,
    /// Residual blocks per resolution, finest first.
    pub blocks: Vec<usize>,
    /// Two residual blocks with self-attention between them at the coarsest resolution.
    pub attention: bool,
    /// Whether the convolution between two resolutions already has the next one's channels, which is cheaper; otherwise the first block
    /// there changes them, as published.
    #[serde(default)]
    pub early: bool,
}

/// Normalisation inside residual blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// Group norm of 32 groups before every SiLU, as published.
    Group,
    /// None, the second convolution of a block starting at zero: an image and a crop of it then see the same function, so that training
    /// on crops carries over to whole images.
    None,
}

/// Shape of the codebook between encoder and decoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Codebook {
    /// Number of entries, 1 to 65536.
    pub size: usize,
    /// Values of an entry, where 1×1 convolutions lead into and out of the codebook; absent, an entry has `latent_channels` values and
    /// there are no such convolutions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection: Option<usize>,
}

/// Largest channel count and codebook accepted.
const MAX_SIZE: usize = 1 << 16;

impl Config {
    /// Reads a TOML text and checks it.
    ///
    /// # Errors
    /// [`Error::Config`] with what is wrong.
    pub fn from_toml(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text).map_err(|e| Error::Config { why: e.to_string() })?;
        config.check()?;
        Ok(config)
    }

    /// Reads a TOML file.
    ///
    /// # Errors
    /// [`Error::Io`], or as [`Config::from_toml`].
    pub fn read(path: &Path) -> Result<Self> {
        Self::from_toml(&std::fs::read_to_string(path).map_err(Error::io("read", path))?)
    }

    /// Refuses shapes that cannot be built.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn check(&self) -> Result<()> {
        let refuse = |why: String| Err(Error::Config { why });
        if !matches!(self.image_channels, 1 | 3) {
            return refuse(format!("image_channels must be 1 or 3, found {}", self.image_channels));
        }
        if !matches!(self.unshuffle, 1 | 2 | 4 | 8) {
            return refuse(format!("unshuffle must be 1, 2, 4 or 8, found {}", self.unshuffle));
        }
        for (name, path) in [("encoder", &self.encoder), ("decoder", &self.decoder)] {
            if path.channels.is_empty() || path.channels.len() > 6 || path.channels.len() != path.blocks.len() {
                return refuse(format!(
                    "{name}.channels and {name}.blocks need the same number of entries, 1 to 6, found {} and {}",
                    path.channels.len(),
                    path.blocks.len()
                ));
            }
            let multiple = if self.norm == Norm::Group { super::blocks::GROUPS } else { 1 };
            if let Some(found) = path.channels.iter().find(|&&c| c == 0 || c > MAX_SIZE || c % multiple != 0) {
                return refuse(format!("{name}.channels must be multiples of {multiple}, 1 to {MAX_SIZE}, found {found}"));
            }
            if let Some(found) = path.blocks.iter().find(|&&n| n > 64) {
                return refuse(format!("{name}.blocks must be at most 64, found {found}"));
            }
        }
        if self.encoder.channels.len() != self.decoder.channels.len() {
            return refuse("encoder.channels and decoder.channels need the same number of entries".into());
        }
        let sizes = [
            ("latent_channels", self.latent_channels),
            ("codebook.size", self.codebook.size),
            ("codebook.projection", self.codebook_dim()),
        ];
        if let Some((name, found)) = sizes.into_iter().find(|&(_, n)| n == 0 || n > MAX_SIZE) {
            return refuse(format!("{name} must be 1 to {MAX_SIZE}, found {found}"));
        }
        Ok(())
    }

    /// Image side over latent side.
    pub fn factor(&self) -> usize {
        self.unshuffle << (self.encoder.channels.len() - 1)
    }

    /// Values of a codebook entry.
    pub fn codebook_dim(&self) -> usize {
        self.codebook.projection.unwrap_or(self.latent_channels)
    }

    /// Shape [channel, height, width] of the latent of an image of `side` × `side` pixels.
    ///
    /// # Errors
    /// [`Error::Side`] if the factor does not divide the side.
    pub fn latent_shape(&self, side: usize) -> Result<[usize; 3]> {
        let factor = self.factor();
        if side == 0 || !side.is_multiple_of(factor) {
            return Err(Error::Side { found: side, factor });
        }
        Ok([self.latent_channels, side / factor, side / factor])
    }
}
