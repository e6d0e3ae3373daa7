//! PNG and JPEG files: pixels that say little of themselves.

use crate::catch_panic::catch_panic;
use crate::codec::jpeg::Jpeg;
use crate::image::Settings;
use crate::image::checks::{self, Resolved, Statements, Warning};
use crate::image::contrast::{self, Codes};
use crate::image::memory::Memory;
use crate::image::picture::{Picture, checked_pixels};
use crate::image::terms::{Photometric, Stated};
use crate::image::{Error, Format, Rect, Result};

/// A raster image in grey, the photometric interpretation applied.
pub(crate) struct Raster {
    pub picture: Picture,
    /// The part of it that is no border.
    pub keep: Rect,
    pub bits: u32,
    pub resolved: Resolved,
}

/// Chunks that a PNG file may have: at 256 MiB, data in chunks of 4 KiB.
const MAX_CHUNKS: u64 = 65_536;

/// Reads a PNG file: grey or colour, any bit depth, with alpha over black.
///
/// # Errors
/// [`Error::Malformed`], [`Error::TooLarge`], [`Error::Refused`].
pub(crate) fn png(bytes: &[u8], settings: &Settings, warnings: &mut Vec<Warning>, memory: &mut Memory<'_>) -> Result<Raster> {
    let (samples, resolved) = catch_panic(Format::Png, || png_samples(bytes, settings, warnings, memory))?;
    grey(samples, resolved, settings, warnings)
}

/// Reads a JPEG file of 8 bits, or a lossless one of up to 16.
///
/// # Errors
/// As [`png`], and [`Error::Unsupported`].
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

fn png_samples(
    bytes: &[u8],
    settings: &Settings,
    warnings: &mut Vec<Warning>,
    memory: &mut Memory<'_>,
) -> Result<(Samples, Resolved)> {
    checked_chunks(bytes)?;
    let damaged = |_| Error::malformed(Format::Png, "the PNG stream is damaged or ends too early");
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    // Text chunks and colour profiles may name the patient, and may inflate to any size.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(png::Transformations::EXPAND);
    let header = decoder.read_header_info().map_err(damaged)?;
    let (width, height) = (header.width, header.height);
    let pixels = checked_pixels(Format::Png, u64::from(width), u64::from(height), settings.limits.pixels)?;
    let mut reader = decoder.read_info().map_err(damaged)?;
    let frames = reader.info().animation_control.map_or(1, |animation| u64::from(animation.num_frames.max(1)));
    let stating = Statements { frames, ..stating(u64::from(width), u64::from(height)) };
    let resolved = checks::stated(&stating, &settings.assume, &settings.checks, warnings)?;

    let size = reader.output_buffer_size().ok_or(Error::malformed(Format::Png, "the picture does not fit in memory"))?;
    // The samples, and the grey values that are made of them.
    memory.take((size + 4 * pixels) as u64, pixels)?;
    let mut raw = vec![0; size];
    let frame = reader.next_frame(&mut raw).map_err(damaged)?;
    raw.truncate(frame.buffer_size());
    let bits = if frame.bit_depth == png::BitDepth::Sixteen { 16 } else { 8 };
    let (channels, alpha) = match frame.color_type {
        png::ColorType::Grayscale => (1, false),
        png::ColorType::GrayscaleAlpha => (2, true),
        png::ColorType::Rgb => (3, false),
        png::ColorType::Rgba => (4, true),
        png::ColorType::Indexed => return Err(Error::malformed(Format::Png, "the palette was not expanded")),
    };
    let (width, height) = (width as usize, height as usize);
    if raw.len() != width * height * channels * (bits as usize / 8) {
        return Err(Error::malformed(Format::Png, "the PNG stream holds another number of pixels than its header says"));
    }
    Ok((Samples { width, height, channels, alpha, bits, bytes: raw, pair: u16::from_be_bytes }, resolved))
}

/// Counts the chunks, each of which costs its decoder more than its bytes do.
fn checked_chunks(bytes: &[u8]) -> Result<()> {
    let mut rest = bytes.get(8..).unwrap_or_default();
    let mut chunks = 0;
    while let Some(&length) = rest.first_chunk() {
        chunks += 1;
        if chunks > MAX_CHUNKS {
            return Err(Error::TooLarge { what: "the PNG file's chunks", found: chunks, limit: MAX_CHUNKS });
        }
        // Length, name and checksum are around the data.
        rest = rest.get(12 + u32::from_be_bytes(length) as usize..).unwrap_or_default();
    }
    Ok(())
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
