//! Checks of admissibility: which readable images are not to be classified, and which are, but with a warning.
//!
//! The server never sees the image, so this is the only place where a wrong one can be turned away.

mod training;
mod warning;

pub use super::refusal::{Refusal, Rule};
pub use training::{Measured, Statistic, TrainingLimits, far_from_training};
pub use warning::Warning;

use super::attribute::{self, Attribute};
use super::error::{Result, Value};
use super::picture::Picture;
use super::terms::{Assume, BodyPart, Modality, Photometric, Stated, View};
use serde::{Deserialize, Serialize};

/// Limits of the checks. The defaults were set on films of NIH ChestX-ray14, Kermany et al. and the NLM tuberculosis sets: they refuse none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdmissibilityLimits {
    /// Shortest side that is let in, pixels.
    pub min_side: u64,
    /// Least standard deviation of grey, of a range of 1.
    pub min_deviation: f64,
    /// Largest share of pixels within half an 8-bit grey level of black or of white.
    pub max_saturated: f64,
    /// Largest mean difference between a pixel's colour channels, of a range of 1.
    pub max_chroma: f64,
}

impl Default for AdmissibilityLimits {
    fn default() -> Self {
        Self { min_side: 128, min_deviation: 0.02, max_saturated: 0.75, max_chroma: 0.02 }
    }
}

/// What a file states of its image, before any pixel is decoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Statements {
    pub modality: Stated<Modality>,
    pub view: (Stated<View>, Option<Attribute>),
    pub photometric: Stated<Photometric>,
    pub body_part: Stated<BodyPart>,
    pub burned_in: bool,
    pub frames: u64,
    pub width: u64,
    pub height: u64,
    /// Whether refusals name the tag, as those of a DICOM file do.
    pub tagged: bool,
}

/// What holds of an image after the file and then the assumptions were asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Resolved {
    pub modality: Option<Modality>,
    pub view: Option<View>,
    pub photometric: Photometric,
}

/// Applies the rules on what is stated. `warnings` grows by what the user should know.
///
/// # Errors
/// [`Error::Refused`].
pub(crate) fn stated(
    stating: &Statements,
    assume: &Assume,
    limits: &AdmissibilityLimits,
    warnings: &mut Vec<Warning>,
) -> Result<Resolved> {
    let at = |attribute| stating.tagged.then_some(attribute);
    if stating.frames != 1 {
        return Err(Refusal::error(Rule::SeveralFrames, Value::Count(stating.frames), at(attribute::NUMBER_OF_FRAMES)));
    }
    let photometric = stating.photometric.known().or(assume.photometric).unwrap_or(Photometric::Monochrome2);
    if photometric == Photometric::Colour {
        let value = stating.photometric.value(Photometric::term);
        return Err(Refusal::error(Rule::Colour, value, at(attribute::PHOTOMETRIC_INTERPRETATION)));
    }
    let modality = match (stating.modality, assume.modality) {
        (Stated::Is(modality), _) | (Stated::Absent, Some(modality)) => Some(modality),
        (Stated::Absent, None) if !stating.tagged => None,
        (found, _) => {
            return Err(Refusal::error(Rule::WrongModality, found.value(Modality::term), at(attribute::MODALITY)));
        }
    };
    if let Some(wrong) = modality.filter(|modality| !modality.is_radiograph()) {
        return Err(Refusal::error(Rule::WrongModality, Value::Term(wrong.term()), at(attribute::MODALITY)));
    }
    let (found_view, view_from) = stating.view;
    let view = found_view.known().or(assume.view);
    if let Some(wrong) = view.filter(|view| !view.is_frontal()) {
        return Err(Refusal::error(Rule::NotFrontal, Value::Term(wrong.term()), view_from));
    }
    if let (Stated::Unlisted(value), None) = (found_view, assume.view) {
        return Err(Refusal::error(Rule::UnlistedView, value, view_from));
    }
    for (side, attribute) in [(stating.width, attribute::COLUMNS), (stating.height, attribute::ROWS)] {
        if side < limits.min_side {
            return Err(Refusal::error(Rule::TooSmall, Value::Count(side), at(attribute)));
        }
    }
    let mut not_stated = |what, found, taken: Option<&'static str>, otherwise| {
        warnings.push(Warning::NotStated { what, found, taken: taken.unwrap_or(otherwise) });
    };
    if stating.photometric.known().is_none() && assume.photometric.is_none() {
        not_stated("photometric interpretation", stating.photometric.value(Photometric::term), None, photometric.term());
    }
    if stating.modality.known().is_none() && assume.modality.is_none() {
        not_stated("modality", stating.modality.value(Modality::term), None, "a radiograph");
    }
    if found_view.known().is_none() && assume.view.is_none() {
        not_stated("view", found_view.value(View::term), None, "a frontal view");
    }
    match stating.body_part {
        Stated::Is(BodyPart::Chest) | Stated::Absent => {}
        other => warnings.push(Warning::OtherBodyPart { part: other.value(BodyPart::term) }),
    }
    if stating.burned_in {
        warnings.push(Warning::BurnedInAnnotation);
    }
    Ok(Resolved { modality, view, photometric })
}

/// Applies the rules on the pixels.
///
/// # Errors
/// [`Error::Refused`](super::Error::Refused) for an image without contrast, or one that is mostly black or white.
pub fn pixels(picture: &Picture, limits: &AdmissibilityLimits) -> Result<()> {
    let count = (picture.width() * picture.height()) as f64;
    let (mut sum, mut squares, mut saturated) = (0.0, 0.0, 0u64);
    picture.count(|grey, times| {
        let grey = f64::from(grey);
        sum += grey * times as f64;
        squares += grey * grey * times as f64;
        saturated += if (0.5 / 255.0..=254.5 / 255.0).contains(&grey) { 0 } else { times };
    });
    let mean = sum / count;
    let deviation = (squares / count - mean * mean).max(0.0).sqrt();
    if deviation < limits.min_deviation {
        return Err(Refusal::error(Rule::Constant, Value::Measure(deviation), None));
    }
    let share = saturated as f64 / count;
    if share > limits.max_saturated {
        return Err(Refusal::error(Rule::Saturated, Value::Measure(share), None));
    }
    Ok(())
}

/// Applies the rule on colour: `chroma` is the mean over the pixels of largest minus smallest channel, of a range of 1.
///
/// # Errors
/// [`Error::Refused`] above the limit.
pub(crate) fn colour(chroma: f64, limits: &AdmissibilityLimits) -> Result<()> {
    if chroma > limits.max_chroma {
        return Err(Refusal::error(Rule::Colour, Value::Measure(chroma), None));
    }
    Ok(())
}
