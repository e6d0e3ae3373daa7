//! Decoders of the crate `image`: within the limits, to samples.

use super::{Samples, stating};
use crate::catch_panic::catch_panic;
use crate::image::Settings;
use crate::image::checks::{self, Resolved, Statements, Warning};
use crate::image::memory::Memory;
use crate::image::picture::checked_pixels;
use crate::image::{Error, Format, Result, Value};
use image::{ColorType, ImageDecoder, ImageError};

/// What the headers of a file said, beside what its decoder knows.
pub(super) struct Announced<'a> {
    pub format: Format,
    /// Pictures in the file.
    pub frames: u64,
    /// Whether a fourth channel is opacity; otherwise it is left out.
    pub opacity: bool,
    /// Bytes of memory that decoding takes at most, in each of these for one that comes out.
    pub copies: u64,
    /// And these, of a picture of so many pixels.
    pub beside: &'a dyn Fn(u64) -> u64,
}

/// The limits of the crate `image`: the picture's sides were checked, so this is for what a decoder allocates.
pub(super) fn limits(bytes: u64) -> image::Limits {
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(bytes);
    limits
}

/// Opens a decoder and reads all of its picture.
///
/// # Errors
/// [`Error::Malformed`], [`Error::TooLarge`], [`Error::Unsupported`], [`Error::Refused`].
pub(super) fn samples<D: ImageDecoder>(
    announced: &Announced<'_>,
    open: impl FnOnce() -> image::ImageResult<D>,
    settings: &Settings,
    warnings: &mut Vec<Warning>,
    memory: &mut Memory<'_>,
) -> Result<(Samples, Resolved)> {
    let &Announced { format, frames, opacity, copies, beside } = announced;
    let failed = |error: ImageError| failure(format, &error);
    catch_panic(format, || {
        let mut decoder = open().map_err(failed)?;
        let (width, height) = decoder.dimensions();
        let pixels = checked_pixels(format, width.into(), height.into(), settings.limits.pixels)?;
        let (channels, alpha, bits) = match decoder.color_type() {
            ColorType::L8 => (1, false, 8),
            ColorType::La8 => (2, true, 8),
            ColorType::Rgb8 => (3, false, 8),
            ColorType::Rgba8 => (4, opacity, 8),
            ColorType::L16 => (1, false, 16),
            ColorType::La16 => (2, true, 16),
            ColorType::Rgb16 => (3, false, 16),
            ColorType::Rgba16 => (4, opacity, 16),
            _ => return Err(unsupported(format)),
        };
        let stating = Statements { frames, ..stating(width.into(), height.into()) };
        let resolved = checks::stated(&stating, &settings.assume, &settings.checks, warnings)?;
        let size = pixels * channels * (bits as usize / 8);
        // What decoding takes, or the samples and the grey values that are made of them.
        let decoding = copies * size as u64 + beside(pixels as u64);
        memory.take(decoding.max((size + 4 * pixels) as u64), pixels)?;
        decoder.set_limits(limits(decoding)).map_err(failed)?;
        if decoder.total_bytes() != size as u64 {
            return Err(unsupported(format));
        }
        let mut bytes = vec![0; size];
        decoder.read_image(&mut bytes).map_err(failed)?;
        let (width, height) = (width as usize, height as usize);
        Ok((Samples { width, height, channels, alpha, bits, bytes, pair: u16::from_ne_bytes }, resolved))
    })
}

/// The decoder's own words may quote the file; only their kind is kept.
fn failure(format: Format, error: &ImageError) -> Error {
    match error {
        ImageError::Unsupported(_) => unsupported(format),
        ImageError::Limits(_) => Error::malformed(format, "it takes more memory than its headers say"),
        _ => Error::malformed(
            format,
            match format {
                Format::Png => "the PNG stream is damaged or ends too early",
                _ => "the file is damaged or ends too early",
            },
        ),
    }
}

fn unsupported(format: Format) -> Error {
    Error::Unsupported {
        format,
        what: "a picture",
        found: Value::Term("of another kind"),
        wanted: "grey or colour of 8 or 16 bits (export it as PNG)",
    }
}
