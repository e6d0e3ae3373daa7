//! What a client must know of a packed circuit.

use super::input::PackedInput;
use serde::{Deserialize, Serialize};

/// Where an image's values go in and where the logits come out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IoLayout {
    pub(super) input: PackedInput,
    pub(super) level: usize,
    pub(super) labels: usize,
    pub(super) period: usize,
}

impl IoLayout {
    /// How the client packs an image's values.
    pub fn input(&self) -> &PackedInput {
        &self.input
    }

    /// Level of the input's ciphertexts.
    pub fn level(&self) -> usize {
        self.level
    }

    /// Number of logits.
    pub fn labels(&self) -> usize {
        self.labels
    }

    /// Slots of a ciphertext.
    pub fn slots(&self) -> usize {
        self.input.layout().slots()
    }

    /// Whether every slot of the reply holds the one logit.
    pub fn is_constant(&self) -> bool {
        self.period == 1
    }

    /// Whether a circuit can have it: the logits fit into a period, the period into the slots.
    pub fn is_sound(&self) -> bool {
        (1..=self.period).contains(&self.labels) && self.period.is_power_of_two() && self.period <= self.slots()
    }

    /// The logits in the slots of the reply, and the largest value in the slots that hold none: the reply repeats the logits after every
    /// period of the last layout, and holds zeros elsewhere, so that value is an error to be compared with a bound.
    #[must_use]
    pub fn logits(&self, slots: &[f64]) -> (Vec<f64>, f64) {
        let logits: Vec<f64> = slots.iter().take(self.labels).copied().collect();
        let stray = |(i, v): (usize, &f64)| (v - logits.get(i % self.period.max(1)).copied().unwrap_or(0.0)).abs();
        let largest = slots.iter().enumerate().map(stray).fold(0.0, f64::max);
        (logits, largest)
    }
}

impl AsRef<IoLayout> for IoLayout {
    fn as_ref(&self) -> &IoLayout {
        self
    }
}
