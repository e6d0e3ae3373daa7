//! Why something was refused, with the fields that say what to change.

use std::path::PathBuf;
use veilray_base::file::FileError;
use veilray_base::rng::RngStateError;

/// Result of every fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation, a parameter, a checkpoint or a training run was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// candle refused: shapes, types or devices of the tensors it was given.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// An operation was given a tensor that it cannot take.
    #[error("{op} needs {wanted}, found {argument} of shape {found:?}")]
    Shape {
        /// The operation's name.
        op: &'static str,
        /// Name of the refused argument.
        argument: &'static str,
        /// What it should have been.
        wanted: String,
        /// Shape of the argument.
        found: Vec<usize>,
    },
    /// A setting outside its range.
    #[error("{what} must be {wanted}, found {found}")]
    Setting {
        /// The setting's name.
        what: &'static str,
        /// The range it must lie in.
        wanted: &'static str,
        /// The value given.
        found: String,
    },
    /// A parameter was asked for twice under one name.
    #[error("parameter {name} is defined twice; give each layer a scope of its own")]
    DuplicateParameter {
        /// The full name, with the scopes before it: `encoder.conv.weight`.
        name: String,
    },
    /// Stored tensors lack one that the network asks for.
    #[error("{name} is not among the stored tensors; they belong to another configuration")]
    MissingTensor {
        /// The full name, with the scopes before it: `encoder.conv.weight`.
        name: String,
    },
    /// Stored tensors hold one that nothing asked for.
    #[error("the stored tensors hold {name}, which the network does not have; they belong to another configuration")]
    UnexpectedTensor {
        /// The full name, with the scopes before it: `encoder.conv.weight`.
        name: String,
    },
    /// A stored tensor has another shape than the network asks for.
    #[error("{name} has shape {found:?} where the network has {wanted:?}; the stored tensors belong to another configuration")]
    TensorShape {
        /// The full name, with the scopes before it: `encoder.conv.weight`.
        name: String,
        /// Shape in the network.
        wanted: Vec<usize>,
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// A checkpoint lacks a value or holds one of another form.
    #[error("checkpoint entry {name}: {why}")]
    CheckpointEntry {
        /// The entry's name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file is no safetensors file, or its header is not ours.
    #[error("{} is not a checkpoint: {why}", path.display())]
    NotACheckpoint {
        /// Path of the file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The run in a folder was started with other settings.
    #[error("{} holds a run with other settings ({what} was {found}, is now {wanted}); use another folder or the old settings", path.display())]
    OtherRun {
        /// Path of the checkpoint.
        path: PathBuf,
        /// The setting that differs.
        what: &'static str,
        /// Its value now.
        wanted: String,
        /// Its value in the checkpoint.
        found: String,
    },
    /// A gradient became infinite or not a number.
    #[error("the gradient norm is {norm} at step {step}; lower the learning rate or clip the gradients")]
    NotFinite {
        /// The optimiser's step, from 1.
        step: u64,
        /// The norm found.
        norm: f64,
    },
    /// A file could not be read or written.
    #[error("could not {doing} {}: {source}", path.display())]
    Io {
        /// What was attempted: "read", "write", "rename".
        doing: &'static str,
        /// Path of the file or folder.
        path: PathBuf,
        /// What the operating system answered.
        source: std::io::Error,
    },
}

impl From<FileError> for Error {
    fn from(FileError { doing, path, source }: FileError) -> Self {
        Self::Io { doing, path, source }
    }
}

impl From<RngStateError> for Error {
    fn from(error: RngStateError) -> Self {
        Self::CheckpointEntry { name: "random generator".into(), why: error.to_string() }
    }
}

impl Error {
    /// For `map_err`: an [`Error::Io`] on `path`.
    pub(crate) fn io(doing: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}
