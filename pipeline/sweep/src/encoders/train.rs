//! `train-encoder`: trains an autoencoder on image folders and releases it.

use crate::command::arguments::Common;
use crate::command::error::Result;
use crate::command::output;
use crate::data::{self, Dataset, Split};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use veilray_encoder::train::{Images, Source, TrainConfig, Training, release};
use veilray_encoder::vqgan::Config;
use veilray_imaging::ingest::Canonical;
use veilray_nn::training::{LoopConfig, run as run_loop};

/// Trains an autoencoder; started again with the same options, a run that was cut off continues to the same weights.
#[derive(Debug, clap::Args)]
#[command(after_help = output::EXIT_CODES)]
pub struct Args {
    /// The autoencoder's shapes.
    #[arg(long, value_name = "FILE", default_value = "configs/encoder/f8.toml")]
    pub shapes: PathBuf,
    /// How it is trained.
    #[arg(long, value_name = "FILE", default_value = "configs/encoder/train-f8.toml")]
    pub training: PathBuf,
    /// Folder of the run: checkpoints and logs.
    #[arg(long, value_name = "DIR", default_value = "runs/encoder-f8")]
    pub run: PathBuf,
    /// Folder to release the finished weights to; its name is the encoder's.
    #[arg(long, value_name = "DIR")]
    pub release: Option<PathBuf>,
    /// Reads at most this many images of each data set and split: for a first look.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Data and output.
    #[command(flatten)]
    pub common: Common,
}

/// What a training run reached.
#[derive(Debug, Serialize)]
pub struct Trained {
    /// Steps in all.
    pub steps: u64,
    /// Wall time of all steps, before and after resuming, s.
    pub seconds: f64,
    /// The last evaluation on validation images, by metric.
    pub validation: BTreeMap<String, f64>,
    /// Where it was released to.
    pub released: Option<PathBuf>,
}

impl fmt::Display for Trained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} steps in {:.0} s", self.steps, self.seconds)?;
        self.validation.iter().try_for_each(|(name, value)| write!(f, "\n  {name:16} {value:.4}"))?;
        self.released.iter().try_for_each(|folder| write!(f, "\nreleased to {}", folder.display()))
    }
}

/// Runs the command, with a progress bar on stderr.
///
/// # Errors
/// Settings or data that cannot be used, a run of other settings, a folder that cannot be written to.
pub fn run(args: &Args) -> Result<Trained> {
    let shapes = Config::read(&args.shapes)?;
    let config = TrainConfig::read(&args.training)?;
    let find = |source: &Source| Dataset::find(&source.name, args.common.data_root.as_deref());
    let sets: Vec<Dataset> = config.data.iter().map(find).collect::<data::Result<_>>()?;
    train(&shapes, &config, &sets, args.limit, &args.run, args.release.as_deref())
}

/// Trains an autoencoder of `shapes` by `config` on `sets`, one for each of its sources, at most `limit` images of each split of them; the
/// run is in the folder `run`, and what is left of it is done. Releases it to the folder `released`.
///
/// # Errors
/// Settings or data that cannot be used, a run of other settings, a folder that cannot be written to.
pub fn train(
    shapes: &Config,
    config: &TrainConfig,
    sets: &[Dataset],
    limit: Option<usize>,
    run: &Path,
    released: Option<&Path>,
) -> Result<Trained> {
    let (mut train, mut validation) = (Images::new(), Images::new());
    let mut for_limits = Vec::new();
    for (source, set) in config.data.iter().zip(sets) {
        train.add(&source.name, source.weight, levels(&read(set, Split::Train, limit)?))?;
        let images = read(set, Split::Val, limit)?;
        validation.add(&source.name, source.weight, levels(&images))?;
        for_limits.extend(images);
    }
    let mut task = Training::new(shapes, config, train, &validation)?;
    eprintln!("{} trained values, {} training images", task.parameters(), task.images().len());
    let settings = LoopConfig {
        steps: config.steps(),
        seed: config.seed,
        log_every: 20,
        evaluate_every: config.evaluate_every,
        checkpoint_every: config.checkpoint_every,
        best: None,
    };
    let outcome = run_loop(&mut task, &settings, run, None)?;
    if let Some(folder) = released {
        release(&task, &name(folder), outcome.seconds, outcome.steps, &for_limits, folder)?;
    }
    let validation = outcome.evaluation.iter().map(|(name, value)| (name.to_string(), value)).collect();
    Ok(Trained { steps: outcome.steps, seconds: outcome.seconds, validation, released: released.map(Into::into) })
}

fn name(folder: &Path) -> String {
    folder.file_name().map_or_else(|| "encoder".into(), |name| name.to_string_lossy().into_owned())
}

fn read(set: &Dataset, split: Split, limit: Option<usize>) -> data::Result<Vec<Canonical>> {
    let indices: Vec<usize> = set.split(split).map(|(index, _)| index).take(limit.unwrap_or(usize::MAX)).collect();
    indices.par_iter().map(|&index| Ok(set.image(index)?.image)).collect()
}

fn levels(images: &[Canonical]) -> Vec<u8> {
    images.iter().flat_map(Canonical::to_levels).collect()
}
