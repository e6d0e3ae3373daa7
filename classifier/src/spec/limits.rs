//! The largest extents that are accepted.

use super::error::SpecError;
use super::shape::Shape;

/// Largest extent of any axis, and largest number of values between two layers.
pub(super) const MAX_VALUES: usize = 1 << 24;

impl Shape {
    /// Refuses a shape without values or with too many; `layer` is for the error.
    pub(crate) fn check(self, layer: &str) -> Result<(), SpecError> {
        let most = |n: usize| (1..=MAX_VALUES).contains(&n);
        let values = self.channels.checked_mul(self.height).and_then(|n| n.checked_mul(self.width));
        if most(self.channels) && most(self.height) && most(self.width) && values.is_some_and(most) {
            return Ok(());
        }
        Err(SpecError::Setting {
            layer: layer.into(),
            what: "the number of values",
            wanted: format!("1 to {MAX_VALUES}"),
            found: self.to_string(),
        })
    }
}
