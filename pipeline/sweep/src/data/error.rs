//! Why a data set was refused. A cell's text never gets here: it may be a patient's.

use std::path::{Path, PathBuf};

/// This module's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a data set was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No folder of data sets.
    #[error("no data root: {} is no folder; set VEILRAY_DATA or --data-root", path.display())]
    NoRoot {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Neither a known set nor a folder.
    #[error("{name} is neither a folder nor one of the known data sets: {known}")]
    UnknownSet {
        /// What was asked for.
        name: String,
        /// The known ones.
        known: String,
    },
    /// A folder whose labels nothing describes.
    #[error("{}: its columns are those of no known data set; describe them in a dataset.toml beside labels.csv", path.display())]
    NoSpec {
        /// The folder.
        path: PathBuf,
    },
    /// A description that cannot be used.
    #[error("{}: {why}", path.display())]
    Spec {
        /// The file.
        path: PathBuf,
        /// What is wrong and what was wanted.
        why: String,
    },
    /// A file could not be read.
    #[error("could not read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A table that is no CSV.
    #[error("{}: {why}", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong, and on which line.
        why: String,
    },
    /// A table without a column that is needed.
    #[error("{} has no column {column}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// A cell that cannot be read.
    #[error("{}, line {line}: {column} must be {wanted}", path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column.
        column: String,
        /// What it may hold.
        wanted: String,
    },
    /// An image that is named twice.
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
        /// The union.
        name: String,
        /// What differs.
        what: &'static str,
    },
    /// An archive of arrays that cannot be read.
    #[error("{}, {array}: {why}", path.display())]
    Npz {
        /// The file.
        path: PathBuf,
        /// The array in it.
        array: String,
        /// What is wrong and what was wanted.
        why: String,
    },
    /// An image that is not there.
    #[error("image {index} was asked for, the data set has {count}")]
    NoSuchImage {
        /// Its index.
        index: usize,
        /// Images of the set.
        count: usize,
    },
    /// A mask that cannot be read.
    #[error("the mask of {place}: {why}")]
    Mask {
        /// Where its image is named.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// Masks that do not fit their images.
    #[error("{why}")]
    Masks {
        /// What is wrong.
        why: String,
    },
    /// A split without masks.
    #[error("no image of the split {split} has a mask in the column `mask`")]
    NoMasks {
        /// The split.
        split: super::Split,
    },
    /// An image that ingest refused.
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
