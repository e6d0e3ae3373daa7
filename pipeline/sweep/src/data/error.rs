//! Why a data set was refused. A cell's text never gets here: it may be a patient's.

use std::path::{Path, PathBuf};

/// This module's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a data set was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder of the known data sets does not exist: set `VEILRAY_DATA` or `--data-root`.
    #[error("there is no folder of data sets {}; name it with --data-root or VEILRAY_DATA", path.display())]
    NoRoot {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The name is neither a known data set nor a folder.
    #[error("{name} is neither a folder nor one of the known data sets: {known}")]
    UnknownSet {
        /// What was asked for.
        name: String,
        /// The known ones.
        known: String,
    },
    /// The folder's `labels.csv` has columns of no known data set: describe them in a `dataset.toml` beside it.
    #[error("{}: its columns are those of no known data set; describe them in a dataset.toml beside labels.csv", path.display())]
    NoSpec {
        /// The data set's folder.
        path: PathBuf,
    },
    /// A `dataset.toml` cannot be understood, or contradicts itself.
    #[error("{}: {why}", path.display())]
    Spec {
        /// The `dataset.toml`.
        path: PathBuf,
        /// What is wrong and what was wanted.
        why: String,
    },
    /// The system does not give a file of the data set.
    #[error("could not read {}: {source}", path.display())]
    Io {
        /// The file that could not be read.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A table is not CSV with a head.
    #[error("{}: {why}", path.display())]
    Table {
        /// The table's file.
        path: PathBuf,
        /// What is wrong, and on which line.
        why: String,
    },
    /// A table without a column that is needed.
    #[error("{} has no column {column}", path.display())]
    Column {
        /// The table's file.
        path: PathBuf,
        /// The name of the column that is missing.
        column: String,
    },
    /// A cell of a table does not hold what its column should.
    #[error("{}, line {line}: {column} must be {wanted}", path.display())]
    Cell {
        /// The table's file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The name of the cell's column.
        column: String,
        /// What it may hold.
        wanted: String,
    },
    /// Two lines of a table name the same image: keep one.
    #[error("{place} names an image that {before} names already; keep one of them")]
    Twice {
        /// The second place.
        place: String,
        /// The first place.
        before: String,
    },
    /// A patient in two splits: results would be too good.
    #[error("{place} and {before} are of one patient but of different splits; put all images of a patient into one split")]
    Leak {
        /// The second place.
        place: String,
        /// The first place.
        before: String,
    },
    /// Members of a union that do not fit together.
    #[error("{name}: its members must have the same {what}")]
    Union {
        /// The union's name.
        name: String,
        /// The property in which they differ.
        what: &'static str,
    },
    /// An archive of arrays that cannot be read.
    #[error("{}, {array}: {why}", path.display())]
    Npz {
        /// The archive.
        path: PathBuf,
        /// The array in it.
        array: String,
        /// What is wrong and what was wanted.
        why: String,
    },
    /// An index beyond the last image.
    #[error("image {index} was asked for, the data set has {count}")]
    NoSuchImage {
        /// The index asked for, from 0.
        index: usize,
        /// Images of the set.
        count: usize,
    },
    /// A mask cannot be read, or has another size than its image.
    #[error("the mask of {place}: {why}")]
    Mask {
        /// Where its image is named.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// The data set's masks cannot be used for what was asked.
    #[error("{why}")]
    Masks {
        /// What is wrong.
        why: String,
    },
    /// No image of the split has a mask: choose another split or data set.
    #[error("no image of the split {split} has a mask in the column `mask`")]
    NoMasks {
        /// The split that was asked for.
        split: super::Split,
    },
    /// Ingest cannot read the image, or it does not pass the checks.
    #[error(transparent)]
    Ingest(#[from] veilray_imaging::ingest::Error),
}

impl Error {
    /// For `map_err`: an [`Error::Io`] on `path`.
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
