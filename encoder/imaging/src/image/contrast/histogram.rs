//! How often each value occurs, and which of them are the film's.

/// Parts of the pixels at either end that may not be the film's, and how far they reach then, in widths of the film between them: a few
/// broken pixels, or a marker, whose edges have every value between the film's and its own.
const ENDS: [(f64, f64); 6] = [(0.001, 0.1), (0.002, 1.0), (0.005, 1.0), (0.01, 1.0), (0.02, 1.0), (0.05, 1.0)];

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
        let (mut low, mut high) = (least, most);
        for (part, reach) in ENDS {
            let few = (pixels as f64 * part) as u64;
            let (first, last) = (nth(film.iter(), few)?, nth(film.iter().rev(), few)?);
            let far = reach * (last - first);
            if last > first && first - low > far {
                low = first;
            }
            if last > first && high - last > far {
                high = last;
            }
        }
        Some((low, high))
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
