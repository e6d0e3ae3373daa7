//! JPEG streams, of a file or of a DICOM fragment: baseline, extended and progressive of 8 bits, lossless of 2 to 16.

mod stream;

use crate::catch_panic::catch_panic;
use crate::codec::Samples;
use crate::image::{Error, Format, Limits, Result, Value};
use jpeg_decoder::{ColorTransform, Decoder, PixelFormat};
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
        if let Some((found, wanted)) = refused(&stream) {
            let wanted = if format == Format::Dicom { wanted.dicom } else { wanted.file };
            return Err(Error::Unsupported { format, what: "JPEG", found: Value::Term(found), wanted });
        }
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
        Ok(Self { format, bytes, stream, width, height, channels, bits })
    }

    /// Bytes of memory that [`Jpeg::decode`] takes at most.
    pub(crate) fn memory(&self) -> u64 {
        self.stream.memory()
    }

    /// Bits of a sample in the stream.
    pub(crate) fn precision(&self) -> u32 {
        u32::from(self.stream.precision)
    }

    /// Whether an Adobe segment says that three channels are luma and chroma; none where there is no such segment.
    pub(crate) fn is_luma_and_chroma(&self) -> Option<bool> {
        self.stream.adobe.map(|transform| transform != 0)
    }

    /// Decodes the samples: interleaved, row by row, of one byte, or two in the machine's order where [`Jpeg::bits`] is 16. Luma and chroma
    /// become red, green and blue, where the stream is so by the usual guess.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Unsupported`].
    pub(crate) fn decode(&self) -> Result<Vec<u8>> {
        self.decode_as(None)
    }

    fn decode_as(&self, transform: Option<ColorTransform>) -> Result<Vec<u8>> {
        let size = self.width * self.height * self.channels * (self.bits as usize / 8);
        catch_panic(self.format, || {
            let mut decoder = Decoder::new(self.bytes);
            decoder.set_max_decoding_buffer_size(size);
            if let Some(transform) = transform {
                decoder.set_color_transform(transform);
            }
            let bytes = decoder.decode().map_err(|error| failure(self.format, &error))?;
            if bytes.len() != size {
                return Err(Error::malformed(self.format, "the JPEG stream holds another number of pixels than its header says"));
            }
            Ok(bytes)
        })
    }

    /// The channels as the stream holds them, each sample as a number; `signed` says that it is a two's complement of
    /// [`Jpeg::precision`] bits.
    ///
    /// # Errors
    /// As [`Jpeg::decode`].
    pub(crate) fn decode_samples(&self, signed: bool) -> Result<Samples> {
        let bytes = self.decode_as((self.channels == 3).then_some(ColorTransform::RGB))?;
        let spare = 32 - self.precision().clamp(1, 16);
        let value = |sample: u16| {
            let bits = u32::from(sample) << spare;
            if signed { bits.cast_signed() >> spare } else { (bits >> spare).cast_signed() }
        };
        let lossy = !self.stream.lossless;
        Ok(if self.bits == 16 {
            Samples::collect(bytes.as_chunks::<2>().0.iter().map(|&pair| value(u16::from_ne_bytes(pair))), lossy)
        } else {
            Samples::collect(bytes.into_iter().map(|byte| value(byte.into())), lossy)
        })
    }
}

/// What is read instead, with the way out of a DICOM file.
struct Wanted {
    dicom: &'static str,
    file: &'static str,
}

/// What the decoder would refuse late, or read wrongly without a word; both found by the header.
fn refused(stream: &Stream) -> Option<(&'static str, Wanted)> {
    let wide = stream.precision > 8;
    Some(match () {
        () if !stream.lossless && wide => (
            "of more than 8 bits with loss (extended)",
            Wanted {
                dicom: "8 bits, or lossless (`dcmdjpeg in.dcm out.dcm` or `gdcmconv --raw in.dcm out.dcm` rewrites the file)",
                file: "8 bits, or lossless",
            },
        ),
        // The decoder does not start its predictor anew there (T.81 H.1.2.1).
        () if stream.lossless && stream.restarts => (
            "lossless with restart intervals",
            Wanted { dicom: "without them (`dcmdjpeg in.dcm out.dcm` rewrites the file)", file: "without them" },
        ),
        // The decoder predicts from samples that it has shifted already.
        () if stream.lossless && stream.point_transform => (
            "lossless with a point transform",
            Wanted { dicom: "without it (`dcmdjpeg in.dcm out.dcm` rewrites the file)", file: "without it" },
        ),
        () if stream.lossless && stream.channels() > 1 && (wide || !stream.is_full()) => (
            "lossless, of several channels with more than 8 bits or fewer samples than pixels",
            Wanted {
                dicom: "one channel, or 8 bits (`dcmdjpeg in.dcm out.dcm` rewrites the file)",
                file: "one channel, or 8 bits",
            },
        ),
        () => return None,
    })
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
