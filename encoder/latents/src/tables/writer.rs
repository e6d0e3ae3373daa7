//! The writing side.

use super::digest::Digest;
use super::library::Created;
use super::{Attribute, Element, Error, Layout, MAX_ATTRIBUTES, Number, Reader, Result};
use std::fs;
use std::path::{Path, PathBuf};
use veilray_base::file::{self, FileError};

/// Shape of a data set that is written block by block.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Number of rows that will come, 0 or more.
    pub count: usize,
    /// Sides of one row, outermost first, none of them 0.
    pub shape: &'a [usize],
    /// Rows of a chunk, 1 or more: what is read and inflated together.
    pub per_chunk: usize,
}

/// A file in the making. It gets its name with [`Writer::finish`]; dropped before that, it leaves nothing behind.
pub struct Writer {
    path: PathBuf,
    partial: PathBuf,
    /// None once it is closed.
    file: Option<Created>,
    attributes: Vec<(String, Attribute)>,
    sets: Vec<Set>,
}

/// A data set as it was written.
struct Set {
    name: String,
    layout: Layout,
    /// Rows written so far.
    written: usize,
    digest: Digest,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Writer {{ {}, {} data sets }}", self.path.display(), self.sets.len())
    }
}

impl Writer {
    /// Starts a file that is to be called `path`; until it is finished it is called `path` with `.partial` behind it.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Write`] where the file cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        let partial = file::partial(path);
        // A leftover of a crash may be a link.
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(FileError::at("replace", &partial)(error))?,
            _ => {}
        }
        let opened = fs::File::create_new(&partial).map_err(FileError::at("create", &partial))?;
        drop(opened);
        let mut writer = Self { path: path.into(), partial, file: None, attributes: vec![], sets: vec![] };
        writer.file = Some(Created::create(&writer.partial).map_err(writer.refused("the file"))?);
        Ok(writer)
    }

    /// For `map_err`: an [`Error::Write`].
    fn refused(&self, what: &str) -> impl FnOnce(String) -> Error + use<> {
        let (path, what) = (self.partial.clone(), what.to_owned());
        move |why| Error::Write { path, what, why }
    }

    /// Lets `write` write `name`.
    fn with_file<T>(&mut self, name: &str, write: impl FnOnce(&mut Created) -> Result<T, String>) -> Result<T> {
        let refused = self.refused(name);
        match &mut self.file {
            Some(file) => write(file).map_err(refused),
            None => Err(refused("the file is closed".into())),
        }
    }

    /// Writes an attribute of the root.
    ///
    /// # Errors
    /// [`Error::Input`] for a second one of the name, more than [`MAX_ATTRIBUTES`] or a text with NUL; [`Error::Write`].
    pub fn attribute(&mut self, name: &str, value: impl Into<Attribute>) -> Result<()> {
        let value = value.into();
        let texts = match &value {
            Attribute::Text(text) => &[name, text][..],
            _ => &[name][..],
        };
        without_nul(name, texts)?;
        if self.attributes.iter().any(|(known, _)| known == name) {
            return Err(Error::input(name, "one attribute of a name", "a second one"));
        }
        if self.attributes.len() == MAX_ATTRIBUTES {
            return Err(Error::input(name, format!("at most {MAX_ATTRIBUTES} attributes"), "one more"));
        }
        self.with_file(name, |file| file.attribute(name, &value))?;
        self.attributes.push((name.into(), value));
        Ok(())
    }

    /// Writes a data set of numbers in one piece: `values` of `shape`, the last side fastest.
    ///
    /// # Errors
    /// [`Error::Input`] for another number of values, a name with `/` or NUL, or one that is taken; [`Error::Write`].
    pub fn numbers<T: Number>(&mut self, name: &str, shape: &[usize], values: &[T]) -> Result<()> {
        self.free(name)?;
        let count = shape.iter().try_fold(1usize, |count, &side| count.checked_mul(side));
        if shape.is_empty() || count != Some(values.len()) {
            return Err(Error::input(name, format!("values of shape {shape:?}"), format!("{} values", values.len())));
        }
        self.with_file(name, |file| file.numbers(name, shape, values))?;
        let mut digest = Digest::default();
        digest.numbers(values);
        let layout = Layout { element: T::ELEMENT, shape: shape.to_vec(), chunk: None, compressed: false };
        self.sets.push(Set { name: name.into(), written: layout.shape.first().copied().unwrap_or_default(), layout, digest });
        Ok(())
    }

    /// Writes a column of text in UTF-8.
    ///
    /// # Errors
    /// [`Error::Input`] for a text with NUL, a name with `/` or NUL, or one that is taken; [`Error::Write`].
    pub fn texts<S: AsRef<str>>(&mut self, name: &str, texts: &[S]) -> Result<()> {
        self.free(name)?;
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        without_nul(name, &texts)?;
        self.with_file(name, |file| file.texts(name, &texts))?;
        let mut digest = Digest::default();
        digest.texts(&texts);
        let layout = Layout { element: Element::Text, shape: vec![texts.len()], chunk: None, compressed: false };
        self.sets.push(Set { name: name.into(), written: texts.len(), layout, digest });
        Ok(())
    }

    /// Starts a data set of numbers, `[rows.count, rows.shape…]`, in chunks of whole rows, shuffled and deflated; [`Writer::append`] fills it.
    ///
    /// # Errors
    /// [`Error::Input`] for a side of 0, a name with `/` or NUL, or one that is taken; [`Error::Write`].
    pub fn rows<T: Number>(&mut self, name: &str, rows: &Rows<'_>) -> Result<()> {
        self.free(name)?;
        let sides = rows.shape.iter().copied().chain([rows.per_chunk]);
        let row = sides.clone().try_fold(size_of::<T>(), |bytes, side| bytes.checked_mul(side));
        if !row.is_some_and(|bytes| (1..=u32::MAX as usize).contains(&bytes)) {
            let found = format!("rows of {:?}, {} to a chunk", rows.shape, rows.per_chunk);
            return Err(Error::input(name, "rows of sides of 1 or more, less than 4 GiB to a chunk", found));
        }
        self.with_file(name, |file| file.rows::<T>(name, rows))?;
        let with = |first: usize| [first].into_iter().chain(rows.shape.iter().copied()).collect();
        let layout = Layout { element: T::ELEMENT, shape: with(rows.count), chunk: Some(with(rows.per_chunk)), compressed: true };
        self.sets.push(Set { name: name.into(), written: 0, layout, digest: Digest::default() });
        Ok(())
    }

    /// Appends whole rows to a data set that [`Writer::rows`] started.
    ///
    /// # Errors
    /// [`Error::Input`] for a data set that was not started, numbers of another type, rows in part or more than announced; [`Error::Write`].
    pub fn append<T: Number>(&mut self, name: &str, values: &[T]) -> Result<()> {
        let Some(place) = self.sets.iter().position(|set| set.name == name && set.layout.chunk.is_some()) else {
            return Err(Error::input(name, "a data set that was started", "another name"));
        };
        let Some(set) = self.sets.get_mut(place) else { return Ok(()) };
        let [count, ref row @ ..] = *set.layout.shape.as_slice() else { return Ok(()) };
        let length: usize = row.iter().product();
        let rows = values.len() / length.max(1);
        if T::ELEMENT != set.layout.element || !values.len().is_multiple_of(length) || set.written + rows > count {
            let wanted = format!("at most {} rows of {length} {}", count - set.written, set.layout.element);
            return Err(Error::input(name, wanted, format!("{} {}", values.len(), T::ELEMENT)));
        }
        if rows == 0 {
            return Ok(());
        }
        let (written, row) = (set.written, row.to_vec());
        set.digest.numbers(values);
        set.written += rows;
        self.with_file(name, |file| file.append(name, written, &row, values))
    }

    /// Closes the file, reads all of it back, and gives it its name, in place of a file that had it before.
    ///
    /// # Errors
    /// [`Error::Input`] where rows are missing, [`Error::Write`], [`Error::ReadBack`], [`Error::File`]; no file of the name then appears or
    /// changes, unless the last synchronising of the folder alone failed.
    pub fn finish(mut self) -> Result<()> {
        if let Some(set) = self.sets.iter().find(|set| set.layout.shape.first().is_some_and(|&count| count != set.written)) {
            let count = set.layout.shape.first().copied().unwrap_or_default();
            return Err(Error::input(&set.name, format!("{count} rows"), format!("{} rows", set.written)));
        }
        if let Some(file) = self.file.take() {
            file.close().map_err(self.refused("the file"))?;
        }
        self.compare()?;
        let synchronised = fs::File::open(&self.partial).and_then(|file| file.sync_all());
        synchronised.map_err(FileError::at("synchronise", &self.partial))?;
        Ok(file::rename(&self.partial, &self.path)?)
    }

    /// Reads the closed file and compares it with what was written.
    fn compare(&mut self) -> Result<()> {
        let path = self.partial.clone();
        let failed = |what: &str, why: String| Error::ReadBack { path: path.clone(), what: what.into(), why };
        let reader = Reader::open(&path).map_err(|e| failed("the file", e.to_string()))?;
        for (name, written) in &self.attributes {
            let found = reader.attribute(name).map_err(|e| failed(name, e.to_string()))?;
            let same = match (&found, written) {
                (Attribute::F64(a), Attribute::F64(b)) => a.to_bits() == b.to_bits(),
                (a, b) => a == b,
            };
            if !same {
                return Err(failed(name, format!("{found:?} instead of {written:?}")));
            }
        }
        let (names, sets) = (reader.names(), std::mem::take(&mut self.sets));
        if names.len() != sets.len() {
            return Err(failed("the file", format!("{} data sets instead of {}", names.len(), sets.len())));
        }
        for Set { name, layout, digest, .. } in sets {
            let mut found = reader.layout(&name).map_err(|e| failed(&name, e.to_string()))?;
            if layout.chunk.is_none() && layout.shape.contains(&0) {
                // A data set without elements may lie in chunks, of which there are none.
                (found.chunk, found.compressed) = (None, false);
            }
            if found != layout {
                return Err(failed(&name, format!("{found:?} instead of {layout:?}")));
            }
            let read = reader.digest(&name).map_err(|e| failed(&name, e.to_string()))?;
            if read != digest.finish() {
                return Err(failed(&name, "other values".into()));
            }
        }
        Ok(())
    }

    /// Refuses a name that no data set can have, or another one has.
    fn free(&self, name: &str) -> Result<()> {
        if name.is_empty() || name == "." || name.contains(['/', '\0']) {
            return Err(Error::input(name, "a name without / and NUL", format!("{name:?}")));
        }
        match self.sets.iter().any(|set| set.name == name) {
            true => Err(Error::input(name, "one data set of a name", "a second one")),
            false => Ok(()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.file = None;
        // After `finish` there is none.
        let _ = fs::remove_file(&self.partial);
    }
}

/// HDF5 ends texts at a NUL.
fn without_nul(name: &str, texts: &[&str]) -> Result<()> {
    match texts.iter().any(|text| text.contains('\0')) {
        true => Err(Error::input(name, "text without NUL", "text with one")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A closed file whose bytes `change` changes before it is compared.
    fn compared(change: impl Fn(&mut Vec<u8>)) -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(&folder.path().join("table.h5")).unwrap();
        writer.attribute("format", "table of results").unwrap();
        writer.texts("network", &["lenet5", "vgg5"]).unwrap();
        writer.numbers("auc", &[2], &[0.7013, 0.7014]).unwrap();
        writer.file.take().unwrap().close().unwrap();
        let mut bytes = fs::read(&writer.partial).unwrap();
        change(&mut bytes);
        fs::write(&writer.partial, bytes).unwrap();
        writer.compare()
    }

    #[test]
    fn what_does_not_read_back_as_written_is_found() {
        compared(|_| {}).unwrap();
        let replaced = |from: &'static [u8], to: &'static [u8]| {
            move |bytes: &mut Vec<u8>| {
                let place = bytes.windows(from.len()).position(|window| window == from).unwrap();
                bytes[place..place + from.len()].copy_from_slice(to);
            }
        };
        let value: &'static [u8] = Box::leak(Box::new(0.7014f64.to_le_bytes()));
        let other: &'static [u8] = Box::leak(Box::new(0.7015f64.to_le_bytes()));
        for (name, change) in [
            ("format", replaced(b"table of", b"cable of")),
            ("network", replaced(b"vgg5", b"vgg6")),
            ("auc", replaced(value, other)),
        ] {
            let error = compared(change).unwrap_err();
            assert!(matches!(&error, Error::ReadBack { what, .. } if what == name), "{name}: {error}");
        }
        assert!(matches!(compared(|bytes| bytes.truncate(100)), Err(Error::ReadBack { .. })));
    }
}
