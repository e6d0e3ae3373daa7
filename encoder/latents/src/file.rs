//! The file's layout on the writing side: one whole file at a time, under a temporary name until it is on the disk.

use super::tables::{Attribute, Rows, Writer};
use super::{Error, FORMAT_VERSION, Info, Result, Row};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Value of the attribute `format`.
pub(crate) const FORMAT: &str = "veilray-latents";

/// The attribute that names what images went through; files of unchanged images lack it.
pub(crate) const VARIANT: &str = "variant";

/// Least bytes of a chunk, where rows are smaller.
const CHUNK_BYTES: usize = 16 << 10;

/// `path` with more at its end.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// The data set that holds the further column of that index, since version 3.
pub(crate) fn extra(index: usize) -> String {
    format!("extra_{index}")
}

/// Writes a file of `rows`, whose latents come in `blocks`, reads it back and moves it to `path`.
///
/// # Errors
/// [`Error::Table`], those of `blocks`, and [`Error::Row`] if the blocks are not as long as the rows.
pub(crate) fn write(path: &Path, info: &Info, rows: &[Row], blocks: impl Iterator<Item = Result<Vec<f32>>>) -> Result<()> {
    let mut file = Writer::create(path)?;
    describe(&mut file, info, rows)?;
    let mut written = 0;
    for block in blocks {
        let block = block?;
        written += block.len() / info.values();
        if written <= rows.len() {
            file.append("latents", &block)?;
        }
    }
    if written != rows.len() {
        let count = |rows| format!("{rows} rows");
        return Err(Error::Row { what: "latents", wanted: count(rows.len()), found: count(written) });
    }
    Ok(file.finish()?)
}

/// Everything but the latents, whose data set is started.
fn describe(file: &mut Writer, info: &Info, rows: &[Row]) -> Result<()> {
    file.attribute("format", FORMAT)?;
    file.attribute("encoder", info.encoder.as_str())?;
    file.attribute("encoder_digest", info.encoder_digest.as_str())?;
    file.attribute("dataset", info.dataset.as_str())?;
    file.attribute("dataset_digest", info.dataset_digest.as_str())?;
    if !info.variant.is_empty() {
        file.attribute(VARIANT, info.variant.as_str())?;
    }
    file.attribute("format_version", Attribute::U32(FORMAT_VERSION))?;
    file.attribute("flips", Attribute::U8(u8::from(info.flips)))?;
    file.texts("label_names", &info.label_names)?;
    file.texts("extra_names", &info.extra_names)?;
    file.texts("file", &column(rows, |row| &row.file))?;
    file.texts("split", &column(rows, |row| row.split.name()))?;
    file.texts("patient_id", &column(rows, |row| &row.patient_id))?;
    file.numbers("flipped", &[rows.len()], &rows.iter().map(|row| u8::from(row.flipped)).collect::<Vec<_>>())?;
    let labels: Vec<u8> = rows.iter().flat_map(|row| row.labels.iter().copied()).collect();
    file.numbers("labels", &[rows.len(), info.label_names.len()], &labels)?;
    for index in 0..info.extra_names.len() {
        file.texts(&extra(index), &column(rows, |row| row.extra.get(index).map_or("", String::as_str)))?;
    }
    let per_chunk = (CHUNK_BYTES / (info.values() * size_of::<f32>())).clamp(1, 64);
    Ok(file.rows::<f32>("latents", &Rows { count: rows.len(), shape: &info.shape, per_chunk })?)
}

fn column<'a>(rows: &'a [Row], text: impl Fn(&'a Row) -> &'a str) -> Vec<&'a str> {
    rows.iter().map(text).collect()
}
