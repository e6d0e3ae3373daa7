//! Films that are filed in colour although they are grey: secondary captures in RGB, luma and chroma, or a palette (PS3.3 C.7.6.3.1.2).
//!
//! Each pixel becomes its luma (ITU-R BT.601). Pictures that are coloured in truth are refused by their mean chroma.

mod palette;

use super::dataset::{Dataset, PixelData};
use super::frame::{Frame, Layout, joined};
use super::rle;
use super::syntax::Coding;
use crate::codec::Samples;
use crate::codec::jpeg::Jpeg;
use crate::codec::jpeg2000::Jpeg2000;
use crate::image::attribute as at;
use crate::image::checks;
use crate::image::memory::Memory;
use crate::image::{Error, Format, Result, Settings, Value};
use palette::Palette;

/// What the channels of a film that may be grey mean.
pub(super) enum Colour {
    /// Red, green and blue; of JPEG 2000 also what its own transform makes of them.
    Rgb,
    /// Luma and two differences, each with a sample for every pixel.
    Ybr,
    /// The same, with one pair of differences for two pixels of a row where nothing is compressed.
    Ybr422,
    /// An index into tables of red, green and blue.
    Palette(Palette),
}

impl Colour {
    /// The meaning that the file states; none for a grey file, and for colours whose pixels are not even looked at.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Unsupported`] for segmented palettes.
    pub(super) fn stated(dataset: &Dataset<'_>) -> Result<Option<Self>> {
        let term = dataset.text(at::PHOTOMETRIC_INTERPRETATION).to_ascii_uppercase();
        let transformed = dataset.coding == Coding::Jpeg2000;
        Ok(match (dataset.integer(at::SAMPLES_PER_PIXEL)?.unwrap_or(1), term.as_slice()) {
            (3, b"RGB") => Some(Self::Rgb),
            (3, b"YBR_RCT" | b"YBR_ICT") if transformed => Some(Self::Rgb),
            (3, b"YBR_FULL") => Some(Self::Ybr),
            (3, b"YBR_FULL_422") => Some(Self::Ybr422),
            (1, b"PALETTE COLOR") => Palette::read(dataset)?.map(Self::Palette),
            _ => None,
        })
    }

    /// Decodes the frame to luma, and says how its values lie.
    ///
    /// # Errors
    /// As [`Frame::read`], and [`Error::Refused`] for a picture in colour.
    pub(super) fn read(
        &self,
        dataset: &Dataset<'_>,
        layout: &Layout,
        size: (u64, u64),
        pixels: usize,
        settings: &Settings,
        memory: &mut Memory<'_>,
    ) -> Result<(Frame, Layout)> {
        if let Self::Palette(palette) = self {
            let frame = Frame::read(dataset, layout, size, pixels, settings, memory)?;
            let (raw, chroma) = palette.luma(frame.raw, layout);
            checks::colour(chroma, &settings.checks)?;
            return Ok((Frame { raw, ..frame }, palette.layout()));
        }
        let plain = Layout::of(layout.allocated, layout.stored);
        if !matches!(layout.allocated, 8 | 16) || *layout != plain {
            return Err(Error::Unsupported {
                format: Format::Dicom,
                what: "colour",
                found: Value::Term("of signed values, or of bits that lie elsewhere than at the bottom of 8 or 16"),
                wanted: "unsigned colour of 8 or 16 bits",
            });
        }
        let (width, height) = (size.0 as usize, size.1 as usize);
        let mut channels = Channels { dataset, layout, width, height, pixels, settings, memory };
        let (raw, chroma) = channels.read(self)?;
        checks::colour(chroma, &settings.checks)?;
        Ok((Frame { width, height, raw }, plain))
    }
}

/// A frame of three channels that is being decoded.
struct Channels<'r, 'd, 'm> {
    dataset: &'r Dataset<'d>,
    layout: &'r Layout,
    width: usize,
    height: usize,
    pixels: usize,
    settings: &'r Settings,
    memory: &'r mut Memory<'m>,
}

impl Channels<'_, '_, '_> {
    /// The luma of each pixel, and the mean chroma, of a range of 1.
    fn read(&mut self, colour: &Colour) -> Result<(Vec<u16>, f64)> {
        let pixels = self.pixels as u64;
        let differences = !matches!(colour, Colour::Rgb);
        let fragments = match &self.dataset.pixels {
            PixelData::Native(element) => {
                self.memory.take(2 * pixels, self.pixels)?;
                return self.native(colour, element.bytes, self.dataset.big_endian);
            }
            PixelData::Encapsulated(fragments) => fragments,
        };
        let stream = joined(fragments).ok_or_else(short)?;
        let copied = if fragments.len() > 1 { stream.len() as u64 } else { 0 };
        let limits = &self.settings.limits;
        match self.dataset.coding {
            Coding::Native | Coding::Fragments => {
                self.memory.take(copied + 2 * pixels, self.pixels)?;
                self.native(colour, &stream, false)
            }
            Coding::Rle => {
                self.memory.take(copied + (3 * 4 + 2) * pixels, self.pixels)?;
                let planes = rle::decode(&stream, self.pixels, self.layout.allocated as usize / 8, 3)?;
                Ok(self.planes(&planes.into_iter().map(|container| container as u16).collect::<Vec<u16>>(), differences))
            }
            Coding::Jpeg => {
                let image = Jpeg::open(Format::Dicom, &stream, limits)?;
                self.same_size((image.width, image.height), image.channels)?;
                self.memory.take(copied + image.memory() + (3 * 2 + 2) * pixels, self.pixels)?;
                // The stream's own word stands above the attribute, which many writers leave as it was before.
                let differences = image.is_luma_and_chroma().unwrap_or(differences);
                let samples = self.fit(image.decode_samples(false)?)?;
                Ok(self.interleaved(&samples, differences))
            }
            Coding::Jpeg2000 => {
                let image = Jpeg2000::open(&stream, (self.width, self.height), 3, limits.pixels)?;
                self.memory.take(copied + image.memory() + (3 * 2 + 2) * pixels, self.pixels)?;
                let differences = differences && !image.is_transformed();
                let samples = self.fit(image.decode()?)?;
                Ok(self.interleaved(&samples, differences))
            }
        }
    }

    fn same_size(&self, size: (usize, usize), channels: usize) -> Result<()> {
        if size != (self.width, self.height) {
            return Err(Error::at(at::PIXEL_DATA, "the compressed image has another size than rows × columns"));
        }
        if channels != 3 {
            return Err(Error::at(at::PIXEL_DATA, "the compressed image has other channels than SamplesPerPixel"));
        }
        Ok(())
    }

    fn fit(&self, samples: Samples) -> Result<Vec<u16>> {
        self.layout.fit(samples, self.layout.stored)
    }

    fn native(&self, colour: &Colour, bytes: &[u8], big: bool) -> Result<(Vec<u16>, f64)> {
        let halved = matches!(colour, Colour::Ybr422);
        let count = if halved { self.pixels.next_multiple_of(2) * 2 } else { self.pixels * 3 };
        let each = self.layout.allocated as usize / 8;
        let bytes = count.checked_mul(each).and_then(|wanted| bytes.get(..wanted)).ok_or_else(short)?;
        let word = move |pair: [u8; 2]| if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) };
        let planar = match self.dataset.integer(at::PLANAR_CONFIGURATION)? {
            None | Some(0) => false,
            Some(1) => true,
            Some(_) => return Err(Error::at(at::PLANAR_CONFIGURATION, "neither 0 nor 1")),
        };
        let differences = !matches!(colour, Colour::Rgb);
        let samples: Box<dyn Fn(usize) -> u16> = if each == 1 {
            Box::new(|at| bytes.get(at).copied().map_or(0, u16::from))
        } else {
            let words = bytes.as_chunks::<2>().0;
            Box::new(move |at| words.get(at).copied().map_or(0, word))
        };
        let pixels = self.pixels;
        Ok(if halved {
            // Two lumas, then the differences that both share; planes of those have no such order (C.7.6.3.1.3).
            let pair = |pixel: usize| 4 * (pixel / 2);
            self.luma((0..pixels).map(|i| [samples(pair(i) + i % 2), samples(pair(i) + 2), samples(pair(i) + 3)]), true)
        } else if planar {
            self.luma((0..pixels).map(|i| [samples(i), samples(pixels + i), samples(2 * pixels + i)]), differences)
        } else {
            self.luma((0..pixels).map(|i| [samples(3 * i), samples(3 * i + 1), samples(3 * i + 2)]), differences)
        })
    }

    fn planes(&self, samples: &[u16], differences: bool) -> (Vec<u16>, f64) {
        let mut planes = samples.chunks_exact(self.pixels.max(1)).map(|plane| plane.iter().copied());
        let mut next = || planes.next().unwrap_or_default();
        let (one, two, three) = (next(), next(), next());
        self.luma(one.zip(two).zip(three).map(|((one, two), three)| [one, two, three]), differences)
    }

    fn interleaved(&self, samples: &[u16], differences: bool) -> (Vec<u16>, f64) {
        self.luma(samples.as_chunks::<3>().0.iter().copied(), differences)
    }

    fn luma(&self, pixels: impl Iterator<Item = [u16; 3]>, differences: bool) -> (Vec<u16>, f64) {
        luma(pixels, self.layout.stored, differences)
    }
}

/// The luma of each pixel of `bits` bits, and the mean of the largest channel minus the smallest, of a range of 1. With `differences`, the
/// channels are luma and the blue and red difference (PS3.3 C.7.6.3.1.2), otherwise red, green and blue.
fn luma(pixels: impl Iterator<Item = [u16; 3]>, bits: u32, differences: bool) -> (Vec<u16>, f64) {
    let full = f64::from((1u32 << bits) - 1);
    let middle = f64::from(1u32 << (bits - 1));
    let mut chroma = 0.0;
    let luma: Vec<u16> = pixels
        .map(|[one, two, three]| {
            if differences {
                let (blue, red) = (f64::from(two) - middle, f64::from(three) - middle);
                let others = [1.402 * red, -0.344_136 * blue - 0.714_136 * red, 1.772 * blue];
                chroma += others.iter().copied().fold(f64::MIN, f64::max) - others.iter().copied().fold(f64::MAX, f64::min);
                return one;
            }
            chroma += f64::from(one.max(two).max(three) - one.min(two).min(three));
            (0.299 * f64::from(one) + 0.587 * f64::from(two) + 0.114 * f64::from(three)).round() as u16
        })
        .collect();
    let count = luma.len().max(1) as f64;
    (luma, chroma / full / count)
}

fn short() -> Error {
    Error::at(at::PIXEL_DATA, "fewer pixels than rows × columns")
}
