//! How often each value occurs, and which of them are the film's.

/// Part of the pixels at either end that may be broken ones.
const BROKEN: f64 = 0.001;

/// What lies beyond the part of [`BROKEN`] is left out if it reaches further than this part of the film's width; else the extremes are the
/// film's own.
const REACH: f64 = 0.1;

/// Different values that a film has at least.
const FEWEST: usize = 8;

/// A value and the number of its pixels.
type Level = (f64, u64);

/// Values in ascending order, each with the number of its pixels.
pub(super) struct Histogram {
    values: Vec<Level>,
}

impl Histogram {
    /// Of finite values in any order, each with a count above zero.
    pub(super) fn new(mut values: Vec<Level>) -> Self {
        values.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self { values }
    }

    /// Smallest and largest value of the film; none where there are no values.
    ///
    /// Values that are further from the film than the film is wide are a border's, a marker's or a broken pixel's. Of what is left, a few
    /// pixels that reach far out are cut off.
    pub(super) fn film(&self) -> Option<(f64, f64)> {
        let mut film = self.values.as_slice();
        while let Some((lower, upper, gap)) = widest_gap(film) {
            let kept = if upper.len() > lower.len() { upper } else { lower };
            if kept.len() < FEWEST || gap <= width(kept) {
                break;
            }
            film = kept;
        }
        let (&(least, _), &(most, _)) = (film.first()?, film.last()?);
        let pixels: u64 = film.iter().map(|(_, count)| count).sum();
        let few = (pixels as f64 * BROKEN) as u64;
        let low = nth(film.iter(), few)?;
        let high = nth(film.iter().rev(), few)?;
        let reach = REACH * (high - low);
        let end = |quantile: f64, extreme: f64| if (quantile - extreme).abs() > reach { quantile } else { extreme };
        Some(if high > low { (end(low, least), end(high, most)) } else { (least, most) })
    }
}

/// The value of the pixel that has `before` pixels before it.
fn nth<'a>(values: impl Iterator<Item = &'a Level>, before: u64) -> Option<f64> {
    let mut seen = 0;
    for (value, count) in values {
        seen += count;
        if seen > before {
            return Some(*value);
        }
    }
    None
}

fn width(values: &[Level]) -> f64 {
    values.first().zip(values.last()).map_or(0.0, |(first, last)| last.0 - first.0)
}

/// The values on both sides of the widest gap between neighbours, and its width.
fn widest_gap(values: &[Level]) -> Option<(&[Level], &[Level], f64)> {
    let gaps = values.iter().zip(values.iter().skip(1)).map(|((before, _), (after, _))| after - before).enumerate();
    let (index, gap) = gaps.max_by(|a, b| a.1.total_cmp(&b.1))?;
    let (lower, upper) = values.split_at_checked(index + 1)?;
    Some((lower, upper, gap))
}
