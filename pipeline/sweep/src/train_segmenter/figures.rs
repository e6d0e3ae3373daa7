//! What masks achieve on a split.

use serde::Serialize;
use std::fmt;
use veilray_training::metrics::Overlap;

/// Means over the images of a split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Name of the split: `val` or `test`.
    pub split: String,
    /// Images with masks.
    pub images: usize,
    /// Mean Dice coefficient.
    pub dice: f64,
    /// Mean intersection over union.
    pub iou: f64,
    /// The Dice coefficient that one image in twenty does not reach.
    pub dice_fifth_percentile: f64,
    /// The smallest Dice coefficient of an image.
    pub dice_least: f64,
}

impl Figures {
    /// Of the images' overlaps.
    pub fn of(split: &str, overlaps: &[Overlap]) -> Self {
        let mut each: Vec<f64> = overlaps.iter().map(Overlap::dice).collect();
        each.sort_by(f64::total_cmp);
        Self {
            split: split.into(),
            images: overlaps.len(),
            dice: Overlap::mean(overlaps, Overlap::dice),
            iou: Overlap::mean(overlaps, Overlap::iou),
            dice_fifth_percentile: each.get(each.len() / 20).copied().unwrap_or(f64::NAN),
            dice_least: each.first().copied().unwrap_or(f64::NAN),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { split, images, dice, iou, dice_fifth_percentile: fifth, dice_least: least } = self;
        write!(f, "{split}: {images} images, Dice {dice:.4} (95 % of them from {fifth:.3}, the least {least:.3}), IoU {iou:.4}")
    }
}
