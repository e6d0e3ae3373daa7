//! `veilray-sweep evaluate`: a released model on one split of a data set, in clear on all images and encrypted on some of them.

mod encrypted;
#[cfg(feature = "tfhe")]
pub(crate) mod fcnn;
mod latents;
mod range;
mod record;
mod report;
mod segmentation;

pub use encrypted::{Answer, Encrypted, Session, spread};
pub use latents::Evaluated;
pub use range::OutOfRange;
pub use report::{Agreement, Difference, Report};
pub use segmentation::{Agreement as MaskAgreement, Report as MaskReport};

use crate::command::arguments::Common;
use crate::command::error::{Error, Result};
use crate::command::output;
use crate::data::{Dataset, Split};
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use veilray_base::figures::Figures;
use veilray_base::release::{find, other_kind};
use veilray_classifier::release::Model;
use veilray_encoder::input::InputEncoder;
use veilray_training::metrics::{Bootstrap, SplitReport};
use veilray_training::{network_of, predict, reported};

/// Images of a batch.
const BATCH: usize = 16;

/// Scores a released model on one split of a data set, in clear on all images and encrypted on some of them.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = output::EXIT_CODES)]
pub struct Args {
    /// The model: a folder, or its name in `weights/`.
    #[arg(long, value_name = "NAME|DIR")]
    pub model: String,
    /// The data set: a known name, or a folder with a `labels.csv`.
    #[arg(long, value_name = "NAME|DIR")]
    pub data: String,
    /// Which split.
    #[arg(long, default_value = "val")]
    pub split: Split,
    /// Images to evaluate encrypted too, spread evenly over the split.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub encrypted: usize,
    /// Evaluates the first images only.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Writes what was measured into this file of figures, `docs/results/models.json`, and leaves the others in it: of a whole split the
    /// figures in clear, of the test split what encryption changes and costs, with `--limit` the costs alone.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Data and output.
    #[command(flatten)]
    pub common: Common,
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

/// Runs the command, with progress bars on stderr, for a model of either kind, and records what it measured where that is asked for.
///
/// # Errors
/// As [`run`]; a model that gives masks needs a data set that has some; a file of figures that does not fit.
pub fn command(args: &Args) -> Result<Evaluation> {
    let folder = find(&args.model)?;
    // Before hours of measuring.
    args.record.as_deref().map(Figures::read).transpose()?;
    let evaluation = evaluated(args, &folder)?;
    if let Some(path) = &args.record {
        let (model, data, _) = evaluation.subject();
        let origin = record::Origin::of(args, model, data, other_kind(&folder).is_some());
        record::record(path, &evaluation, args.limit.is_some(), &origin)?;
    }
    Ok(evaluation)
}

fn evaluated(args: &Args, folder: &Path) -> Result<Evaluation> {
    if other_kind(folder).is_some() {
        return Ok(Evaluation::Labels(Box::new(run(args)?)));
    }
    let model = Model::open(folder)?;
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
    let folder = find(&args.model)?;
    if other_kind(&folder).is_some() {
        #[cfg(feature = "tfhe")]
        return fcnn::run(args, &folder);
        #[cfg(not(feature = "tfhe"))]
        return Err(Error::NoTfhe { what: args.model.clone() });
    }
    let model = Model::open(&folder)?;
    let name = &model.manifest().name;
    let encoder = input_encoder(&model)?;
    let dataset = Dataset::find(&args.data, args.common.data_root.as_deref())?;
    let evaluated = Evaluated::encode(&dataset, args.split, args.limit, &encoder, name, model.labels())?;
    let logits = predict(network_of(&model)?.as_ref(), &evaluated.samples, BATCH, false)?;
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
pub fn input_encoder(model: &Model) -> Result<InputEncoder> {
    let manifest = model.manifest();
    input_encoder_of(&manifest.name, &manifest.encoder, &manifest.encoder_sha256)
}

fn input_encoder_of(model: &str, name: &str, wanted: &str) -> Result<InputEncoder> {
    let encoder = InputEncoder::open(name)?;
    if encoder.digest() != wanted {
        let (model, encoder, wanted, found) = (model.into(), name.into(), wanted.into(), encoder.digest().into());
        return Err(Error::OtherEncoder { model, encoder, wanted, found });
    }
    Ok(encoder)
}
