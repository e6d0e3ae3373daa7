//! How well a released encoder keeps the images of a data set.

use crate::metrics::{CodebookUse, Pair, Range};
use crate::release::Released;
use crate::vqgan::{Error, Result};
use serde::Serialize;
use std::time::Instant;
use veilray_imaging::ingest::{Canonical, SIDE};

/// Means over a data set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quality {
    /// Number of images.
    pub n: usize,
    /// Mean peak signal-to-noise ratio of the unquantised path, dB.
    pub psnr: f64,
    /// Mean structural similarity of the unquantised path.
    pub ssim: f64,
    /// Mean multi-scale structural similarity of the unquantised path.
    pub ms_ssim: f64,
    /// Mean peak signal-to-noise ratio of the quantised path, dB.
    pub psnr_quantised: f64,
    /// Mean structural similarity of the quantised path.
    pub ssim_quantised: f64,
    /// Part of the codebook that occurs.
    pub codebook_use: f64,
    /// exp(entropy) of the entries' frequencies.
    pub codebook_perplexity: f64,
    /// Time to encode one image.
    pub encode_ms: Times,
}

/// Milliseconds of repeated work.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Times {
    /// The time that half of the repetitions stayed below, ms.
    pub median: f64,
    /// The time that 95 % of the repetitions stayed below, ms.
    pub p95: f64,
}

impl Times {
    /// Median and 95th percentile of measured `milliseconds`; not a number where there are none.
    pub fn of(mut milliseconds: Vec<f64>) -> Self {
        milliseconds.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let index = (part * milliseconds.len().saturating_sub(1) as f64).round() as usize;
            milliseconds.get(index).copied().unwrap_or(f64::NAN)
        };
        Self { median: at(0.5), p95: at(0.95) }
    }
}

/// A running evaluation: images go in one after the other.
#[derive(Debug)]
pub struct Evaluation<'a> {
    encoder: &'a Released,
    sums: [f64; 5],
    indices: Vec<u32>,
    times: Vec<f64>,
}

impl<'a> Evaluation<'a> {
    /// Starts an evaluation of `encoder`, without an image yet.
    pub fn new(encoder: &'a Released) -> Self {
        Self { encoder, sums: [0.0; 5], indices: Vec::new(), times: Vec::new() }
    }

    /// Encodes and decodes one more image and adds its measures.
    ///
    /// # Errors
    /// [`Error::Network`], [`Error::Metric`].
    pub fn add(&mut self, image: &Canonical) -> Result<()> {
        let net = self.encoder.net();
        let tensor = self.encoder.tensor(std::slice::from_ref(image))?;
        let start = Instant::now();
        let latent = net.encode(&tensor)?;
        self.times.push(start.elapsed().as_secs_f64() * 1e3);
        let (quantised, indices) = net.decode_quantized(&latent)?;
        let grey = |image: &candle_core::Tensor| Ok::<Vec<f32>, Error>(image.get(0)?.mean(0)?.flatten_all()?.to_vec1()?);
        let (whole, quantised) = (grey(&net.decode(&latent)?)?, grey(&quantised)?);
        let whole = Pair::new(SIDE, SIDE, image.values(), &whole, Range::Symmetric)?;
        let quantised = Pair::new(SIDE, SIDE, image.values(), &quantised, Range::Symmetric)?;
        let values = [whole.psnr(), whole.ssim()?, whole.ms_ssim()?, quantised.psnr(), quantised.ssim()?];
        self.sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        self.indices.extend(indices);
        Ok(())
    }

    /// The means over all images.
    ///
    /// # Errors
    /// [`Error::Data`] without images.
    pub fn finish(self) -> Result<Quality> {
        let n = self.times.len();
        if n == 0 {
            return Err(Error::Data { why: "there is no image to evaluate".into() });
        }
        let used = CodebookUse::of(&self.indices, self.encoder.manifest().shapes.codebook.size)?;
        let [psnr, ssim, ms_ssim, psnr_quantised, ssim_quantised] = self.sums.map(|sum| sum / n as f64);
        Ok(Quality {
            n,
            psnr,
            ssim,
            ms_ssim,
            psnr_quantised,
            ssim_quantised,
            codebook_use: used.share(),
            codebook_perplexity: used.perplexity,
            encode_ms: Times::of(self.times),
        })
    }
}
