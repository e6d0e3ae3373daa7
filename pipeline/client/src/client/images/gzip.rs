//! DICOM files under gzip (`.dcm.gz`): unpacked in memory, never beyond the limit of a file.

use super::super::{Error, Result};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use veilray_imaging::ingest;
use veilray_imaging::ingest::Format;

/// What a file under gzip begins with.
pub(super) const MAGIC: &[u8] = b"\x1f\x8b\x08";

/// The first bytes of what is packed, at most `count`; as many as can be had of a file that is damaged.
pub(super) fn head(packed: &[u8], count: u64) -> Vec<u8> {
    let mut head = Vec::new();
    // An error here is one that reading will report.
    let _ = MultiGzDecoder::new(packed).take(count).read_to_end(&mut head);
    head
}

/// An open file under gzip, at its beginning; none of another file, which is left at its beginning.
///
/// # Errors
/// The system's.
pub(super) fn opened(path: &Path) -> std::io::Result<Option<File>> {
    if !std::fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let mut file = File::open(path)?;
    let mut magic = Vec::new();
    (&mut file).take(MAGIC.len() as u64).read_to_end(&mut magic)?;
    file.rewind()?;
    Ok((magic == MAGIC).then_some(file))
}

/// Bytes that a packed file unpacks to; nothing of them is kept.
///
/// # Errors
/// More than `limit`, or a damaged file.
pub(super) fn unpacked_len(file: &mut File, limit: u64) -> Result<u64> {
    let length = std::io::copy(&mut unpacked(file, limit), &mut std::io::sink()).map_err(damaged)?;
    file.rewind().map_err(|e| Error::Unreadable(e.to_string()))?;
    within(length, limit)
}

/// What a packed file of that [`unpacked_len`] holds.
///
/// # Errors
/// More than that many bytes, a damaged file, or one that holds no DICOM.
pub(super) fn read(file: &mut File, length: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length as usize);
    unpacked(file, length).read_to_end(&mut bytes).map_err(damaged)?;
    within(bytes.len() as u64, length)?;
    if ingest::detect(&bytes) != Some(Format::Dicom) {
        return Err(Error::Unreadable("it is compressed by gzip and holds no DICOM: unpack it first".into()));
    }
    Ok(bytes)
}

/// One byte more than allowed shows that there are more.
fn unpacked(file: &mut File, limit: u64) -> impl Read {
    MultiGzDecoder::new(BufReader::new(file)).take(limit.saturating_add(1))
}

fn damaged(error: std::io::Error) -> Error {
    Error::Unreadable(format!("what gzip compressed is damaged or cut off ({error}): fetch it again"))
}

fn within(found: u64, limit: u64) -> Result<u64> {
    if found > limit {
        return Err(Error::Unreadable(format!("unpacked it has more than {limit} bytes, the limit of a file")));
    }
    Ok(found)
}
