//! A grey picture as a radiologist would see it: black is 0, white is 1.

use super::error::{Error, Format, Result};
use std::borrow::Cow;
use std::fmt;

/// A grey picture, row by row from the top left, `[height, width]`, every value in [0, 1]: 0 is black (much radiation reached the
/// detector), 1 is white (bone).
#[derive(Clone, PartialEq)]
pub struct Picture {
    width: usize,
    height: usize,
    samples: Samples,
}

/// The values of a picture.
#[derive(Clone, PartialEq)]
enum Samples {
    Grey(Vec<f32>),
    /// Stored values, and the grey of each: a film of many pixels then takes two bytes for each.
    Coded {
        codes: Vec<u16>,
        table: Vec<f32>,
    },
}

impl Picture {
    /// A picture of `width` × `height` values; they are clamped to [0, 1].
    ///
    /// # Errors
    /// [`Error::Picture`] if a side is zero, or `grey` is not `width` × `height` finite values.
    pub fn new(width: usize, height: usize, mut grey: Vec<f32>) -> Result<Self> {
        let finite = grey.iter().filter(|value| value.is_finite()).count();
        if finite != grey.len() {
            return Err(Error::Picture { width, height, found: finite });
        }
        grey.iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
        Self::of(width, height, Samples::Grey(grey))
    }

    /// A picture of `width` × `height` stored values, each with its grey in `table`, clamped to [0, 1]; a value beyond the table is black.
    ///
    /// # Errors
    /// [`Error::Picture`] if a side is zero, `codes` are not `width` × `height`, or a grey is not finite.
    pub(crate) fn coded(width: usize, height: usize, codes: Vec<u16>, mut table: Vec<f32>) -> Result<Self> {
        if table.iter().any(|grey| !grey.is_finite()) {
            return Err(Error::Picture { width, height, found: 0 });
        }
        table.iter_mut().for_each(|grey| *grey = grey.clamp(0.0, 1.0));
        Self::of(width, height, Samples::Coded { codes, table })
    }

    fn of(width: usize, height: usize, samples: Samples) -> Result<Self> {
        let found = match &samples {
            Samples::Grey(grey) => grey.len(),
            Samples::Coded { codes, .. } => codes.len(),
        };
        if width == 0 || height == 0 || width.checked_mul(height) != Some(found) {
            return Err(Error::Picture { width, height, found });
        }
        Ok(Self { width, height, samples })
    }

    /// Number of columns, 1 or more.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of rows, 1 or more.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The values, `[height, width]`.
    pub fn grey(&self) -> Cow<'_, [f32]> {
        match &self.samples {
            Samples::Grey(grey) => Cow::Borrowed(grey),
            Samples::Coded { codes, table } => Cow::Owned(codes.iter().map(|&code| grey_of(table, code)).collect()),
        }
    }

    /// The values of `rows` rows from row `top` on, as far as there are any, put at the end of `into`.
    pub(crate) fn rows_into<T>(&self, top: usize, rows: usize, into: &mut Vec<T>, make: impl Fn(f32) -> T) {
        let range = top.min(self.height) * self.width..(top + rows).min(self.height) * self.width;
        match &self.samples {
            Samples::Grey(grey) => into.extend(grey.get(range).unwrap_or_default().iter().map(|&value| make(value))),
            Samples::Coded { codes, table } => {
                into.extend(codes.get(range).unwrap_or_default().iter().map(|&code| make(grey_of(table, code))));
            }
        }
    }

    /// Calls `take` with each different grey that occurs and the number of pixels that have it; a grey may come more than once.
    pub(crate) fn count(&self, mut take: impl FnMut(f32, u64)) {
        match &self.samples {
            Samples::Grey(grey) => grey.iter().for_each(|&grey| take(grey, 1)),
            Samples::Coded { codes, table } => {
                let counts = tally(codes, table.len());
                table.iter().zip(counts).filter(|(_, count)| *count > 0).for_each(|(&grey, count)| take(grey, count.into()));
            }
        }
    }

    /// The picture of `width` × `height` whose pixels `move_grey` or `move_codes`, the same of both, take from this one's.
    ///
    /// # Errors
    /// [`Error::Picture`] if they give another number.
    pub(crate) fn rearranged(
        self,
        (width, height): (usize, usize),
        move_grey: impl FnOnce(Vec<f32>) -> Vec<f32>,
        move_codes: impl FnOnce(Vec<u16>) -> Vec<u16>,
    ) -> Result<Self> {
        let samples = match self.samples {
            Samples::Grey(grey) => Samples::Grey(move_grey(grey)),
            Samples::Coded { codes, table } => Samples::Coded { codes: move_codes(codes), table },
        };
        Self::of(width, height, samples)
    }
}

fn grey_of(table: &[f32], code: u16) -> f32 {
    table.get(usize::from(code)).copied().unwrap_or(0.0)
}

/// How often each of the first `len` stored values occurs. A picture has fewer than 2³² pixels.
pub(crate) fn tally(codes: &[u16], len: usize) -> Vec<u32> {
    // Several tables: neighbouring pixels often have the same value, and would wait for each other. For few pixels they cost more.
    let tables = if codes.len() > 8 * len { 4 } else { 1 };
    let mut counts = vec![vec![0u32; len]; tables];
    for group in codes.chunks(tables) {
        for (&code, counts) in group.iter().zip(&mut counts) {
            if let Some(count) = counts.get_mut(usize::from(code)) {
                *count += 1;
            }
        }
    }
    let sum = |mut all: Vec<u32>, part: Vec<u32>| {
        all.iter_mut().zip(part).for_each(|(all, part)| *all += part);
        all
    };
    counts.into_iter().reduce(sum).unwrap_or_default()
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture {{ {} × {}, pixels not shown }}", self.width, self.height)
    }
}

/// How many pixels a header announces, if they are allowed.
///
/// # Errors
/// [`Error::Malformed`] for an empty picture, [`Error::TooLarge`] above `limit` pixels.
pub(crate) fn checked_pixels(format: Format, width: u64, height: u64, limit: u64) -> Result<usize> {
    let pixels = width.saturating_mul(height);
    if pixels == 0 {
        return Err(Error::malformed(format, "the picture has no pixels"));
    }
    match usize::try_from(pixels) {
        Ok(count) if pixels <= limit => Ok(count),
        _ => Err(Error::TooLarge { what: "the picture's pixel count", found: pixels, limit }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coded_picture_is_the_grey_one_of_its_table() {
        let codes: Vec<u16> = (0..35u16).map(|i| i * 5 % 8).collect();
        let table: Vec<f32> = (0..8).map(|code| code as f32 / 7.0).collect();
        let grey: Vec<f32> = codes.iter().map(|&code| table[usize::from(code)]).collect();
        let (coded, plain) = (Picture::coded(7, 5, codes, table).unwrap(), Picture::new(7, 5, grey.clone()).unwrap());
        assert_eq!((coded.grey(), plain.grey()), (Cow::<[f32]>::Owned(grey.clone()), Cow::Borrowed(grey.as_slice())));
        for (top, rows) in [(0, 5), (3, 9), (2, 1), (5, 1), (9, 1)] {
            let (mut a, mut b) = (Vec::new(), Vec::new());
            coded.rows_into(top, rows, &mut a, |value| value);
            plain.rows_into(top, rows, &mut b, |value| value);
            assert_eq!(a, b);
            assert_eq!(a.len(), 7 * rows.min(5usize.saturating_sub(top)));
        }
        let sum = |picture: &Picture| {
            let mut sum = (0.0, 0);
            picture.count(|grey, count| sum = (sum.0 + f64::from(grey) * count as f64, sum.1 + count));
            sum
        };
        assert!((sum(&coded).0 - sum(&plain).0).abs() < 1e-9);
        assert_eq!(sum(&coded).1, 35);
    }

    #[test]
    fn numbers_that_do_not_fit_together_are_refused() {
        for (width, height, found) in [(2, 3, 5), (0, 3, 0), (usize::MAX, 2, 4)] {
            let wanted = Err(Error::Picture { width, height, found });
            assert_eq!(Picture::new(width, height, vec![0.5; found]), wanted);
            assert_eq!(Picture::coded(width, height, vec![0; found], vec![0.5]), wanted);
        }
        assert!(Picture::coded(1, 1, vec![0], vec![f32::NAN]).is_err());
        assert_eq!(Picture::coded(2, 1, vec![0, 9], vec![0.5]).unwrap().grey()[1], 0.0, "beyond the table");
    }
}
