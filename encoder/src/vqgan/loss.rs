//! The losses of autoencoder and discriminator.

use super::discriminator::Judgement;
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use veilray_nn::Result;

/// Weights of the reconstruction loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reconstruction {
    /// Of the mean absolute error.
    pub absolute: f64,
    /// Of the mean squared error.
    pub squared: f64,
}

impl Reconstruction {
    /// Weighted mean errors of `output` against `image`, of one shape.
    ///
    /// # Errors
    /// Tensors of other shapes.
    pub fn loss(&self, output: &Tensor, image: &Tensor) -> Result<Tensor> {
        let difference = (output - image)?;
        let absolute = (difference.abs()?.mean_all()? * self.absolute)?;
        Ok((absolute + (difference.sqr()?.mean_all()? * self.squared)?)?)
    }
}

/// Hinge loss of the discriminator: the mean of max(0, 1 − real) and max(0, 1 + fake), halved (Lim and Ye 2017).
///
/// # Errors
/// A tensor operation that candle refuses.
pub fn hinge(real: &Tensor, fake: &Tensor) -> Result<Tensor> {
    let real = (1.0 - real)?.relu()?.mean_all()?;
    let fake = (fake + 1.0)?.relu()?.mean_all()?;
    Ok(((real + fake)? * 0.5)?)
}

/// The adversarial loss of the autoencoder: minus the mean score of its images.
///
/// # Errors
/// A tensor operation that candle refuses.
pub fn adversarial(fake: &Tensor) -> Result<Tensor> {
    Ok(fake.mean_all()?.neg()?)
}

/// Feature matching (Salimans et al. 2016, per layer as in Wang et al., CVPR 2018): the mean over layers of the mean absolute difference
/// of the discriminator's features. It stands where the published VQGAN has a perceptual network, which cannot be had here.
///
/// # Errors
/// Judgements of other shapes.
pub fn feature_matching(real: &Judgement, fake: &Judgement) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for (real, fake) in real.features.iter().zip(&fake.features) {
        let term = (real.detach() - fake)?.abs()?.mean_all()?;
        sum = Some(match sum {
            Some(sum) => (sum + term)?,
            None => term,
        });
    }
    match sum {
        Some(sum) => Ok((sum / real.features.len() as f64)?),
        None => Ok(Tensor::zeros((), candle_core::DType::F32, fake.scores.device())?),
    }
}

/// Weight of the adversarial loss: the ratio of the norms of both losses' gradients at the decoder's last convolution (Esser et al.
/// 2021, equation 7), at most 10^4.
pub fn adaptive_weight(reconstruction_norm: f64, adversarial_norm: f64) -> f64 {
    (reconstruction_norm / (adversarial_norm + 1e-4)).clamp(0.0, 1e4)
}
