//! What a JPEG 2000 stream costs its decoder, from its headers (ISO/IEC 15444-1 annex A).
//!
//! Tiles, precincts, code blocks and layers are set up one by one however few bytes they have, and every bit plane of every pixel is
//! visited. A few hundred bytes can announce more of each than a picture has pixels. HTJ2K (ISO/IEC 15444-15) has the same headers, and a
//! mark in the coding style of its blocks.

use super::damaged;
use crate::image::{Error, Format, Result, Value};

/// Code blocks by layers, a precinct counting as 16 of them. A picture of 36 × 2²⁰ pixels in blocks of 64 × 64 and 20 layers has 245 760.
const MAX_PARTS: u64 = 1 << 21;

/// Bytes of memory that the decoder takes for each of them, at most.
pub(super) const BYTES_PER_PART: u64 = 200;

/// Bit planes of all pixels together, for each pixel that a picture may have.
const PLANES_PER_PIXEL: u64 = 8;

const SOT: u8 = 0x90;
const SOD: u8 = 0x93;
const COD: u8 = 0x52;
const QCD: u8 = 0x5c;
/// COC, QCC, region of interest, and progression order changes: what a stream may set for parts of the picture.
const PARTIAL: [u8; 4] = [0x53, 0x5d, 0x5e, 0x5f];

/// What the coding style says of the whole picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// Code blocks by layers and weighted precincts, of all tiles and channels: what [`MAX_PARTS`] bounds.
    pub parts: u64,
    /// Code blocks of high throughput (ISO/IEC 15444-15).
    pub high_throughput: bool,
    /// The reversible wavelet.
    pub reversible: bool,
    /// The channels are transformed together.
    pub transformed: bool,
}

/// Refuses a stream that costs too much. `image` and `tile` are columns and rows, `tiles` is the tiles' number, `channels` that of the
/// components, `limit` the number of pixels that a picture may have.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::Malformed`], [`Error::Unsupported`] for coding styles of parts of the picture.
pub(super) fn check(
    stream: &[u8],
    image: (u64, u64),
    tile: (u64, u64),
    (tiles, channels): (u64, u64),
    limit: u64,
) -> Result<Style> {
    let (mut style, mut planes) = (None, None);
    let mut rest = stream.get(2..).unwrap_or_default();
    loop {
        let (marker, segment, after) = segment(rest).ok_or_else(damaged)?;
        match marker {
            SOT => break,
            COD => style = Some(style_of_tile(segment, (tile.0.min(image.0), tile.1.min(image.1))).ok_or_else(damaged)?),
            QCD => planes = Some(bit_planes(segment).ok_or_else(damaged)?),
            _ if PARTIAL.contains(&marker) => return Err(partial()),
            _ => {}
        }
        rest = after;
    }
    let (style, planes) = (style.ok_or_else(damaged)?, planes.ok_or_else(damaged)?);
    let within = |what, found, limit| if found > limit { Err(Error::TooLarge { what, found, limit }) } else { Ok(()) };
    let parts = tiles.saturating_mul(channels).saturating_mul(style.parts);
    within("the JPEG 2000 stream's code blocks, precincts and layers", parts, MAX_PARTS)?;
    let visited = image.0.saturating_mul(image.1).saturating_mul(channels).saturating_mul(planes);
    within("bit planes of all of the JPEG 2000 stream's pixels", visited, limit.saturating_mul(PLANES_PER_PIXEL))?;
    tile_parts(rest)?;
    Ok(Style { parts, ..style })
}

fn partial() -> Error {
    Error::Unsupported {
        format: Format::Dicom,
        what: "the JPEG 2000 coding style",
        found: Value::Term("of parts of the picture"),
        wanted: "one of the whole picture",
    }
}

/// Looks through the headers of tile-parts for a coding style of their own.
fn tile_parts(mut rest: &[u8]) -> Result<()> {
    while let Some((SOT, start, mut header)) = segment(rest) {
        while let Some((marker, _, after)) = segment(header) {
            if marker == COD || marker == QCD || PARTIAL.contains(&marker) {
                return Err(partial());
            }
            if marker == SOD || marker == SOT {
                break;
            }
            header = after;
        }
        let length = start.get(2..).and_then(|rest| rest.first_chunk()).map_or(0, |&four| u32::from_be_bytes(four) as usize);
        // Zero: up to the end. The length counts from the marker, whose segment has twelve bytes.
        let Some(next) = rest.get(length..).filter(|_| length >= 12) else { break };
        rest = next;
    }
    Ok(())
}

/// The marker at the front, its segment without the length, and what follows it. The start of data has no segment.
fn segment(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[0xff, marker], rest) = bytes.split_first_chunk()? else { return None };
    if marker == SOD {
        return Some((marker, &[], rest));
    }
    let length = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
    Some((marker, rest.get(2..length)?, rest.get(length..)?))
}

/// Bit planes of a coefficient, of the quantisation of the subband that has most (A.6.4).
fn bit_planes(segment: &[u8]) -> Option<u64> {
    let (&style, steps) = segment.split_first()?;
    let exponent = |&step: &u8| u64::from(step >> 3);
    let largest = match style & 31 {
        0 => steps.iter().map(exponent).max()?,
        _ => steps.as_chunks::<2>().0.iter().map(|[high, _]| exponent(high)).max()?,
    };
    Some((u64::from(style >> 5) + largest).max(1))
}

/// The coding style (A.6.1), with the parts of one channel of a tile of so many columns and rows.
fn style_of_tile(segment: &[u8], (columns, rows): (u64, u64)) -> Option<Style> {
    let &[style, _, layers1, layers0, transform, levels, wide, high, blocks, wavelet] = segment.first_chunk()?;
    let layers = u64::from(u16::from_be_bytes([layers1, layers0]));
    let levels = u32::from(levels);
    let (wide, high) = (u32::from(wide & 15) + 2, u32::from(high & 15) + 2);
    if levels > 32 {
        return None;
    }
    let mut parts = 0u64;
    for resolution in 0..=levels {
        let size = if style & 1 == 0 { 0xff } else { *segment.get(10 + resolution as usize)? };
        let (across, down) = (u32::from(size & 15), u32::from(size >> 4));
        // Sides at this resolution, and of what is coded at it: three bands of half the side, but for the lowest.
        let side = |full: u64| full.div_ceil(1 << (levels - resolution));
        let (half, bands) = if resolution == 0 { (0, 1) } else { (1, 3) };
        // One more where a tile does not begin on the grid of precincts or blocks.
        let pieces = |side: u64, exponent: u32| side.div_ceil(1 << exponent) + 1;
        let precincts = pieces(side(columns), across) * pieces(side(rows), down);
        let block = |exponent: u32, precinct: u32| exponent.min(precinct.saturating_sub(half));
        let along = |full: u64, exponent: u32| pieces(side(full).div_ceil(1 << half), exponent);
        let blocks = bands * along(columns, block(wide, across)) * along(rows, block(high, down));
        parts = parts.saturating_add(layers.saturating_mul(16 * precincts + blocks));
    }
    Some(Style { parts, high_throughput: blocks & 0x40 != 0, reversible: wavelet == 1, transformed: transform != 0 })
}
