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
    pub(crate) fn error(rule: Rule, value: Value, attribute: Option<Attribute>) -> Error {
        Error::Refused(Self { rule, value, attribute })
    }
}
