//! The distributions that new parameters are drawn from.

use crate::error::Result;
use candle_core::{Device, Shape, Tensor};
use veilray_base::Rng;

/// A tensor of independent normal values, mean 0 and variance 1.
///
/// # Errors
/// [`Error::Tensor`](crate::Error::Tensor) where memory or device fail.
pub fn normal_tensor(rng: &mut Rng, shape: impl Into<Shape>, device: &Device) -> Result<Tensor> {
    let shape = shape.into();
    let values: Vec<f32> = (0..shape.elem_count()).map(|_| rng.normal() as f32).collect();
    Ok(Tensor::from_vec(values, shape, device)?)
}

/// The distribution that a new parameter is drawn from.
///
/// The fans of a shape [outputs, inputs, kernel...] are `inputs` x kernel in and `outputs` x kernel out.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Init {
    /// Every value the same.
    Constant(f64),
    /// Row i of the first dimension filled with value i (of up to three).
    Rows([f64; 3]),
    /// Uniform in [low, high).
    Uniform {
        /// Lower end of the interval, itself possible.
        low: f64,
        /// Upper end of the interval, itself not possible.
        high: f64,
    },
    /// Independent normal values.
    Normal {
        /// Mean of the distribution.
        mean: f64,
        /// Standard deviation of the distribution, not negative.
        deviation: f64,
    },
    /// Normal with variance gain^2 / fan in (He et al. 2015): gain sqrt 2 before ReLU, 1 before a linear unit.
    KaimingNormal {
        /// Factor on the standard deviation: sqrt 2 before ReLU, 1 before a linear unit.
        gain: f64,
    },
    /// Uniform with the same variance as [`Init::KaimingNormal`].
    KaimingUniform {
        /// Factor on the standard deviation: sqrt 2 before ReLU, 1 before a linear unit.
        gain: f64,
    },
    /// Normal with variance 2 / (fan in + fan out) (Glorot and Bengio 2010).
    XavierNormal,
    /// Uniform with the same variance as [`Init::XavierNormal`].
    XavierUniform,
}

impl Init {
    /// [`Init::KaimingNormal`] for a layer before a ReLU or a SiLU.
    pub const HE: Self = Self::KaimingNormal { gain: std::f64::consts::SQRT_2 };
    /// Every value 0, the usual start of a bias.
    pub const ZEROS: Self = Self::Constant(0.0);
    /// Every value 1, the usual start of a normalisation's weight.
    pub const ONES: Self = Self::Constant(1.0);

    /// Values for a parameter of `shape`.
    pub(crate) fn draw(self, shape: &[usize], rng: &mut Rng) -> Vec<f32> {
        let (fan_in, fan_out) = fans(shape);
        let count = shape.iter().product();
        let mut uniform = |low: f64, high: f64| (0..count).map(|_| (low + (high - low) * rng.uniform()) as f32).collect();
        let bound = |variance: f64| (3.0 * variance).sqrt();
        match self {
            Self::Constant(value) => vec![value as f32; count],
            Self::Rows(values) => {
                let row = count / shape.first().copied().unwrap_or(1).max(1);
                values.iter().flat_map(|value| std::iter::repeat_n(*value as f32, row)).take(count).collect()
            }
            Self::Uniform { low, high } => uniform(low, high),
            Self::KaimingUniform { gain } => uniform(-bound(gain * gain / fan_in), bound(gain * gain / fan_in)),
            Self::XavierUniform => uniform(-bound(2.0 / (fan_in + fan_out)), bound(2.0 / (fan_in + fan_out))),
            Self::Normal { mean, deviation } => normal(count, mean, deviation, rng),
            Self::KaimingNormal { gain } => normal(count, 0.0, gain / fan_in.sqrt(), rng),
            Self::XavierNormal => normal(count, 0.0, (2.0 / (fan_in + fan_out)).sqrt(), rng),
        }
    }
}

fn normal(count: usize, mean: f64, deviation: f64, rng: &mut Rng) -> Vec<f32> {
    (0..count).map(|_| (mean + deviation * rng.normal()) as f32).collect()
}

fn fans(shape: &[usize]) -> (f64, f64) {
    match shape {
        [outputs, inputs, kernel @ ..] => {
            let kernel: usize = kernel.iter().product();
            ((inputs * kernel).max(1) as f64, (outputs * kernel).max(1) as f64)
        }
        _ => (1.0, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variances_are_those_of_the_papers() {
        let shape = [64, 32, 3, 3];
        for (init, variance) in [
            (Init::HE, 2.0 / 288.0),
            (Init::KaimingUniform { gain: 1.0 }, 1.0 / 288.0),
            (Init::XavierNormal, 2.0 / (288.0 + 576.0)),
            (Init::XavierUniform, 2.0 / (288.0 + 576.0)),
        ] {
            let values = init.draw(&shape, &mut Rng::new(1, "init"));
            let found = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / values.len() as f64;
            // Eight standard errors of a variance over 18 432 normal values: 8 sqrt(2 / 18 432).
            assert!((found / variance - 1.0).abs() < 0.084, "{init:?}: {found} against {variance}");
        }
    }
}
