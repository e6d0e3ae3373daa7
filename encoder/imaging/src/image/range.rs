//! Which values are black and white where a file states no window.

use super::checks::Warning;

/// Pixels that fill less than this share of their declared range are stretched: 12-bit detector values in a 16-bit file fill a
/// sixteenth of it and would all be black.
const LEAST_FILLED: f64 = 0.25;

/// The range that is to become [0, 1]: the declared one, or what the values fill if `stretch` is allowed and they fill too little
/// of it. A stretch is told in `warnings`.
pub(crate) fn used(
    declared: (f64, f64),
    values: impl Iterator<Item = f64>,
    stretch: bool,
    warnings: &mut Vec<Warning>,
) -> (f64, f64) {
    if !stretch {
        return declared;
    }
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    let width = declared.1 - declared.0;
    // A constant image is not stretched: the checks will say so.
    if high > low && high - low < LEAST_FILLED * width {
        warnings.push(Warning::Stretched { low, high, declared: width });
        (low, high)
    } else {
        declared
    }
}

/// A value within a range as [0, 1]; outside it, 0 or 1.
pub(crate) fn unit(value: f64, (low, high): (f64, f64)) -> f32 {
    if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) as f32 } else { 0.0 }
}
