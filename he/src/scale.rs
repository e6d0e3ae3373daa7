//! The rules of levels and scales, stated once: evaluation follows them on ciphertexts, the noise model without keys.

use crate::error::{Error, Result};
use crate::params::Params;

/// Scales whose ratio is nearer to one than this count as equal: the error it admits is below every precision this library reaches.
pub const SCALE_TOLERANCE: f64 = 1.0 / (1u64 << 45) as f64;

/// Both scales are one.
pub(crate) fn same_scale(left: f64, right: f64) -> Result<()> {
    if (left / right - 1.0).abs() <= SCALE_TOLERANCE { Ok(()) } else { Err(Error::ScaleMismatch { left, right }) }
}

/// Both levels are one.
pub(crate) fn same_level(left: usize, right: usize) -> Result<()> {
    if left == right { Ok(()) } else { Err(Error::LevelMismatch { left, right }) }
}

impl Params {
    /// The scale, if it leaves the message room at that level.
    pub(crate) fn fitting_scale(&self, scale: f64, level: usize) -> Result<f64> {
        let log_q = self.log_q(level);
        if scale.log2() + 1.0 >= log_q {
            return Err(Error::ScaleTooLarge { log_scale: scale.log2(), log_q, level });
        }
        Ok(scale)
    }

    /// The scale after rescaling from `level`, if there is a level to drop and something left of the message.
    pub(crate) fn rescaled(&self, scale: f64, level: usize) -> Result<f64> {
        if level == 0 {
            return Err(Error::NoLevelsLeft { max_level: self.max_level() });
        }
        let rescaled = scale / self.rescale_factor(level);
        if rescaled < 2.0 {
            return Err(Error::ScaleTooSmall { log_scale: rescaled.log2(), level });
        }
        Ok(rescaled)
    }
}
