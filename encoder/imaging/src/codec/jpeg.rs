//! JPEG streams, of a file or of a DICOM fragment: baseline, extended and progressive of 8 bits, lossless of 2 to 16.

mod stream;

use crate::catch_panic::catch_panic;
use crate::image::{Error, Format, Limits, Result, Value};
use jpeg_decoder::{Decoder, PixelFormat};
use stream::Stream;

/// A stream whose header was read and whose size and work are within the limits; nothing is decoded yet.
pub(crate) struct Jpeg<'a> {
    format: Format,
    bytes: &'a [u8],
    stream: Stream,
    pub width: usize,
    pub height: usize,
    /// Samples per pixel: 1, 3 or 4.
    pub channels: usize,
    /// Bits that a sample of a raster image spans, 8 or 16.
    pub bits: u32,
}

impl<'a> Jpeg<'a> {
    /// Reads a stream's header and counts its scans. `format` is for the errors.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::TooLarge`], [`Error::Unsupported`] (arithmetic coding, hierarchical, lossy 12-bit).
    pub(crate) fn open(format: Format, bytes: &'a [u8], limits: &Limits) -> Result<Self> {
        let stream = Stream::walk(bytes);
        stream.check(format, limits)?;
        let info = catch_panic(format, || {
            let mut decoder = Decoder::new(bytes);
            decoder.read_info().map_err(|error| failure(format, &error))?;
            decoder.info().ok_or(Error::malformed(format, "the JPEG stream has no frame"))
        })?;
        let (width, height) = (usize::from(info.width), usize::from(info.height));
        let (channels, bits) = match info.pixel_format {
            PixelFormat::L8 => (1, 8),
            PixelFormat::L16 => (1, 16),
            PixelFormat::RGB24 => (3, 8),
            PixelFormat::CMYK32 => (4, 8),
        };
        if (width as u64, height as u64, channels) != (stream.width, stream.height, stream.channels()) {
            return Err(Error::malformed(format, "the JPEG stream's frame cannot be read"));
        }
        let unsupported = |what, found, wanted| Err(Error::Unsupported { format, what, found: Value::Term(found), wanted });
        if stream.lossless && stream.restarts {
            // The decoder does not start its predictor anew there (T.81 H.1.2.1), and would give a wrong picture without a word.
            return unsupported("lossless JPEG", "with restart intervals", "without them");
        }
        if channels > 1 && stream.sample_bytes() > 1 {
            return unsupported("lossless JPEG", "of several channels with more than 8 bits", "one channel, or 8 bits");
        }
        Ok(Self { format, bytes, stream, width, height, channels, bits })
    }

    /// Bytes of memory that [`Jpeg::decode`] takes at most.
    pub(crate) fn memory(&self) -> u64 {
        self.stream.memory()
    }

    /// Decodes the samples: interleaved, row by row, of one byte, or two in the machine's order where [`Jpeg::bits`] is 16.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Unsupported`].
    pub(crate) fn decode(&self) -> Result<Vec<u8>> {
        let size = self.width * self.height * self.channels * (self.bits as usize / 8);
        catch_panic(self.format, || {
            let mut decoder = Decoder::new(self.bytes);
            decoder.set_max_decoding_buffer_size(size);
            let bytes = decoder.decode().map_err(|error| failure(self.format, &error))?;
            if bytes.len() != size {
                return Err(Error::malformed(self.format, "the JPEG stream holds another number of pixels than its header says"));
            }
            Ok(bytes)
        })
    }

    /// [`Jpeg::decode`], each sample as a number.
    ///
    /// # Errors
    /// As [`Jpeg::decode`].
    pub(crate) fn decode_values(&self) -> Result<Vec<u16>> {
        let bytes = self.decode()?;
        Ok(if self.bits == 16 {
            bytes.as_chunks::<2>().0.iter().map(|&pair| u16::from_ne_bytes(pair)).collect()
        } else {
            bytes.into_iter().map(u16::from).collect()
        })
    }
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
