//! What the noise of a linear map depends on.

use super::{Message, Spread};
use std::collections::BTreeSet;

/// Sizes of a linear map's diagonals and how they are split into baby and giant steps: all that its noise depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearShape {
    pub(super) scale: f64,
    pub(super) diagonals: usize,
    /// Diagonals whose baby step is a rotation.
    pub(super) keyed_diagonals: usize,
    /// Giant steps other than 0.
    pub(super) giants: BTreeSet<usize>,
    /// Σ d² over all diagonals, in every slot.
    energy: Spread,
    /// The same over those whose baby step is a rotation.
    pub(super) keyed: Spread,
    /// Largest entry squared.
    largest: f64,
    /// Largest Σ |d| of a slot.
    absolute: f64,
}

impl LinearShape {
    /// Of diagonals by their indices, each of one period, encoded at `scale` (of [`LinearTransform::scale`](crate::LinearTransform::scale);
    /// the level's rescale factor unless chosen otherwise) and split at `width` (of [`Split`](crate::Split)).
    pub fn new<'a>(diagonals: impl IntoIterator<Item = (usize, &'a [f64])>, scale: f64, width: usize) -> Self {
        let width = width.max(1);
        let (mut all, mut turned, mut absolute) = (Vec::new(), Vec::new(), Vec::new());
        let mut shape = Self {
            scale,
            diagonals: 0,
            keyed_diagonals: 0,
            giants: BTreeSet::new(),
            energy: Spread::default(),
            keyed: Spread::default(),
            largest: 0.0,
            absolute: 0.0,
        };
        for (index, values) in diagonals {
            let keyed = index % width != 0;
            shape.diagonals += 1;
            shape.keyed_diagonals += usize::from(keyed);
            if index / width != 0 {
                shape.giants.insert(index / width * width);
            }
            for sums in [&mut all, &mut turned, &mut absolute] {
                sums.resize(values.len().max(sums.len()), 0.0);
            }
            let sums = all.iter_mut().zip(&mut turned).zip(&mut absolute);
            for (v, ((all, turned), absolute)) in values.iter().zip(sums) {
                *all += v * v;
                *turned += if keyed { v * v } else { 0.0 };
                *absolute += v.abs();
                shape.largest = shape.largest.max(v * v);
            }
        }
        let largest = |sums: &[f64]| sums.iter().copied().fold(0.0, f64::max);
        let spread = |sums: &[f64]| Spread { mean: sums.iter().sum::<f64>() / sums.len().max(1) as f64, peak: largest(sums) };
        Self { energy: spread(&all), keyed: spread(&turned), absolute: largest(&absolute), ..shape }
    }

    /// The mean square of every slot after the map, given that of the slots before it: a sum over rotations, at most one of them at its peak.
    fn sums(&self, squares: Spread) -> Spread {
        let excess = (squares.peak - squares.mean).max(0.0) * self.largest;
        Spread { mean: squares.mean * self.energy.mean, peak: squares.mean * self.energy.peak + excess }
    }

    /// Variance of errors after the map, at the diagonals' scale.
    pub(super) fn through(&self, error: Spread) -> Spread {
        self.sums(error).scaled(self.scale * self.scale)
    }

    /// The message after the map, supposing independent slots of mean zero: no larger than the largest sum, nor than a Gaussian's.
    pub(super) fn message(&self, message: Message, slots: usize) -> Message {
        let squares = self.sums(message.squares());
        let max = squares.expected_max(slots, message.is_complex()).min(message.max() * self.absolute);
        Message::from_squares(Spread { mean: squares.mean, peak: max * max }, message.is_complex())
    }
}
