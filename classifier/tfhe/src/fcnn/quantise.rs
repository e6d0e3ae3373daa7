//! The client's first step: grey levels to a few bits.

use super::{Error, Result};
use serde::{Deserialize, Serialize};

/// How an image becomes small integers: brightness and contrast are taken out, then the values are rounded.
///
/// Each image is brought to mean 0 and standard deviation 1, so that two exposures of one chest look alike to the network; then multiplied
/// by `gain`, rounded and limited to -`largest`..=`largest`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantiser {
    /// Columns and rows of an image.
    pub side: usize,
    /// Largest |value|.
    pub largest: i8,
    /// Steps to a standard deviation.
    pub gain: f32,
}

impl Quantiser {
    /// Refuses settings outside their range.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        if !(1..=256).contains(&self.side) {
            return Err(Error::setting("quantiser side", "in 1..=256", self.side));
        }
        if !(1..=63).contains(&self.largest) {
            return Err(Error::setting("quantiser largest", "in 1..=63", self.largest));
        }
        if !(self.gain.is_finite() && self.gain > 0.0) {
            return Err(Error::setting("quantiser gain", "positive", self.gain));
        }
        Ok(())
    }

    /// Values of an image.
    pub fn values(&self) -> usize {
        self.side * self.side
    }

    /// The small integers of an image of 8-bit levels, row by row.
    ///
    /// # Errors
    /// An image of another size.
    pub fn levels(&self, image: &[u8]) -> Result<Vec<i8>> {
        self.image(&image.iter().map(|level| f32::from(*level)).collect::<Vec<_>>())
    }

    /// The small integers of an image of grey values in any unit, row by row; an image of one colour is all zeros.
    ///
    /// # Errors
    /// An image of another size.
    pub fn image(&self, image: &[f32]) -> Result<Vec<i8>> {
        if image.len() != self.values() {
            return Err(Error::Length { what: "image", wanted: self.values(), found: image.len() });
        }
        let count = image.len() as f64;
        let mean = image.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
        let variance = image.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count;
        let steps = if variance > 1e-12 { f64::from(self.gain) / variance.sqrt() } else { 0.0 };
        let most = f64::from(self.largest);
        Ok(image.iter().map(|v| ((f64::from(*v) - mean) * steps).round().clamp(-most, most) as i8).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exposure_does_not_matter_and_limits_hold() {
        let quantiser = Quantiser { side: 4, largest: 3, gain: 1.5 };
        let image: Vec<u8> = (0..16).map(|i| 40 + 5 * i).collect();
        let brighter: Vec<u8> = image.iter().map(|v| v + 60).collect();
        let flatter: Vec<f32> = image.iter().map(|v| f32::from(*v) * 0.125).collect();
        let values = quantiser.levels(&image).unwrap();
        assert_eq!(values, quantiser.levels(&brighter).unwrap());
        assert_eq!(values, quantiser.image(&flatter).unwrap());
        // A ramp of 16 steps has standard deviation sqrt((256 - 1) / 12) = 4.61 steps: its ends lie at 7.5 / 4.61 x 1.5 = 2.44.
        assert_eq!((values.first(), values.last()), (Some(&-2), Some(&2)));
        let mut spike = vec![0u8; 16];
        spike[3] = 255;
        assert_eq!(quantiser.levels(&spike).unwrap().into_iter().max(), Some(3));
        assert_eq!(quantiser.levels(&[9; 16]).unwrap(), [0; 16]);
        assert!(matches!(quantiser.levels(&[0; 15]), Err(Error::Length { wanted: 16, found: 15, .. })));
        assert!(Quantiser { gain: 0.0, ..quantiser }.check().is_err());
    }
}
