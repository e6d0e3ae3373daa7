//! PNG, JPEG, TIFF, BMP and WebP files: pixels that say little of themselves.
//!
//! All but JPEG are decoded by the crate `image`; what a file costs, and whether it is of a kind that is read rightly, is found by its headers
//! before that. JPEG files keep the decoder that those in DICOM have: `docs/notes/017-jpeg-2000-decoders.md` says why.

mod decode;
mod png;
mod tiff;
mod webp;

use crate::codec::jpeg::Jpeg;
use crate::image::Settings;
use crate::image::checks::{self, Resolved, Statements, Warning};
use crate::image::contrast::{self, Codes};
use crate::image::memory::Memory;
use crate::image::picture::Picture;
use crate::image::terms::{Photometric, Stated};
use crate::image::{Format, Rect, Result};
use decode::Announced;
use image::codecs::bmp::BmpDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::tiff::TiffDecoder;
use image::codecs::webp::WebPDecoder;
use std::io::Cursor;

/// A raster image in grey, the photometric interpretation applied.
pub(crate) struct Raster {
    pub picture: Picture,
    /// The part of it that is no border.
    pub keep: Rect,
    pub bits: u32,
    pub resolved: Resolved,
}

/// Reads a PNG file: grey or colour, any bit depth, with alpha over black.
///
/// # Errors
/// [`Error::Malformed`], [`Error::TooLarge`], [`Error::Refused`].
pub(crate) fn png(bytes: &[u8], settings: &Settings, warnings: &mut Vec<Warning>, memory: &mut Memory<'_>) -> Result<Raster> {
    let needed = png::Needed::walk(bytes)?;
    let announced = Announced { format: Format::Png, frames: needed.frames, opacity: true, copies: 1, beside: &|_| 0 };
    let open = || PngDecoder::with_limits(needed, decode::limits(CHUNK));
    let (samples, resolved) = decode::samples(&announced, open, settings, warnings, memory)?;
    grey(samples, resolved, settings, warnings)
}

/// Reads a TIFF file of one picture: grey of 1, 8 or 16 bits or RGB of 8 or 16.
///
/// # Errors
/// As [`png`](fn@png), and [`Error::Unsupported`](crate::image::Error::Unsupported).
pub(crate) fn tiff(bytes: &[u8], settings: &Settings, warnings: &mut Vec<Warning>, memory: &mut Memory<'_>) -> Result<Raster> {
    let tiff::Directories { pictures, opacity, tables } = tiff::Directories::read(bytes, &settings.limits)?;
    // The decoder has a picture of its own, and a strip of it, which may be all.
    let announced = Announced { format: Format::Tiff, frames: pictures, opacity, copies: 3, beside: &|_| SMALL + tables };
    let open = || TiffDecoder::new(Cursor::new(bytes));
    let (samples, resolved) = decode::samples(&announced, open, settings, warnings, memory)?;
    grey(samples, resolved, settings, warnings)
}

/// Reads a BMP file.
///
/// # Errors
/// As [`tiff`](fn@tiff).
pub(crate) fn bmp(bytes: &[u8], settings: &Settings, warnings: &mut Vec<Warning>, memory: &mut Memory<'_>) -> Result<Raster> {
    let announced = Announced { format: Format::Bmp, frames: 1, opacity: true, copies: 1, beside: &|_| SMALL };
    let open = || BmpDecoder::new(Cursor::new(bytes));
    let (samples, resolved) = decode::samples(&announced, open, settings, warnings, memory)?;
    grey(samples, resolved, settings, warnings)
}

/// Reads a WebP file of one picture.
///
/// # Errors
/// As [`tiff`](fn@tiff).
pub(crate) fn webp(bytes: &[u8], settings: &Settings, warnings: &mut Vec<Warning>, memory: &mut Memory<'_>) -> Result<Raster> {
    let chunks = webp::Chunks::walk(bytes)?;
    let beside = |pixels| chunks.codes(pixels) + SMALL;
    // Planes of luma and chroma, or four channels where three come out.
    let announced = Announced { format: Format::WebP, frames: chunks.frames, opacity: true, copies: 3, beside: &beside };
    let open = || WebPDecoder::new(Cursor::new(bytes));
    let (samples, resolved) = decode::samples(&announced, open, settings, warnings, memory)?;
    grey(samples, resolved, settings, warnings)
}

/// Bytes of memory for what is read of a PNG file before its size is known.
const CHUNK: u64 = 1 << 20;

/// Bytes of tables and buffers that do not grow with the picture.
const SMALL: u64 = 256 << 10;

/// Reads a JPEG file of 8 bits, or a lossless one of up to 16.
///
/// # Errors
/// As [`png`](fn@png), and [`Error::Unsupported`](crate::image::Error::Unsupported).
pub(crate) fn jpeg(bytes: &[u8], settings: &Settings, warnings: &mut Vec<Warning>, memory: &mut Memory<'_>) -> Result<Raster> {
    let image = Jpeg::open(Format::Jpeg, bytes, &settings.limits)?;
    let Jpeg { width, height, channels, bits, .. } = image;
    // Four channels are the inks of print, whatever they hold.
    let photometric = if channels == 4 { Stated::Is(Photometric::Colour) } else { Stated::Absent };
    let stating = Statements { photometric, ..stating(width as u64, height as u64) };
    let resolved = checks::stated(&stating, &settings.assume, &settings.checks, warnings)?;
    let pixels = width * height;
    memory.take(image.memory().max((pixels * (channels * (bits as usize / 8) + 4)) as u64), pixels)?;
    let samples = Samples { width, height, channels, alpha: false, bits, bytes: image.decode()?, pair: u16::from_ne_bytes };
    grey(samples, resolved, settings, warnings)
}

/// Interleaved samples, row by row.
struct Samples {
    width: usize,
    height: usize,
    channels: usize,
    /// Whether the last channel is opacity.
    alpha: bool,
    bits: u32,
    /// One byte for each, or two where `bits` is 16.
    bytes: Vec<u8>,
    /// The order of the two.
    pair: fn([u8; 2]) -> u16,
}

fn stating(width: u64, height: u64) -> Statements {
    Statements {
        modality: Stated::Absent,
        view: (Stated::Absent, None),
        photometric: Stated::Absent,
        body_part: Stated::Absent,
        burned_in: false,
        frames: 1,
        width,
        height,
        tagged: false,
    }
}

/// One grey value of [0, 1] per pixel: the luma of ITU-R BT.601 where there are three channels that hardly differ.
fn grey(samples: Samples, resolved: Resolved, settings: &Settings, warnings: &mut Vec<Warning>) -> Result<Raster> {
    let Samples { width, height, channels, alpha, bits, bytes, pair } = samples;
    let full = f64::from((1u32 << bits) - 1);
    let mut chroma = 0.0;
    let mut grey: Vec<f32> = Vec::with_capacity(width * height);
    let each = bits as usize / 8;
    let mut pixel = [0u16; 4];
    for raw in bytes.chunks_exact(channels * each) {
        if each == 2 {
            raw.as_chunks::<2>().0.iter().zip(&mut pixel).for_each(|(&two, sample)| *sample = pair(two));
        } else {
            raw.iter().zip(&mut pixel).for_each(|(&one, sample)| *sample = u16::from(one));
        }
        let (level, opacity) = match *pixel.get(..channels).unwrap_or_default() {
            [level] => (f64::from(level), None),
            [level, opacity] => (f64::from(level), Some(opacity)),
            [red, green, blue, ref rest @ ..] => {
                chroma += f64::from(red.max(green).max(blue) - red.min(green).min(blue));
                let luma = 0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue);
                (luma, rest.first().copied())
            }
            [] => (0.0, None),
        };
        let opacity = opacity.filter(|_| alpha).map_or(1.0, |opacity| f64::from(opacity) / full);
        grey.push((level * opacity) as f32);
    }
    drop(bytes);
    checks::colour(chroma / full / grey.len() as f64, &settings.checks)?;
    // Luma may lie between two levels; to look at the pixels, the nearest one will do.
    let values: Vec<f64> = (0..1u32 << bits).map(f64::from).collect();
    let codes: Vec<u16> = grey.iter().map(|level| level.round() as u16).collect();
    let looked = Codes { size: (width, height), codes: &codes, values: &values };
    let found = looked.look();
    let range = contrast::range((0.0, full), &found, warnings);
    let inverted = resolved.photometric == Photometric::Monochrome1;
    let shown = |level: f64| if inverted { 1.0 - contrast::unit(level, range) } else { contrast::unit(level, range) };
    let keep = looked.keep(&found.inside, |code| shown(f64::from(code)));
    drop(codes);
    grey.iter_mut().for_each(|level| *level = shown(f64::from(*level)));
    let picture = Picture::new(width, height, grey)?;
    Ok(Raster { picture, keep, bits, resolved })
}
