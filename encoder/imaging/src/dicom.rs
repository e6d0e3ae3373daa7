//! DICOM part 10 files: one grey frame of up to 16 bits.
//!
//! The structure is read by dicom-rs, token by token; values are taken only of the attributes on the list of
//! [`attribute`](crate::ingest::attribute), and only after their length was checked against the file's. From the stored value to the displayed grey it
//! goes as PS3.3 C.11 says: modality LUT or rescale, VOI LUT or window, then the photometric interpretation.

mod colour;
mod dataset;
mod frame;
mod rle;
mod statements;
mod syntax;
mod value;
mod voi;

use crate::image::attribute as at;
use crate::image::checks::{self, Resolved, Warning};
use crate::image::memory::Memory;
use crate::image::picture::{Picture, checked_pixels};
use crate::image::range;
use crate::image::{Attribute, Format, Rect, Result, Settings, Turn};
use colour::Colour;
use dataset::Dataset;
use frame::{Frame, Layout};
use statements::Presentation;
use std::collections::BTreeMap;
use voi::{Modal, Voi};

/// What a DICOM file says in texts, not decoded: each in the character set of the file.
pub(crate) struct Texts<'a> {
    /// The transfer syntax UID.
    pub syntax: &'a str,
    /// The values of every attribute that the file has, but for the padding at their ends.
    pub values: BTreeMap<Attribute, &'a [u8]>,
}

/// Reads the texts of the attributes on `list`, those of the root.
///
/// # Errors
/// [`Error::Malformed`], [`Error::Unsupported`] for the transfer syntax, [`Error::Missing`] without pixel data.
pub(crate) fn texts<'a>(bytes: &'a [u8], list: &'static [Attribute]) -> Result<Texts<'a>> {
    let dataset = Dataset::read(bytes, list)?;
    Ok(Texts { syntax: dataset.syntax, values: dataset.texts().collect() })
}

/// A DICOM image in grey, as it is to be displayed.
pub(super) struct Read {
    pub picture: Picture,
    /// What brings it upright.
    pub turn: Turn,
    /// Height of a pixel, as it is filed, divided by its width.
    pub aspect: f64,
    /// The part that holds everything that its shutter shows, where it has one.
    pub shown: Option<Rect>,
    pub bits: u32,
    pub resolved: Resolved,
}

/// Reads a DICOM file.
///
/// # Errors
/// Every variant of [`Error`] but `Io` and `UnknownFormat`.
pub(super) fn read(bytes: &[u8], settings: &Settings, warnings: &mut Vec<Warning>, memory: &mut Memory<'_>) -> Result<Read> {
    let dataset = Dataset::read(bytes, at::ALL)?;
    let stating = statements::stating(&dataset)?;
    let resolved = checks::stated(&stating, &settings.assume, &settings.checks, warnings)?;
    statements::check(&dataset, warnings)?;
    let Presentation { inverted, turn, aspect, shutter } = Presentation::read(&dataset, &stating, &resolved, warnings)?;
    let pixels = checked_pixels(Format::Dicom, stating.width, stating.height, settings.limits.pixels)?;
    let layout = Layout::read(&dataset)?;
    // Neither transform nor padding belongs to colour (PS3.3 C.11.1, C.11.2, C.7.5.1.1.2).
    let colour = Colour::stated(&dataset)?;
    let (modal, voi, padding) = match colour {
        Some(_) => (Modal::Rescale { slope: 1.0, intercept: 0.0 }, None, None),
        None => (Modal::read(&dataset, layout.signed)?, Voi::read(&dataset)?, statements::padding(&dataset, &layout)?),
    };
    statements::check_sign(&dataset, inverted, &modal, voi.as_ref(), warnings)?;
    let size = (stating.width, stating.height);
    let (Frame { width, height, raw }, layout) = match &colour {
        Some(colour) => colour.read(&dataset, &layout, size, pixels, settings, memory)?,
        None => (Frame::read(&dataset, &layout, size, pixels, settings, memory)?, layout),
    };

    let is_padding = |stored: i32| padding.is_some_and(|(low, high)| (low..=high).contains(&stored));
    let shown: Box<dyn Fn(f64) -> f32> = match &voi {
        Some(voi) => Box::new(|value| voi.apply(value) as f32),
        None => {
            let declared = modal.range(&layout);
            let mut seen = vec![false; layout.table_len()];
            let mut see = |values: &[u16]| {
                for &bits in values {
                    if let Some(seen) = seen.get_mut(layout.index(bits)) {
                        *seen = true;
                    }
                }
            };
            match &shutter {
                None => see(&raw),
                Some(shutter) => {
                    for (row, line) in raw.chunks_exact(width).enumerate() {
                        shutter.shown(row).into_iter().for_each(|shown| see(line.get(shown).unwrap_or_default()));
                    }
                }
            }
            let stored = (0u32..).zip(&seen).filter(|&(_, &seen)| seen).map(|(index, _)| layout.value(index));
            let values = stored.filter(|&stored| !is_padding(stored)).map(|stored| modal.apply(stored));
            let range = range::used(declared, values, layout.stored > 8, warnings);
            Box::new(move |value| range::unit(value, range))
        }
    };
    let table: Vec<f32> = (0u32..)
        .take(layout.table_len())
        .map(|index| {
            let stored = layout.value(index);
            match (is_padding(stored), shown(modal.apply(stored))) {
                (true, _) => 0.0,
                (false, grey) if inverted => 1.0 - grey,
                (false, grey) => grey,
            }
        })
        .collect();
    let mut grey: Vec<f32> = raw.iter().map(|&bits| table.get(layout.index(bits)).copied().unwrap_or(0.0)).collect();
    if let Some(shutter) = &shutter {
        shutter.cover(&mut grey);
    }
    let shown = shutter.and_then(|shutter| shutter.bounds());
    Ok(Read { picture: Picture::new(width, height, grey)?, turn, aspect, shown, bits: layout.stored, resolved })
}
