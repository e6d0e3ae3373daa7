//! The reading side.

use super::digest::Digest;
use super::library::Opened;
use super::{Attribute, Element, Error, Layout, Number, Result};
use std::ops::Range;
use std::path::{Path, PathBuf};
use veilray_base::file::FileError;

/// Bytes of a data set that are read together where it is read to the end.
const BLOCK: usize = 1 << 20;
/// Deflate makes of a byte at most 1032: a data set that announces more than this times the file's length is damaged.
const MAX_INFLATION: u64 = 2048;

/// An open HDF5 file whose attributes and data sets are read.
pub struct Reader {
    path: PathBuf,
    /// Its length, bytes.
    length: u64,
    file: Opened,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader {{ {} }}", self.path.display())
    }
}

impl Reader {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// [`Error::File`] if it is not there, [`Error::NotHdf5`] for another kind of file or a torn one.
    pub fn open(path: &Path) -> Result<Self> {
        let length = std::fs::File::open(path).and_then(|file| file.metadata()).map_err(FileError::at("open", path))?.len();
        let file = Opened::open(path).map_err(|why| Error::NotHdf5 { path: path.into(), why })?;
        Ok(Self { path: path.into(), length, file })
    }

    /// Names of the data sets of the root, in no particular order.
    pub fn names(&self) -> Vec<String> {
        self.file.names()
    }

    /// Whether the root has an attribute of that name.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn has_attribute(&self, name: &str) -> Result<bool> {
        let names = self.file.attribute_names().map_err(Error::damaged(&self.path, name))?;
        Ok(names.iter().any(|known| known == name))
    }

    /// An attribute of the root.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Type`] for one that is none of [`Attribute`], [`Error::Damaged`].
    pub fn attribute(&self, name: &str) -> Result<Attribute> {
        if !self.has_attribute(name)? {
            return Err(Error::Missing { path: self.path.clone(), what: format!("attribute {name}") });
        }
        let found = self.file.attribute(name).map_err(Error::damaged(&self.path, name))?;
        found.ok_or_else(|| self.another(name, "a text or a number", "an attribute of another type".into()))
    }

    /// Type, shape and chunks of a data set.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Damaged`].
    pub fn layout(&self, name: &str) -> Result<Layout> {
        if !self.names().iter().any(|known| known == name) {
            return Err(Error::Missing { path: self.path.clone(), what: format!("data set {name}") });
        }
        self.file.layout(name).map_err(Error::damaged(&self.path, name))
    }

    /// All numbers of a data set, the last side fastest.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Type`], [`Error::Damaged`].
    pub fn numbers<T: Number>(&self, name: &str) -> Result<Vec<T>> {
        let (_, count) = self.checked(name, T::ELEMENT, size_of::<T>())?;
        if count == 0 {
            return Ok(vec![]);
        }
        let values: Vec<T> = self.file.numbers(name).map_err(Error::damaged(&self.path, name))?;
        self.whole(name, values, count)
    }

    /// The numbers of consecutive rows, that is of indices of the first side.
    ///
    /// # Errors
    /// [`Error::Rows`], and as [`Reader::numbers`].
    pub fn rows<T: Number>(&self, name: &str, rows: Range<usize>) -> Result<Vec<T>> {
        let (layout, _) = self.checked(name, T::ELEMENT, size_of::<T>())?;
        let [count, ref row @ ..] = *layout.shape.as_slice() else {
            return Err(self.another(name, "rows", "a single number".into()));
        };
        if rows.start > rows.end || rows.end > count {
            return Err(Error::Rows { name: name.into(), start: rows.start, end: rows.end, rows: count });
        }
        let wanted = rows.len() * row.iter().product::<usize>();
        if wanted == 0 {
            return Ok(vec![]);
        }
        let values: Vec<T> = self.file.rows(name, rows, row).map_err(Error::damaged(&self.path, name))?;
        self.whole(name, values, wanted)
    }

    /// All texts of a data set, the last side fastest.
    ///
    /// # Errors
    /// As [`Reader::numbers`].
    pub fn texts(&self, name: &str) -> Result<Vec<String>> {
        // A text is an address and a length at least, of 16 bytes; a fixed one may have a single byte.
        let (_, count) = self.checked(name, Element::Text, 1)?;
        if count == 0 {
            return Ok(vec![]);
        }
        let texts = self.file.texts(name).map_err(Error::damaged(&self.path, name))?;
        self.whole(name, texts, count)
    }

    /// Digest of all values of a data set.
    pub(super) fn digest(&self, name: &str) -> Result<[u8; 32]> {
        let mut digest = Digest::default();
        match self.layout(name)?.element {
            Element::U8 => self.digest_numbers::<u8>(name, &mut digest)?,
            Element::U32 => self.digest_numbers::<u32>(name, &mut digest)?,
            Element::I64 => self.digest_numbers::<i64>(name, &mut digest)?,
            Element::U64 => self.digest_numbers::<u64>(name, &mut digest)?,
            Element::F32 => self.digest_numbers::<f32>(name, &mut digest)?,
            Element::F64 => self.digest_numbers::<f64>(name, &mut digest)?,
            Element::Text | Element::Other => digest.texts(&self.texts(name)?),
        }
        Ok(digest.finish())
    }

    fn digest_numbers<T: Number>(&self, name: &str, digest: &mut Digest) -> Result<()> {
        let layout = self.layout(name)?;
        let [count, ref row @ ..] = *layout.shape.as_slice() else { return Ok(()) };
        let bytes = row.iter().product::<usize>() * size_of::<T>();
        // Whole chunks, so that none is inflated twice.
        let chunk = layout.chunk.and_then(|chunk| chunk.first().copied()).unwrap_or(1).max(1);
        let block = (BLOCK / (bytes * chunk).max(1)).max(1) * chunk;
        for start in (0..count).step_by(block) {
            digest.numbers(&self.rows::<T>(name, start..count.min(start + block))?);
        }
        Ok(())
    }

    /// The layout of a data set of `wanted` elements and their number, if so many can be in the file.
    fn checked(&self, name: &str, wanted: Element, bytes: usize) -> Result<(Layout, usize)> {
        let layout = self.layout(name)?;
        if layout.element != wanted {
            return Err(self.another(name, &wanted.to_string(), layout.element.to_string()));
        }
        let count = layout.shape.iter().try_fold(1usize, |count, &side| count.checked_mul(side));
        let limit = self.length.saturating_mul(if layout.chunk.is_some() { MAX_INFLATION } else { 1 });
        let fits = |&count: &usize| count.checked_mul(bytes).is_some_and(|bytes| bytes as u64 <= limit);
        match count.filter(fits) {
            Some(count) => Ok((layout, count)),
            None => {
                let why =
                    format!("it announces a shape of {:?}, more than a file of {} bytes can hold", layout.shape, self.length);
                Err(Error::damaged(&self.path, name)(why))
            }
        }
    }

    fn whole<T>(&self, name: &str, values: Vec<T>, wanted: usize) -> Result<Vec<T>> {
        if values.len() == wanted {
            return Ok(values);
        }
        Err(Error::damaged(&self.path, name)(format!("{} values instead of {wanted}", values.len())))
    }

    fn another(&self, name: &str, wanted: &str, found: String) -> Error {
        Error::Type { path: self.path.clone(), name: name.into(), wanted: wanted.into(), found }
    }
}
