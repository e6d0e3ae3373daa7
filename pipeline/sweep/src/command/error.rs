//! Why a command stopped.

use crate::data::{self, Refused, Split};
use crate::{grid, ledger};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use veilray_base::file::FileError;
use veilray_base::release::FindError;

/// The result of a command and its parts.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a command stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A data set cannot be found or read.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// A sweep's file has a line that cannot be used.
    #[error(transparent)]
    Grid(#[from] grid::Error),
    /// The folder's ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// No model or encoder has that name: the message says where it was looked for.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The folder of a released classifier is damaged, incomplete, or cannot be written.
    #[error(transparent)]
    Release(#[from] veilray_classifier::release::Error),
    /// An encoder cannot be opened or trained, or an image cannot be encoded.
    #[error(transparent)]
    Encoder(#[from] veilray_encoder::vqgan::Error),
    /// A file of latents cannot be read or written.
    #[error(transparent)]
    Latents(#[from] veilray_latents::Error),
    /// Synthetic films of the side that was asked for cannot be drawn.
    #[error(transparent)]
    Phantom(#[from] veilray_imaging::phantom::Error),
    /// Samples that do not fit each other or the network, or settings of a training that cannot be used.
    #[error(transparent)]
    Train(#[from] veilray_training::Error),
    /// Predictions and labels that no metric can be computed of.
    #[error(transparent)]
    Metrics(#[from] veilray_training::metrics::Error),
    /// The folder of a release cannot be read, or its manifest contradicts its files.
    #[error(transparent)]
    Folder(#[from] veilray_base::release::FolderError),
    /// A network's description cannot be read, or does not fit its input.
    #[error(transparent)]
    Network(#[from] veilray_classifier::spec::SpecError),
    /// A network's weights are missing, or do not fit its description.
    #[error(transparent)]
    Weights(#[from] veilray_classifier::weights::WeightsError),
    /// The training loop, a checkpoint or a network in clear.
    #[error(transparent)]
    Nn(#[from] veilray_nn::Error),
    /// A circuit that cannot be run, or a reply that cannot be an answer.
    #[error(transparent)]
    Execute(#[from] veilray_classifier::execute::ExecuteError),
    /// The encryption engine refused parameters, keys or a ciphertext.
    #[error(transparent)]
    Engine(#[from] veilray_he::Error),
    /// A network under TFHE.
    #[cfg(feature = "tfhe")]
    #[error(transparent)]
    Fcnn(#[from] veilray_fcnn_tfhe::Error),
    /// A network under TFHE was asked for in a build that has no TFHE.
    #[error(
        "{what} needs TFHE, which this program was built without: build it with `--features tfhe` (cargo run --release -p veilray-sweep --features tfhe -- …); commercial use of that library asks for a patent licence of its publisher"
    )]
    NoTfhe {
        /// The model or the command.
        what: String,
    },
    /// A file of figures.
    #[error(transparent)]
    Figures(#[from] veilray_base::figures::FiguresError),
    /// A file of figures without a model.
    #[error("{} has no model {model}: add {{\"data\": …}} for it to \"models\" first, with what it reads and answers", path.display())]
    NoFigures {
        /// The file.
        path: PathBuf,
        /// The model.
        model: String,
    },
    /// Figures of a model on another data set.
    #[error("{} holds figures of {model} on {wanted}, this evaluation is of {found}; evaluate on {wanted} to record them", path.display())]
    OtherFigures {
        /// The file.
        path: PathBuf,
        /// The model.
        model: String,
        /// In the file.
        wanted: String,
        /// Evaluated on.
        found: String,
    },
    /// What makes latents of images failed on some of them.
    #[error("the encoder: {0}")]
    LatentEncoder(Box<dyn std::error::Error + Send + Sync>),
    /// The file of an experiment, a network or a report.
    #[error("{}: {why}", path.display())]
    Config {
        /// The TOML file, as it was given.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A file that cannot be read or written.
    #[error("could not {doing} {}: {why}", path.display())]
    File {
        /// What was attempted.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason, or the format's.
        why: String,
    },
    /// The random changes that `--augment` states cannot be made.
    #[error("{why}")]
    Augment {
        /// What is wrong with them and what to do.
        why: String,
    },
    /// The splits asked for have no image that ingest takes: choose others, or see the reason.
    #[error("{dataset} has no image to encode in the splits asked for; {}", first_reason(refused))]
    NothingToEncode {
        /// The data set.
        dataset: String,
        /// Images that were refused.
        refused: Vec<Refused>,
    },
    /// Ingest refused every image of the split.
    #[error("the split {split} of {dataset} has no image that could be read; {refused} were refused")]
    NothingToEvaluate {
        /// The data set.
        dataset: String,
        /// The split that was asked for.
        split: Split,
        /// Images that were refused.
        refused: usize,
    },
    /// An encoder of another release than the classifier was trained on.
    #[error("{model} reads latents of {encoder} with manifest {wanted}, found is {found}; fetch both from one release")]
    OtherEncoder {
        /// Name of the classifier.
        model: String,
        /// Name of the encoder that it was trained on.
        encoder: String,
        /// The digest in the classifier's manifest.
        wanted: String,
        /// The digest of the encoder that was found.
        found: String,
    },
    /// An encoder of another factor than the sweep says.
    #[error("the encoder {name} is of factor {found}, the sweep says {wanted}")]
    OtherFactor {
        /// Name of the encoder.
        name: String,
        /// In the sweep's file.
        wanted: u32,
        /// In its manifest.
        found: usize,
    },
    /// A data set without any of the labels.
    #[error("{dataset} knows none of the labels of {model}: it has {}, the model {}", found.join(", "), wanted.join(", "))]
    Labels {
        /// The data set.
        dataset: String,
        /// Name of the model.
        model: String,
        /// The model's labels.
        wanted: Vec<String>,
        /// The data set's.
        found: Vec<String>,
    },
    /// A model of masks that reads latents: masks of a data set can be laid on pixels only.
    #[error(
        "{model} gives masks but does not see pixels, so no mask of a data set can be laid on its own; name a model that reads pixels"
    )]
    MaskOfLatent {
        /// Name of the model.
        model: String,
    },
    /// A model whose replies have no noise to be rounded away.
    #[error("{model} is evaluated under TFHE, whose replies are exact: there are no bits to choose; name a model under CKKS")]
    ExactReplies {
        /// Name of the model.
        model: String,
    },
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
        /// Name of another source's encoder.
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
        /// Digest of another source's table.
        second: String,
    },
    /// The trained network cannot be released with these settings.
    #[error("{why}")]
    Unreleasable {
        /// What is missing and what to do.
        why: &'static str,
    },
    /// The arguments of `teach` do not go together: change them as the message says.
    #[error("teach: {why}")]
    Teach {
        /// What is wrong and what to do.
        why: String,
    },
    /// The experiment asks for a label that no source of its data has.
    #[error("the data have no label {label:?}, nor the column that it is derived from; labels there are: {known}")]
    UnknownLabel {
        /// The label that the experiment asks for.
        label: String,
        /// Those that can be had.
        known: String,
    },
    /// The experiment's data have no sample of a split that is needed.
    #[error("the data of the experiment hold no samples of the split {split}")]
    EmptySplit {
        /// The split that was asked for.
        split: &'static str,
    },
    /// A sample that a teacher has not seen.
    #[error(
        "{} holds no probabilities for {name}; write it anew with --teach from the same data, or with `veilray-sweep teach` for \
         images changed by the same amounts and seeds",
        path.display()
    )]
    Untaught {
        /// The file of probabilities.
        path: PathBuf,
        /// The sample that is missing in it.
        name: String,
    },
}

impl Error {
    /// For `map_err`: a failure of `doing` on `path`.
    pub(crate) fn file<E: Display>(doing: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |e| Self::File { doing, path, why: e.to_string() }
    }

    pub(crate) fn config(path: &Path, why: String) -> Self {
        Self::Config { path: path.into(), why }
    }

    pub(crate) fn teach(why: impl Into<String>) -> Self {
        Self::Teach { why: why.into() }
    }

    pub(crate) fn unknown_label(label: &str, known: &BTreeSet<String>) -> Self {
        Self::UnknownLabel { label: label.into(), known: known.iter().map(String::as_str).collect::<Vec<_>>().join(", ") }
    }
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        Self::File { doing: error.doing, path: error.path, why: error.source.to_string() }
    }
}

fn first_reason(refused: &[Refused]) -> String {
    let first = refused.first().map(|first| format!("{} were refused, the first because {}", refused.len(), first.reason));
    first.unwrap_or_else(|| "choose other splits".into())
}
