//! The writing side: rows that survive a killed run.

use super::file::{self, beside};
use super::{Error, Info, Reader, Result, Row};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rows per block when files are joined.
const BLOCK: usize = 64;

/// Writes a file of latents, or goes on with one.
///
/// Rows count as written after [`Writer::flush`]; a run that is killed later finds them when it opens the same path again. The file itself
/// appears with [`Writer::finish`]; opened again after that, it takes further rows.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    info: Info,
    /// The finished file, where there is one, then its parts in order.
    stored: Vec<PathBuf>,
    /// Rows of the finished file.
    finished: usize,
    /// Rows of all files.
    written: Vec<Row>,
    known: HashSet<(String, bool)>,
    /// Rows appended since the last flush, and their latents.
    pending: Vec<Row>,
    latents: Vec<f32>,
    /// Held locked as long as the writer lives.
    _lock: fs::File,
}

impl Writer {
    /// Opens `path` for writing: a new file, or what an earlier run left.
    ///
    /// # Errors
    /// [`Error::OtherRun`] if what is there was made by another encoder or from another data set, [`Error::Busy`], [`Error::Info`],
    /// [`Error::NotLatents`] for another kind of file, [`Error::Io`].
    pub fn open(path: &Path, info: &Info) -> Result<Self> {
        info.check()?;
        let parts = parts_folder(path);
        fs::create_dir_all(&parts).map_err(Error::io("create", &parts))?;
        let lock = lock(path, &parts.join("lock"))?;
        let mut writer = Self {
            path: path.into(),
            info: info.clone(),
            stored: vec![],
            finished: 0,
            written: vec![],
            known: HashSet::new(),
            pending: vec![],
            latents: vec![],
            _lock: lock,
        };
        if path.exists() {
            writer.take(path)?;
            writer.finished = writer.len();
        }
        for (first, part) in parts_in(&parts)? {
            if first == writer.len() {
                writer.take(&part)?;
            } else if first < writer.finished {
                // Joined already: the run was killed before it could tidy up.
                fs::remove_file(&part).map_err(Error::io("delete", &part))?;
            } else {
                let why = format!("it starts at row {first}, the rows before it end at {}", writer.len());
                return Err(Error::not_latents(&part, why));
            }
        }
        Ok(writer)
    }

    fn take(&mut self, path: &Path) -> Result<()> {
        let reader = Reader::open(path)?;
        self.info.same(reader.info(), path)?;
        self.known.extend(reader.rows().iter().map(|row| (row.file.clone(), row.flipped)));
        self.written.extend_from_slice(reader.rows());
        self.stored.push(path.into());
        Ok(())
    }

    /// Rows written, those of earlier runs among them; appended rows count after [`Writer::flush`].
    pub fn len(&self) -> usize {
        self.written.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// Rows appended since the last flush.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The rows written, in order.
    pub fn rows(&self) -> &[Row] {
        &self.written
    }

    /// Whether the latent of a file, mirrored or not, was written or appended.
    pub fn contains(&self, file: &str, flipped: bool) -> bool {
        self.known.contains(&(file.to_owned(), flipped))
    }

    /// Appends rows, in memory until the next flush. `latents` is `[rows, c, h, w]`.
    ///
    /// # Errors
    /// [`Error::Row`] for rows that do not fit the file, values that are not finite, or a file that is already in it; nothing is then
    /// appended.
    pub fn append(&mut self, rows: &[Row], latents: &[f32]) -> Result<()> {
        self.info.fits(rows, latents)?;
        let mut new = HashSet::new();
        for row in rows {
            let key = (row.file.clone(), row.flipped);
            if self.known.contains(&key) || !new.insert(key) {
                let (wanted, found) = ("one row for each image".into(), "a second one for an image".into());
                return Err(Error::Row { what: "files", wanted, found });
            }
        }
        self.known.extend(new);
        self.pending.extend_from_slice(rows);
        self.latents.extend_from_slice(latents);
        Ok(())
    }

    /// Brings the appended rows to the disk.
    ///
    /// # Errors
    /// [`Error::Table`]; the rows then stay in memory for another try.
    pub fn flush(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let part = parts_folder(&self.path).join(part_name(self.len()));
        let blocks = self.latents.chunks(BLOCK * self.info.values()).map(|block| Ok(block.to_vec()));
        file::write(&part, &self.info, &self.pending, blocks)?;
        self.stored.push(part);
        self.written.append(&mut self.pending);
        self.latents.clear();
        Ok(())
    }

    /// Flushes, joins everything to one file under its name and returns the number of its rows.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Table`]; opened again, the writer has all flushed rows.
    pub fn finish(mut self) -> Result<usize> {
        self.flush()?;
        let count = self.len();
        if count > self.finished || !self.path.exists() {
            file::write(&self.path, &self.info, &self.written, self.stored.iter().flat_map(|path| blocks(path)))?;
        }
        let parts = parts_folder(&self.path);
        fs::remove_dir_all(&parts).map_err(Error::io("delete", &parts))?;
        Ok(count)
    }
}

impl Drop for Writer {
    /// A folder of parts without parts is not left behind.
    fn drop(&mut self) {
        let parts = parts_folder(&self.path);
        if fs::read_dir(&parts).is_ok_and(|entries| entries.count() == 1) {
            let _ = fs::remove_dir_all(&parts);
        }
    }
}

/// The latents of a stored file, block by block.
fn blocks(path: &Path) -> impl Iterator<Item = Result<Vec<f32>>> {
    let (reader, refused) = match Reader::open(path) {
        Ok(reader) => (Some(reader), None),
        Err(error) => (None, Some(Err(error))),
    };
    let read = reader.into_iter().flat_map(|reader| {
        let count = reader.len();
        (0..count).step_by(BLOCK).map(move |first| reader.read(first..count.min(first + BLOCK)))
    });
    refused.into_iter().chain(read)
}

fn parts_folder(path: &Path) -> PathBuf {
    beside(path, ".parts")
}

/// A part is named by its first row; fixed width, so that names sort as numbers.
fn part_name(first: usize) -> String {
    format!("{first:010}.h5")
}

/// First row and path of each part, ascending. What a killed run left half written is deleted.
fn parts_in(folder: &Path) -> Result<Vec<(usize, PathBuf)>> {
    let mut parts = vec![];
    for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let path = entry.map_err(Error::io("list", folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(".h5.partial") {
            fs::remove_file(&path).map_err(Error::io("delete", &path))?;
        } else if let Some(first) = name.strip_suffix(".h5").and_then(|first| first.parse().ok()) {
            parts.push((first, path));
        }
    }
    parts.sort();
    Ok(parts)
}

fn lock(path: &Path, file: &Path) -> Result<fs::File> {
    let lock = fs::File::create(file).map_err(Error::io("create", file))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(Error::Busy { path: path.into() }),
        Err(fs::TryLockError::Error(source)) => Err(Error::io("lock", file)(source)),
    }
}
