//! The stored values of the one frame, from whatever encoding.

use super::dataset::{Dataset, PixelData};
use super::rle;
use super::syntax::Coding;
use crate::codec::Samples;
use crate::codec::jpeg::Jpeg;
use crate::codec::jpeg2000::Jpeg2000;
use crate::image::attribute as at;
use crate::image::memory::Memory;
use crate::image::{Error, Format, Result, Settings, Value};
use dicom_core::VR;
use std::borrow::Cow;

/// A lossy stream may have values beyond those allowed by this part of their range, as its last bits are guessed.
const LOSSY_SLACK: i32 = 8;

/// How a stored value lies in its container (PS3.5 8.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Bits of the container: 8, 16 or 32.
    pub allocated: u32,
    /// Bits of the value, at most 16.
    pub stored: u32,
    /// Bits below the value in the container.
    shift: u32,
    pub signed: bool,
}

impl Layout {
    /// Reads bits allocated, stored, high bit and pixel representation.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Malformed`], [`Error::Unsupported`] for more than 16 bits stored.
    pub(super) fn read(dataset: &Dataset<'_>) -> Result<Self> {
        let integer = |attribute| {
            let value = dataset.integer(attribute)?;
            value.map(|v| u32::try_from(v).map_err(|_| Error::at(attribute, "out of range"))).transpose()
        };
        let allocated = integer(at::BITS_ALLOCATED)?.ok_or(Error::Missing { attribute: at::BITS_ALLOCATED })?;
        let stored = integer(at::BITS_STORED)?.unwrap_or(allocated);
        let unsupported = |what, found: u32, wanted| Error::Unsupported {
            format: Format::Dicom,
            what,
            found: Value::Count(u64::from(found)),
            wanted,
        };
        if !matches!(allocated, 8 | 16 | 32) {
            return Err(unsupported("the number of bits allocated", allocated, "8, 16 or 32"));
        }
        if !(1..=16).contains(&stored) {
            return Err(unsupported("the number of bits stored", stored, "1 to 16"));
        }
        if stored > allocated {
            return Err(Error::at(at::BITS_STORED, "more bits stored than allocated"));
        }
        let high = integer(at::HIGH_BIT)?.unwrap_or(stored - 1);
        if high >= allocated || high + 1 < stored {
            return Err(Error::at(at::HIGH_BIT, "the value does not fit in its container"));
        }
        let signed = match dataset.integer(at::PIXEL_REPRESENTATION)? {
            None | Some(0) => false,
            Some(1) => true,
            Some(_) => return Err(Error::at(at::PIXEL_REPRESENTATION, "neither 0 nor 1")),
        };
        Ok(Self { allocated, stored, shift: high + 1 - stored, signed })
    }

    /// Unsigned values at the bottom of their container.
    pub(super) fn of(allocated: u32, stored: u32) -> Self {
        Self { allocated, stored, shift: 0, signed: false }
    }

    /// The stored bits at the bottom.
    pub(super) fn mask(&self) -> u32 {
        (1 << self.stored) - 1
    }

    /// Number of different stored values.
    pub(super) fn table_len(&self) -> usize {
        1 << self.stored
    }

    /// The value of a stored value's bits.
    pub(super) fn value(&self, bits: u32) -> i32 {
        let spare = 32 - self.stored;
        if self.signed { (bits << spare).cast_signed() >> spare } else { ((bits << spare) >> spare).cast_signed() }
    }

    /// Smallest and largest value.
    pub(super) fn range(&self) -> (i32, i32) {
        if self.signed { (-(1 << (self.stored - 1)), (1 << (self.stored - 1)) - 1) } else { (0, (1 << self.stored) - 1) }
    }

    /// Refuses a value that does not lie at the bottom of its container, in a stream that holds the value alone: writers disagree whether
    /// it was shifted.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    fn check_compressed(&self) -> Result<()> {
        if self.shift == 0 {
            return Ok(());
        }
        Err(Error::Unsupported {
            format: Format::Dicom,
            what: "HighBit of compressed pixels",
            found: Value::Count(u64::from(self.shift + self.stored - 1)),
            wanted: "BitsStored − 1 (`dcmdjpeg in.dcm out.dcm` or `gdcmconv --raw in.dcm out.dcm` rewrites the file)",
        })
    }

    /// Decoded values as stored bits. A stream has bits and a sign of its own, which may differ from the attributes' as long as every
    /// value is one that they allow; what a lossy stream has a little beyond them is cut off. A sign was read of `sign_of` bits: with fewer
    /// than are stored, it cannot be told from a large value.
    ///
    /// # Errors
    /// [`Error::Malformed`] for other values: either the stream or the attributes are wrong.
    pub(super) fn fit(&self, samples: Samples, sign_of: u32) -> Result<Vec<u16>> {
        let Samples { mut values, least, most, lossy } = samples;
        let (mut low, high) = self.range();
        if sign_of < self.stored {
            low = 0;
        }
        if low <= least && most <= high {
            return Ok(values);
        }
        let slack = (high - low) / LOSSY_SLACK;
        if !lossy || least < low - slack || most > high + slack {
            return Err(Error::at(
                at::BITS_STORED,
                "the compressed image has values that do not fit BitsStored and PixelRepresentation",
            ));
        }
        for value in &mut values {
            let signed = if least < 0 { i32::from(value.cast_signed()) } else { i32::from(*value) };
            *value = signed.clamp(low, high) as u16;
        }
        Ok(values)
    }

    /// A container's stored bits.
    fn unpack(&self, container: u32) -> u16 {
        // 16 bits at most are stored; what else stands above them is masked in `index`.
        (container >> self.shift) as u16
    }
}

/// The frame's stored values, row by row; bits above those stored are to be ignored.
pub(super) struct Frame {
    pub width: usize,
    pub height: usize,
    pub raw: Vec<u16>,
}

impl Frame {
    /// Decodes the frame. `size` is columns and rows, `pixels` their product, already checked; `memory` is asked before anything of
    /// the picture's size is allocated.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::TooLarge`] and what the decoders say.
    pub(super) fn read(
        dataset: &Dataset<'_>,
        layout: &Layout,
        size: (u64, u64),
        pixels: usize,
        settings: &Settings,
        memory: &mut Memory<'_>,
    ) -> Result<Self> {
        let short = || Error::at(at::PIXEL_DATA, "fewer pixels than rows × columns");
        let (width, height) = (size.0 as usize, size.1 as usize);
        let bytes_each = layout.allocated as usize / 8;
        let wanted = pixels.checked_mul(bytes_each).ok_or_else(short)?;
        let raw = match &dataset.pixels {
            PixelData::Native(element) => {
                let bytes = element.bytes.get(..wanted).ok_or_else(short)?;
                memory.take(0, pixels)?;
                unpacked(layout, bytes, bytes_each, dataset.big_endian, element.vr, element.bytes)
            }
            PixelData::Encapsulated(fragments) => {
                // Fragments are joined beside the file's own bytes; stored values of two bytes stand beside what they are decoded from.
                let copied = if fragments.len() > 1 { fragments.iter().map(|one| one.len() as u64).sum() } else { 0 };
                let stored = copied + 2 * pixels as u64;
                let stream = joined(fragments).ok_or_else(short)?;
                match dataset.coding {
                    Coding::Rle => {
                        memory.take(stored + 4 * pixels as u64, pixels)?;
                        rle::decode(&stream, pixels, bytes_each, 1)?.into_iter().map(|c| layout.unpack(c)).collect()
                    }
                    Coding::Fragments => {
                        let bytes = stream.get(..wanted).ok_or_else(short)?;
                        memory.take(stored, pixels)?;
                        unpacked(layout, bytes, bytes_each, false, VR::OB, bytes)
                    }
                    Coding::Jpeg => {
                        let image = Jpeg::open(Format::Dicom, &stream, &settings.limits)?;
                        same_size(&image, (width, height))?;
                        layout.check_compressed()?;
                        memory.take(stored + image.memory(), pixels)?;
                        layout.fit(image.decode_samples(layout.signed)?, image.precision())?
                    }
                    Coding::Jpeg2000 => {
                        let image = Jpeg2000::open(&stream, (width, height), 1, settings.limits.pixels)?;
                        layout.check_compressed()?;
                        memory.take(stored + image.memory(), pixels)?;
                        layout.fit(image.decode()?, layout.stored)?
                    }
                    Coding::Native => return Err(short()),
                }
            }
        };
        Ok(Self { width, height, raw })
    }
}

/// The stream of the one frame; none where there are no fragments.
pub(super) fn joined<'a>(fragments: &[&'a [u8]]) -> Option<Cow<'a, [u8]>> {
    match fragments {
        [] => None,
        [only] => Some(Cow::Borrowed(only)),
        several => Some(Cow::Owned(several.concat())),
    }
}

fn same_size(image: &Jpeg<'_>, size: (usize, usize)) -> Result<()> {
    if (image.width, image.height) != size {
        return Err(Error::at(at::PIXEL_DATA, "the compressed image has another size than rows × columns"));
    }
    if image.channels != 1 {
        return Err(Error::at(at::PIXEL_DATA, "the compressed image has several channels"));
    }
    Ok(())
}

/// The stored values of native pixel data: `bytes`, of `each` bytes a pixel, which `all` of the element begins with.
fn unpacked(layout: &Layout, bytes: &[u8], each: usize, big: bool, vr: VR, all: &[u8]) -> Vec<u16> {
    let unpack = |container: u32| layout.unpack(container);
    match each {
        // Bytes written as 16-bit words: big endian swaps each pair, the last one's partner included.
        1 if big && vr == VR::OW => {
            let pairs = all.as_chunks::<2>().0.iter().flat_map(|&[second, first]| [first, second]);
            pairs.take(bytes.len()).map(|byte| unpack(u32::from(byte))).collect()
        }
        1 => bytes.iter().map(|&byte| unpack(u32::from(byte))).collect(),
        2 if big => bytes.as_chunks::<2>().0.iter().map(|&two| unpack(u32::from(u16::from_be_bytes(two)))).collect(),
        2 => bytes.as_chunks::<2>().0.iter().map(|&two| unpack(u32::from(u16::from_le_bytes(two)))).collect(),
        _ if big => bytes.as_chunks::<4>().0.iter().map(|&four| unpack(u32::from_be_bytes(four))).collect(),
        _ => bytes.as_chunks::<4>().0.iter().map(|&four| unpack(u32::from_le_bytes(four))).collect(),
    }
}
