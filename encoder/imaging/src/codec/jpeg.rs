//! JPEG streams, of a file or of a DICOM fragment: baseline, extended and progressive of 8 bits, lossless of 2 to 16.

use crate::catch_panic::catch_panic;
use crate::image::picture::checked_pixels;
use crate::image::{Error, Format, Result, Value};
use jpeg_decoder::{CodingProcess, Decoder, PixelFormat};

/// A decoded stream: samples interleaved, row by row.
pub(crate) struct Samples {
    pub width: usize,
    pub height: usize,
    /// Samples per pixel.
    pub channels: usize,
    /// Bits that a sample of a raster image spans, 8 or 16.
    pub bits: u32,
    pub values: Vec<u16>,
}

/// Decodes a stream of at most `limit` pixels; the size is read from its header and checked first. `format` is for the errors.
///
/// # Errors
/// [`Error::Malformed`], [`Error::TooLarge`], [`Error::Unsupported`] (arithmetic coding, hierarchical, lossy 12-bit).
pub(crate) fn decode(format: Format, bytes: &[u8], limit: u64) -> Result<Samples> {
    catch_panic(format, || {
        let mut decoder = Decoder::new(bytes);
        decoder.read_info().map_err(|error| failure(format, &error))?;
        let info = decoder.info().ok_or(Error::malformed(format, "the JPEG stream has no frame"))?;
        let (width, height) = (usize::from(info.width), usize::from(info.height));
        let pixels = checked_pixels(format, u64::from(info.width), u64::from(info.height), limit)?;
        let (channels, bits) = match info.pixel_format {
            PixelFormat::L8 => (1, 8),
            PixelFormat::L16 => (1, 16),
            PixelFormat::RGB24 => (3, 8),
            PixelFormat::CMYK32 => (4, 8),
        };
        if info.coding_process == CodingProcess::Lossless && restarts(bytes) {
            return Err(Error::Unsupported {
                format,
                what: "lossless JPEG",
                found: Value::Term("with restart intervals"),
                wanted: "without them",
            });
        }
        decoder.set_max_decoding_buffer_size(pixels * channels * (bits as usize / 8));
        let bytes = decoder.decode().map_err(|error| failure(format, &error))?;
        let values: Vec<u16> = if bits == 16 {
            bytes.as_chunks::<2>().0.iter().map(|&pair| u16::from_ne_bytes(pair)).collect()
        } else {
            bytes.into_iter().map(u16::from).collect()
        };
        if values.len() != pixels * channels {
            return Err(Error::malformed(format, "the JPEG stream holds another number of pixels than its header says"));
        }
        Ok(Samples { width, height, channels, bits, values })
    })
}

/// Whether a stream's header sets a restart interval. The decoder does not start its predictor anew there (T.81 H.1.2.1), and
/// would give a wrong picture without a word.
fn restarts(stream: &[u8]) -> bool {
    const DRI: u8 = 0xdd;
    const SOS: u8 = 0xda;
    let mut rest = stream.get(2..).unwrap_or_default();
    while let Some(&[0xff, marker, high, low]) = rest.first_chunk() {
        match marker {
            // A fill byte.
            0xff => rest = rest.get(1..).unwrap_or_default(),
            SOS => return false,
            DRI => return rest.get(4..6) != Some(&[0, 0]),
            _ => rest = rest.get(2 + usize::from(u16::from_be_bytes([high, low]))..).unwrap_or_default(),
        }
    }
    false
}

/// The decoder's own words may quote the stream; only their kind is kept.
fn failure(format: Format, error: &jpeg_decoder::Error) -> Error {
    match error {
        jpeg_decoder::Error::Unsupported(_) => Error::Unsupported {
            format,
            what: "the JPEG coding process",
            found: Value::Term("arithmetic, hierarchical or lossy with more than 8 bits"),
            wanted: "baseline, extended or progressive of 8 bits, or lossless",
        },
        jpeg_decoder::Error::Io(_) => Error::malformed(format, "the JPEG stream ends too early"),
        _ => Error::malformed(format, "the JPEG stream is damaged"),
    }
}
