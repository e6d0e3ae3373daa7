//! DICOM part 10 files: one grey frame of up to 16 bits.
//!
//! The structure is read by dicom-rs, token by token; values are taken only of the attributes on the list of
//! [`attribute`](crate::ingest::attribute), and only after their length was checked against the file's. From the stored value to the displayed grey it
//! goes as PS3.3 C.11 says: modality LUT or rescale, VOI LUT or window, then the photometric interpretation.

mod colour;
mod content;
mod dataset;
mod frame;
mod grey;
mod header;
mod inflate;
mod objects;
mod rle;
mod statements;
mod syntax;
mod value;
mod voi;
mod walk;

pub(crate) use objects::object_without_image;

use crate::image::attribute as at;
use crate::image::checks::{self, Resolved, Warning};
use crate::image::memory::Memory;
use crate::image::picture::{Picture, checked_pixels};
use crate::image::{Attribute, Format, Rect, Result, Settings, Turn};
use colour::Colour;
pub(crate) use content::{Content, HEAD, is_dicom};
use dataset::Dataset;
use frame::{Frame, Layout};
use grey::Transforms;
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
pub(crate) fn texts<'a>(content: &'a Content<'_>, list: &'static [Attribute]) -> Result<Texts<'a>> {
    let dataset = Dataset::read(content, list)?;
    Ok(Texts { syntax: dataset.syntax, values: dataset.texts().collect() })
}

/// A DICOM image in grey, as it is to be displayed.
pub(super) struct Read {
    pub picture: Picture,
    /// The part of it that is no border.
    pub keep: Rect,
    /// What brings it upright.
    pub turn: Turn,
    /// Height of a pixel, as it is filed, divided by its width.
    pub aspect: f64,
    pub bits: u32,
    pub resolved: Resolved,
}

/// Reads a DICOM file.
///
/// # Errors
/// Every variant of [`Error`] but `Io` and `UnknownFormat`.
pub(super) fn read(bytes: &[u8], settings: &Settings, warnings: &mut Vec<Warning>, memory: &mut Memory<'_>) -> Result<Read> {
    let content = Content::open(bytes, &settings.limits, memory)?;
    let dataset = Dataset::read(&content, at::ALL)?;
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
        None => {
            let modal = Modal::read(&dataset, &layout)?;
            let voi = Voi::read(&dataset, modal.range(&layout))?;
            (modal, voi, statements::padding(&dataset, &layout)?)
        }
    };
    statements::check_sign(&dataset, inverted, &modal, voi.as_ref(), warnings)?;
    let size = (stating.width, stating.height);
    let (frame, layout) = match &colour {
        Some(colour) => colour.read(&dataset, &layout, size, pixels, settings, memory)?,
        None => (Frame::read(&dataset, &layout, size, pixels, settings, memory)?, layout),
    };
    let bits = layout.stored;
    let (picture, keep) = Transforms { layout, modal, voi, padding, shutter, inverted }.apply(frame, warnings)?;
    Ok(Read { picture, keep, turn, aspect, bits, resolved })
}
