//! The reading side.

use super::file::{FORMAT, VARIANT, extra};
use super::tables::{self, Attribute, Element, Layout};
use super::{Error, FORMAT_VERSION, Info, MAX_COUNT, Result, Row, Split};
use std::ops::Range;
use std::path::Path;

/// An open file of latents: what is known of its rows in memory, the latents on the disk.
#[derive(Debug)]
pub struct Reader {
    info: Info,
    rows: Vec<Row>,
    file: tables::Reader,
}

impl Reader {
    /// Opens a file and checks that its parts fit together.
    ///
    /// # Errors
    /// [`Error::Io`] if it is not there, [`Error::NotLatents`] for any other file or a damaged one, [`Error::Version`].
    pub fn open(path: &Path) -> Result<Self> {
        let parts = Parts { path, file: tables::Reader::open(path).map_err(|e| refused(path, e))? };
        if parts.text("format")? != FORMAT {
            return Err(Error::not_latents(path, format!("the attribute format is not {FORMAT}")));
        }
        let found = parts.number("format_version")?;
        if !(1..=FORMAT_VERSION).contains(&found) {
            return Err(Error::Version { path: path.into(), wanted: FORMAT_VERSION, found });
        }
        let Layout { element, shape, .. } = parts.layout("latents")?;
        let [count, channels, height, width] = *shape else {
            return Err(Error::not_latents(path, format!("latents has {} dimensions, 4 are wanted", shape.len())));
        };
        if element != Element::F32 {
            return Err(Error::not_latents(path, format!("latents holds {element}, f32 is wanted")));
        }
        if count > MAX_COUNT {
            return Err(Error::not_latents(path, format!("it announces {count} rows, at most {MAX_COUNT} are read")));
        }
        let info = Info {
            encoder: parts.text("encoder")?,
            encoder_digest: parts.text("encoder_digest")?,
            dataset: parts.text("dataset")?,
            dataset_digest: parts.text("dataset_digest")?,
            shape: [channels, height, width],
            label_names: parts.texts("label_names", None)?,
            extra_names: parts.texts("extra_names", None)?,
            flips: parts.number("flips")? != 0,
            variant: parts.optional(VARIANT)?,
        };
        info.check().map_err(|e| Error::not_latents(path, e.to_string()))?;
        let rows = parts.rows(&info, count, found)?;
        Ok(Self { info, rows, file: parts.file })
    }

    /// What holds of every row.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// What is known of each latent, in the file's order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Number of rows.
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
    /// [`Error::NoSuchRow`], or [`Error::Table`] for a damaged file.
    pub fn read(&self, rows: Range<usize>) -> Result<Vec<f32>> {
        if rows.is_empty() {
            return Ok(vec![]);
        }
        if rows.end > self.len() {
            return Err(Error::NoSuchRow { row: rows.end - 1, rows: self.len() });
        }
        Ok(self.file.rows("latents", rows)?)
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

/// An [`Error::NotLatents`], or [`Error::Io`] where the file itself cannot be read.
fn refused(path: &Path, error: tables::Error) -> Error {
    match error {
        tables::Error::File(error) => error.into(),
        other => Error::not_latents(path, other.to_string()),
    }
}

/// An open file whose every refusal names it.
struct Parts<'a> {
    path: &'a Path,
    file: tables::Reader,
}

impl Parts<'_> {
    fn refused(&self, name: &str, why: impl std::fmt::Display) -> Error {
        Error::not_latents(self.path, format!("{name}: {why}"))
    }

    fn attribute(&self, name: &str) -> Result<Attribute> {
        self.file.attribute(name).map_err(|e| refused(self.path, e))
    }

    fn number(&self, name: &str) -> Result<u32> {
        match self.attribute(name)? {
            Attribute::U8(value) => Ok(value.into()),
            Attribute::U32(value) => Ok(value),
            other => Err(self.refused(name, format!("{other:?} is not a number of 32 bits"))),
        }
    }

    fn text(&self, name: &str) -> Result<String> {
        match self.attribute(name)? {
            Attribute::Text(value) => Ok(value),
            other => Err(self.refused(name, format!("{other:?} is not a text"))),
        }
    }

    /// A text attribute, empty where there is none.
    fn optional(&self, name: &str) -> Result<String> {
        let there = self.file.has_attribute(name).map_err(|e| refused(self.path, e))?;
        if there { self.text(name) } else { Ok(String::new()) }
    }

    fn layout(&self, name: &str) -> Result<Layout> {
        self.file.layout(name).map_err(|e| refused(self.path, e))
    }

    /// Refuses a data set of another shape than `wanted`.
    fn shaped(&self, name: &str, wanted: &[usize]) -> Result<()> {
        let shape = self.layout(name)?.shape;
        if shape == wanted { Ok(()) } else { Err(self.refused(name, format!("its shape is {shape:?}, {wanted:?} is wanted"))) }
    }

    /// The bytes of a data set of `wanted` shape.
    fn bytes(&self, name: &str, wanted: &[usize]) -> Result<Vec<u8>> {
        self.shaped(name, wanted)?;
        self.file.numbers(name).map_err(|e| refused(self.path, e))
    }

    /// Texts of `wanted` shape, or one-dimensional where none is.
    fn texts(&self, name: &str, wanted: Option<&[usize]>) -> Result<Vec<String>> {
        match wanted {
            Some(wanted) => self.shaped(name, wanted)?,
            None if !matches!(self.layout(name)?.shape[..], [0..=MAX_COUNT]) => {
                return Err(self.refused(name, "it is not one column"));
            }
            None => {}
        }
        self.file.texts(name).map_err(|e| refused(self.path, e))
    }

    /// The further columns, column by column.
    fn extras(&self, extras: usize, count: usize, version: u32) -> Result<Vec<Vec<String>>> {
        if version > 2 {
            return (0..extras).map(|index| self.texts(&extra(index), Some(&[count]))).collect();
        }
        // Versions 1 and 2 have one table of text for all of them.
        let table = self.texts("extra", Some(&[count, extras]))?;
        Ok((0..extras).map(|index| table.iter().skip(index).step_by(extras).cloned().collect()).collect())
    }

    fn rows(&self, info: &Info, count: usize, version: u32) -> Result<Vec<Row>> {
        let labels = info.label_names.len();
        let label_values = self.bytes("labels", &[count, labels])?;
        if let Some(bad) = label_values.iter().find(|&&label| !matches!(label, 0 | 1 | super::UNKNOWN)) {
            return Err(self.refused("labels", format!("{bad} is neither 0 nor 1 nor {}", super::UNKNOWN)));
        }
        let mut label_values = label_values.into_iter();
        let mut extras: Vec<_> = self.extras(info.extra_names.len(), count, version)?.into_iter().map(Vec::into_iter).collect();
        let column = |name| self.texts(name, Some(&[count]));
        let columns = column("file")?.into_iter().zip(column("split")?).zip(column("patient_id")?);
        let flipped = self.bytes("flipped", &[count])?;
        let row = |(((file, split), patient_id), flipped): (((_, String), _), u8)| {
            Ok(Row {
                file,
                split: split.parse().map_err(|e| self.refused("split", e))?,
                patient_id,
                labels: label_values.by_ref().take(labels).collect(),
                extra: extras.iter_mut().filter_map(Iterator::next).collect(),
                flipped: flipped != 0,
            })
        };
        columns.zip(flipped).map(row).collect()
    }
}
