//! What a DICOM file says of its image beside the pixels: what it shows, how it lies, and how its values are to be shown.

mod aspect;
mod object;
mod orientation;
mod shutter;
mod view;

pub(super) use object::check;
pub(super) use shutter::Shutter;

use super::colour::Colour;
use super::dataset::Dataset;
use super::frame::Layout;
use super::voi::{Modal, Voi};
use crate::image::attribute as at;
use crate::image::checks::{Resolved, Statements, Warning};
use crate::image::terms::{BodyPart, Modality, Photometric, Stated};
use crate::image::{Attribute, Error, Format, Result, Turn};
use dicom_core::VR;

/// What is stated of the image, before any pixel is decoded.
///
/// # Errors
/// [`Error::Missing`] without rows or columns, [`Error::Malformed`], [`Error::Unsupported`] for an unknown photometric interpretation.
pub(super) fn stating(dataset: &Dataset<'_>) -> Result<Statements> {
    let size = |attribute: Attribute| -> Result<u64> {
        let side = dataset.integer(attribute)?.ok_or(Error::Missing { attribute })?;
        u64::try_from(side).map_err(|_| Error::at(attribute, "a negative size"))
    };
    let text = |attribute| dataset.text(attribute);
    let mut photometric = Stated::read(text(at::PHOTOMETRIC_INTERPRETATION), Photometric::parse);
    if Colour::stated(dataset)?.is_some() {
        // Its luma is what is looked at; whether it has colour is seen in the pixels.
        photometric = Stated::Is(Photometric::Monochrome2);
    } else if dataset.integer(at::SAMPLES_PER_PIXEL)?.unwrap_or(1) != 1 {
        photometric = Stated::Is(Photometric::Colour);
    } else if let Stated::Unlisted(found) = photometric {
        return Err(Error::Unsupported {
            format: Format::Dicom,
            what: "the photometric interpretation",
            found,
            wanted: "MONOCHROME1 or MONOCHROME2",
        });
    }
    Ok(Statements {
        modality: Stated::read(text(at::MODALITY), Modality::parse),
        view: view::stated(dataset),
        photometric,
        body_part: Stated::read(text(at::BODY_PART_EXAMINED), BodyPart::parse),
        burned_in: says(dataset, at::BURNED_IN_ANNOTATION, "YES"),
        frames: frames(dataset)?,
        width: size(at::COLUMNS)?,
        height: size(at::ROWS)?,
        tagged: true,
    })
}

/// Whether an attribute has this one value, in letters of any case.
fn says(dataset: &Dataset<'_>, attribute: Attribute, term: &str) -> bool {
    dataset.text(attribute).eq_ignore_ascii_case(term.as_bytes())
}

/// Longest text whose values are taken apart, bytes; a shutter of a thousand corners has fewer.
const MAX_TEXT: usize = 32 << 10;

/// The values of a text in upper case; bytes that are not UTF-8 are replaced. One that is too long has a single value, which is no term.
fn values(text: &[u8]) -> impl Iterator<Item = String> {
    let text = if text.len() > MAX_TEXT { b"?".as_slice() } else { text };
    let text = String::from_utf8_lossy(text).to_ascii_uppercase();
    text.split('\\').map(|value| value.trim().to_owned()).collect::<Vec<_>>().into_iter()
}

/// An attribute's values as numbers; none if one of them is not a finite one.
fn numbers(dataset: &Dataset<'_>, attribute: Attribute) -> Option<Vec<f64>> {
    values(dataset.text(attribute)).map(|value| value.parse().ok().filter(|number: &f64| number.is_finite())).collect()
}

/// How many frames there are: one where it is not said, empty, or 0.
fn frames(dataset: &Dataset<'_>) -> Result<u64> {
    let damaged = || Error::at(at::NUMBER_OF_FRAMES, "not a count of frames");
    let Some(element) = dataset.element(at::NUMBER_OF_FRAMES) else { return Ok(1) };
    let count = if matches!(element.vr, VR::US | VR::SS | VR::UL | VR::SL) {
        dataset.integer(at::NUMBER_OF_FRAMES)?.unwrap_or(1)
    } else {
        // An integer string, also where the file leaves its representation open (UN).
        match values(dataset.text(at::NUMBER_OF_FRAMES)).next().filter(|first| !first.is_empty()) {
            Some(first) => first.parse().map_err(|_| damaged())?,
            None => 1,
        }
    };
    u64::try_from(count).map(|count| count.max(1)).map_err(|_| damaged())
}

/// How the values and the pixels are to be shown.
pub(super) struct Presentation {
    /// Whether the largest value is black.
    pub inverted: bool,
    /// What brings the picture upright.
    pub turn: Turn,
    /// Height of a pixel, as it is filed, divided by its width.
    pub aspect: f64,
    /// What part of it is shown.
    pub shutter: Option<Shutter>,
}

impl Presentation {
    /// Reads it; what contradicts itself or cannot be used is told in `warnings`.
    ///
    /// # Errors
    /// [`Error::Refused`](crate::image::Error::Refused) for pixels of an absurd shape.
    pub(super) fn read(
        dataset: &Dataset<'_>,
        stating: &Statements,
        resolved: &Resolved,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self> {
        let aspect = aspect::read(dataset, warnings)?;
        Ok(Self {
            inverted: inverted(dataset, resolved.photometric, warnings),
            turn: orientation::turn(dataset, warnings),
            aspect,
            shutter: Shutter::read(dataset, (stating.width, stating.height), aspect, warnings),
        })
    }
}

/// Whether the largest value is black. The Presentation LUT Shape says so of the values that are shown (PS3.3 C.7.6.1.1, C.11.6.1.2); the
/// photometric interpretation must agree, and decides where there is no shape.
fn inverted(dataset: &Dataset<'_>, photometric: Photometric, warnings: &mut Vec<Warning>) -> bool {
    let stated = photometric == Photometric::Monochrome1;
    if dataset.in_sequence(at::PRESENTATION_LUT_SEQUENCE, at::LUT_DATA).is_some() {
        warnings.push(Warning::NotApplied {
            attribute: at::PRESENTATION_LUT_SEQUENCE,
            reason: "a table of it belongs to a presentation state; compare the image with what a viewer shows",
        });
    }
    let shape = match dataset.text(at::PRESENTATION_LUT_SHAPE).to_ascii_uppercase().as_slice() {
        b"IDENTITY" => false,
        b"INVERSE" => true,
        _ => stated,
    };
    if shape != stated {
        warnings.push(Warning::Contradiction {
            attribute: at::PRESENTATION_LUT_SHAPE,
            reason: if shape {
                "INVERSE against MONOCHROME2: the image was inverted; see that its lungs are dark"
            } else {
                "IDENTITY against MONOCHROME1: the image was not inverted; see that its lungs are dark"
            },
        });
    }
    shape
}

/// Warns where the sign of the relationship between values and beam intensity (PS3.3 C.8.11.3.1.2) makes bone dark. A table between the
/// two can turn it round, so that then nothing is said.
pub(super) fn check_sign(
    dataset: &Dataset<'_>,
    inverted: bool,
    modal: &Modal,
    voi: Option<&Voi>,
    warnings: &mut Vec<Warning>,
) -> Result<()> {
    let Modal::Rescale { slope, .. } = modal else { return Ok(()) };
    if matches!(voi, Some(Voi::Table(_))) {
        return Ok(());
    }
    let much_is_large = match signed(dataset, at::PIXEL_INTENSITY_RELATIONSHIP_SIGN)? {
        Some(1) => true,
        Some(-1) => false,
        _ => return Ok(()),
    };
    if much_is_large != (inverted ^ (*slope < 0.0)) {
        warnings.push(Warning::Contradiction {
            attribute: at::PIXEL_INTENSITY_RELATIONSHIP_SIGN,
            reason: "by it bone would be dark as the image is shown; see that its lungs are dark",
        });
    }
    Ok(())
}

/// A number of 16 bits with a sign, whatever representation the file gives it.
fn signed(dataset: &Dataset<'_>, attribute: Attribute) -> Result<Option<i64>> {
    Ok(dataset.integer(attribute)?.map(|value| if value > i64::from(i16::MAX) { value - (1 << 16) } else { value }))
}

/// The stored values that fill the area around the image, which is black (PS3.3 C.7.5.1.1.2): those of the range that a pixel can have.
///
/// # Errors
/// [`Error::Malformed`].
pub(super) fn padding(dataset: &Dataset<'_>, layout: &Layout) -> Result<Option<(i32, i32)>> {
    // Either attribute is signed where the pixels are, though an implicit file, or a careless one, does not say so.
    let value = |attribute| -> Result<Option<i64>> {
        let found = if layout.signed { signed(dataset, attribute)? } else { dataset.integer(attribute)? };
        Ok(found.map(|value| if !layout.signed && value < 0 { value + (1 << 16) } else { value }))
    };
    let Some(first) = value(at::PIXEL_PADDING_VALUE)? else { return Ok(None) };
    let last = value(at::PIXEL_PADDING_RANGE_LIMIT)?.unwrap_or(first);
    let (least, most) = layout.range();
    let (low, high) = (first.min(last).max(i64::from(least)), first.max(last).min(i64::from(most)));
    Ok(i32::try_from(low).ok().zip(i32::try_from(high).ok()).filter(|(low, high)| low <= high))
}
