//! Checks of admissibility: which readable images are not to be classified, and which are, but with a warning.
//!
//! The server never sees the image, so this is the only place where a wrong one can be turned away.

use super::attribute::{self, Attribute};
use super::error::{Error, Result, Value};
use super::picture::Picture;
use super::terms::{Assume, BodyPart, Modality, Photometric, Stated, View};
use serde::{Deserialize, Serialize};
use std::fmt;

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

/// A rule that an image broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// Not a radiograph: CR, DX or RG.
    WrongModality,
    /// Not seen from the front or the back.
    NotFrontal,
    /// A film, a stack or an animation.
    SeveralFrames,
    /// A side shorter than the limit, pixels.
    TooSmall,
    /// Hardly any contrast; the value is the standard deviation of grey.
    Constant,
    /// Mostly black or white; the value is the share of such pixels.
    Saturated,
    /// In colour; the value is the photometric interpretation or the mean chroma.
    Colour,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongModality => "modality must be CR, DX or RG (a radiograph)",
            Self::NotFrontal => "view must be frontal (PA or AP)",
            Self::SeveralFrames => "one frame is wanted",
            Self::TooSmall => "the shorter side is too short in pixels",
            Self::Constant => "the image is nearly constant, by its standard deviation of grey",
            Self::Saturated => "the image is mostly black or white, by its share of such pixels",
            Self::Colour => "a grey image is wanted, not one in colour",
        })
    }
}

/// Why an image was refused: the rule, the value that broke it, and where it stood.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Refusal {
    /// The first rule that the image broke.
    pub rule: Rule,
    /// The value that broke it, in the unit that the rule names.
    pub value: Value,
    /// The DICOM attribute that states the value; none for a raster image or a measured value.
    pub attribute: Option<Attribute>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; found {}", self.rule, self.value)?;
        self.attribute.map_or(Ok(()), |attribute| write!(f, " in {attribute}"))
    }
}

impl Refusal {
    fn error(rule: Rule, value: Value, attribute: Option<Attribute>) -> Error {
        Error::Refused(Self { rule, value, attribute })
    }
}

/// Something the user should know of an image that was let in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "warning")]
#[non_exhaustive]
pub enum Warning {
    /// The file says that text is burned into the pixels: it may name the patient, and it may sway the classifier.
    BurnedInAnnotation,
    /// The file does not say this; `taken` was assumed.
    NotStated {
        /// "photometric interpretation", "modality" or "view".
        what: &'static str,
        /// A text that is in no table of terms, or [`Value::Absent`].
        found: Value,
        /// The term that was assumed in its place.
        taken: &'static str,
    },
    /// The file names another part of the body than the chest.
    OtherBodyPart {
        /// The term of BodyPartExamined, or a text in no table.
        part: Value,
    },
    /// No window is stated and the pixels fill little of their range, so they were stretched to what they fill.
    Stretched {
        /// Darkest value found, in the units after rescaling.
        low: f64,
        /// Brightest value found, in the same units.
        high: f64,
        /// Width of the range that the file declares.
        declared: f64,
    },
    /// The pixels show no frontal chest.
    NoChest {
        /// How sure this is, 0 to 1.
        chance: f64,
    },
    /// The chest is not upright.
    Lying {
        /// How far the image has to be turned clockwise to be upright: 90, 180 or 270 degrees.
        degrees: u16,
        /// How sure this is, 0 to 1.
        chance: f64,
    },
    /// The image is a negative: bright where a film is dark.
    Negative {
        /// How sure this is, 0 to 1.
        chance: f64,
    },
    /// The image is far from those that the model was trained on.
    FarFromTraining {
        /// The statistic that is beyond its limit.
        statistic: Statistic,
        /// Its value for this image.
        value: f64,
        /// The limit that the encoder's manifest states.
        limit: f64,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BurnedInAnnotation => {
                write!(f, "{} is YES: the pixels may show the patient's name", attribute::BURNED_IN_ANNOTATION)
            }
            Self::NotStated { what, found, taken } => write!(f, "{what}: the file states {found}; {taken} was assumed"),
            Self::OtherBodyPart { part } => write!(f, "{} is {part}, not the chest", attribute::BODY_PART_EXAMINED),
            Self::Stretched { low, high, declared } => write!(
                f,
                "no window is stated and the pixels fill {low} to {high} of a range of {declared}: they were stretched to that"
            ),
            Self::NoChest { chance } => write!(
                f,
                "the pixels show no frontal chest ({:.1} % sure): look at the image; findings of it mean nothing",
                100.0 * chance
            ),
            Self::Lying { degrees, chance } => write!(
                f,
                "the chest seems to lie turned ({:.1} % sure): look at the image, and turn it by {degrees} degrees clockwise",
                100.0 * chance
            ),
            Self::Negative { chance } => write!(
                f,
                "the image seems to be a negative, bright where a film is dark ({:.1} % sure): look at it, and export it anew or \
                 assume photometric=MONOCHROME1",
                100.0 * chance
            ),
            Self::FarFromTraining { statistic, value, limit } => {
                write!(f, "unlike the training images: {statistic} is {value:.4}, beyond {limit:.4}")
            }
        }
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
/// [`Error::Refused`] for an image without contrast, or one that is mostly black or white.
pub fn pixels(picture: &Picture, limits: &AdmissibilityLimits) -> Result<()> {
    let count = picture.grey().len() as f64;
    let (mut sum, mut squares, mut saturated) = (0.0, 0.0, 0u64);
    for &grey in picture.grey() {
        let grey = f64::from(grey);
        sum += grey;
        squares += grey * grey;
        saturated += u64::from(!(0.5 / 255.0..=254.5 / 255.0).contains(&grey));
    }
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

/// By what an image is compared with the training images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Statistic {
    /// Mean squared difference between the canonical image and its reconstruction.
    ReconstructionError,
    /// Smallest value of the latent.
    LatentMin,
    /// Largest value of the latent.
    LatentMax,
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReconstructionError => "the reconstruction error",
            Self::LatentMin => "the smallest latent value",
            Self::LatentMax => "the largest latent value",
        })
    }
}

/// What a manifest states of the images its encoder was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingLimits {
    /// Largest mean squared reconstruction error, of values in [−1, 1].
    pub reconstruction_error: f64,
    /// Smallest value of a latent, in units of its channels' standard deviations.
    pub latent_min: f64,
    /// Largest value of a latent, in the same unit.
    pub latent_max: f64,
}

/// What an encoder measured of one image, in the units of [`TrainingLimits`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Mean squared reconstruction error, of values in [−1, 1].
    pub reconstruction_error: f64,
    /// Smallest value of a latent, in units of its channels' standard deviations.
    pub latent_min: f64,
    /// Largest value of a latent, in the same unit.
    pub latent_max: f64,
}

/// A [`Warning::FarFromTraining`] for every limit that an image oversteps; a value that is not a number oversteps.
pub fn far_from_training(found: &Measured, limits: &TrainingLimits) -> Vec<Warning> {
    let outside =
        |inside: bool, statistic, value, limit| (!inside).then_some(Warning::FarFromTraining { statistic, value, limit });
    let (error, low, high) = (found.reconstruction_error, found.latent_min, found.latent_max);
    [
        outside(error <= limits.reconstruction_error, Statistic::ReconstructionError, error, limits.reconstruction_error),
        outside(low >= limits.latent_min, Statistic::LatentMin, low, limits.latent_min),
        outside(high <= limits.latent_max, Statistic::LatentMax, high, limits.latent_max),
    ]
    .into_iter()
    .flatten()
    .collect()
}
