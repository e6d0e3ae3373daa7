//! The shape of a pixel: its height divided by its width.

use crate::dicom::dataset::Dataset;
use crate::image::attribute as at;
use crate::image::checks::{Refusal, Rule, Warning};
use crate::image::{Attribute, Result, SIDE, Value};

/// Distances between the centres of pixels, of rows first, then of columns, by what they were measured on.
const SPACINGS: [Attribute; 3] = [at::PIXEL_SPACING, at::IMAGER_PIXEL_SPACING, at::NOMINAL_SCANNED_PIXEL_SPACING];

/// A pixel this many times as high as wide, or as wide as high, is no radiograph's.
const ABSURD: f64 = 4.0;

/// Shapes nearer to a square than this are square: over the canonical image's side it is half a pixel.
const SQUARE: f64 = 0.5 / SIDE as f64;

/// Height of a pixel divided by its width: by the first spacing that is stated, else by PixelAspectRatio (PS3.3 C.7.6.3.1.7), else 1.
///
/// # Errors
/// [`Error::Refused`](crate::image::Error::Refused) for an absurd shape.
pub(super) fn read(dataset: &Dataset<'_>, warnings: &mut Vec<Warning>) -> Result<f64> {
    let mut stated = |attribute| ratio(dataset, attribute, warnings).map(|ratio| (ratio, attribute));
    let spacing = SPACINGS.into_iter().find_map(&mut stated);
    let aspect = stated(at::PIXEL_ASPECT_RATIO);
    if let (Some((by_spacing, _)), Some((by_aspect, attribute))) = (spacing, aspect)
        && !is_square(by_spacing / by_aspect)
    {
        let reason = "the spacing of the pixels says otherwise, and was followed";
        warnings.push(Warning::Contradiction { attribute, reason });
    }
    match spacing.or(aspect) {
        Some((ratio, attribute)) if !(1.0 / ABSURD..=ABSURD).contains(&ratio) => {
            Err(Refusal::error(Rule::PixelShape, Value::Measure(ratio), Some(attribute)))
        }
        Some((ratio, _)) if !is_square(ratio) => Ok(ratio),
        _ => Ok(1.0),
    }
}

fn is_square(ratio: f64) -> bool {
    (ratio - 1.0).abs() < SQUARE
}

/// The first of two positive numbers by the second; one alone is both. What is not that is told in `warnings`.
fn ratio(dataset: &Dataset<'_>, attribute: Attribute, warnings: &mut Vec<Warning>) -> Option<f64> {
    if dataset.text(attribute).is_empty() {
        return None;
    }
    let found = match super::numbers(dataset, attribute).as_deref() {
        Some([vertical, horizontal, ..]) if *vertical > 0.0 && *horizontal > 0.0 => Some(vertical / horizontal),
        Some([both]) if *both > 0.0 => Some(1.0),
        _ => None,
    };
    if found.is_none_or(|ratio| !ratio.is_normal()) {
        let reason = "two positive numbers are wanted; it was passed over";
        warnings.push(Warning::NotApplied { attribute, reason });
        return None;
    }
    found
}
