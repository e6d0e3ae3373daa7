//! JPEG 2000 streams of a DICOM fragment, part 1 and part 15 (HTJ2K), through two decoders in safe Rust. Why two of them, and what was
//! measured, stands in `docs/notes/017-jpeg-2000-decoders.md`.

mod work;

use crate::catch_panic::catch_panic;
use crate::codec::Samples;
use crate::image::attribute::PIXEL_DATA;
use crate::image::{Error, Format, Result};
use work::Style;

/// Tiles that a stream may have (ISO/IEC 15444-1 A.4.2: their index is 16 bits wide).
const MAX_TILES: u64 = 65_535;

/// Bytes that decoding takes for a sample: coefficients and samples of four bytes, in buffers that grow.
const BYTES_PER_SAMPLE: u64 = 16;

/// A code stream whose headers were read; nothing is decoded yet.
pub(crate) struct Jpeg2000<'a> {
    stream: &'a [u8],
    header: Header,
    style: Style,
    samples: usize,
}

impl<'a> Jpeg2000<'a> {
    /// Reads the headers of a stream of `size` (columns, rows) and so many channels; `limit` is the number of pixels that any picture may
    /// have. A stream in the boxes of a JP2 file (15444-1 annex I), which DICOM does not allow but some archives hold, is taken out of them.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the stream is damaged, has another size, or other channels; [`Error::TooLarge`] if it costs too much;
    /// [`Error::Unsupported`] for coding styles of parts of the picture.
    pub(crate) fn open(stream: &'a [u8], size: (usize, usize), channels: u16, limit: u64) -> Result<Self> {
        let stream = unboxed(stream).ok_or_else(damaged)?;
        let header = Header::read(stream).ok_or_else(damaged)?;
        let tiles = header.check(size, channels)?;
        let [_, _, tile, _] = header.grid;
        let image = (size.0 as u64, size.1 as u64);
        let style = work::check(stream, image, (tile.0.into(), tile.1.into()), (tiles, channels.into()), limit)?;
        Ok(Self { stream, header, style, samples: size.0 * size.1 * usize::from(channels) })
    }

    /// Bytes of memory that [`Jpeg2000::decode`] takes at most.
    pub(crate) fn memory(&self) -> u64 {
        BYTES_PER_SAMPLE * self.samples as u64 + work::BYTES_PER_PART * self.style.parts
    }

    /// Whether the stream transforms its channels itself, so that red, green and blue come out (ISO/IEC 15444-1 annex G).
    pub(crate) fn is_transformed(&self) -> bool {
        self.style.transformed
    }

    /// Decodes the samples, interleaved.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the stream is damaged.
    pub(crate) fn decode(&self) -> Result<Samples> {
        let Header { signed, precision, .. } = self.header;
        // Both decoders add the level shift of unsigned samples to signed ones as well.
        let shift = if signed { 1i32 << (precision - 1) } else { 0 };
        let (low, high) = (-shift, (1i32 << precision) - 1 - shift);
        let value = |sample: i32| (sample - shift).clamp(low, high);
        catch_panic(Format::Dicom, || if self.style.high_throughput { self.part15(value) } else { self.part1(value) })
    }

    fn part1(&self, value: impl Fn(i32) -> i32) -> Result<Samples> {
        use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};
        let settings = DecodeSettings { resolve_palette_indices: false, strict: true, target_resolution: None };
        let image = Image::new(self.stream, &settings).map_err(|_| damaged())?;
        let mut context = DecoderContext::default();
        let decoded = image.decode(&mut context).map_err(|_| damaged())?;
        let lossy = !self.style.reversible;
        let collected = match decoded.components() {
            [grey] => Samples::collect(grey.samples().iter().map(|sample| value(sample.round() as i32)), lossy),
            [red, green, blue] => {
                let pixels = red.samples().iter().zip(green.samples()).zip(blue.samples());
                let samples = pixels.flat_map(|((red, green), blue)| [red, green, blue]);
                Samples::collect(samples.map(|sample| value(sample.round() as i32)), lossy)
            }
            _ => return Err(damaged()),
        };
        self.complete(collected)
    }

    fn part15(&self, value: impl Fn(i32) -> i32) -> Result<Samples> {
        use dicom_toolkit_jpeg2000::{DecodeSettings, Image};
        let settings = DecodeSettings { resolve_palette_indices: false, strict: true, target_resolution: None };
        let image = Image::new(self.stream, &settings).map_err(|_| damaged())?;
        let raw = image.decode_native().map_err(|_| damaged())?;
        let lossy = !self.style.reversible;
        self.complete(if raw.bytes_per_sample == 1 {
            Samples::collect(raw.data.iter().map(|&byte| value(byte.into())), lossy)
        } else {
            let words = raw.data.as_chunks::<2>().0.iter().map(|&two| u16::from_le_bytes(two));
            Samples::collect(words.map(|word| value(word.into())), lossy)
        })
    }

    fn complete(&self, samples: Samples) -> Result<Samples> {
        if samples.values.len() == self.samples { Ok(samples) } else { Err(damaged()) }
    }
}

fn damaged() -> Error {
    Error::at(PIXEL_DATA, "the JPEG 2000 stream is damaged")
}

/// The code stream of a JP2 file, or the stream itself where it is none.
fn unboxed(stream: &[u8]) -> Option<&[u8]> {
    let mut rest = stream;
    if !rest.starts_with(b"\0\0\0\x0cjP  ") {
        return Some(stream);
    }
    loop {
        let (&length, after) = rest.split_first_chunk::<4>()?;
        let (kind, after) = after.split_first_chunk::<4>()?;
        // Zero is up to the end; one says that the length stands behind the kind, in eight bytes.
        let (length, header) = match u32::from_be_bytes(length) {
            0 => (rest.len(), 8),
            1 => (usize::try_from(u64::from_be_bytes(*after.first_chunk()?)).ok()?, 16),
            length => (length as usize, 8),
        };
        let content = rest.get(header..length)?;
        if kind == b"jp2c" {
            return Some(content);
        }
        rest = rest.get(length..)?;
    }
}

/// The SIZ marker segment, which a code stream starts with (ISO/IEC 15444-1 A.5.1).
struct Header {
    /// Width and height of the grid, then of the image's offset in it, of a tile, and of the first tile's offset.
    grid: [(u32, u32); 4],
    channels: u16,
    precision: u32,
    signed: bool,
    /// Whether every channel is of the same kind, and has a sample for each point of the grid.
    uniform: bool,
}

impl Header {
    fn read(stream: &[u8]) -> Option<Self> {
        let segment = stream.strip_prefix(b"\xff\x4f\xff\x51")?;
        let long = |at: usize| segment.get(at..).and_then(|rest| rest.first_chunk()).map(|&four| u32::from_be_bytes(four));
        let pair = |at: usize| Some((long(at)?, long(at + 4)?));
        let channels = segment.get(36..).and_then(|rest| rest.first_chunk()).map(|&two| u16::from_be_bytes(two))?;
        let each = segment.get(38..)?.get(..3 * usize::from(channels))?.as_chunks::<3>().0;
        let &[depth, ..] = each.first()?;
        Some(Self {
            grid: [pair(4)?, pair(12)?, pair(20)?, pair(28)?],
            channels,
            precision: u32::from(depth & 0x7f) + 1,
            signed: depth & 0x80 != 0,
            uniform: each.iter().all(|&channel| channel == [depth, 1, 1]),
        })
    }

    /// The number of tiles, if everything fits together.
    fn check(&self, size: (usize, usize), channels: u16) -> Result<u64> {
        if self.channels != channels {
            return Err(Error::at(PIXEL_DATA, "the compressed image has several channels, or other ones than SamplesPerPixel"));
        }
        if !self.uniform {
            return Err(Error::at(
                PIXEL_DATA,
                "the JPEG 2000 stream's channels differ in their bits, or have fewer samples than pixels",
            ));
        }
        let [grid, offset, tile, first] = self.grid;
        let side = |end: u32, start: u32| end.checked_sub(start).map(|side| side as usize);
        if (side(grid.0, offset.0), side(grid.1, offset.1)) != (Some(size.0), Some(size.1)) {
            return Err(Error::at(PIXEL_DATA, "the compressed image has another size than rows × columns"));
        }
        let across = |end: u32, start: u32, step: u32| Some(u64::from(end.checked_sub(start)?.div_ceil(step)));
        let tiles = (tile.0 != 0 && tile.1 != 0)
            .then(|| across(grid.0, first.0, tile.0)?.checked_mul(across(grid.1, first.1, tile.1)?))
            .flatten();
        tiles
            .filter(|tiles| *tiles <= MAX_TILES && self.precision <= 16)
            .ok_or(Error::at(PIXEL_DATA, "the JPEG 2000 stream has too many tiles or bits"))
    }
}
