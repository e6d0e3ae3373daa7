//! How a found mask lies on the true one.

use serde::{Deserialize, Serialize};

/// Pixels of two masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overlap {
    /// In both masks.
    pub both: usize,
    /// In the found one.
    pub found: usize,
    /// In the true one.
    pub wanted: usize,
}

impl Overlap {
    /// Of two masks, pixel by pixel.
    pub fn of(found: impl IntoIterator<Item = bool>, wanted: impl IntoIterator<Item = bool>) -> Self {
        found.into_iter().zip(wanted).fold(Self::default(), |sum, (found, wanted)| Self {
            both: sum.both + usize::from(found && wanted),
            found: sum.found + usize::from(found),
            wanted: sum.wanted + usize::from(wanted),
        })
    }

    /// 2 both / (found + wanted) (Dice 1945), in [0, 1]; 1 of two empty masks.
    pub fn dice(&self) -> f64 {
        share(2 * self.both, self.found + self.wanted)
    }

    /// Intersection over union, in [0, 1]; 1 of two empty masks.
    pub fn iou(&self) -> f64 {
        share(self.both, self.found + self.wanted - self.both)
    }

    /// The mean of a coefficient over images; NaN of none.
    pub fn mean(overlaps: &[Self], coefficient: impl Fn(&Self) -> f64) -> f64 {
        overlaps.iter().map(coefficient).sum::<f64>() / overlaps.len() as f64
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_are_those_of_their_definitions() {
        let overlap = Overlap::of([true, true, true, false, false], [true, true, false, true, false]);
        assert_eq!(overlap, Overlap { both: 2, found: 3, wanted: 3 });
        assert!((overlap.dice() - 4.0 / 6.0).abs() < 1e-12 && (overlap.iou() - 0.5).abs() < 1e-12);
        let (none, all) = (Overlap::of([false; 3], [false; 3]), Overlap::of([true; 3], [true; 3]));
        assert_eq!([none.dice(), none.iou(), all.dice(), all.iou()], [1.0; 4]);
        assert_eq!(Overlap::of([true; 3], [false; 3]).dice(), 0.0);
        assert!((Overlap::mean(&[overlap, all], Overlap::iou) - 0.75).abs() < 1e-12);
    }
}
