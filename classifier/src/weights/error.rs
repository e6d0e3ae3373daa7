//! Why weights were refused.

use crate::spec::SpecError;
use std::path::PathBuf;

/// Why weights were refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// A file that cannot be read or written.
    #[error("cannot {action} the weights {path}: {why}")]
    File {
        /// What was tried.
        action: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// The system's reason.
        why: String,
    },
    /// Bytes that are no safetensors file.
    #[error("not a safetensors file: {why}")]
    Format {
        /// The reader's reason.
        why: String,
    },
    /// A tensor of another number type.
    #[error("{name} holds {found} values; save the weights as F32")]
    Dtype {
        /// The tensor's name.
        name: String,
        /// Its type.
        found: String,
    },
    /// As many values as its extents say belong to a tensor.
    #[error("{name} has {found} values but the extents {shape:?}")]
    Length {
        /// The tensor's name.
        name: String,
        /// Its extents.
        shape: Vec<usize>,
        /// Number of values given.
        found: usize,
    },
    /// A tensor that the network needs is not there.
    #[error("the weights lack {name} {shape:?}; they belong to another network than `{network}`")]
    Missing {
        /// The network's name.
        network: String,
        /// The tensor's name.
        name: String,
        /// Its extents.
        shape: Vec<usize>,
    },
    /// A tensor that the network does not have.
    #[error("the weights hold {name}, which `{network}` does not have; they belong to another network")]
    Unexpected {
        /// The network's name.
        network: String,
        /// The tensor's name.
        name: String,
    },
    /// A tensor of other extents.
    #[error("{name} has the extents {found:?} where `{network}` needs {wanted:?}")]
    Shape {
        /// The network's name.
        network: String,
        /// The tensor's name.
        name: String,
        /// Extents that the network needs.
        wanted: Vec<usize>,
        /// Extents that the tensor has.
        found: Vec<usize>,
    },
    /// A value that is infinite or not a number.
    #[error("{name} holds {value} at index {index}; every weight must be finite: the training run diverged")]
    NotFinite {
        /// The tensor's name.
        name: String,
        /// Index of the value in the tensor.
        index: usize,
        /// The value found.
        value: f32,
    },
    /// A variance below zero.
    #[error("{name} holds the variance {value} at index {index}; variances are at least 0")]
    Variance {
        /// The tensor's name.
        name: String,
        /// Index of the value in the tensor.
        index: usize,
        /// The value found.
        value: f32,
    },
    /// The network itself was refused.
    #[error(transparent)]
    Spec(#[from] SpecError),
}
