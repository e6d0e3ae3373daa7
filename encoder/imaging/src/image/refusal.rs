//! The rules, and what is said of an image that broke one.

use crate::image::attribute::Attribute;
use crate::image::error::{Error, Value};
use serde::Serialize;
use std::fmt;

/// A rule that an image broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// Not a radiograph: CR, DX or RG.
    WrongModality,
    /// The detector's values, which are not for looking at: (0008,0068) or the SOP class says so.
    ForProcessing,
    /// Of a SOP class that holds no radiograph; the value is what it holds.
    WrongObject,
    /// A layer computed of several exposures.
    Tomosynthesis,
    /// The result of a computer's reading: marks may be drawn on it.
    ComputerMarked,
    /// A test object, no patient.
    QualityControl,
    /// Of a four-footed animal.
    NotHuman,
    /// Not seen from the front or the back.
    NotFrontal,
    /// A view is stated that is in no table here; the value is its code, where that may be shown.
    UnlistedView,
    /// Pixels of another shape than a radiograph's; the value is their height divided by their width.
    PixelShape,
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
            Self::ForProcessing => "the values of the detector are for processing, not for reading: send the image for presentation",
            Self::WrongObject => "the object must hold a radiograph (CR, DX or a secondary capture)",
            Self::Tomosynthesis => "a single exposure is wanted, not a layer of tomosynthesis",
            Self::ComputerMarked => "the radiograph itself is wanted, not the result of a computer's reading of it",
            Self::QualityControl => "the image of a patient is wanted, not of a test object",
            Self::NotHuman => "the image of a person is wanted, not of a four-footed animal",
            Self::UnlistedView => {
                "the view is stated by a word or a code that is not known here: if it is frontal, say so by the assumption view=PA or view=AP"
            }
            Self::PixelShape => "pixels must be less than four times as high as wide, or as wide as high, by their height over width",
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
    pub(crate) fn error(rule: Rule, value: Value, attribute: Option<Attribute>) -> Error {
        Error::Refused(Self { rule, value, attribute })
    }
}
