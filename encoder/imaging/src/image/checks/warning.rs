//! What is said of an image that was let in.

use super::training::Statistic;
use crate::image::attribute::{self, Attribute};
use crate::image::error::Value;
use serde::Serialize;
use std::fmt;

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
    /// AnatomicRegionSequence codes another part of the body than the chest.
    OtherAnatomicRegion {
        /// The part, or a code in no table.
        part: Value,
    },
    /// A secondary capture: it came from a screen, a scanner or a data set, and may be scaled, marked or processed.
    SecondaryCapture,
    /// ImageType or DerivationDescription says that the image was made from another one.
    Derived {
        /// The word that says so.
        how: &'static str,
        /// Where it stands.
        attribute: Attribute,
    },
    /// QualityControlImage is BOTH: a test object lies beside the patient.
    TestObject,
    /// The film was filed mirrored, and was mirrored back.
    Mirrored {
        /// The attribute that says so; none for a raster file, whose EXIF does.
        attribute: Option<Attribute>,
    },
    /// Two attributes contradict each other.
    Contradiction {
        /// One of the two.
        attribute: Attribute,
        /// The contradiction, and what was done.
        reason: &'static str,
    },
    /// What an attribute says could not be followed.
    NotApplied {
        /// The attribute.
        attribute: Attribute,
        /// Why not, and what was done.
        reason: &'static str,
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
    /// No window is stated and the pixels fill less than half of their range; they are shown as the file declares them.
    Faint {
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
            Self::OtherAnatomicRegion { part } => {
                write!(f, "{} is {part}, not the chest", attribute::ANATOMIC_REGION_SEQUENCE)
            }
            Self::SecondaryCapture => write!(
                f,
                "{} is a secondary capture: the image may be scaled, marked or processed; use the radiograph itself where there is one",
                attribute::SOP_CLASS_UID
            ),
            Self::Derived { how, attribute } => write!(
                f,
                "{attribute} says {how}: the image was made from another one; use the radiograph itself where there is one"
            ),
            Self::TestObject => {
                write!(f, "{} is BOTH: see that the test object does not cover the chest", attribute::QUALITY_CONTROL_IMAGE)
            }
            Self::Mirrored { attribute } => {
                f.write_str("the image was mirrored back, as ")?;
                match attribute {
                    Some(attribute) => write!(f, "{attribute} says")?,
                    None => f.write_str("its EXIF orientation says")?,
                }
                f.write_str("; see that its side marker reads rightly")
            }
            Self::Contradiction { attribute, reason } => write!(f, "{attribute} contradicts the rest of the file: {reason}"),
            Self::NotApplied { attribute, reason } => write!(f, "{attribute} could not be followed: {reason}"),
            Self::Stretched { low, high, declared } => write!(
                f,
                "no window is stated and the pixels fill {low} to {high} of a range of {declared}: they were stretched to that"
            ),
            Self::Faint { low, high, declared } => write!(
                f,
                "no window is stated and the pixels fill {low} to {high} of a range of {declared}: the image is faint, and findings of it \
                 may be wrong; export it with a window"
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
