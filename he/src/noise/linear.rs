//! What the noise of a linear map depends on.

use super::{Message, Spread};
use std::collections::BTreeSet;

/// Sizes of a linear map's diagonals and how they are split into baby and giant steps: all that its noise depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearShape {
    pub(super) scale: f64,
    /// Giant steps other than 0.
    pub(super) giants: BTreeSet<usize>,
    /// Of all diagonals.
    pub(super) all: Energy,
    /// Of those whose baby step is a rotation.
    pub(super) keyed: Energy,
    /// Largest Σ |d| of a slot.
    absolute: f64,
}

impl LinearShape {
    /// Of diagonals by their indices, each of one period, encoded at `scale` (the level's rescale factor, unless
    /// [`LinearTransform`](crate::LinearTransform) was given another) and split at `width` (of [`Split`](crate::Split)).
    pub fn new<'a>(diagonals: impl IntoIterator<Item = (usize, &'a [f64])>, scale: f64, width: usize) -> Self {
        let width = width.max(1);
        let (mut all, mut keyed, mut absolute, mut giants) = (Sums::default(), Sums::default(), Vec::new(), BTreeSet::new());
        for (index, values) in diagonals {
            all.add(values);
            if index % width != 0 {
                keyed.add(values);
            }
            if index / width != 0 {
                giants.insert(index / width * width);
            }
            absolute.resize(values.len().max(absolute.len()), 0.0);
            absolute.iter_mut().zip(values).for_each(|(sum, v)| *sum += v.abs());
        }
        let absolute = absolute.into_iter().fold(0.0, f64::max);
        Self { scale, giants, all: all.energy(), keyed: keyed.energy(), absolute }
    }

    /// The message after the map, supposing independent slots of mean zero: no larger than the largest sum, nor than a Gaussian's.
    pub(super) fn message(&self, message: Message, slots: usize) -> Message {
        let before = message.squares();
        let variance = self.all.through(Spread::even(before.mean));
        let largest = variance.expected_max(slots, message.is_complex()).min(message.max() * self.absolute);
        // E |Σ d·x|⁴ = g·(E Σ d²·x²)² + Σ d⁴·(E |x|⁴ − g·(E |x|²)²), where g is 3 for real and 2 for complex Gaussians.
        let g = message.gaussian_fourth();
        let excess = before.deviation.powi(2) + (1.0 - g) * before.mean.powi(2);
        let fourth = g * (variance.mean.powi(2) + variance.deviation.powi(2)) + self.all.fourths * excess;
        let deviation = (fourth - variance.mean.powi(2)).max(0.0).sqrt();
        message.resized(Spread { mean: variance.mean, deviation }, largest)
    }
}

/// Squares of some diagonals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Energy {
    /// Number of diagonals.
    pub diagonals: usize,
    /// Σ d² of a slot.
    squares: Spread,
    /// Mean over the slots of Σ d⁴.
    fourths: f64,
}

impl Energy {
    /// Σ d²·v over rotations of v that are independent of each other.
    pub(super) fn through(&self, v: Spread) -> Spread {
        let deviation = (v.mean * self.squares.deviation).powi(2) + v.deviation.powi(2) * self.fourths;
        Spread { mean: v.mean * self.squares.mean, deviation: deviation.sqrt() }
    }
}

/// An [`Energy`] in the making, slot by slot.
#[derive(Default)]
struct Sums {
    diagonals: usize,
    squares: Vec<f64>,
    fourths: f64,
}

impl Sums {
    fn add(&mut self, values: &[f64]) {
        self.diagonals += 1;
        self.squares.resize(values.len().max(self.squares.len()), 0.0);
        self.squares.iter_mut().zip(values).for_each(|(sum, v)| *sum += v * v);
        self.fourths += values.iter().map(|v| v.powi(4)).sum::<f64>();
    }

    fn energy(self) -> Energy {
        let fourths = self.fourths / self.squares.len().max(1) as f64;
        Energy { diagonals: self.diagonals, squares: Spread::of(&self.squares), fourths }
    }
}
