//! PNG and JPEG files: pixels that say little of themselves.

use crate::catch_panic::catch_panic;
use crate::codec::jpeg;
use crate::image::Settings;
use crate::image::checks::{self, Resolved, Statements, Warning};
use crate::image::picture::{Picture, checked_pixels};
use crate::image::range;
use crate::image::terms::{Photometric, Stated};
use crate::image::{Error, Format, Result};

/// A raster image in grey, the photometric interpretation applied.
pub(crate) struct Raster {
    pub picture: Picture,
    pub bits: u32,
    pub resolved: Resolved,
}

/// Reads a PNG file: grey or colour, any bit depth, with alpha over black.
///
/// # Errors
/// [`Error::Malformed`], [`Error::TooLarge`], [`Error::Refused`].
pub(crate) fn png(bytes: &[u8], settings: &Settings, warnings: &mut Vec<Warning>) -> Result<Raster> {
    let (samples, resolved) = catch_panic(Format::Png, || png_samples(bytes, settings, warnings))?;
    grey(samples, resolved, settings, warnings)
}

/// Reads a JPEG file of 8 bits, or a lossless one of up to 16. Its EXIF orientation is not applied.
///
/// # Errors
/// As [`png`], and [`Error::Unsupported`].
pub(crate) fn jpeg(bytes: &[u8], settings: &Settings, warnings: &mut Vec<Warning>) -> Result<Raster> {
    let image = jpeg::decode(Format::Jpeg, bytes, settings.limits.pixels)?;
    let photometric = if image.channels == 4 { Stated::Is(Photometric::Colour) } else { Stated::Absent };
    let stating = Statements { photometric, ..stating(image.width as u64, image.height as u64) };
    let resolved = checks::stated(&stating, &settings.assume, &settings.checks, warnings)?;
    let samples = Samples {
        width: image.width,
        height: image.height,
        channels: image.channels,
        alpha: false,
        bits: image.bits,
        values: image.values,
    };
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
    values: Vec<u16>,
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

fn png_samples(bytes: &[u8], settings: &Settings, warnings: &mut Vec<Warning>) -> Result<(Samples, Resolved)> {
    let damaged = |_| Error::malformed(Format::Png, "the PNG stream is damaged or ends too early");
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    // Text chunks and colour profiles may name the patient, and may inflate to any size.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(png::Transformations::EXPAND);
    let header = decoder.read_header_info().map_err(damaged)?;
    let (width, height) = (header.width, header.height);
    checked_pixels(Format::Png, u64::from(width), u64::from(height), settings.limits.pixels)?;
    let mut reader = decoder.read_info().map_err(damaged)?;
    let frames = reader.info().animation_control.map_or(1, |animation| u64::from(animation.num_frames.max(1)));
    let stating = Statements { frames, ..stating(u64::from(width), u64::from(height)) };
    let resolved = checks::stated(&stating, &settings.assume, &settings.checks, warnings)?;

    let size = reader.output_buffer_size().ok_or(Error::malformed(Format::Png, "the picture does not fit in memory"))?;
    let mut raw = vec![0; size];
    let frame = reader.next_frame(&mut raw).map_err(damaged)?;
    raw.truncate(frame.buffer_size());
    let sixteen = frame.bit_depth == png::BitDepth::Sixteen;
    let values: Vec<u16> = if sixteen {
        raw.as_chunks::<2>().0.iter().map(|&pair| u16::from_be_bytes(pair)).collect()
    } else {
        raw.into_iter().map(u16::from).collect()
    };
    let (channels, alpha) = match frame.color_type {
        png::ColorType::Grayscale => (1, false),
        png::ColorType::GrayscaleAlpha => (2, true),
        png::ColorType::Rgb => (3, false),
        png::ColorType::Rgba => (4, true),
        png::ColorType::Indexed => return Err(Error::malformed(Format::Png, "the palette was not expanded")),
    };
    let (width, height) = (width as usize, height as usize);
    if values.len() != width * height * channels {
        return Err(Error::malformed(Format::Png, "the PNG stream holds another number of pixels than its header says"));
    }
    Ok((Samples { width, height, channels, alpha, bits: if sixteen { 16 } else { 8 }, values }, resolved))
}

/// One grey value of [0, 1] per pixel: the luma of ITU-R BT.601 where there are three channels that hardly differ.
fn grey(samples: Samples, resolved: Resolved, settings: &Settings, warnings: &mut Vec<Warning>) -> Result<Raster> {
    let Samples { width, height, channels, alpha, bits, values } = samples;
    let full = f64::from((1u32 << bits) - 1);
    let mut chroma = 0.0;
    let mut grey: Vec<f32> = Vec::with_capacity(width * height);
    for pixel in values.chunks_exact(channels) {
        let (level, opacity) = match *pixel {
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
    checks::colour(chroma / full / grey.len() as f64, &settings.checks)?;
    let range = range::used((0.0, full), grey.iter().map(|&level| f64::from(level)), bits > 8, warnings);
    grey.iter_mut().for_each(|level| *level = range::unit(f64::from(*level), range));
    let picture = Picture::new(width, height, grey)?;
    let picture = if resolved.photometric == Photometric::Monochrome1 { picture.inverted() } else { picture };
    Ok(Raster { picture, bits, resolved })
}
