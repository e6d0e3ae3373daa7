//! Why a data set of latents was refused.

use super::tables;
use std::path::{Path, PathBuf};
use veilray_base::file::FileError;

/// Result of every fallible operation with latents.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a file of latents could not be written or read. No variant holds a patient's identifier or a file name of the data set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read or write a file.
    #[error("could not {doing} {}: {source}", path.display())]
    Io {
        /// The attempt: "open", "create", "list", "lock" or "delete".
        doing: &'static str,
        /// The file of latents, or a part or folder beside it.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A file could not be written, or is damaged.
    #[error(transparent)]
    Table(#[from] tables::Error),
    /// Not a file of latents, or a damaged one.
    #[error("{} is no file of latents: {why}; encode the data set again", path.display())]
    NotLatents {
        /// The file of latents, or a part or folder beside it.
        path: PathBuf,
        /// The part that is wrong, and how.
        why: String,
    },
    /// The file was written by a version of another layout: encode the data set again.
    #[error("{} has layout version {found}, this program reads {wanted}; encode the data set again", path.display())]
    Version {
        /// The file of latents, or a part or folder beside it.
        path: PathBuf,
        /// The newest version that is read here.
        wanted: u32,
        /// The version that the file states.
        found: u32,
    },
    /// The file exists and was made from something else.
    #[error("{}: {what} was {found}, is now {wanted}; use another file or delete this one and the folder of its parts", path.display())]
    OtherRun {
        /// The file of latents, or a part or folder beside it.
        path: PathBuf,
        /// The property that differs.
        what: &'static str,
        /// Its value now.
        wanted: String,
        /// Its value in the file.
        found: String,
    },
    /// Another process writes the same file: wait for it, or write another one.
    #[error("another process is writing {}; wait for it or use another file", path.display())]
    Busy {
        /// The file of latents, or a part or folder beside it.
        path: PathBuf,
    },
    /// A property of the data set that no file can hold.
    #[error("{what} must be {wanted}, found {found}")]
    Info {
        /// The field of [`super::Info`].
        what: &'static str,
        /// The values that it may have.
        wanted: &'static str,
        /// Its value, as text.
        found: String,
    },
    /// Rows to append have another shape or other columns than the file.
    #[error("rows to append: {what} must be {wanted}, found {found}")]
    Row {
        /// The part of the rows: latents, columns, labels, flipped, texts or files.
        what: &'static str,
        /// What would fit the file.
        wanted: String,
        /// Its value, as text.
        found: String,
    },
    /// A row that the file does not have.
    #[error("row {row} was asked for, the file has {rows}")]
    NoSuchRow {
        /// Index of the row, from 0.
        row: usize,
        /// Number of rows of the file.
        rows: usize,
    },
    /// A split is named that is none of train, val and test.
    #[error("the split must be train, val or test, found {found:?}")]
    Split {
        /// The name that came.
        found: String,
    },
}

impl Error {
    /// For `map_err`: an [`Error::Io`] on `path`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    /// An [`Error::NotLatents`] on `path`.
    pub(crate) fn not_latents(path: &Path, why: impl Into<String>) -> Self {
        Self::NotLatents { path: path.to_owned(), why: why.into() }
    }
}

impl From<FileError> for Error {
    fn from(FileError { doing, path, source }: FileError) -> Self {
        Self::Io { doing, path, source }
    }
}
