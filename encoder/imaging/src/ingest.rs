//! From a file to a canonical image `[1, 256, 256]` in [−1, 1], or a reason why not.
//!
//! A file is DICOM, PNG, JPEG, TIFF, BMP or WebP, by its first bytes; a DICOM data set is known also without preamble and meta
//! information. Its size and the picture's are checked before anything is allocated, then what it states ([`checks`]), then its pixels. A
//! DICOM file's attributes are read from a fixed list ([`attribute`]); the others, the patient's among them,
//! are stepped over. What [`crate::seg`] copies into a Segmentation has a list of its own.
//!
//! ```no_run
//! use veilray_imaging::ingest::{Settings, read_file};
//! let read = read_file("image.dcm".as_ref(), &Settings::default())?;
//! assert_eq!(read.image.values().len(), 256 * 256);
//! for warning in &read.report.warnings {
//!     eprintln!("{warning}");
//! }
//! # Ok::<(), veilray_imaging::ingest::Error>(())
//! ```

mod exif;
mod raster;

pub use crate::image::checks::{self, AdmissibilityLimits, Refusal, Rule, Warning};
pub use crate::image::{
    Assume, Attribute, Canonical, Code, Error, Format, Geometry, Limits, MemoryBudget, Modality, PREPROCESSING, Photometric,
    Picture, Placement, Rect, Reserved, Result, SIDE, Settings, Turn, Value, View, attribute,
};

use crate::dicom;
use crate::image::memory::Memory;
use serde::Serialize;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A file that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Ingested {
    /// The canonical image, `[1, 256, 256]`.
    pub image: Canonical,
    /// What is known of it.
    pub report: Report,
}

/// What is known of an image that was read; nothing in it tells whose it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The format that the file's first bytes announce.
    pub format: Format,
    /// Columns of the picture as it is filed.
    pub width: usize,
    /// Rows of the picture as it is filed.
    pub height: usize,
    /// Bits that a pixel's value may fill.
    pub bits: u32,
    /// Stated or assumed modality.
    pub modality: Option<Modality>,
    /// Stated or assumed view.
    pub view: Option<View>,
    /// Stated or assumed photometric interpretation.
    pub photometric: Photometric,
    /// How the filed picture became the upright one.
    pub geometry: Geometry,
    /// Where the upright picture lies in the canonical image.
    pub placement: Placement,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

/// Reads an image file of at most [`Limits::file_bytes`].
///
/// # Errors
/// [`Error::Io`] if it cannot be read, otherwise as [`read_bytes`].
pub fn read_file(path: &Path, settings: &Settings) -> Result<Ingested> {
    let (file, _) = open(path, settings)?;
    read_bytes(&all_of(file, settings.limits.file_bytes)?, settings)
}

/// [`read_file`], for one of several threads: memory for the file and for decoding is taken of `budget`, which may mean to wait.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::TooLarge`] if it needs more than its share of the budget, otherwise as [`read_bytes`].
pub fn read_file_within(path: &Path, settings: &Settings, budget: &MemoryBudget) -> Result<Ingested> {
    let (file, announced) = open(path, settings)?;
    let bytes = announced.unwrap_or(settings.limits.file_bytes);
    let held = budget.reserve_file(bytes)?;
    let read = read_bytes_within(&all_of(file, bytes)?, settings, budget);
    drop(held);
    read
}

/// A file and its length, which is within the limit; none of what is no plain file.
fn open(path: &Path, settings: &Settings) -> Result<(File, Option<u64>)> {
    let file = File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    checked_file(found.len(), settings.limits.file_bytes)?;
    let length = found.is_file().then_some(found.len());
    Ok((file, length))
}

fn all_of(file: File, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than allowed: a file that grows, or a device, is then found out.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    checked_file(bytes.len() as u64, limit)?;
    Ok(bytes)
}

fn failed(error: std::io::Error) -> Error {
    Error::Io { kind: error.kind() }
}

/// Reads the bytes of an image file.
///
/// # Errors
/// Every variant of [`Error`] but [`Error::Io`].
pub fn read_bytes(bytes: &[u8], settings: &Settings) -> Result<Ingested> {
    read(bytes, settings, None).map(|(_, read)| read)
}

/// [`read_bytes`], and the picture that the canonical image was made of: upright, at its full size, grey as it is to be displayed. For
/// comparison with what other software renders.
///
/// # Errors
/// Every variant of [`Error`] but [`Error::Io`].
pub fn read_picture(bytes: &[u8], settings: &Settings) -> Result<(Picture, Ingested)> {
    read(bytes, settings, None)
}

/// [`read_bytes`], for one of several threads: what decoding needs is taken of `budget`, which may mean to wait. The caller holds the
/// file's own bytes ([`MemoryBudget::reserve_file`]).
///
/// # Errors
/// Every variant of [`Error`] but [`Error::Io`].
pub fn read_bytes_within(bytes: &[u8], settings: &Settings, budget: &MemoryBudget) -> Result<Ingested> {
    read(bytes, settings, Some(budget)).map(|(_, read)| read)
}

fn read(bytes: &[u8], settings: &Settings, budget: Option<&MemoryBudget>) -> Result<(Picture, Ingested)> {
    checked_file(bytes.len() as u64, settings.limits.file_bytes)?;
    let mut warnings = Vec::new();
    // Held until the canonical image is made.
    let mut memory = Memory::new(bytes.len() as u64, settings.limits.memory_bytes, budget);
    let format = detect(bytes).ok_or(Error::UnknownFormat)?;
    let (picture, Lie { keep, turn, aspect }, bits, resolved) = match format {
        Format::Dicom => {
            let read = dicom::read(bytes, settings, &mut warnings, &mut memory)?;
            (read.picture, Lie { keep: read.keep, turn: read.turn, aspect: read.aspect }, read.bits, read.resolved)
        }
        Format::Png | Format::Jpeg | Format::Tiff | Format::Bmp | Format::WebP => {
            let read = match format {
                Format::Png => raster::png,
                Format::Tiff => raster::tiff,
                Format::Bmp => raster::bmp,
                Format::WebP => raster::webp,
                _ => raster::jpeg,
            };
            let read = read(bytes, settings, &mut warnings, &mut memory)?;
            let turn = exif::turn(bytes);
            if turn.mirrors() {
                warnings.push(Warning::Mirrored { attribute: None });
            }
            (read.picture, Lie { keep: read.keep, turn, aspect: 1.0 }, read.bits, read.resolved)
        }
    };
    let (width, height) = (picture.width(), picture.height());
    let geometry = Geometry { turn, crop: keep };
    let picture = geometry.upright(picture)?;
    checks::pixels(&picture, &settings.checks)?;
    let aspect = if turn.exchanges_sides() { 1.0 / aspect } else { aspect };
    let (image, placement) = Canonical::from_picture_of_aspect(&picture, aspect)?;
    drop(memory);
    let report = Report {
        format,
        width,
        height,
        bits,
        modality: resolved.modality,
        view: resolved.view,
        photometric: resolved.photometric,
        geometry,
        placement,
        warnings,
    };
    Ok((picture, Ingested { image, report }))
}

/// How the picture lies as it is filed.
struct Lie {
    /// What brings it upright.
    turn: Turn,
    /// Height of a pixel divided by its width.
    aspect: f64,
    /// The part of the picture that is no border.
    keep: Rect,
}

/// Bytes of a file that [`detect`] looks at, at most.
pub const HEAD: usize = dicom::HEAD;

/// The format that a file's first [`HEAD`] bytes announce. A DICOM file has `DICM` behind its preamble, or begins with elements of its meta
/// information or of a data set (groups 0002 and 0008).
pub fn detect(bytes: &[u8]) -> Option<Format> {
    if dicom::is_dicom(bytes) {
        Some(Format::Dicom)
    } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some(Format::Png)
    } else if bytes.starts_with(b"\xff\xd8\xff") {
        Some(Format::Jpeg)
    } else if [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|mark| bytes.starts_with(*mark)) {
        Some(Format::Tiff)
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP".as_slice()) {
        Some(Format::WebP)
    } else if bytes.starts_with(b"BM") && bytes.get(14..18).is_some_and(is_bitmap_header) {
        Some(Format::Bmp)
    } else {
        None
    }
}

/// What a DICOM file is that holds no image, such as "Structured Report" or "DICOMDIR", by the SOP class that its first bytes state; some
/// hundred do. None for one that holds an image, or a class that is not known, and for what is not DICOM.
pub fn object_without_image(head: &[u8]) -> Option<&'static str> {
    dicom::object_without_image(head)
}

/// The length of a bitmap's second header tells its kind; two letters alone begin many a text.
fn is_bitmap_header(length: &[u8]) -> bool {
    matches!(length, [12 | 16 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0])
}

fn checked_file(found: u64, limit: u64) -> Result<()> {
    if found > limit { Err(Error::TooLarge { what: "the file's bytes", found, limit }) } else { Ok(()) }
}
