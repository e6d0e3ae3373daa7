//! Convolutions.

use crate::error::Result;
use crate::init::Init;
use crate::ops::{self, Conv2dConfig};
use crate::params::Scope;
use candle_core::Tensor;

/// A two-dimensional convolution: parameters `weight` and, unless left out, `bias`.
#[derive(Debug, Clone)]
pub struct Conv2d {
    weight: Tensor,
    bias: Option<Tensor>,
    config: Conv2dConfig,
}

impl Conv2d {
    /// From `inputs` to `outputs` channels by `kernel` x `kernel` patches, with a bias; weights start by [`Init::HE`], the bias at 0.
    ///
    /// # Errors
    /// As [`Scope::parameter`].
    pub fn new(scope: &Scope, inputs: usize, outputs: usize, kernel: usize, config: Conv2dConfig) -> Result<Self> {
        let mut conv = Self::without_bias(scope, inputs, outputs, kernel, config)?;
        conv.bias = Some(scope.parameter("bias", &[outputs], Init::ZEROS)?);
        Ok(conv)
    }

    /// As [`Conv2d::new`], without a bias: before a normalisation that would remove it.
    ///
    /// # Errors
    /// As [`Scope::parameter`].
    pub fn without_bias(scope: &Scope, inputs: usize, outputs: usize, kernel: usize, config: Conv2dConfig) -> Result<Self> {
        Self::with_init(scope, [outputs, inputs / config.groups.max(1), kernel, kernel], config, Init::HE)
    }

    /// Without a bias, of weight shape [outputs, inputs / groups, kernel height, kernel width] and any start.
    ///
    /// # Errors
    /// As [`Scope::parameter`].
    pub fn with_init(scope: &Scope, shape: [usize; 4], config: Conv2dConfig, init: Init) -> Result<Self> {
        Ok(Self { weight: scope.parameter("weight", &shape, init)?, bias: None, config })
    }

    /// [batch, inputs, height, width] to [batch, outputs, ...], see [`ops::conv2d`].
    ///
    /// # Errors
    /// As [`ops::conv2d`].
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        ops::conv2d(input, &self.weight, self.bias.as_ref(), self.config)
    }

    /// [outputs, inputs / groups, kernel, kernel].
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The bias, `[outputs]`, if there is one.
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// Stride, padding and groups.
    pub fn config(&self) -> Conv2dConfig {
        self.config
    }
}

/// A two-dimensional transposed convolution: parameters `weight` and `bias`.
#[derive(Debug, Clone)]
pub struct ConvTranspose2d {
    weight: Tensor,
    bias: Tensor,
    config: Conv2dConfig,
    output_padding: usize,
}

impl ConvTranspose2d {
    /// From `inputs` to `outputs` channels by `kernel` x `kernel` patches; weights start by [`Init::XavierNormal`], the bias at 0.
    ///
    /// # Errors
    /// As [`Scope::parameter`].
    pub fn new(
        scope: &Scope,
        inputs: usize,
        outputs: usize,
        kernel: usize,
        config: Conv2dConfig,
        output_padding: usize,
    ) -> Result<Self> {
        let shape = [inputs, outputs / config.groups.max(1), kernel, kernel];
        let weight = scope.parameter("weight", &shape, Init::XavierNormal)?;
        Ok(Self { weight, bias: scope.parameter("bias", &[outputs], Init::ZEROS)?, config, output_padding })
    }

    /// [batch, inputs, height, width] to [batch, outputs, ...], see [`ops::conv_transpose2d`].
    ///
    /// # Errors
    /// As [`ops::conv_transpose2d`].
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        ops::conv_transpose2d(input, &self.weight, Some(&self.bias), self.config, self.output_padding)
    }

    /// [inputs, outputs / groups, kernel, kernel].
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The bias, `[outputs]`.
    pub fn bias(&self) -> &Tensor {
        &self.bias
    }
}
