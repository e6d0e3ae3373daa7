//! Why a file did not become a canonical image.
//!
//! No field of an error, a refusal or a warning can hold text of the file: words come from this crate's own tables, the rest are
//! numbers. A patient's name therefore cannot reach a message, whichever tag it was put in.

use super::attribute::Attribute;
use super::code::Code;
use super::refusal::Refusal;
use serde::Serialize;
use std::fmt;

/// Result of every fallible operation on images and their files.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a file did not become a canonical image.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system did not give the file.
    #[error("the file cannot be read: {kind}")]
    Io {
        /// The operating system's reason. The path is left to the caller: file names carry patient names.
        kind: std::io::ErrorKind,
    },
    /// More than the set limit, found before anything of that size was allocated.
    #[error("{what}: {found}, above the limit of {limit}; export the image smaller, or uncompressed")]
    TooLarge {
        /// The quantity and its unit: the file's bytes, the picture's pixel count, scans, fragments, bytes of memory.
        what: &'static str,
        /// Its value, as the header announces it.
        found: u64,
        /// The largest value allowed, by [`super::Limits`] or by this crate.
        limit: u64,
    },
    /// None of the formats that are read, by its first bytes.
    #[error(
        "the file is not DICOM (no DICM at byte 128, no data set), PNG, JPEG, TIFF, BMP or WebP: export the image as one of them"
    )]
    UnknownFormat,
    /// A variant of the format that is not read here.
    #[error("{format}: {what} {found} is not supported, {wanted} is")]
    Unsupported {
        /// The file's format.
        format: Format,
        /// The property that is not supported, such as "the transfer syntax".
        what: &'static str,
        /// What it is in this file.
        found: Value,
        /// What it may be.
        wanted: &'static str,
    },
    /// A DICOM transfer syntax that is not read here.
    #[error("DICOM: the transfer syntax {found} is not read here; {way_out}")]
    TransferSyntax {
        /// Its name in PS3.6, or the length of a UID that is in no table.
        found: Value,
        /// How to get the same image in one that is: a command, or what to ask the archive for.
        way_out: &'static str,
    },
    /// The bytes begin like the format and then contradict it: a damaged or cut file. Export it anew.
    #[error("{format}: {reason}{}", At(*attribute))]
    Malformed {
        /// The file's format.
        format: Format,
        /// The attribute of a DICOM file where it was found; none for a raster file.
        attribute: Option<Attribute>,
        /// The contradiction, in words of this crate.
        reason: &'static str,
    },
    /// An attribute without which there is no image.
    #[error("DICOM: {attribute} is missing")]
    Missing {
        /// The attribute that the file lacks.
        attribute: Attribute,
    },
    /// Readable, but not an image to classify: the reason says which check it does not pass.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// A picture whose numbers do not fit together.
    #[error("a picture of {width} × {height} needs that many finite values, {found} came")]
    Picture {
        /// Columns that were announced.
        width: usize,
        /// Rows that were announced.
        height: usize,
        /// Number of finite values that came.
        found: usize,
    },
    /// The text of an [`Assume`](super::Assume) cannot be read: write `key=value`, separated by commas.
    #[error("cannot assume that: wanted {wanted}")]
    Assume {
        /// What can be assumed.
        wanted: &'static str,
    },
}

impl Error {
    pub(crate) fn malformed(format: Format, reason: &'static str) -> Self {
        Self::Malformed { format, attribute: None, reason }
    }

    pub(crate) fn at(attribute: Attribute, reason: &'static str) -> Self {
        Self::Malformed { format: Format::Dicom, attribute: Some(attribute), reason }
    }
}

/// The file formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// A DICOM file (PS3.10).
    Dicom,
    /// Portable Network Graphics (ISO/IEC 15948).
    Png,
    /// JPEG (ISO/IEC 10918-1), baseline, progressive or lossless.
    Jpeg,
    /// Tagged Image File Format (revision 6.0).
    Tiff,
    /// Windows bitmap.
    Bmp,
    /// WebP (RFC 9649).
    WebP,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dicom => "DICOM",
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Tiff => "TIFF",
            Self::Bmp => "BMP",
            Self::WebP => "WebP",
        })
    }
}

/// A value as it may be shown: a number, or a word of this crate's own tables, never the file's own text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Value {
    /// A term that DICOM, PNG or JPEG defines.
    Term(&'static str),
    /// Text that is in no table, and so is not shown.
    Unlisted {
        /// Its length in bytes.
        bytes: usize,
    },
    /// A code that is in no table.
    Code(Code),
    /// A count, in the unit that the rule names.
    Count(u64),
    /// A measured share or spread, in the unit that the rule names.
    Measure(f64),
    /// Nothing was stated.
    Absent,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Term(term) => f.write_str(term),
            Self::Unlisted { bytes } => write!(f, "an unlisted text of {bytes} bytes (not shown)"),
            Self::Code(code) => write!(f, "the unlisted code {code}"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Measure(value) => write!(f, "{value:.4}"),
            Self::Absent => f.write_str("nothing"),
        }
    }
}

/// " in (gggg,eeee) Keyword", or nothing.
struct At(Option<Attribute>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |attribute| write!(f, ", in {attribute}"))
    }
}
