//! The answer of a model that gives a mask instead of labels.

use crate::operating_point::Thresholds;
use serde::{Deserialize, Serialize};

/// Largest height and width of a mask.
const MAX_SIDE: usize = 1024;

/// A model's logits are the pixels of a mask, row by row. Its operating point has one label, what the mask shows, whose threshold is that
/// of every pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mask {
    /// Height, pixels; 1 to 1024.
    pub height: usize,
    /// Width, pixels; 1 to 1024.
    pub width: usize,
}

impl Mask {
    /// Number of pixels; none where a side is zero or beyond 1024.
    pub fn pixels(&self) -> Option<usize> {
        let side = 1..=MAX_SIDE;
        (side.contains(&self.height) && side.contains(&self.width)).then(|| self.height * self.width)
    }

    /// What a manifest or an interface states that cannot be so: another number of logits, labels or thresholds than belong to each other.
    pub(crate) fn contradiction(mask: Option<Self>, thresholds: &Thresholds, logits: usize) -> Option<String> {
        let (names, values) = (thresholds.labels.len(), thresholds.values.len());
        let sound = Self::logits(mask, names) == Some(logits) && values == names;
        let mask = mask.map_or(String::new(), |mask| format!(", a mask of {} x {}", mask.height, mask.width));
        (!sound).then(|| format!("{logits} logits, {names} labels, {values} thresholds{mask}"))
    }

    /// How many logits `labels` labels stand for, with this mask or without one; none where mask and labels contradict each other.
    fn logits(mask: Option<Self>, labels: usize) -> Option<usize> {
        match mask {
            None => Some(labels),
            Some(mask) => mask.pixels().filter(|_| labels == 1),
        }
    }
}
