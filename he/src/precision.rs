//! Measured precision: how far the slots that came out are from those that were wanted.

use crate::error::{Error, Result};
use num_complex::Complex64;
use serde::Serialize;
use std::fmt;

/// The error between wanted and found slots, in the units of the slots. Every figure but the bits is of |found − wanted|.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PrecisionStats {
    /// Number of slots that were compared.
    pub slots: usize,
    /// Largest |found − wanted| of a slot.
    pub max: f64,
    /// Mean |found − wanted| over the slots.
    pub mean: f64,
    /// Median |found − wanted| over the slots.
    pub median: f64,
    /// Root mean square error.
    pub rms: f64,
    /// Standard deviation of the signed (or complex) error about its own mean: rms² = std² + bias².
    pub std: f64,
    /// Correct bits after the binary point, slot by slot: −log2 of the error, infinite where there is none.
    #[serde(skip)]
    pub slot_bits: Vec<f64>,
}

impl PrecisionStats {
    /// Statistics of real slots.
    ///
    /// # Errors
    /// [`Error::Length`] if the lengths differ, [`Error::NotFinite`] if an error is not a finite number.
    pub fn real(wanted: &[f64], found: &[f64]) -> Result<Self> {
        same_length(wanted.len(), found.len())?;
        Self::new(wanted.iter().zip(found).map(|(w, f)| Complex64 { re: f - w, im: 0.0 }).collect())
    }

    /// Statistics of complex slots; an error is the modulus of a difference.
    ///
    /// # Errors
    /// As [`PrecisionStats::real`].
    pub fn complex(wanted: &[Complex64], found: &[Complex64]) -> Result<Self> {
        same_length(wanted.len(), found.len())?;
        Self::new(wanted.iter().zip(found).map(|(w, f)| f - w).collect())
    }

    /// log2 of the largest error.
    pub fn log2_max(&self) -> f64 {
        self.max.log2()
    }

    /// log2 of the root mean square error.
    pub fn log2_rms(&self) -> f64 {
        self.rms.log2()
    }

    fn new(differences: Vec<Complex64>) -> Result<Self> {
        if let Some(index) = differences.iter().position(|d| !d.is_finite()) {
            return Err(Error::NotFinite { index });
        }
        let slots = differences.len();
        let count = slots.max(1) as f64;
        let bias = differences.iter().sum::<Complex64>() / count;
        let mean_square = differences.iter().map(Complex64::norm_sqr).sum::<f64>() / count;
        let variance = differences.iter().map(|d| (d - bias).norm_sqr()).sum::<f64>() / count;
        let mut errors: Vec<f64> = differences.iter().map(|d| d.norm()).collect();
        let slot_bits = errors.iter().map(|e| -e.log2()).collect();
        errors.sort_unstable_by(f64::total_cmp);
        let at = |place: usize| errors.get(place).copied().unwrap_or(0.0);
        Ok(Self {
            slots,
            max: at(slots.saturating_sub(1)),
            mean: errors.iter().sum::<f64>() / count,
            median: (at(slots.saturating_sub(1) / 2) + at(slots / 2)) / 2.0,
            rms: mean_square.sqrt(),
            std: variance.sqrt(),
            slot_bits,
        })
    }
}

fn same_length(wanted: usize, found: usize) -> Result<()> {
    if wanted == found { Ok(()) } else { Err(Error::Length { found, wanted }) }
}

impl fmt::Display for PrecisionStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8}{:>12}{:>9}   ({} slots)", "error", "absolute", "log2", self.slots)?;
        let rows = [("max", self.max), ("mean", self.mean), ("median", self.median), ("rms", self.rms), ("std", self.std)];
        rows.iter().try_for_each(|(name, value)| write!(f, "\n{name:<8}{value:>12.3e}{:>9.2}", value.log2()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_four_known_errors() {
        let s = PrecisionStats::real(&[0.0, 1.0, 2.0, 3.0], &[0.5, 1.0, 1.75, 3.25]).unwrap();
        assert_eq!((s.slots, s.max, s.mean, s.median), (4, 0.5, 0.25, 0.25));
        assert_eq!(s.rms, (0.375f64 / 4.0).sqrt());
        // Signed errors 0.5, 0, −0.25, 0.25: bias 0.125.
        assert_eq!(s.std, (0.375f64 / 4.0 - 0.125f64.powi(2)).sqrt());
        assert_eq!(s.slot_bits, [1.0, f64::INFINITY, 2.0, 2.0]);
        assert_eq!(s.log2_max(), -1.0);
    }

    #[test]
    fn a_complex_error_is_the_modulus_of_a_difference() {
        let s = PrecisionStats::complex(&[Complex64::new(1.0, 1.0)], &[Complex64::new(4.0, -3.0)]).unwrap();
        assert_eq!((s.max, s.rms, s.std), (5.0, 5.0, 0.0));
    }

    #[test]
    fn other_lengths_and_other_than_numbers_are_refused() {
        assert_eq!(PrecisionStats::real(&[0.0], &[]), Err(Error::Length { found: 0, wanted: 1 }));
        assert_eq!(PrecisionStats::real(&[0.0, 0.0], &[0.0, f64::NAN]), Err(Error::NotFinite { index: 1 }));
    }

    #[test]
    fn it_prints_as_a_table_and_serialises_without_the_slots() {
        let s = PrecisionStats::real(&[0.0; 2], &[0.25; 2]).unwrap();
        assert_eq!(s.to_string().lines().count(), 6);
        let max: Vec<String> = s.to_string().lines().nth(1).unwrap().split_whitespace().map(Into::into).collect();
        assert_eq!(max, ["max", "2.500e-1", "-2.00"]);
        let json = serde_json::to_value(&s).unwrap();
        assert_eq!((json["rms"].as_f64(), json.get("slot_bits")), (Some(0.25), None));
    }
}
