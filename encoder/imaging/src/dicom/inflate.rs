//! Deflated data sets (RFC 1951).

use crate::image::memory::Memory;
use crate::image::{Error, Format, Limits, Result};
use flate2::read::{DeflateDecoder, ZlibDecoder};
use std::io::Read;

/// Inflates a data set. It is done twice: first to learn how many bytes it will be, with no memory to speak of.
///
/// # Errors
/// [`Error::TooLarge`] above [`Limits::file_bytes`] or the memory, [`Error::Malformed`] for a damaged stream.
pub(super) fn inflate(stream: &[u8], limits: &Limits, memory: &mut Memory<'_>) -> Result<Vec<u8>> {
    // Some writers put the header and the checksum of zlib (RFC 1950) around it, where the standard wants none.
    let (zlib, length) = match length(DeflateDecoder::new(stream), limits) {
        Err(error @ Error::TooLarge { .. }) => return Err(error),
        Ok(length) => (false, length),
        Err(error) if is_zlib(stream) => (true, length(ZlibDecoder::new(stream), limits).map_err(|_| error)?),
        Err(error) => return Err(error),
    };
    memory.take_inflated(length, limits.pixels)?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    let read = if zlib {
        ZlibDecoder::new(stream).take(length).read_to_end(&mut bytes)
    } else {
        DeflateDecoder::new(stream).take(length).read_to_end(&mut bytes)
    };
    read.map_err(|_| damaged())?;
    Ok(bytes)
}

/// Length of what a stream inflates to.
fn length(mut stream: impl Read, limits: &Limits) -> Result<u64> {
    let mut buffer = [0; 1 << 14];
    let mut length = 0;
    loop {
        match stream.read(&mut buffer).map_err(|_| damaged())? {
            0 => return Ok(length),
            count => length += count as u64,
        }
        if length > limits.file_bytes {
            return Err(Error::TooLarge { what: "bytes of the inflated DICOM file", found: length, limit: limits.file_bytes });
        }
    }
}

/// Whether the first two bytes are zlib's: deflate, and a check.
fn is_zlib(stream: &[u8]) -> bool {
    matches!(stream, [method, flags, ..] if method & 15 == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0)
}

fn damaged() -> Error {
    Error::malformed(Format::Dicom, "the deflated data set is damaged or ends too early")
}
