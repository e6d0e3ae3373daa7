//! Why an experiment was refused.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// This module's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an experiment was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The experiment's file.
    #[error("{}: {why}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A data set.
    #[error(transparent)]
    Data(#[from] crate::data::Error),
    /// A file of latents.
    #[error(transparent)]
    Latents(#[from] veilray_encoder::latents::Error),
    /// The training.
    #[error(transparent)]
    Train(#[from] veilray_classifier::train::Error),
    /// A network's description.
    #[error(transparent)]
    Network(#[from] veilray_classifier::spec::SpecError),
    /// The metrics.
    #[error(transparent)]
    Metrics(#[from] veilray_classifier::metrics::Error),
    /// A network's weights.
    #[error(transparent)]
    NetworkWeights(#[from] veilray_classifier::weights::WeightsError),
    /// A checkpoint or a file of weights.
    #[error(transparent)]
    Weights(#[from] veilray_nn::Error),
    /// Images of a side that there is not.
    #[error("images of side {found}: the canonical image of 256 can be brought to 1 to 256")]
    Side {
        /// The side asked for.
        found: usize,
    },
    /// Latents of different encoders, or latents beside images.
    #[error("the data of the experiment come through {first} and through {second}; take files of one encoder")]
    Encoders {
        /// Of the first source.
        first: String,
        /// Of another.
        second: String,
    },
    /// Latents of different tables of one data set, or of images changed by a version that did not say how.
    #[error(
        "two sources of {set} were made from tables of digests {first} and {second}; encode both from the same table with this version \
         of veilray-sweep"
    )]
    Tables {
        /// The data set.
        set: String,
        /// Of the first source.
        first: String,
        /// Of another.
        second: String,
    },
    /// A network that cannot be released.
    #[error("{why}")]
    Unreleasable {
        /// What is missing and what to do.
        why: &'static str,
    },
    /// The release.
    #[error(transparent)]
    Release(#[from] veilray_classifier::release::Error),
    /// What a teacher is to be asked that it cannot be.
    #[error("teach: {why}")]
    Question {
        /// What is wrong and what to do.
        why: String,
    },
    /// A label that no source has.
    #[error("the data have no label {label:?}, nor the column that it is derived from; labels there are: {known}")]
    UnknownLabel {
        /// The label.
        label: String,
        /// Those that can be had.
        known: String,
    },
    /// A split without samples.
    #[error("the data of the experiment hold no samples of the split {split}")]
    EmptySplit {
        /// The split.
        split: &'static str,
    },
    /// A sample that a teacher has not seen.
    #[error(
        "{} holds no probabilities for {name}; write it anew with --teach from the same data, or with `veilray-sweep teach` for \
         images changed by the same amounts and seeds",
        path.display()
    )]
    Untaught {
        /// The file.
        path: PathBuf,
        /// The sample.
        name: String,
    },
    /// A file could not be read or written.
    #[error("could not {doing} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    pub(crate) fn unknown_label(label: &str, known: &BTreeSet<String>) -> Self {
        Self::UnknownLabel { label: label.into(), known: known.iter().map(String::as_str).collect::<Vec<_>>().join(", ") }
    }

    pub(crate) fn question(why: impl Into<String>) -> Self {
        Self::Question { why: why.into() }
    }

    pub(super) fn config(path: &Path, why: String) -> Self {
        Self::Config { path: path.into(), why }
    }
}
