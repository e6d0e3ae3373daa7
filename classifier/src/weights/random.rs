//! Random weights, for tests and measurements.

use super::Weights;
use super::tensor::Tensor;
use crate::spec::{NetworkSpec, Parameter, Role, SpecError};
use veilray_base::Rng;

impl Weights {
    /// Weights as an untrained network might have them, the same for the same seed: values between layers stay of order one, no
    /// coefficient of x² is near zero, means and variances are not trivial.
    ///
    /// # Errors
    /// As [`NetworkSpec::check`].
    pub fn random(spec: &NetworkSpec, seed: u64) -> Result<Self, SpecError> {
        let draw = |p: Parameter| {
            let mut rng = Rng::new(seed, &format!("weights {}", p.name));
            let count: usize = p.shape.iter().product();
            let columns = p.shape.last().copied().unwrap_or(1).max(1);
            let value = |i: usize| random_value(p.role, i / columns, &mut rng) as f32;
            let values = (0..count).map(value).collect();
            (p.name, Tensor { shape: p.shape, values })
        };
        Ok(Self { tensors: spec.parameters()?.into_iter().map(draw).collect() })
    }
}

/// One random value in `row` of a tensor.
fn random_value(role: Role, row: usize, rng: &mut Rng) -> f64 {
    let mut around = |centre: f64, spread: f64| centre + spread * (2.0 * rng.uniform() - 1.0);
    match role {
        // Variance 1 / fan_in.
        Role::Weight { fan_in } => around(0.0, (3.0 / fan_in.max(1) as f64).sqrt()),
        Role::Bias | Role::Mean => around(0.0, 0.2),
        Role::Scale => around(1.0, 0.2),
        Role::Variance => around(1.0, 0.3),
        // As fitted to a ReLU on [-4, 4]: 0.1 x² + 0.5 x + 0.3.
        Role::Polynomial => match row {
            0 => around(0.1, 0.05),
            1 => around(0.5, 0.1),
            _ => around(0.3, 0.1),
        },
        Role::Basis => match row {
            0 => around(0.5, 0.1),
            _ => around(0.28, 0.1),
        },
        Role::Sigmoid => match row {
            0 => around(-1e-5, 0.0),
            1 => around(0.12, 0.02),
            _ => around(0.5, 0.1),
        },
    }
}
