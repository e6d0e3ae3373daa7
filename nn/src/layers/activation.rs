//! Polynomial activations with trained coefficients.

use super::{Mode, norm::Running};
use crate::error::Result;
use crate::init::Init;
use crate::ops;
use crate::params::Scope;
use candle_core::Tensor;
use std::f64::consts::PI;

/// a x^2 + b x + c with coefficients per channel: parameter `coefficients` [3, channel].
#[derive(Debug, Clone)]
pub struct Polynomial2 {
    coefficients: Tensor,
}

impl Polynomial2 {
    /// For `channels` channels, all starting with the same a, b and c.
    ///
    /// # Errors
    /// As [`Scope::parameter`].
    pub fn new(scope: &Scope, channels: usize, [a, b, c]: [f64; 3]) -> Result<Self> {
        let coefficients = scope.parameter("coefficients", &[3, channels], Init::Rows([a, b, c]))?;
        Ok(Self { coefficients })
    }

    /// [batch, channel, ...] to the same shape, see [`ops::polynomial2`].
    ///
    /// # Errors
    /// As [`ops::polynomial2`].
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        ops::polynomial2(input, &self.coefficients)
    }

    /// a, b and c as [3, channel].
    pub fn coefficients(&self) -> &Tensor {
        &self.coefficients
    }
}

/// HerPN (Park et al. 2022): ReLU's Hermite expansion to degree two with batch normalisation of each term; parameters `basis`
/// [2, channel] and `bias` `[channel]`, buffers `mean` and `variance` [2, channel].
///
/// Starts at ReLU's coefficients 1/2, 1/sqrt(4 pi) and 1/sqrt(2 pi). In evaluation it is one polynomial of degree two per channel,
/// [`HermiteActivation::coefficients`].
#[derive(Debug, Clone)]
pub struct HermiteActivation {
    weight: Tensor,
    bias: Tensor,
    running: Running,
}

impl HermiteActivation {
    /// For `channels` channels; `eps` is added to variances, a batch moves the running statistics by the fraction `momentum`.
    ///
    /// # Errors
    /// As [`Scope::parameter`].
    pub fn new(scope: &Scope, channels: usize, eps: f64, momentum: f64) -> Result<Self> {
        let rows = Init::Rows([0.5, (4.0 * PI).sqrt().recip(), 0.0]);
        let weight = scope.parameter("basis", &[2, channels], rows)?;
        let bias = scope.parameter("bias", &[channels], Init::Constant((2.0 * PI).sqrt().recip()))?;
        Ok(Self { weight, bias, running: Running::new(scope, 2, channels, eps, momentum)? })
    }

    /// [batch, channel, ...] to the same shape, see [`ops::hermite_norm`].
    ///
    /// # Errors
    /// As [`ops::hermite_norm`].
    pub fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        if mode == Mode::Evaluate {
            return ops::polynomial2(input, &self.coefficients()?);
        }
        let (output, statistics) = ops::hermite_norm(input, &self.weight, &self.bias, self.running.eps)?;
        self.running.update(&statistics, input)?;
        Ok(output)
    }

    /// a, b and c as [3, channel] that the running statistics make of it.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) where candle refuses shapes, types or devices.
    pub fn coefficients(&self) -> Result<Tensor> {
        let (scale, shift) = self.running.affine(&self.weight)?;
        let constant = (shift.sum(0)? + &self.bias)?;
        Ok(Tensor::stack(&[&scale.get(1)?, &scale.get(0)?, &constant], 0)?)
    }
}
