//! The reading side.

use super::file::{FORMAT, VARIANT};
use super::{Error, FORMAT_VERSION, Info, MOST, Result, Row, Split};
use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, File};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// An open file of latents: what is known of its rows in memory, the latents on the disk.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    info: Info,
    rows: Vec<Row>,
    latents: Dataset,
}

impl Reader {
    /// Opens a file and checks that its parts fit together.
    ///
    /// # Errors
    /// [`Error::Io`] if it is not there, [`Error::NotLatents`] for any other file or a damaged one, [`Error::Version`].
    pub fn open(path: &Path) -> Result<Self> {
        std::fs::File::open(path).map_err(Error::io("open", path))?;
        let parts =
            Parts { path, file: File::open(path).map_err(|_| Error::not_latents(path, "it is no HDF5 file, or a torn one"))? };
        if parts.attribute("format")? != FORMAT {
            return Err(Error::not_latents(path, format!("the attribute format is not {FORMAT}")));
        }
        let found: u32 = parts.number("format_version")?;
        if !(1..=FORMAT_VERSION).contains(&found) {
            return Err(Error::Version { path: path.into(), wanted: FORMAT_VERSION, found });
        }
        let latents = parts.dataset("latents")?;
        let [count, channels, height, width] = *latents.shape() else {
            return Err(Error::not_latents(path, format!("latents has {} dimensions, 4 are wanted", latents.ndim())));
        };
        if !latents.dtype().is_ok_and(|dtype| dtype.is::<f32>()) {
            return Err(Error::not_latents(path, "latents does not hold f32"));
        }
        if count > MOST {
            return Err(Error::not_latents(path, format!("it announces {count} rows, at most {MOST} are read")));
        }
        let info = Info {
            encoder: parts.attribute("encoder")?,
            encoder_digest: parts.attribute("encoder_digest")?,
            dataset: parts.attribute("dataset")?,
            dataset_digest: parts.attribute("dataset_digest")?,
            shape: [channels, height, width],
            label_names: parts.texts("label_names", None)?,
            extra_names: parts.texts("extra_names", None)?,
            flips: parts.number::<u8>("flips")? != 0,
            variant: parts.optional(VARIANT)?,
        };
        info.check().map_err(|e| Error::not_latents(path, e.to_string()))?;
        let rows = parts.rows(&info, count)?;
        Ok(Self { path: path.into(), info, rows, latents })
    }

    /// What holds of every row.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// What is known of each latent, in the file's order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Indices of the rows of a split, ascending.
    pub fn split(&self, split: Split) -> Vec<usize> {
        (0..).zip(&self.rows).filter(|(_, row)| row.split == split).map(|(index, _)| index).collect()
    }

    /// Latents of consecutive rows, `[rows, c, h, w]`.
    ///
    /// # Errors
    /// [`Error::NoSuchRow`], or [`Error::Hdf5`] for a damaged file.
    pub fn read(&self, rows: Range<usize>) -> Result<Vec<f32>> {
        if rows.is_empty() {
            return Ok(vec![]);
        }
        if rows.end > self.len() {
            return Err(Error::NoSuchRow { row: rows.end - 1, rows: self.len() });
        }
        let block = self.latents.read_slice::<f32, _, ndarray::Ix4>((rows, .., .., ..));
        // Contiguous from its first value: it was just read.
        Ok(block.map_err(Error::hdf5("read", &self.path))?.into_raw_vec_and_offset().0)
    }

    /// Latents of the rows named, in the order named, `[indices, c, h, w]`. A row may be named twice.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn read_rows(&self, indices: &[usize]) -> Result<Vec<f32>> {
        if let Some(&row) = indices.iter().find(|&&row| row >= self.len()) {
            return Err(Error::NoSuchRow { row, rows: self.len() });
        }
        let mut values = Vec::with_capacity(indices.len() * self.info.values());
        for run in indices.chunk_by(|a, b| a + 1 == *b) {
            let first = run.first().copied().unwrap_or_default();
            values.extend(self.read(first..first + run.len())?);
        }
        Ok(values)
    }

    /// The latents of a split, with their rows.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn read_split(&self, split: Split) -> Result<(Vec<&Row>, Vec<f32>)> {
        let latents = self.read_rows(&self.split(split))?;
        Ok((self.rows.iter().filter(|row| row.split == split).collect(), latents))
    }
}

/// An open file whose every refusal names it.
struct Parts<'a> {
    path: &'a Path,
    file: File,
}

impl Parts<'_> {
    fn refused(&self, name: &str, why: impl std::fmt::Display) -> Error {
        Error::not_latents(self.path, format!("{name}: {why}"))
    }

    fn number<T: hdf5::H5Type>(&self, name: &str) -> Result<T> {
        self.file.attr(name).and_then(|attribute| attribute.read_scalar()).map_err(|e| self.refused(name, e))
    }

    fn attribute(&self, name: &str) -> Result<String> {
        let read = self.file.attr(name).and_then(|attribute| attribute.read_scalar::<VarLenUnicode>());
        self.text(name, &read.map_err(|e| self.refused(name, e))?)
    }

    /// A text attribute, empty where there is none.
    fn optional(&self, name: &str) -> Result<String> {
        let names = self.file.attr_names().map_err(|e| self.refused(name, e))?;
        if names.iter().any(|known| known == name) { self.attribute(name) } else { Ok(String::new()) }
    }

    fn text(&self, name: &str, value: &VarLenUnicode) -> Result<String> {
        String::from_utf8(value.as_bytes().to_vec()).map_err(|e| self.refused(name, e))
    }

    fn dataset(&self, name: &str) -> Result<Dataset> {
        self.file.dataset(name).map_err(|e| self.refused(name, e))
    }

    /// The values of a data set of `wanted` shape.
    fn values<T: hdf5::H5Type>(&self, name: &str, wanted: &[usize]) -> Result<Vec<T>> {
        let dataset = self.dataset(name)?;
        if dataset.shape() != wanted {
            return Err(self.refused(name, format!("its shape is {:?}, {wanted:?} is wanted", dataset.shape())));
        }
        dataset.read_raw().map_err(|e| self.refused(name, e))
    }

    /// Texts of `wanted` shape, or one-dimensional where none is.
    fn texts(&self, name: &str, wanted: Option<&[usize]>) -> Result<Vec<String>> {
        let shape = self.dataset(name)?.shape();
        if wanted.is_none() && (shape.len() != 1 || shape.iter().any(|&side| side > MOST)) {
            return Err(self.refused(name, "it is not one column"));
        }
        let texts: Vec<VarLenUnicode> = self.values(name, wanted.unwrap_or(&shape))?;
        texts.iter().map(|value| self.text(name, value)).collect()
    }

    fn rows(&self, info: &Info, count: usize) -> Result<Vec<Row>> {
        let (labels, extras) = (info.label_names.len(), info.extra_names.len());
        let label_values: Vec<u8> = self.values("labels", &[count, labels])?;
        if let Some(bad) = label_values.iter().find(|&&label| !matches!(label, 0 | 1 | super::UNKNOWN)) {
            return Err(self.refused("labels", format!("{bad} is neither 0 nor 1 nor {}", super::UNKNOWN)));
        }
        let mut label_values = label_values.into_iter();
        let mut extra = self.texts("extra", Some(&[count, extras]))?.into_iter();
        let column = |name| self.texts(name, Some(&[count]));
        let columns = column("file")?.into_iter().zip(column("split")?).zip(column("patient_id")?);
        let flipped: Vec<u8> = self.values("flipped", &[count])?;
        let row = |(((file, split), patient_id), flipped): (((_, String), _), u8)| {
            Ok(Row {
                file,
                split: split.parse().map_err(|e| self.refused("split", e))?,
                patient_id,
                labels: label_values.by_ref().take(labels).collect(),
                extra: extra.by_ref().take(extras).collect(),
                flipped: flipped != 0,
            })
        };
        columns.zip(flipped).map(row).collect()
    }
}
