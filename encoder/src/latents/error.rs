//! Why a data set of latents was refused.

use std::path::{Path, PathBuf};

/// This module's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a file of latents could not be written or read. No variant holds a patient's identifier or a file name of the data set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("could not {doing} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The HDF5 library refused.
    #[error("could not {doing} {}: HDF5 says: {why}", path.display())]
    Hdf5 {
        /// What was attempted.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The library's reason.
        why: String,
    },
    /// Not a file of latents, or a damaged one.
    #[error("{} is no file of latents: {why}; encode the data set again", path.display())]
    NotLatents {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another version of the layout.
    #[error("{} has layout version {found}, this program reads {wanted}; encode the data set again", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version read here.
        wanted: u32,
        /// The file's version.
        found: u32,
    },
    /// The file exists and was made from something else.
    #[error("{}: {what} was {found}, is now {wanted}; use another file or delete this one and the folder of its parts", path.display())]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// As it is now.
        wanted: String,
        /// As it is in the file.
        found: String,
    },
    /// Another process writes the same file.
    #[error("another process is writing {}; wait for it or use another file", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// A property of the data set that no file can hold.
    #[error("{what} must be {wanted}, found {found}")]
    Info {
        /// The field of [`super::Info`].
        what: &'static str,
        /// What it may be.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// Rows that do not fit the file.
    #[error("rows to append: {what} must be {wanted}, found {found}")]
    Row {
        /// Which part of them.
        what: &'static str,
        /// What it must be.
        wanted: String,
        /// What it is.
        found: String,
    },
    /// A row that the file does not have.
    #[error("row {row} was asked for, the file has {rows}")]
    NoSuchRow {
        /// The row.
        row: usize,
        /// Rows of the file.
        rows: usize,
    },
    /// A split of another name.
    #[error("the split must be train, val or test, found {found:?}")]
    Split {
        /// The name.
        found: String,
    },
}

impl Error {
    /// For `map_err`: an [`Error::Io`] on `path`.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    /// For `map_err`: an [`Error::Hdf5`] on `path`.
    pub(super) fn hdf5(doing: &'static str, path: &Path) -> impl Fn(hdf5::Error) -> Self {
        let path = path.to_owned();
        move |why| Self::Hdf5 { doing, path: path.clone(), why: why.to_string() }
    }

    /// An [`Error::NotLatents`] on `path`.
    pub(super) fn not_latents(path: &Path, why: impl Into<String>) -> Self {
        Self::NotLatents { path: path.to_owned(), why: why.into() }
    }
}
