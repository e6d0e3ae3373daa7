//! A released encoder: a folder with a manifest and weights, checked against each other when opened.
//!
//! ```no_run
//! use veilray_encoder::release::Released;
//! use veilray_imaging::ingest::{Settings, read_file};
//! let encoder = Released::open("weights/encoder-f8".as_ref())?;
//! let read = read_file("image.dcm".as_ref(), &Settings::default())?;
//! let compressed = encoder.compress(&read.image)?;
//! for warning in &compressed.warnings {
//!     eprintln!("{warning}");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::vqgan::{Config, Error, Result, Vqgan};
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use veilray_base::digest::sha256_hex;
use veilray_base::file::FileError;
use veilray_base::release;
use veilray_imaging::ingest::checks::{self, Measured, TrainingLimits};
use veilray_imaging::ingest::{Canonical, PREPROCESSING, SIDE, Warning};
use veilray_nn::{Bundle, ParamStore};

/// Name of the weights' file in the folder.
pub const WEIGHTS: &str = "encoder.safetensors";
/// Version of the manifest's format that this crate writes and reads.
pub const FORMAT: u32 = 1;

/// What a released encoder is: `manifest.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the manifest's format, [`FORMAT`].
    pub format: u32,
    /// The encoder's name, such as `encoder-f8`.
    pub name: String,
    /// Name of the canonical form of the images it reads, [`PREPROCESSING`].
    pub preprocessing: String,
    /// Image side over latent side.
    pub factor: usize,
    /// The latent's channels, height and width.
    pub latent: [usize; 3],
    /// SHA-256 of the weights' file, hexadecimal.
    pub weights_sha256: String,
    /// What the validation images reached, with a margin: an image beyond is warned of.
    pub limits: TrainingLimits,
    /// What it was trained on.
    pub training: Provenance,
    /// The shapes that network and weights have.
    pub shapes: Config,
}

/// What an encoder was trained on and at what cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Data sets, train splits only, with their number of images.
    pub data: BTreeMap<String, usize>,
    /// Optimiser steps that were made.
    pub steps: u64,
    /// Wall time of the training, s, on one machine.
    pub seconds: f64,
    /// Number of threads of the training.
    pub threads: usize,
    /// Trained values of encoder, decoder and projections.
    pub parameters: usize,
}

/// A released encoder, ready to compress.
#[derive(Clone)]
pub struct Released {
    manifest: Manifest,
    digest: String,
    net: Vqgan,
}

impl fmt::Debug for Released {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Released {{ {}, {} }}", self.manifest.name, self.digest)
    }
}

/// An image as its latent, and how it compares with the training images.
#[derive(Clone, PartialEq)]
pub struct Compressed {
    /// The latent, [channel, height, width] row by row.
    pub latent: Vec<f32>,
    /// Reconstruction error and range of the latent, in the units of the manifest's limits.
    pub found: Measured,
    /// A warning for each limit of the manifest that the image is beyond.
    pub warnings: Vec<Warning>,
}

impl fmt::Debug for Compressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Compressed {{ {} values not shown, {:?} }}", self.latent.len(), self.found)
    }
}

impl Released {
    /// Opens the folder `path` and checks that its parts belong together.
    ///
    /// # Errors
    /// [`Error::Io`] for files that are missing, [`Error::Release`] for those of another format or digest, [`Error::Config`] for shapes that cannot be
    /// built, [`Error::Network`] for weights of another shape.
    pub fn open(path: &Path) -> Result<Self> {
        let (manifest, digest) = release::manifest::<Manifest>(path)?;
        let refuse = |why: String| Err(release::refuse(path, why).into());
        if manifest.format != FORMAT || manifest.preprocessing != PREPROCESSING {
            return refuse(format!(
                "format {} with {} is not {FORMAT} with {PREPROCESSING}; use the release of Veilray that belongs to these weights",
                manifest.format, manifest.preprocessing
            ));
        }
        manifest.shapes.check()?;
        let latent = manifest.shapes.latent_shape(SIDE)?;
        if latent != manifest.latent || manifest.factor != manifest.shapes.factor() {
            return refuse(format!("the shapes give a latent of {latent:?}, the manifest states {:?}", manifest.latent));
        }
        let bytes = release::checked(path, WEIGHTS, &manifest.weights_sha256)?;
        let weights = Bundle::from_bytes(&path.join(WEIGHTS), &bytes, &Device::Cpu)?;
        let params = ParamStore::frozen(weights.into_tensors(), &Device::Cpu);
        let net = Vqgan::new(&params, &manifest.shapes)?;
        params.expect_all_taken()?;
        Ok(Self { manifest, digest, net })
    }

    /// Writes a release to the folder `path`, which is made where it is missing; the manifest's digest of the weights is filled in.
    ///
    /// # Errors
    /// [`Error::Io`] for a folder that cannot be written to, [`Error::Network`] for a tensor that cannot be read.
    pub fn write(path: &Path, mut manifest: Manifest, weights: &BTreeMap<String, Tensor>) -> Result<()> {
        std::fs::create_dir_all(path).map_err(FileError::at("create", path))?;
        let mut bundle = Bundle::new();
        bundle.put_tensors("", weights);
        let file = path.join(WEIGHTS);
        bundle.save(&file)?;
        manifest.weights_sha256 = sha256_hex(&std::fs::read(&file).map_err(FileError::at("read", &file))?);
        Ok(release::write(path, &[], &manifest)?)
    }

    /// The manifest that the folder holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of the manifest's file, hexadecimal: it stands for the manifest and the weights.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The network with the released weights, frozen.
    pub fn net(&self) -> &Vqgan {
        &self.net
    }

    /// The images as a tensor [n, image channel, 256, 256].
    ///
    /// # Errors
    /// [`Error::Network`].
    pub fn tensor(&self, images: &[Canonical]) -> Result<Tensor> {
        let values: Vec<f32> = images.iter().flat_map(|image| image.values().iter().copied()).collect();
        let grey = Tensor::from_vec(values, (images.len(), 1, SIDE, SIDE), &Device::Cpu)?;
        let channels = self.manifest.shapes.image_channels;
        Ok(if channels == 1 { grey } else { grey.repeat((1, channels, 1, 1))? })
    }

    /// The latents of `images`, [n, channel, height, width] row by row.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub fn encode(&self, images: &[Canonical]) -> Result<Vec<f32>> {
        Ok(self.net.encode(&self.tensor(images)?)?.flatten_all()?.to_vec1()?)
    }

    /// The latents of `images` with each position at its nearest codebook entry, [n, channel, height, width] row by row.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub fn encode_quantized(&self, images: &[Canonical]) -> Result<Vec<f32>> {
        let latent = self.net.encode(&self.tensor(images)?)?;
        Ok(self.net.quantize(&latent)?.flatten_all()?.to_vec1()?)
    }

    /// The image of a latent.
    ///
    /// # Errors
    /// [`Error::Latent`] for another number of values, [`Error::Network`].
    pub fn decode(&self, latent: &[f32]) -> Result<Canonical> {
        let [c, h, w] = self.manifest.latent;
        if latent.len() != c * h * w {
            return Err(Error::Latent { wanted: c * h * w, found: latent.len() });
        }
        let latent = Tensor::from_slice(latent, (1, c, h, w), &Device::Cpu)?;
        let grey = self.net.decode(&latent)?.get(0)?.mean(0)?.flatten_all()?.to_vec1()?;
        Canonical::from_values(grey).map_err(|e| Error::Data { why: e.to_string() })
    }

    /// Compresses one image, and compares it with its reconstruction and the latent with the training images'.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub fn compress(&self, image: &Canonical) -> Result<Compressed> {
        let latent = self.encode(std::slice::from_ref(image))?;
        let output = self.decode(&latent)?;
        let square = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
        let squares: f64 = image.values().iter().zip(output.values()).map(square).sum();
        let found = Measured {
            reconstruction_error: squares / image.values().len() as f64,
            latent_min: f64::from(latent.iter().copied().fold(f32::INFINITY, f32::min)),
            latent_max: f64::from(latent.iter().copied().fold(f32::NEG_INFINITY, f32::max)),
        };
        let warnings = checks::far_from_training(&found, &self.manifest.limits);
        Ok(Compressed { latent, found, warnings })
    }
}
