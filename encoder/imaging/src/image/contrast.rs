//! Which values are black and white where a file states no window, and which of its pixels are film at all.
//!
//! The extremes of the pixels say little: one broken pixel, a marker, or a border that no attribute tells of, has a value far from the film's.

mod border;
mod histogram;

use super::checks::Warning;
use super::geometry::Rect;
use super::picture::tally;
use histogram::Histogram;

/// Pixels that fill less than this share of their declared range are stretched: 12-bit detector values in a 16-bit file fill a
/// sixteenth of it and would all be black. Of 20 905 films that networks were trained on four fill less, all very dark.
const LEAST_FILLED: f64 = 0.25;

/// Pixels that fill less than this share, and no less than [`LEAST_FILLED`], are shown as the file declares them, and told: findings change on
/// films so faint.
const FAINT: f64 = 0.45;

/// Stored values of a picture, and what each stands for.
pub(crate) struct Codes<'a> {
    /// Columns and rows.
    pub size: (usize, usize),
    /// Row by row; beyond `values`, a code stands for nothing.
    pub codes: &'a [u16],
    /// For each code its value; NaN for padding.
    pub values: &'a [f64],
}

/// What the pixels say of themselves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Found {
    /// The part within a border of one value; all of the picture where there is none.
    pub inside: Rect,
    /// The values that the film fills, without those of single pixels, markers and borders; none for a film of one value.
    pub film: Option<(f64, f64)>,
}

impl Codes<'_> {
    /// Looks at the pixels.
    pub(crate) fn look(&self) -> Found {
        let whole = Rect::whole(self.size.0, self.size.1);
        let all = self.histogram(&whole).film();
        // A border may have a shade of its own, as wide as this.
        let shade = all.map_or(0.0, |(low, high)| high - low) * border::SHADE;
        let inside = border::inside(self, shade);
        let film = if inside == whole { all } else { self.histogram(&inside).film() };
        Found { inside, film }
    }

    /// What a pixel stands for: none for padding.
    fn value(&self, column: usize, row: usize) -> Option<f64> {
        let code = self.codes.get(row * self.size.0 + column)?;
        self.values.get(usize::from(*code)).copied().filter(|value| value.is_finite())
    }

    fn histogram(&self, part: &Rect) -> Histogram {
        let len = self.values.len();
        let counts = if *part == Rect::whole(self.size.0, self.size.1) {
            tally(self.codes, len)
        } else {
            let rows = self.codes.chunks_exact(self.size.0.max(1)).skip(part.top).take(part.height);
            let mut counts = vec![0; len];
            for &code in rows.flat_map(|row| row.get(part.left..part.left + part.width).unwrap_or_default()) {
                if let Some(count) = counts.get_mut(usize::from(code)) {
                    *count += 1;
                }
            }
            counts
        };
        let pairs = self.values.iter().copied().zip(counts.into_iter().map(u64::from));
        Histogram::new(pairs.filter(|(value, count)| *count > 0 && value.is_finite()).collect())
    }

    /// What is to be kept of a picture whose codes are shown as `grey`: all but a border that is not black, or a black one that is wide.
    pub(crate) fn keep(&self, inside: &Rect, grey: impl Fn(u16) -> f32) -> Rect {
        border::keep(self, inside, grey)
    }
}

/// The range that is to become [0, 1]: the declared one, or what the film fills if that is too little of it. A stretch, and a film
/// that stays faint, are told in `warnings`.
pub(crate) fn range(declared: (f64, f64), found: &Found, warnings: &mut Vec<Warning>) -> (f64, f64) {
    let width = declared.1 - declared.0;
    match found.film {
        // A constant image is not stretched: the checks will say so.
        Some((low, high)) if high > low && high - low < LEAST_FILLED * width => {
            warnings.push(Warning::Stretched { low, high, declared: width });
            (low, high)
        }
        Some((low, high)) if high > low && high - low < FAINT * width => {
            warnings.push(Warning::Faint { low, high, declared: width });
            declared
        }
        _ => declared,
    }
}

/// A value within a range as [0, 1]; outside it, 0 or 1.
pub(crate) fn unit(value: f64, (low, high): (f64, f64)) -> f32 {
    if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) as f32 } else { 0.0 }
}

#[cfg(test)]
mod tests;
