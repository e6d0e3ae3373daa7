//! `veilray-sweep train-fcnn`: a quantised network of one hidden layer, to be evaluated under TFHE.
//!
//! The command needs a build with the feature `tfhe`; without it, it says so. The run's folder holds one folder per seed and `report.json`.

#[cfg(feature = "tfhe")]
mod tfhe;

#[cfg(feature = "tfhe")]
pub use tfhe::Experiment;

use crate::command::arguments::Training;
#[cfg(not(feature = "tfhe"))]
use crate::command::error::Error;
use crate::command::error::Result;
use crate::command::output;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use veilray_classifier::operating_point::OperatingPoint;
use veilray_training::metrics::SplitReport;

/// Trains a quantised network of one hidden layer by an experiment's file; needs a build with the feature `tfhe`.
///
/// A run that was interrupted goes on where it was when started again with the same arguments.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = output::EXIT_CODES)]
pub struct Args {
    /// What is trained, and where the run goes.
    #[command(flatten)]
    pub training: Training,
}

/// What the command prints.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The seed whose run was chosen.
    pub seed: u64,
    /// ROC-AUC on the validation split and its changed copies: what it was chosen by.
    pub auc_of_copies: f64,
    /// Hidden neurons' largest root of Σ w².
    pub weight_norm: f64,
    /// Values that a logit can take.
    pub output_modulus: u32,
    /// log2 of a bound on the probability that an encrypted image is decided otherwise than in clear by noise.
    pub log2_failure: f64,
    /// Temperature and threshold, from the validation split.
    pub operating_point: OperatingPoint,
    /// Steps of each seed's run.
    pub steps: BTreeMap<u64, u64>,
    /// Wall time of each seed's run, s.
    pub seconds: BTreeMap<u64, f64>,
    /// Figures of the validation split.
    pub validation: SplitReport,
    /// Figures of the test split, where `--test` asked for them.
    pub test: Option<SplitReport>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} of {}, ROC-AUC with changed copies {:.4}", self.seed, self.steps.len(), self.auc_of_copies)?;
        writeln!(f, "weights' norm {:.1}, log2 of failure {:.1}", self.weight_norm, self.log2_failure)?;
        let auc = |split: &SplitReport| split.ranking.roc_auc.macro_mean.map_or(f64::NAN, |mean| mean.value);
        let splits: Vec<&SplitReport> = std::iter::once(&self.validation).chain(&self.test).collect();
        for (at, split) in splits.iter().enumerate() {
            let accuracy = split.decisions.accuracy.unwrap_or(f64::NAN);
            let end = if at + 1 < splits.len() { "\n" } else { "" };
            write!(
                f,
                "{:5} {:5} images: ROC-AUC {:.4}, accuracy {accuracy:.4}{end}",
                split.split,
                split.ranking.images,
                auc(split)
            )?;
        }
        Ok(())
    }
}

/// Runs the command.
///
/// # Errors
/// A build without the feature; an experiment, data or a folder that cannot be used.
#[cfg(feature = "tfhe")]
pub fn run(args: &Args) -> Result<Summary> {
    tfhe::run(args)
}

/// Refuses: this build has no TFHE.
///
/// # Errors
/// [`Error::NoTfhe`], always.
#[cfg(not(feature = "tfhe"))]
pub fn run(_: &Args) -> Result<Summary> {
    Err(Error::NoTfhe { what: "train-fcnn".into() })
}
