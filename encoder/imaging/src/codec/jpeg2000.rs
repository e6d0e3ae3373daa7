//! JPEG 2000 streams of a DICOM fragment, through a decoder in safe Rust.

mod work;

use crate::catch_panic::catch_panic;
use crate::image::attribute::PIXEL_DATA;
use crate::image::{Error, Format, Result};
use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

/// Tiles that a stream may have (ISO/IEC 15444-1 A.4.2: their index is 16 bits wide).
const MAX_TILES: u64 = 65_535;

/// Bytes that decoding takes for a pixel: coefficients and samples of four bytes, in buffers that grow.
const BYTES_PER_PIXEL: u64 = 16;

/// A raw code stream of one channel whose headers were read; nothing is decoded yet.
pub(crate) struct Jpeg2000<'a> {
    stream: &'a [u8],
    header: Header,
    pixels: usize,
    parts: u64,
}

impl<'a> Jpeg2000<'a> {
    /// Reads the headers of a stream of `size` (columns, rows); `limit` is the number of pixels that any picture may have.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the stream is damaged, has another size, or several channels; [`Error::TooLarge`] if it costs too much;
    /// [`Error::Unsupported`] for coding styles of parts of the picture.
    pub(crate) fn open(stream: &'a [u8], size: (usize, usize), limit: u64) -> Result<Self> {
        let header = Header::read(stream).ok_or_else(damaged)?;
        let tiles = header.check(size)?;
        let [_, _, tile, _] = header.grid;
        let parts = work::check(stream, (size.0 as u64, size.1 as u64), (tile.0.into(), tile.1.into()), tiles, limit)?;
        Ok(Self { stream, header, pixels: size.0 * size.1, parts })
    }

    /// Bytes of memory that [`Jpeg2000::decode`] takes at most.
    pub(crate) fn memory(&self) -> u64 {
        BYTES_PER_PIXEL * self.pixels as u64 + work::BYTES_PER_PART * self.parts
    }

    /// Decodes the stored bits.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the stream is damaged.
    pub(crate) fn decode(&self) -> Result<Vec<u16>> {
        let Header { signed, precision, .. } = self.header;
        // The decoder adds the level shift of unsigned samples to signed ones as well.
        let shift = if signed { 1i32 << (precision - 1) } else { 0 };
        catch_panic(Format::Dicom, || {
            let settings = DecodeSettings { resolve_palette_indices: false, strict: true, target_resolution: None };
            let image = Image::new(self.stream, &settings).map_err(|_| damaged())?;
            let mut context = DecoderContext::default();
            let decoded = image.decode(&mut context).map_err(|_| damaged())?;
            let [channel] = decoded.components() else { return Err(damaged()) };
            if channel.samples().len() != self.pixels {
                return Err(damaged());
            }
            let (low, high) = (-shift, (1i32 << precision) - 1 - shift);
            let sample = |&value: &f32| (value.round() as i32 - shift).clamp(low, high);
            // The low 16 bits are the stored ones; a negative value keeps its two's complement.
            Ok(channel.samples().iter().map(|value| sample(value) as u16).collect())
        })
    }
}

fn damaged() -> Error {
    Error::at(PIXEL_DATA, "the JPEG 2000 stream is damaged")
}

/// The SIZ marker segment, which a code stream starts with (ISO/IEC 15444-1 A.5.1).
struct Header {
    /// Width and height of the grid, then of the image's offset in it, of a tile, and of the first tile's offset.
    grid: [(u32, u32); 4],
    channels: u16,
    precision: u32,
    signed: bool,
    sampling: (u8, u8),
}

impl Header {
    fn read(stream: &[u8]) -> Option<Self> {
        let segment = stream.strip_prefix(b"\xff\x4f\xff\x51")?;
        let long = |at: usize| segment.get(at..).and_then(|rest| rest.first_chunk()).map(|&four| u32::from_be_bytes(four));
        let pair = |at: usize| Some((long(at)?, long(at + 4)?));
        let channels = segment.get(36..).and_then(|rest| rest.first_chunk()).map(|&two| u16::from_be_bytes(two))?;
        let &[depth, horizontal, vertical] = segment.get(38..)?.first_chunk()?;
        Some(Self {
            grid: [pair(4)?, pair(12)?, pair(20)?, pair(28)?],
            channels,
            precision: u32::from(depth & 0x7f) + 1,
            signed: depth & 0x80 != 0,
            sampling: (horizontal, vertical),
        })
    }

    /// The number of tiles, if everything fits together.
    fn check(&self, size: (usize, usize)) -> Result<u64> {
        if self.channels != 1 || self.sampling != (1, 1) {
            return Err(Error::at(PIXEL_DATA, "the compressed image has several channels"));
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
