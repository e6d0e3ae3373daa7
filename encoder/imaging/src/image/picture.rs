//! A grey picture as a radiologist would see it: black is 0, white is 1.

use super::error::{Error, Format, Result};
use std::fmt;

/// A grey picture, row by row from the top left, `[height, width]`, every value in [0, 1]: 0 is black (much radiation reached the
/// detector), 1 is white (bone).
#[derive(Clone, PartialEq)]
pub struct Picture {
    width: usize,
    height: usize,
    grey: Vec<f32>,
}

impl Picture {
    /// A picture of `width` × `height` values; they are clamped to [0, 1].
    ///
    /// # Errors
    /// [`Error::Picture`] if a side is zero, or `grey` is not `width` × `height` finite values.
    pub fn new(width: usize, height: usize, mut grey: Vec<f32>) -> Result<Self> {
        let finite = grey.iter().filter(|value| value.is_finite()).count();
        if width == 0 || height == 0 || width.checked_mul(height) != Some(grey.len()) || finite != grey.len() {
            return Err(Error::Picture { width, height, found: finite });
        }
        grey.iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
        Ok(Self { width, height, grey })
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
    pub fn grey(&self) -> &[f32] {
        &self.grey
    }

    /// The values, moved out.
    pub(crate) fn into_grey(self) -> Vec<f32> {
        self.grey
    }

    /// The picture with black and white exchanged.
    pub(crate) fn inverted(mut self) -> Self {
        self.grey.iter_mut().for_each(|value| *value = 1.0 - *value);
        self
    }
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
