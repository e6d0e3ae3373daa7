//! Normalisation layers.

use super::Mode;
use crate::error::Result;
use crate::init::Init;
use crate::ops::{self, Statistics};
use crate::params::Buffer;
use crate::params::Scope;
use candle_core::Tensor;

/// Group normalisation, optionally with SiLU behind it: parameters `weight` and `bias`.
#[derive(Debug, Clone)]
pub struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: usize,
    eps: f64,
}

impl GroupNorm {
    /// Over `groups` blocks of `channels` channels; starts as plain normalisation.
    ///
    /// # Errors
    /// As [`Scope::parameter`].
    pub fn new(scope: &Scope, groups: usize, channels: usize, eps: f64) -> Result<Self> {
        let weight = scope.parameter("weight", &[channels], Init::ONES)?;
        Ok(Self { weight, bias: scope.parameter("bias", &[channels], Init::ZEROS)?, groups, eps })
    }

    /// [batch, channel, ...] to the same shape, see [`ops::group_norm`].
    ///
    /// # Errors
    /// As [`ops::group_norm`].
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        ops::group_norm(input, &self.weight, &self.bias, self.groups, self.eps, false)
    }

    /// The same and SiLU, in one pass.
    ///
    /// # Errors
    /// As [`ops::group_norm`].
    pub fn forward_silu(&self, input: &Tensor) -> Result<Tensor> {
        ops::group_norm(input, &self.weight, &self.bias, self.groups, self.eps, true)
    }
}

/// Batch normalisation: parameters `weight` and `bias`, buffers `mean` and `variance` [1, channel].
#[derive(Debug, Clone)]
pub struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running: Running,
}

impl BatchNorm {
    /// Over `channels` channels; starts as plain normalisation. `eps` is added to variances, a batch moves the running statistics by
    /// the fraction `momentum` (usually 0.1).
    ///
    /// # Errors
    /// As [`Scope::parameter`].
    pub fn new(scope: &Scope, channels: usize, eps: f64, momentum: f64) -> Result<Self> {
        let weight = scope.parameter("weight", &[channels], Init::ONES)?;
        let bias = scope.parameter("bias", &[channels], Init::ZEROS)?;
        Ok(Self { weight, bias, running: Running::new(scope, 1, channels, eps, momentum)? })
    }

    /// [batch, channel, ...] to the same shape, see [`ops::batch_norm`].
    ///
    /// # Errors
    /// As [`ops::batch_norm`].
    pub fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        if mode == Mode::Train {
            let (output, statistics) = ops::batch_norm(input, &self.weight, &self.bias, self.running.eps)?;
            self.running.update(&statistics, input)?;
            return Ok(output);
        }
        let (scale, shift) = self.affine()?;
        ops::polynomial2(input, &Tensor::stack(&[&scale.zeros_like()?, &scale, &shift], 0)?)
    }

    /// Scale and shift `[channel]` that the running statistics make of it: what a preceding convolution folds in.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) where candle refuses shapes, types or devices.
    pub fn affine(&self) -> Result<(Tensor, Tensor)> {
        let (scale, shift) = self.running.affine(&self.weight.reshape((1, ()))?)?;
        Ok((scale.get(0)?, (shift.get(0)? + &self.bias)?))
    }
}

/// Running mean and variance of the terms of a batch normalisation.
#[derive(Debug, Clone)]
pub(super) struct Running {
    mean: Buffer,
    variance: Buffer,
    pub eps: f64,
    momentum: f64,
}

impl Running {
    /// `eps` is added to variances; a batch moves the running values by the fraction `momentum` (usually 0.1).
    pub(super) fn new(scope: &Scope, terms: usize, channels: usize, eps: f64, momentum: f64) -> Result<Self> {
        let mean = scope.buffer("mean", &[terms, channels], Init::ZEROS)?;
        Ok(Self { mean, variance: scope.buffer("variance", &[terms, channels], Init::ONES)?, eps, momentum })
    }

    /// Moves towards a batch's statistics, its variance corrected for having been measured from its own mean.
    pub(super) fn update(&self, batch: &Statistics, input: &Tensor) -> Result<()> {
        let count = input.elem_count() as f64 / input.dim(1)? as f64;
        let unbiased = (&batch.variance * (count / (count - 1.0).max(1.0)))?;
        let blend = |old: &Tensor, new: &Tensor| (old * (1.0 - self.momentum))? + (new * self.momentum)?;
        self.mean.set(&blend(self.mean.tensor(), &batch.mean)?)?;
        self.variance.set(&blend(self.variance.tensor(), &unbiased)?)
    }

    /// Scale and shift [terms, channel] of every term, given its `weight`.
    pub(super) fn affine(&self, weight: &Tensor) -> Result<(Tensor, Tensor)> {
        let scale = weight.div(&(self.variance.tensor() + self.eps)?.sqrt()?)?;
        let shift = scale.mul(self.mean.tensor())?.neg()?;
        Ok((scale, shift))
    }
}
