//! A tensor: extents and values.

use super::error::WeightsError;

/// Extents and values, the last axis fastest.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

impl Tensor {
    /// A tensor of those extents; `name` is for the error.
    ///
    /// # Errors
    /// [`WeightsError::Length`].
    pub fn new(name: &str, shape: Vec<usize>, values: Vec<f32>) -> Result<Self, WeightsError> {
        let wanted = shape.iter().try_fold(1usize, |n, extent| n.checked_mul(*extent));
        if wanted != Some(values.len()) {
            return Err(WeightsError::Length { name: name.into(), shape, found: values.len() });
        }
        Ok(Self { shape, values })
    }

    /// Its extents, outermost axis first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its values, the last axis fastest.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}
