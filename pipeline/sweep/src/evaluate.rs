//! `veilray-sweep evaluate`: a released model on one split of a data set, in clear on all images and encrypted on some of them.

mod encrypted;
#[cfg(feature = "tfhe")]
mod fcnn;
mod latents;
mod range;
mod report;
mod segmentation;

pub use encrypted::{Answer, Encrypted, Session, spread};
pub use latents::{Evaluated, Skipped};
pub use range::OutOfRange;
pub use report::{Agreement, Difference, Report};
pub use segmentation::{Agreement as MaskAgreement, Report as MaskReport};

use crate::data::{self, Dataset, Split};
use crate::output;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;
use veilray_classifier::metrics::{Bootstrap, SplitReport};
use veilray_classifier::release::Model;
use veilray_classifier::train::{predict, reported};
use veilray_encoder::eye::Eye;
use veilray_pipeline::models;

/// Images of a batch.
const BATCH: usize = 16;

/// This module's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a classifier was not evaluated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data set.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// No such model or encoder.
    #[error(transparent)]
    Model(#[from] models::ModelError),
    /// The classifier.
    #[error(transparent)]
    Release(#[from] veilray_classifier::release::Error),
    /// The encoder.
    #[error(transparent)]
    Encoder(#[from] veilray_encoder::vqgan::Error),
    /// The metrics.
    #[error(transparent)]
    Metrics(#[from] veilray_classifier::metrics::Error),
    /// The samples.
    #[error(transparent)]
    Samples(#[from] veilray_classifier::train::Error),
    /// candle.
    #[error(transparent)]
    Network(#[from] veilray_nn::Error),
    /// Encrypted evaluation.
    #[error(transparent)]
    Execute(#[from] veilray_classifier::execute::ExecuteError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] veilray_he::Error),
    /// An encoder of another release than the classifier was trained on.
    #[error("{model} reads latents of {encoder} with manifest {wanted}, found is {found}; fetch both from one release")]
    OtherEncoder {
        /// The classifier.
        model: String,
        /// Its encoder.
        encoder: String,
        /// The digest in the classifier's manifest.
        wanted: String,
        /// The encoder's.
        found: String,
    },
    /// A data set without any of the labels.
    #[error("{dataset} knows none of the labels of {model}: it has {}, the model {}", found.join(", "), wanted.join(", "))]
    Labels {
        /// The data set.
        dataset: String,
        /// The model.
        model: String,
        /// The model's labels.
        wanted: Vec<String>,
        /// The data set's.
        found: Vec<String>,
    },
    /// A network under TFHE in a build without it.
    #[error(transparent)]
    NoTfhe(#[from] crate::train_fcnn::NoTfhe),
    /// A network under TFHE.
    #[cfg(feature = "tfhe")]
    #[error(transparent)]
    Fcnn(#[from] veilray_classifier::fcnn_tfhe::Error),
    /// A mask of latents.
    #[error(
        "{model} gives masks but does not see pixels, so no mask of a data set can be laid on its own; name a model that reads pixels"
    )]
    MaskOfLatent {
        /// The model.
        model: String,
    },
    /// No image that could be read.
    #[error("the split {split} of {dataset} has no image that could be read; {refused} were refused")]
    Nothing {
        /// The data set.
        dataset: String,
        /// The split.
        split: Split,
        /// Images that were refused.
        refused: usize,
    },
}

/// Scores a released model on one split of a data set, in clear on all images and encrypted on some of them.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = output::EXIT_CODES)]
pub struct Args {
    /// The model: a folder, or its name in `weights/`.
    #[arg(long, env = "VEILRAY_MODEL", value_name = "NAME|DIR")]
    pub model: String,
    /// The data set: a known name, or a folder with a `labels.csv`.
    #[arg(long, env = "VEILRAY_DATASET", value_name = "NAME|DIR")]
    pub data: String,
    /// Which split.
    #[arg(long, env = "VEILRAY_SPLIT", default_value = "val")]
    pub split: Split,
    /// Images to evaluate encrypted too, spread evenly over the split.
    #[arg(long, env = "VEILRAY_ENCRYPTED", default_value_t = 0, value_name = "N")]
    pub encrypted: usize,
    /// Evaluates the first images only.
    #[arg(long, env = "VEILRAY_LIMIT", value_name = "N")]
    pub limit: Option<usize>,
    /// Folder of the data sets that are given by name.
    #[arg(long, env = "VEILRAY_DATA", value_name = "DIR")]
    pub data_root: Option<PathBuf>,
    /// Prints one JSON object instead of text.
    #[arg(long, env = "VEILRAY_JSON")]
    pub json: bool,
}

/// What the command prints: of a model that gives labels, or of one that gives masks.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Evaluation {
    /// Labels.
    Labels(Box<Report>),
    /// Masks.
    Masks(Box<MaskReport>),
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Labels(report) => report.fmt(f),
            Self::Masks(report) => report.fmt(f),
        }
    }
}

/// Runs the command, with progress bars on stderr, for a model of either kind.
///
/// # Errors
/// As [`run`]; a model that gives masks needs a data set that has some.
pub fn command(args: &Args) -> Result<Evaluation> {
    let folder = models::find(&args.model)?;
    if models::other_kind(&folder).is_some() {
        return Ok(Evaluation::Labels(Box::new(run(args)?)));
    }
    let model = Model::open(&folder)?;
    match model.manifest().mask {
        Some(_) => Ok(Evaluation::Masks(Box::new(segmentation::run(args, &model)?))),
        None => Ok(Evaluation::Labels(Box::new(run(args)?))),
    }
}

/// Runs the command for a model that gives labels.
///
/// # Errors
/// A model or a data set that cannot be used.
pub fn run(args: &Args) -> Result<Report> {
    let folder = models::find(&args.model)?;
    if models::other_kind(&folder).is_some() {
        #[cfg(feature = "tfhe")]
        return fcnn::run(args, &folder);
        #[cfg(not(feature = "tfhe"))]
        return Err(crate::train_fcnn::NoTfhe { what: args.model.clone() }.into());
    }
    let model = Model::open(&folder)?;
    let name = &model.manifest().name;
    let eye = eye(&model)?;
    let dataset = Dataset::find(&args.data, args.data_root.as_deref())?;
    let evaluated = Evaluated::encode(&dataset, args.split, args.limit, &eye, name, model.labels())?;
    let logits = predict(model.network()?.as_ref(), &evaluated.samples, BATCH, false)?;
    let scored = reported(&evaluated.samples, &logits, model.labels().len())?;
    let (patients, views) = (evaluated.samples.patients(), evaluated.samples.views());
    let point = &model.manifest().operating_point;
    let figures = SplitReport::of(args.split.name(), &scored, patients, views, point, &Bootstrap::default())?;
    let range = OutOfRange::of(&model, &evaluated.samples, &logits, args.encrypted)?;
    let agreement = match args.encrypted {
        0 => None,
        count => {
            let encrypted = Session::new(&model)?.run(&evaluated.samples, count)?;
            Some(Agreement::of(encrypted, &scored, patients, &point.thresholds)?)
        }
    };
    Ok(Report { range, ..Report::new(name, &dataset.name, args.split, figures, agreement, evaluated.skipped) })
}

/// What a classifier sees images through.
///
/// # Errors
/// No encoder of that name, or one of another release.
pub fn eye(model: &Model) -> Result<Eye> {
    let manifest = model.manifest();
    eye_of(&manifest.name, &manifest.encoder, &manifest.encoder_sha256)
}

fn eye_of(model: &str, encoder: &str, wanted: &str) -> Result<Eye> {
    let eye = models::eye(encoder)?;
    if eye.digest() != wanted {
        let (model, encoder, wanted, found) = (model.into(), encoder.into(), wanted.into(), eye.digest().into());
        return Err(Error::OtherEncoder { model, encoder, wanted, found });
    }
    Ok(eye)
}
