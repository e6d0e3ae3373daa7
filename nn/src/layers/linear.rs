//! A fully connected layer.

use crate::error::Result;
use crate::init::Init;
use crate::ops;
use crate::params::Scope;
use candle_core::Tensor;

/// x W^T + b: parameters `weight` [outputs, inputs] and `bias` `[outputs]`.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// From `inputs` to `outputs` values; weights start by [`Init::KaimingUniform`] with gain 1 / sqrt 3, the bias at 0.
    ///
    /// # Errors
    /// As [`Scope::parameter`].
    pub fn new(scope: &Scope, inputs: usize, outputs: usize) -> Result<Self> {
        Self::with_init(scope, inputs, outputs, Init::KaimingUniform { gain: 3f64.sqrt().recip() })
    }

    /// As [`Linear::new`], with any start.
    ///
    /// # Errors
    /// As [`Scope::parameter`].
    pub fn with_init(scope: &Scope, inputs: usize, outputs: usize, init: Init) -> Result<Self> {
        let weight = scope.parameter("weight", &[outputs, inputs], init)?;
        Ok(Self { weight, bias: scope.parameter("bias", &[outputs], Init::ZEROS)? })
    }

    /// [batch, inputs] to [batch, outputs].
    ///
    /// # Errors
    /// An input of another shape.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        ops::bias(&input.matmul(&self.weight.t()?)?, &self.bias)
    }

    /// The weight, [outputs, inputs].
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The bias, `[outputs]`.
    pub fn bias(&self) -> &Tensor {
        &self.bias
    }
}
