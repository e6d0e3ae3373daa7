//! `veilray-sweep train-fitness`: the small network that looks whether an image shows an upright chest, and how often it is right.
//!
//! It learns from films as they are, moved, turned and inverted, and from made images without a chest. Its thresholds are set on the validation
//! split: the highest that any data set needs to have no more than [`Args::false_alarms`] of its films warned of, for each kind of warning.
//! Then the test split is read: what part of the films of each data set is warned of, and what part of turned films, negatives and
//! non-films is found.

mod figures;
mod images;
mod network;
mod page;

pub use figures::Figures;

use crate::command::arguments::Common;
use crate::command::error::{Error, Result};
use crate::command::output;
use crate::data::{Dataset, Split};
use images::{Films, made};
use network::Learner;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;
use veilray_base::file::write_atomically;
use veilray_imaging::fitness::{Network, Thresholds};
use veilray_nn::training::{self, LoopConfig};

/// Trains the network of the checks of fitness (is there a chest, is it upright, is it no negative), sets its thresholds and measures it.
///
/// A run that was interrupted goes on where it was when started again with the same arguments.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = output::EXIT_CODES)]
pub struct Args {
    /// Data sets of frontal chest films, separated by commas: known ones, or folders with a labels.csv.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "nih_cxr14_256,nih_cxr14_128,rsna_normal,kermany_pneumonia,tb_nlm_cxr",
        value_name = "NAMES"
    )]
    pub data: Vec<String>,
    /// Data sets of other images, which must be warned of; they are never trained on.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub others: Vec<String>,
    /// The folder of the run: checkpoints, `network.bin`, `report.json`.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Steps of training, of 64 images each.
    #[arg(long, default_value_t = 8000, value_name = "N")]
    pub steps: u64,
    /// Part of a data set's validation films that each of the three warnings may be wrong about.
    #[arg(long, default_value_t = 0.002, value_name = "PART")]
    pub false_alarms: f64,
    /// Seed of the weights and of the images' changes.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Reads at most this many films of each split: for a first look.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Writes the figures as a page of Markdown to this file, `docs/results/fitness.md`.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Data and output.
    #[command(flatten)]
    pub common: Common,
}

/// Made images of each kind that are measured on.
const MADE_TESTED: usize = 200;

/// Made images that are trained on.
const MADE_TRAINED: usize = 12_000;

/// What a run achieves.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Films that were trained on.
    pub films: usize,
    /// Steps of training.
    pub steps: u64,
    /// Wall time of the training, s.
    pub seconds: f64,
    /// Log-odds from which on there is a warning: no chest, turned, negative.
    pub thresholds: [f32; 3],
    /// What the test split and the made images give.
    pub figures: Figures,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [none, turned, negative] = self.thresholds;
        writeln!(f, "{} films, {} steps in {:.0} s", self.films, self.steps, self.seconds)?;
        writeln!(f, "thresholds (log-odds): no chest {none:.2}, turned {turned:.2}, negative {negative:.2}")?;
        write!(f, "{}", self.figures)
    }
}

/// Runs the command.
///
/// # Errors
/// A data set or a folder that cannot be used.
pub fn run(args: &Args) -> Result<Report> {
    if !(args.false_alarms > 0.0 && args.false_alarms < 1.0) {
        return Err(Error::Augment { why: format!("--false-alarms {} is not between 0 and 1", args.false_alarms) });
    }
    let find = |name: &String| Dataset::find(name, args.common.data_root.as_deref()).map_err(Error::from);
    let sets: Vec<Dataset> = args.data.iter().map(find).collect::<Result<_>>()?;
    let others: Vec<Dataset> = args.others.iter().map(find).collect::<Result<_>>()?;
    let read = |split| sets.iter().map(|set| Films::read(set, split, args.limit)).collect::<Result<Vec<_>>>();
    let (training, validation) = (read(Split::Train)?, read(Split::Val)?);
    let films = training.iter().map(Films::len).sum();
    let mut learner = Learner::new(training, made(MADE_TRAINED, args.seed)?, args.steps, args.seed)?;
    let config =
        LoopConfig { steps: args.steps, seed: args.seed, log_every: 100, checkpoint_every: 1000, ..LoopConfig::default() };
    let outcome = training::run(&mut learner, &config, &args.out, None)?;
    let unset = Thresholds { no_chest: 0.0, turned: 0.0, negative: 0.0 };
    let values = learner.values()?;
    let network = |thresholds| Network::new(thresholds, values.clone()).map_err(|e| Error::Augment { why: e.to_string() });
    let thresholds = figures::thresholds(&network(unset)?, &validation, args.false_alarms);
    let network = network(thresholds)?;
    write_atomically(&args.out.join("network.bin"), &network.to_bytes())?;
    // A set without a test split is measured on its validation films, and says so.
    let test =
        read(Split::Test)?.into_iter().zip(validation).map(|(test, validation)| test.or_named(validation)).collect::<Vec<_>>();
    let others = others.iter().map(|set| Films::read(set, Split::Test, args.limit)).collect::<Result<Vec<_>>>()?;
    let report = Report {
        films,
        steps: outcome.steps,
        seconds: outcome.seconds,
        thresholds: [thresholds.no_chest, thresholds.turned, thresholds.negative],
        figures: Figures::measure(&network, &test, &others, MADE_TESTED, args.seed)?,
    };
    output::write_json(&args.out.join("report.json"), &report)?;
    if let Some(record) = &args.record {
        write_atomically(record, page::of(&report, args).as_bytes())?;
    }
    Ok(report)
}
