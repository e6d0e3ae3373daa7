//! Why a table was not written or read.

use std::path::{Path, PathBuf};
use veilray_base::file::FileError;

/// Result of every fallible operation of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a table was not written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read, write or rename a file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The HDF5 library could not write a file, such as on a full disk.
    #[error("could not write {what} to {}: HDF5 says: {why}", path.display())]
    Write {
        /// The file under its temporary name.
        path: PathBuf,
        /// Name of the attribute or data set, or "the file".
        what: String,
        /// The HDF5 library's reason.
        why: String,
    },
    /// What was written does not come back; the file has not got its name.
    #[error("{}: {what} does not read back as it was written: {why}; check the disk and the file system", path.display())]
    ReadBack {
        /// The file under its temporary name.
        path: PathBuf,
        /// Name of the attribute or data set.
        what: String,
        /// The difference between what was written and what came back.
        why: String,
    },
    /// Values that cannot be written as they came.
    #[error("{name}: {wanted} must come, {found} came")]
    Input {
        /// Name of the attribute or data set.
        name: String,
        /// What can be written.
        wanted: String,
        /// What was given instead, as text.
        found: String,
    },
    /// No HDF5 file, or one whose structure is torn.
    #[error("{} is no HDF5 file, or a damaged one: {why}", path.display())]
    NotHdf5 {
        /// The file that was opened.
        path: PathBuf,
        /// The HDF5 library's reason.
        why: String,
    },
    /// An attribute or data set that the file lacks.
    #[error("{} has no {what}", path.display())]
    Missing {
        /// The file that was read.
        path: PathBuf,
        /// "attribute" or "data set", and its name.
        what: String,
    },
    /// An attribute or data set of another type or shape.
    #[error("{}: {name} holds {found}, {wanted} is wanted", path.display())]
    Type {
        /// The file that was read.
        path: PathBuf,
        /// Name of the attribute or data set.
        name: String,
        /// What the caller reads.
        wanted: String,
        /// What the file holds.
        found: String,
    },
    /// An attribute or data set that cannot be read.
    #[error("{}: {name} is damaged: {why}", path.display())]
    Damaged {
        /// The file that was read.
        path: PathBuf,
        /// Name of the attribute or data set.
        name: String,
        /// The HDF5 library's reason.
        why: String,
    },
    /// Rows that the data set does not have.
    #[error("{name}: rows {start} to {end} were asked for, there are {rows}")]
    Rows {
        /// Name of the data set.
        name: String,
        /// First row asked for.
        start: usize,
        /// The row after the last one asked for.
        end: usize,
        /// Rows of the data set.
        rows: usize,
    },
}

impl Error {
    /// An [`Error::Input`] about the column or attribute `name`.
    pub(super) fn input(name: &str, wanted: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Input { name: name.into(), wanted: wanted.into(), found: found.into() }
    }

    /// For `map_err`: an [`Error::Damaged`].
    pub(super) fn damaged(path: &Path, name: &str) -> impl FnOnce(String) -> Self {
        let (path, name) = (path.to_owned(), name.to_owned());
        move |why| Self::Damaged { path, name, why }
    }
}
