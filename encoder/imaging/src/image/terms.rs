//! The words a file may use for what it shows: modality, view, photometric interpretation, body part.

mod object;
mod region;
mod view;

pub(crate) use object::Object;
pub(crate) use region::BodyPart;
pub use view::View;

use super::code::Code;
use super::error::{Error, Result, Value};
use serde::Serialize;
use std::str::FromStr;

/// Longest text that is looked at for terms, bytes.
const MAX_PHRASE: usize = 1024;

/// What a file says about one thing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Stated<T> {
    /// A term of a table here.
    Is(T),
    /// Text that is in no table here: what may be shown of it.
    Unlisted(Value),
    /// Nothing, or an empty value.
    Absent,
}

impl<T> Stated<T> {
    /// Reads a text with `parse`; empty text is absent, and one that is longer than any term or phrase is in no table.
    pub(crate) fn read(text: &[u8], parse: impl FnOnce(&str) -> Option<T>) -> Self {
        let text = text.trim_ascii();
        if text.is_empty() {
            return Self::Absent;
        }
        let short = text.get(..MAX_PHRASE.min(text.len())).filter(|short| short.len() == text.len());
        match short.and_then(|short| std::str::from_utf8(short).ok()).and_then(|t| parse(&t.to_ascii_uppercase())) {
            Some(term) => Self::Is(term),
            None => Self::Unlisted(Value::Unlisted { bytes: text.len() }),
        }
    }

    /// Reads a code with `parse`; one that is in no table is kept if it is one that may be shown.
    pub(crate) fn read_code(text: &[u8], parse: impl FnOnce(&str) -> Option<T>) -> Self {
        match (Self::read(text, parse), Code::of(text.trim_ascii())) {
            (Self::Unlisted(_), Some(code)) => Self::Unlisted(Value::Code(code)),
            (stated, _) => stated,
        }
    }

    /// The term, where there is one.
    pub(crate) fn known(self) -> Option<T> {
        match self {
            Self::Is(term) => Some(term),
            _ => None,
        }
    }

    /// What may be shown of it.
    pub(crate) fn value(self, name: impl FnOnce(T) -> &'static str) -> Value {
        match self {
            Self::Is(term) => Value::Term(name(term)),
            Self::Unlisted(value) => value,
            Self::Absent => Value::Absent,
        }
    }
}

/// A DICOM modality (PS3.3 C.7.3.1.1.1), by its defined term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Modality(&'static str);

impl Modality {
    /// Computed radiography: a storage phosphor plate that is read out afterwards.
    pub const CR: Self = Self("CR");
    /// Digital radiography: a detector that gives the image itself.
    pub const DX: Self = Self("DX");
    /// Conventional film, digitised.
    pub const RG: Self = Self("RG");

    const TERMS: &'static str = "CR DX RG AR AU BI BMD CF CS CT DF DG DMS DOC DS EC ECG EPS ES FA FS GM HC HD IO IVOCT IVUS KO LP LS \
        MG MR MS NM OAM OCT OP OPT OPV OSS OT PR PT PX REG RESP RF RTDOSE RTIMAGE RTPLAN RTSTRUCT SC SEG SM SR ST TG US VA XA XC";

    /// The modality of a defined term.
    pub fn parse(term: &str) -> Option<Self> {
        Self::TERMS.split(' ').find(|&known| known == term).map(Self)
    }

    /// The defined term, such as `DX`.
    pub fn term(self) -> &'static str {
        self.0
    }

    /// Whether a chest radiograph can be of it: CR, DX, or RG (digitised film).
    pub(crate) fn is_radiograph(self) -> bool {
        matches!(self, Self::CR | Self::DX | Self::RG)
    }
}

/// What a pixel's number means (PS3.3 C.7.6.3.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum Photometric {
    /// Larger is darker.
    Monochrome1,
    /// Larger is brighter.
    Monochrome2,
    /// A palette, RGB, or luma and chroma.
    Colour,
}

impl Photometric {
    /// Reads a term of PhotometricInterpretation.
    pub fn parse(term: &str) -> Option<Self> {
        Some(match term {
            "MONOCHROME1" => Self::Monochrome1,
            "MONOCHROME2" => Self::Monochrome2,
            "RGB" | "PALETTE COLOR" | "YBR_FULL" | "YBR_FULL_422" | "YBR_PARTIAL_420" | "YBR_PARTIAL_422" | "YBR_ICT"
            | "YBR_RCT" | "HSV" | "ARGB" | "CMYK" | "XYB" => Self::Colour,
            _ => return None,
        })
    }

    /// The term; every kind of colour is `COLOUR`.
    pub fn term(self) -> &'static str {
        match self {
            Self::Monochrome1 => "MONOCHROME1",
            Self::Monochrome2 => "MONOCHROME2",
            Self::Colour => "COLOUR",
        }
    }
}

/// What to take for granted where the file does not say. A raster image says none of it, a DICOM file may leave some out; what a
/// file does say is never overruled.
///
/// Reads from text such as `photometric=MONOCHROME1,view=PA,modality=CR`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Assume {
    /// Of a raster image; MONOCHROME2 where unset.
    pub photometric: Option<Photometric>,
    /// Of a raster image, or a DICOM file without a view.
    pub view: Option<View>,
    /// Of a raster image, or a DICOM file without a modality.
    pub modality: Option<Modality>,
}

impl FromStr for Assume {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut assume = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or(Error::Assume { wanted: "key=value, separated by commas" })?;
            let value = value.trim().to_ascii_uppercase();
            match key.trim() {
                "photometric" => {
                    let wanted = "photometric=MONOCHROME1 or MONOCHROME2";
                    let known = Photometric::parse(&value).filter(|&p| p != Photometric::Colour);
                    assume.photometric = Some(known.ok_or(Error::Assume { wanted })?);
                }
                "view" => {
                    let wanted = "view=PA, AP, FRONTAL, LATERAL, OBLIQUE or DECUBITUS";
                    assume.view = Some(View::parse(&value).ok_or(Error::Assume { wanted })?);
                }
                "modality" => {
                    let wanted = "modality=CR, DX or another defined term of DICOM";
                    assume.modality = Some(Modality::parse(&value).ok_or(Error::Assume { wanted })?);
                }
                _ => return Err(Error::Assume { wanted: "one of photometric, view, modality" }),
            }
        }
        Ok(assume)
    }
}
