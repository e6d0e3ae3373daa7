//! DICOM part 10 files: one grey frame of up to 16 bits.
//!
//! The structure is read by dicom-rs, token by token; values are taken only of the attributes on the list of
//! [`attribute`](crate::ingest::attribute), and only after their length was checked against the file's. From the stored value to the displayed grey it
//! goes as PS3.3 C.11 says: modality LUT or rescale, VOI LUT or window, then the photometric interpretation.

mod dataset;
mod frame;
mod objects;
mod rle;
mod value;
mod voi;

pub(crate) use objects::object_without_image;

use crate::image::attribute as at;
use crate::image::checks::{self, Resolved, Statements, Warning};
use crate::image::memory::Memory;
use crate::image::picture::{Picture, checked_pixels};
use crate::image::range;
use crate::image::terms::{BodyPart, Modality, Photometric, Stated, View};
use crate::image::{Attribute, Settings};
use crate::image::{Error, Format, Result, Value};
use dataset::Dataset;
use frame::{Frame, Layout};
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
    pub bits: u32,
    pub resolved: Resolved,
}

/// Reads a DICOM file.
///
/// # Errors
/// Every variant of [`Error`] but `Io` and `UnknownFormat`.
pub(super) fn read(bytes: &[u8], settings: &Settings, warnings: &mut Vec<Warning>, memory: &mut Memory<'_>) -> Result<Read> {
    let dataset = Dataset::read(bytes, at::ALL)?;
    let samples = dataset.integer(at::SAMPLES_PER_PIXEL)?.unwrap_or(1);
    let stating = stating(&dataset, samples)?;
    let resolved = checks::stated(&stating, &settings.assume, &settings.checks, warnings)?;
    let pixels = checked_pixels(Format::Dicom, stating.width, stating.height, settings.limits.pixels)?;
    let layout = Layout::read(&dataset)?;
    let modal = Modal::read(&dataset, layout.signed)?;
    let voi = Voi::read(&dataset)?;
    let padding = padding(&dataset, &layout)?;
    let Frame { width, height, raw } = Frame::read(&dataset, &layout, (stating.width, stating.height), pixels, settings, memory)?;

    let inverted = resolved.photometric == Photometric::Monochrome1;
    let is_padding = |stored: i32| padding.is_some_and(|(low, high)| (low..=high).contains(&stored));
    let shown: Box<dyn Fn(f64) -> f32> = match &voi {
        Some(voi) => Box::new(|value| voi.apply(value) as f32),
        None => {
            let declared = modal.range(&layout);
            let mut seen = vec![false; layout.table_len()];
            for &bits in &raw {
                if let Some(seen) = seen.get_mut(layout.index(bits)) {
                    *seen = true;
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
    let grey = raw.iter().map(|&bits| table.get(layout.index(bits)).copied().unwrap_or(0.0)).collect();
    Ok(Read { picture: Picture::new(width, height, grey)?, bits: layout.stored, resolved })
}

fn stating(dataset: &Dataset<'_>, samples: i64) -> Result<Statements> {
    let size = |attribute: Attribute| -> Result<u64> {
        let side = dataset.integer(attribute)?.ok_or(Error::Missing { attribute })?;
        u64::try_from(side).map_err(|_| Error::at(attribute, "a negative size"))
    };
    let text = |attribute| dataset.text(attribute);
    let frames = dataset.integer(at::NUMBER_OF_FRAMES)?.unwrap_or(1);
    let mut photometric = Stated::read(text(at::PHOTOMETRIC_INTERPRETATION), Photometric::parse);
    if samples != 1 {
        photometric = Stated::Is(Photometric::Colour);
    } else if let Stated::Unlisted(bytes) = photometric {
        return Err(Error::Unsupported {
            format: Format::Dicom,
            what: "the photometric interpretation",
            found: Value::Unlisted { bytes },
            wanted: "MONOCHROME1 or MONOCHROME2",
        });
    }
    Ok(Statements {
        modality: Stated::read(text(at::MODALITY), Modality::parse),
        view: view(dataset),
        photometric,
        body_part: Stated::read(text(at::BODY_PART_EXAMINED), BodyPart::parse),
        burned_in: text(at::BURNED_IN_ANNOTATION).trim_ascii().eq_ignore_ascii_case(b"YES"),
        frames: u64::try_from(frames).unwrap_or(0),
        width: size(at::COLUMNS)?,
        height: size(at::ROWS)?,
        tagged: true,
    })
}

/// The view and the attribute that states it. One that is not frontal wins over one that is.
fn view(dataset: &Dataset<'_>) -> (Stated<View>, Option<Attribute>) {
    let sources = [
        (Stated::read(dataset.text(at::VIEW_POSITION), View::parse), at::VIEW_POSITION),
        (Stated::read(dataset.nested(at::VIEW_CODE_SEQUENCE, at::CODE_VALUE), View::parse), at::VIEW_CODE_SEQUENCE),
        (orientation(dataset.text(at::PATIENT_ORIENTATION)), at::PATIENT_ORIENTATION),
    ];
    let find = |wanted: fn(Stated<View>) -> bool| sources.iter().find(|(view, _)| wanted(*view));
    find(|view| view.known().is_some_and(|view| !view.is_frontal()))
        .or_else(|| find(|view| view.known().is_some()))
        .or_else(|| find(|view| view != Stated::Absent))
        .map_or((Stated::Absent, None), |&(view, attribute)| (view, Some(attribute)))
}

/// PatientOrientation says to which side of the patient rows and columns run: neither to the left nor to the right, and one of
/// them to the front or the back, is a view from the side.
fn orientation(text: &[u8]) -> Stated<View> {
    let first = |direction: &[u8]| direction.trim_ascii().first().map(u8::to_ascii_uppercase);
    let mut runs = text.split(|&byte| byte == b'\\').map(first);
    let (row, column) = (runs.next().flatten(), runs.next().flatten());
    let any = |letters: &[u8]| [row, column].iter().flatten().any(|letter| letters.contains(letter));
    if any(b"AP") && !any(b"LR") { Stated::Is(View::Lateral) } else { Stated::Absent }
}

/// The stored values that fill the area around the image, which is black.
fn padding(dataset: &Dataset<'_>, layout: &Layout) -> Result<Option<(i32, i32)>> {
    let value =
        |attribute| -> Result<Option<i32>> { Ok(dataset.integer(attribute)?.map(|value| layout.value(layout.mask_of(value)))) };
    let Some(first) = value(at::PIXEL_PADDING_VALUE)? else { return Ok(None) };
    let last = value(at::PIXEL_PADDING_RANGE_LIMIT)?.unwrap_or(first);
    Ok(Some((first.min(last), first.max(last))))
}
