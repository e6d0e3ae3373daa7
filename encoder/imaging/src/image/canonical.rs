//! The canonical form: the one size and range that every encoder reads.

use super::error::{Error, Result};
use super::picture::Picture;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::F32;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use serde::Serialize;
use std::fmt;

/// Side of a canonical image, pixels.
pub const SIDE: usize = 256;

/// The name of this canonical form, as manifests of models and encoders state it: a change here that alters pixels needs a new one.
pub const PREPROCESSING: &str = "canonical-1";

/// A canonical image: grey, `[1, 256, 256]`, −1 (black) to 1 (white).
#[derive(Clone, PartialEq)]
pub struct Canonical {
    grey: Vec<f32>,
}

/// Where the picture lies within its canonical image; around it is black.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// First column of the canonical image that shows the picture, 0 to 255.
    pub left: usize,
    /// First row that shows it, 0 to 255.
    pub top: usize,
    /// Number of columns that show it, 1 to 256.
    pub width: usize,
    /// Number of rows that show it, 1 to 256.
    pub height: usize,
}

impl Canonical {
    /// Shape of every canonical image, `[channel, height, width]`.
    pub const SHAPE: [usize; 3] = [1, SIDE, SIDE];

    /// Brings a picture to canonical form: its longer side to 256 with a Lanczos filter (three lobes, widened to the scale, so that
    /// nothing aliases), black borders around it to a square, [0, 1] to [−1, 1]. A picture of 256 × 256 keeps its values.
    ///
    /// # Errors
    /// [`Error::Picture`] if the resampler refuses the picture.
    pub fn from_picture(picture: &Picture) -> Result<(Self, Placement)> {
        Self::from_picture_of_aspect(picture, 1.0)
    }

    /// [`Self::from_picture`], for pixels that are `aspect` times as high as wide: their distances are the same in both directions after it.
    ///
    /// # Errors
    /// As [`Self::from_picture`].
    pub(crate) fn from_picture_of_aspect(picture: &Picture, aspect: f64) -> Result<(Self, Placement)> {
        let (width, height) = if aspect == 1.0 {
            fitted(picture.width(), picture.height())
        } else {
            fitted_lengths(picture.width() as f64, picture.height() as f64 * aspect)
        };
        let placement = Placement { left: (SIDE - width) / 2, top: (SIDE - height) / 2, width, height };
        let resized = resize(picture, width, height)?;
        let mut grey = vec![-1.0; SIDE * SIDE];
        let rows = grey.chunks_exact_mut(SIDE).skip(placement.top);
        for (into, from) in rows.zip(resized.chunks_exact(width)) {
            for (to, &value) in into.iter_mut().skip(placement.left).zip(from) {
                *to = value.mul_add(2.0, -1.0).clamp(-1.0, 1.0);
            }
        }
        Ok((Self { grey }, placement))
    }

    /// A canonical image of values that are already in form; they are clamped to [−1, 1].
    ///
    /// # Errors
    /// [`Error::Picture`] if they are not 65 536 finite values.
    pub fn from_values(mut grey: Vec<f32>) -> Result<Self> {
        let finite = grey.iter().filter(|value| value.is_finite()).count();
        if grey.len() != SIDE * SIDE || finite != grey.len() {
            return Err(Error::Picture { width: SIDE, height: SIDE, found: finite });
        }
        grey.iter_mut().for_each(|value| *value = value.clamp(-1.0, 1.0));
        Ok(Self { grey })
    }

    /// The values, `[1, 256, 256]`, each in [−1, 1].
    pub fn values(&self) -> &[f32] {
        &self.grey
    }

    /// The values, moved out.
    pub fn into_values(self) -> Vec<f32> {
        self.grey
    }

    /// The image in 8-bit grey levels, row by row.
    pub fn to_levels(&self) -> Vec<u8> {
        // In range by construction: the cast truncates nothing but the fraction.
        self.grey.iter().map(|value| (value.mul_add(127.5, 127.5) + 0.5) as u8).collect()
    }
}

impl fmt::Debug for Canonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Canonical {{ [1, {SIDE}, {SIDE}], pixels not shown }}")
    }
}

/// Size with the longer side at 256 and the aspect ratio kept, at least one pixel.
fn fitted(width: usize, height: usize) -> (usize, usize) {
    let scaled = |short: usize, long: usize| ((short * SIDE + long / 2) / long).clamp(1, SIDE);
    if width >= height { (SIDE, scaled(height, width)) } else { (scaled(width, height), SIDE) }
}

/// The same, from lengths in any unit.
fn fitted_lengths(width: f64, height: f64) -> (usize, usize) {
    let scaled = |short: f64, long: f64| ((short / long * SIDE as f64).round() as usize).clamp(1, SIDE);
    if width >= height { (SIDE, scaled(height, width)) } else { (scaled(width, height), SIDE) }
}

fn resize(picture: &Picture, width: usize, height: usize) -> Result<Vec<f32>> {
    if (picture.width(), picture.height()) == (width, height) {
        return Ok(picture.grey().to_vec());
    }
    let refused = || Error::Picture { width: picture.width(), height: picture.height(), found: picture.grey().len() };
    let side = |n: usize| u32::try_from(n).map_err(|_| refused());
    let pixels: Vec<F32> = picture.grey().iter().map(|&value| F32::new(value)).collect();
    let from = TypedImageRef::new(side(picture.width())?, side(picture.height())?, &pixels).map_err(|_| refused())?;
    let mut to = TypedImage::<F32>::new(side(width)?, side(height)?);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    Resizer::new().resize_typed(&from, &mut to, &options).map_err(|_| refused())?;
    Ok(to.pixels().iter().map(|pixel| pixel.0).collect())
}
