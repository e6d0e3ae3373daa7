//! Palettes (PS3.3 C.7.6.3.1.5, C.7.6.3.1.6): tables of red, green and blue.

use super::luma;
use crate::dicom::dataset::Dataset;
use crate::dicom::frame::Layout;
use crate::dicom::value;
use crate::image::attribute as at;
use crate::image::{Attribute, Error, Format, Result, Value};

/// The luma and the chroma of each entry.
pub(in crate::dicom) struct Palette {
    /// The stored value of the first entry.
    first: u16,
    /// Bits of the entries, 8 or 16.
    bits: u32,
    entries: Vec<Entry>,
}

struct Entry {
    luma: u16,
    /// Largest channel minus the smallest, of a range of 1.
    chroma: f64,
}

/// Descriptor, entries, and entries in segments, of red, green and blue.
const TABLES: [(Attribute, Attribute, Attribute); 3] = [
    (at::RED_PALETTE_DESCRIPTOR, at::RED_PALETTE_DATA, at::SEGMENTED_RED_PALETTE_DATA),
    (at::GREEN_PALETTE_DESCRIPTOR, at::GREEN_PALETTE_DATA, at::SEGMENTED_GREEN_PALETTE_DATA),
    (at::BLUE_PALETTE_DESCRIPTOR, at::BLUE_PALETTE_DATA, at::SEGMENTED_BLUE_PALETTE_DATA),
];

impl Palette {
    /// Reads the tables; none if there is not one of them.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Unsupported`] for tables in segments.
    pub(super) fn read(dataset: &Dataset<'_>) -> Result<Option<Self>> {
        if TABLES.iter().all(|&(descriptor, ..)| dataset.element(descriptor).is_none()) {
            return Ok(None);
        }
        let mut tables = Vec::new();
        for (descriptor, data, segmented) in TABLES {
            if dataset.element(segmented).is_some() {
                return Err(Error::Unsupported {
                    format: Format::Dicom,
                    what: "the palette",
                    found: Value::Term("in segments"),
                    wanted: "tables of single entries (export the image in grey)",
                });
            }
            let told = dataset.element(descriptor).ok_or(Error::Missing { attribute: descriptor })?;
            let told: Vec<u16> = value::words(told.bytes, told.big).collect();
            let &[count, first, bits] = told.as_slice() else {
                return Err(Error::at(descriptor, "three numbers are wanted"));
            };
            if bits != 8 && bits != 16 {
                return Err(Error::at(descriptor, "entries of 8 or 16 bits are wanted"));
            }
            // A table of 2^16 entries has a count of 0.
            let count = if count == 0 { 1 << 16 } else { usize::from(count) };
            let element = dataset.element(data).ok_or(Error::Missing { attribute: data })?;
            // Entries of 8 bits may lie in bytes or in words.
            let entries: Vec<u16> = if element.bytes.len() >= 2 * count {
                let mask = if bits == 8 { 0xff } else { 0xffff };
                value::words(element.bytes, element.big).take(count).map(|word| word & mask).collect()
            } else {
                let packed = (bits == 8).then(|| value::bytes(element, count)).flatten();
                packed.ok_or(Error::at(data, "fewer entries than the descriptor says"))?
            };
            tables.push((first, bits, entries));
        }
        let [(first, bits, red), (first2, bits2, green), (first3, bits3, blue)] = tables.as_slice() else { return Ok(None) };
        if [(first2, bits2), (first3, bits3)] != [(first, bits); 2] || [green.len(), blue.len()] != [red.len(); 2] {
            return Err(Error::at(at::RED_PALETTE_DESCRIPTOR, "the palette's three tables differ in their form"));
        }
        let (first, bits) = (*first, u32::from(*bits));
        let entry = |((&red, &green), &blue): ((&u16, &u16), &u16)| {
            let (levels, chroma) = luma(std::iter::once([red, green, blue]), bits, false);
            Entry { luma: levels.first().copied().unwrap_or(0), chroma }
        };
        Ok(Some(Self { first, bits, entries: red.iter().zip(green).zip(blue).map(entry).collect() }))
    }

    /// How the luma lies.
    pub(super) fn layout(&self) -> Layout {
        Layout::of(self.bits, self.bits)
    }

    /// Replaces stored values by their luma, and gives the mean chroma, of a range of 1. Values beside the table have its nearest entry.
    pub(super) fn luma(&self, mut raw: Vec<u16>, layout: &Layout) -> (Vec<u16>, f64) {
        let mut chroma = 0.0;
        for value in &mut raw {
            let stored = (u32::from(*value) & layout.mask()) as usize;
            let index = stored.saturating_sub(usize::from(self.first)).min(self.entries.len().saturating_sub(1));
            if let Some(entry) = self.entries.get(index) {
                *value = entry.luma;
                chroma += entry.chroma;
            }
        }
        let mean = chroma / raw.len().max(1) as f64;
        (raw, mean)
    }
}
