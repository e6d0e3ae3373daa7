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

/// Rows that are brought to their new width at a time: whole groups of those that the resampler takes together.
const STRIP: usize = 64;

/// The picture's values at another size. Rows first, strip by strip, then columns, as the resampler itself does: a large film never stands in
/// memory in values of four bytes.
fn resize(picture: &Picture, width: usize, height: usize) -> Result<Vec<f32>> {
    if (picture.width(), picture.height()) == (width, height) {
        return Ok(picture.grey().into_owned());
    }
    let mut resizer = Resizer::new();
    let mut narrow: Vec<F32> = Vec::with_capacity(width * picture.height());
    let mut strip: Vec<F32> = Vec::with_capacity(picture.width() * STRIP.min(picture.height()));
    for top in (0..picture.height()).step_by(STRIP) {
        strip.clear();
        picture.rows_into(top, STRIP, &mut strip, F32::new);
        let rows = strip.len() / picture.width();
        if picture.width() == width {
            narrow.extend_from_slice(&strip);
        } else {
            narrow.extend_from_slice(convolved(&mut resizer, &strip, (picture.width(), rows), (width, rows))?.pixels());
        }
    }
    let tall = (width, picture.height());
    let pixels = |image: &[F32]| image.iter().map(|pixel| pixel.0).collect();
    if picture.height() == height {
        return Ok(pixels(&narrow));
    }
    Ok(pixels(convolved(&mut resizer, &narrow, tall, (width, height))?.pixels()))
}

fn convolved(
    resizer: &mut Resizer,
    pixels: &[F32],
    from: (usize, usize),
    to: (usize, usize),
) -> Result<TypedImage<'static, F32>> {
    let refused = || Error::Picture { width: from.0, height: from.1, found: pixels.len() };
    let side = |n: usize| u32::try_from(n).map_err(|_| refused());
    let source = TypedImageRef::new(side(from.0)?, side(from.1)?, pixels).map_err(|_| refused())?;
    let mut out = TypedImage::<F32>::new(side(to.0)?, side(to.1)?);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    resizer.resize_typed(&source, &mut out, &options).map_err(|_| refused())?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_give_what_the_resampler_gives_at_once_bit_by_bit() {
        for (width, height) in [(300, 200), (256, 700), (130, 131), (517, 256), (901, 1023), (64, 65), (255, 3)] {
            let grey: Vec<f32> = (0..width * height).map(|i| ((i * 7919) % 4096) as f32 / 4095.0).collect();
            let picture = Picture::new(width, height, grey.clone()).unwrap();
            let pixels: Vec<F32> = grey.into_iter().map(F32::new).collect();
            let (to_width, to_height) = fitted(width, height);
            let once = convolved(&mut Resizer::new(), &pixels, (width, height), (to_width, to_height)).unwrap();
            let once: Vec<f32> = once.pixels().iter().map(|pixel| pixel.0).collect();
            assert_eq!(resize(&picture, to_width, to_height).unwrap(), once, "{width} × {height}");
        }
    }
}
