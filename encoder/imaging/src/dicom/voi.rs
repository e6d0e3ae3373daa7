//! From stored values to displayed grey: modality and value-of-interest transforms (PS3.3 C.11.1, C.11.2).

use super::dataset::{Dataset, Element};
use super::frame::Layout;
use super::value;
use crate::image::attribute::{self as at, Attribute};
use crate::image::{Error, Format, Result, Value};
use dicom_core::VR;

/// The modality transform: stored values to the units of the modality.
pub(super) enum Modal {
    Rescale { slope: f64, intercept: f64 },
    Table(Lut),
}

impl Modal {
    /// Reads the modality LUT, or rescale slope and intercept, or nothing (identity).
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub(super) fn read(dataset: &Dataset<'_>, layout: &Layout) -> Result<Self> {
        let (low, high) = layout.range();
        if let Some(lut) = Lut::read(dataset, at::MODALITY_LUT_SEQUENCE, (low.into(), high.into()))? {
            return Ok(Self::Table(lut));
        }
        let slope = dataset.decimal(at::RESCALE_SLOPE)?.unwrap_or(1.0);
        let intercept = dataset.decimal(at::RESCALE_INTERCEPT)?.unwrap_or(0.0);
        if slope == 0.0 {
            return Err(Error::at(at::RESCALE_SLOPE, "a slope of zero"));
        }
        Ok(Self::Rescale { slope, intercept })
    }

    /// A stored value in the units of the modality.
    pub(super) fn apply(&self, stored: i32) -> f64 {
        match self {
            Self::Rescale { slope, intercept } => f64::from(stored) * slope + intercept,
            Self::Table(lut) => lut.at(f64::from(stored)),
        }
    }

    /// Smallest and largest value that can come out.
    pub(super) fn range(&self, layout: &Layout) -> (f64, f64) {
        match self {
            Self::Rescale { .. } => {
                let (low, high) = layout.range();
                let (a, b) = (self.apply(low), self.apply(high));
                (a.min(b), a.max(b))
            }
            Self::Table(lut) => (0.0, lut.full),
        }
    }
}

/// The value-of-interest transform: units of the modality to grey in [0, 1].
pub(super) enum Voi {
    Table(Lut),
    Window { centre: f64, width: f64, function: Function },
}

/// The shape of a window (PS3.3 C.11.2.1.2, C.11.2.1.3).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Linear,
    LinearExact,
    Sigmoid,
}

impl Voi {
    /// Reads the VOI LUT, or else the first window; none where there is neither. `inputs` are the smallest and the largest value that can come
    /// out of the modality transform.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Unsupported`] for another VOI LUT function.
    pub(super) fn read(dataset: &Dataset<'_>, inputs: (f64, f64)) -> Result<Option<Self>> {
        if let Some(lut) = Lut::read(dataset, at::VOI_LUT_SEQUENCE, inputs)? {
            return Ok(Some(Self::Table(lut)));
        }
        let (Some(centre), Some(width)) = (dataset.decimal(at::WINDOW_CENTER)?, dataset.decimal(at::WINDOW_WIDTH)?) else {
            return Ok(None);
        };
        let function = match dataset.text(at::VOI_LUT_FUNCTION).to_ascii_uppercase().as_slice() {
            b"" | b"LINEAR" => Function::Linear,
            b"LINEAR_EXACT" => Function::LinearExact,
            b"SIGMOID" => Function::Sigmoid,
            other => {
                return Err(Error::Unsupported {
                    format: Format::Dicom,
                    what: "the VOI LUT function",
                    found: Value::Unlisted { bytes: other.len() },
                    wanted: "LINEAR, LINEAR_EXACT or SIGMOID",
                });
            }
        };
        let least = if function == Function::Linear { width >= 1.0 } else { width > 0.0 };
        if !least {
            return Err(Error::at(at::WINDOW_WIDTH, "the window is too narrow for its function"));
        }
        Ok(Some(Self::Window { centre, width, function }))
    }

    /// The grey, in [0, 1], of a value in the units of the modality.
    pub(super) fn apply(&self, value: f64) -> f64 {
        match self {
            Self::Table(lut) => lut.at(value) / lut.full,
            Self::Window { centre, width, function } => function.apply(value, *centre, *width),
        }
    }
}

impl Function {
    fn apply(self, x: f64, centre: f64, width: f64) -> f64 {
        match self {
            Self::Linear => {
                let (from, span) = (x - (centre - 0.5), width - 1.0);
                if from <= -span / 2.0 {
                    0.0
                } else if from > span / 2.0 {
                    1.0
                } else {
                    from / span + 0.5
                }
            }
            Self::LinearExact => ((x - centre) / width + 0.5).clamp(0.0, 1.0),
            Self::Sigmoid => 1.0 / (1.0 + (-4.0 * (x - centre) / width).exp()),
        }
    }
}

/// A lookup table: the entry of the first input, the others after it, both ends held beyond them.
pub(super) struct Lut {
    first: f64,
    entries: Vec<u16>,
    /// Largest entry that its bits allow.
    full: f64,
}

impl Lut {
    fn read(dataset: &Dataset<'_>, sequence: Attribute, inputs: (f64, f64)) -> Result<Option<Self>> {
        let inside = |attribute| dataset.in_sequence(sequence, attribute);
        let (descriptor, data) = match (inside(at::LUT_DESCRIPTOR), inside(at::LUT_DATA)) {
            (Some(descriptor), Some(data)) => (descriptor, data),
            (None, None) => return Ok(None),
            _ => return Err(Error::at(sequence, "a lookup table without its descriptor or without its data")),
        };
        let mut words = value::words(descriptor.bytes, descriptor.big);
        let (Some(count), Some(first), Some(bits)) = (words.next(), words.next(), words.next()) else {
            return Err(Error::at(at::LUT_DESCRIPTOR, "three values are wanted"));
        };
        let count = if count == 0 { 1 << 16 } else { usize::from(count) };
        let first = first_input(first, count, descriptor, inputs);
        let (entries, bits) = entries(data, count, bits).ok_or(Error::at(at::LUT_DATA, "fewer entries than described"))?;
        Ok(Some(Self { first, entries, full: f64::from((1u32 << bits) - 1) }))
    }

    fn at(&self, input: f64) -> f64 {
        // The cast saturates, which is what both ends want.
        let index = ((input - self.first).round().max(0.0) as usize).min(self.entries.len().saturating_sub(1));
        self.entries.get(index).map_or(0.0, |&entry| f64::from(entry).min(self.full))
    }
}

/// The first input of a table of `count` entries, of the 16 bits that its descriptor has. It is signed where the inputs are (PS3.3 C.11.1.1.1,
/// C.11.2.1.1): not where the pixels are, as a rescale may have come between them, and writers differ in what representation they state. So
/// the one of the two numbers is taken that can be an input, or else from which on inputs have entries; where that does not tell, the
/// one that is stated, and else the one with the sign of the smallest input.
fn first_input(bits: u16, count: usize, descriptor: Element<'_>, (low, high): (f64, f64)) -> f64 {
    let (unsigned, signed) = (f64::from(bits), f64::from(bits.cast_signed()));
    let is_input = |first: f64| (low..=high).contains(&first);
    let has_inputs = |first: f64| first <= high && first + count as f64 > low;
    let states = |vr| descriptor.stated && descriptor.vr == vr;
    let one_of = |fits: &dyn Fn(f64) -> bool| (fits(unsigned) != fits(signed)).then(|| fits(signed));
    let is_signed = one_of(&is_input)
        .or_else(|| one_of(&has_inputs))
        .unwrap_or_else(|| if is_input(signed) && states(VR::US) { false } else { states(VR::SS) || low < 0.0 });
    if is_signed { signed } else { unsigned }
}

/// A table's entries and the bits of the largest that there can be.
///
/// They are 16-bit words, of which the last may be missing; or bytes where there are too few for words. A number of bits that no table can
/// have, or that most of the range of the entries is beyond, is not the entries' own: they then have as many as the largest needs.
fn entries(data: Element<'_>, count: usize, bits: u16) -> Option<(Vec<u16>, u32)> {
    let length = data.bytes.len();
    if length < count {
        return None;
    }
    if length < 2 * count && (bits <= 8 || length <= count + 1) {
        return value::bytes(data, count).map(|entries| (entries, 8));
    }
    let entries: Vec<u16> = value::words(data.bytes, data.big).take(count).collect();
    let largest = u32::from(entries.iter().copied().max()?);
    let needed = (u32::BITS - largest.leading_zeros()).clamp(8, 16);
    let stated = u32::from(bits);
    // A little beyond is a rounding of the writer's.
    let is_beyond = |full: u32| largest > full + full / 16;
    let bits = if (8..=16).contains(&stated) && !is_beyond((1 << stated) - 1) { stated } else { needed };
    Some((entries, bits))
}
