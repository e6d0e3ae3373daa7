//! The file's layout on the writing side: one whole file at a time, under a temporary name until it is on the disk.

use super::{Error, FORMAT_VERSION, Info, Result, Row};
use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, File, H5Type};
use ndarray::{ArrayView2, ArrayView4};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Value of the attribute `format`.
pub(super) const FORMAT: &str = "veilray-latents";

/// The attribute that names what images went through; files of unchanged images lack it.
pub(super) const VARIANT: &str = "variant";

/// Deflate level: of standard normal values level 1 leaves 90.8 %, level 9 at more than twice the time 89.8 %.
const DEFLATE: u8 = 1;

/// Least bytes of a chunk, where rows are smaller.
const CHUNK_BYTES: usize = 16 << 10;

/// `path` with more at its end.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// Writes a file of `rows`, whose latents come in `blocks`, and moves it to `path`.
///
/// # Errors
/// [`Error::Io`], [`Error::Hdf5`], those of `blocks`, and [`Error::Row`] if the blocks are not as long as the rows.
pub(super) fn write(path: &Path, info: &Info, rows: &[Row], blocks: impl Iterator<Item = Result<Vec<f32>>>) -> Result<()> {
    let partial = beside(path, ".partial");
    let hdf5 = Error::hdf5("write", &partial);
    let file = File::create(&partial).map_err(&hdf5)?;
    let latents = describe(&file, info, rows).map_err(&hdf5)?;
    let [channels, height, width] = info.shape;
    let mut written = 0;
    for block in blocks {
        let block = block?;
        let count = block.len() / info.values();
        let shape = (count, channels, height, width);
        let view = ArrayView4::from_shape(shape, &block).map_err(|e| hdf5(e.into()))?;
        latents.write_slice(view, (written..written + count, .., .., ..)).map_err(&hdf5)?;
        written += count;
    }
    if written != rows.len() {
        let count = |rows| format!("{rows} rows");
        return Err(Error::Row { what: "latents", wanted: count(rows.len()), found: count(written) });
    }
    drop(latents);
    file.close().map_err(&hdf5)?;
    sync(&partial)?;
    std::fs::rename(&partial, path).map_err(Error::io("rename to", path))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The rename must reach the disk too; where a folder cannot be opened for that, it is left to the system.
    let _ = sync(folder);
    Ok(())
}

fn sync(path: &Path) -> Result<()> {
    std::fs::File::open(path).and_then(|file| file.sync_all()).map_err(Error::io("write", path))
}

/// Everything but the latents, whose data set comes back empty.
fn describe(file: &File, info: &Info, rows: &[Row]) -> hdf5::Result<Dataset> {
    let texts = [
        ("format", FORMAT),
        ("encoder", info.encoder.as_str()),
        ("encoder_digest", info.encoder_digest.as_str()),
        ("dataset", info.dataset.as_str()),
        ("dataset_digest", info.dataset_digest.as_str()),
    ];
    for (name, value) in texts {
        file.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&text(value)?)?;
    }
    let version = if info.variant.is_empty() { 1 } else { FORMAT_VERSION };
    if !info.variant.is_empty() {
        file.new_attr::<VarLenUnicode>().create(VARIANT)?.write_scalar(&text(&info.variant)?)?;
    }
    file.new_attr::<u32>().create("format_version")?.write_scalar(&version)?;
    file.new_attr::<u8>().create("flips")?.write_scalar(&u8::from(info.flips))?;
    column(file, "label_names", &all(info.label_names.iter())?)?;
    column(file, "extra_names", &all(info.extra_names.iter())?)?;
    column(file, "file", &all(rows.iter().map(|row| &row.file))?)?;
    column(file, "split", &all(rows.iter().map(|row| row.split.name()))?)?;
    column(file, "patient_id", &all(rows.iter().map(|row| &row.patient_id))?)?;
    column(file, "flipped", &rows.iter().map(|row| u8::from(row.flipped)).collect::<Vec<_>>())?;
    let labels: Vec<u8> = rows.iter().flat_map(|row| row.labels.iter().copied()).collect();
    table(file, "labels", (rows.len(), info.label_names.len()), &labels)?;
    table(file, "extra", (rows.len(), info.extra_names.len()), &all(rows.iter().flat_map(|row| &row.extra))?)?;
    let [channels, height, width] = info.shape;
    let per_chunk = (CHUNK_BYTES / (info.values() * size_of::<f32>())).clamp(1, 64);
    file.new_dataset::<f32>()
        .chunk((per_chunk, channels, height, width))
        .shuffle()
        .deflate(DEFLATE)
        .shape((rows.len().., channels, height, width))
        .create("latents")
}

fn column<T: H5Type>(file: &File, name: &str, values: &[T]) -> hdf5::Result<()> {
    file.new_dataset_builder().with_data(values).create(name).map(drop)
}

fn table<T: H5Type>(file: &File, name: &str, shape: (usize, usize), values: &[T]) -> hdf5::Result<()> {
    file.new_dataset_builder().with_data(ArrayView2::from_shape(shape, values)?).create(name).map(drop)
}

fn all(texts: impl Iterator<Item = impl AsRef<str>>) -> hdf5::Result<Vec<VarLenUnicode>> {
    texts.map(|value| text(value.as_ref())).collect()
}

fn text(value: &str) -> hdf5::Result<VarLenUnicode> {
    value.parse().map_err(|e| hdf5::Error::Internal(format!("{e:?}")))
}
