//! Transfer syntaxes (PS3.5 annex A, PS3.6 table A-1): how each writes pixels, and the way out where it is not read here.

use crate::image::{Error, Result, Value};
use dicom_transfer_syntax_registry::{TransferSyntaxIndex, TransferSyntaxRegistry};

/// How the pixel data is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// Not at all, and in one piece.
    Native,
    /// Not at all, in fragments.
    Fragments,
    Rle,
    Jpeg,
    /// JPEG 2000 part 1 or part 15 (HTJ2K); the stream says which.
    Jpeg2000,
}

/// How a transfer syntax writes pixels, and whether it is big endian.
///
/// # Errors
/// [`Error::TransferSyntax`].
pub(super) fn coding(uid: &str) -> Result<(Coding, bool)> {
    let number = uid.strip_prefix("1.2.840.10008.1.2").unwrap_or("?");
    Ok(match number {
        "" | ".1" => (Coding::Native, false),
        ".2" => (Coding::Native, true),
        ".1.98" => (Coding::Fragments, false),
        ".5" => (Coding::Rle, false),
        ".4.50" | ".4.51" | ".4.57" | ".4.70" => (Coding::Jpeg, false),
        ".4.90" | ".4.91" | ".4.201" | ".4.202" | ".4.203" => (Coding::Jpeg2000, false),
        _ => {
            let known = TransferSyntaxRegistry.get(uid).map(|syntax| syntax.name()).or_else(|| retired(number));
            return Err(Error::TransferSyntax {
                found: known.map_or(Value::Unlisted { bytes: uid.len() }, Value::Term),
                way_out: way_out(number),
            });
        }
    })
}

/// The names of transfer syntaxes that the standard has retired (PS3.6 table A-1).
fn retired(number: &str) -> Option<&'static str> {
    match number {
        ".4.53" => Some("JPEG Spectral Selection, Non-Hierarchical (Processes 6 & 8)"),
        ".4.55" => Some("JPEG Full Progression, Non-Hierarchical (Processes 10 & 12)"),
        _ => None,
    }
}

/// The programs of DCMTK and GDCM that were tried on files of these transfer syntaxes.
fn way_out(number: &str) -> &'static str {
    match number {
        ".4.80" | ".4.81" => "convert the file with `dcmdjpls in.dcm out.dcm` (DCMTK) or `gdcmconv --raw in.dcm out.dcm` (GDCM)",
        ".4.52" | ".4.53" | ".4.54" | ".4.55" | ".4.56" | ".4.58" | ".4.59" | ".4.60" | ".4.61" | ".4.62" | ".4.63" | ".4.64"
        | ".4.65" | ".4.66" => "convert the file with `dcmdjpeg in.dcm out.dcm` (DCMTK)",
        ".4.94" | ".4.95" | ".4.204" | ".4.205" => {
            "its pixels lie on a server: have the archive send the image itself, uncompressed"
        }
        _ if number.starts_with(".4.10") || number.starts_with(".7.") => "it is a video: export one frame as an image",
        _ => "have the archive send the image uncompressed (Explicit VR Little Endian)",
    }
}
