//! Why an autoencoder was refused.

use std::path::{Path, PathBuf};
use veilray_base::file::FileError;
use veilray_base::release::{FindError, FolderError};

/// Result of every fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a configuration, an image or a released encoder was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An autoencoder's configuration contradicts itself or is out of range.
    #[error("encoder configuration: {why}")]
    Config {
        /// What is wrong and what was wanted.
        why: String,
    },
    /// An image has another number of channels than the encoder reads.
    #[error("the encoder reads images of {wanted} channels, {found} came")]
    Image {
        /// Channels of the configuration.
        wanted: usize,
        /// Channels of the image that came.
        found: usize,
    },
    /// A side that the compression factor does not divide.
    #[error("an image side of {found} pixels is not a multiple of the compression factor {factor}; pad or resize it")]
    Side {
        /// Side of the image, pixels.
        found: usize,
        /// Image side over latent side.
        factor: usize,
    },
    /// A latent has another number of values than the decoder reads.
    #[error("the decoder reads a latent of {wanted} values, {found} came")]
    Latent {
        /// Channels × height × width of the encoder's latents.
        wanted: usize,
        /// Number of values that came.
        found: usize,
    },
    /// A released encoder whose parts do not belong together.
    #[error(transparent)]
    Release(FolderError),
    /// No released encoder has that name: the message says where it was looked for.
    #[error(transparent)]
    Unknown(#[from] FindError),
    /// Training data are empty, or do not fit the configuration.
    #[error("training data: {why}")]
    Data {
        /// What is wrong and what was wanted.
        why: String,
    },
    /// A tensor operation, a checkpoint or a training run was refused.
    #[error(transparent)]
    Network(#[from] veilray_nn::Error),
    /// A measure of image quality cannot be computed of these images.
    #[error(transparent)]
    Metric(#[from] crate::metrics::Error),
    /// A file could not be read or written.
    #[error("could not {doing} {}: {source}", path.display())]
    Io {
        /// The attempt: "read", "create" or "write".
        doing: &'static str,
        /// The file or folder that could not be read or written.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Network(error.into())
    }
}

impl Error {
    /// For `map_err`: an [`Error::Io`] on `path`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

impl From<FolderError> for Error {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::File(file) => file.into(),
            other => Self::Release(other),
        }
    }
}

impl From<FileError> for Error {
    fn from(FileError { doing, path, source }: FileError) -> Self {
        Self::Io { doing, path, source }
    }
}
