//! `veilray-sweep train-classifier`: from an experiment's TOML file to weights and what they achieve on the validation split.
//!
//! The run's folder holds, beside one folder per stage:
//!
//! | file | holds |
//! |---|---|
//! | `model.safetensors` | the weights with the highest validation macro-AUC of the last stage |
//! | `network.toml` | a student's specification, to which the weights belong |
//! | `report.json` | operating point, range contract and all figures on the validation split |
//! | `test.json` | the same figures on the test split, where `--test` asked for that one look |
//!
//! With `--until` these files are those of an earlier stage's network, in that stage's folder: the reference with ReLU, say, that the
//! network to be encrypted started from. A run that was stopped continues where it stood. The test split is not opened without `--test`.

mod config;
mod probabilities;
mod summary;
mod table;
mod teacher;
mod trained;

pub use config::{Experiment, Network, Source, Stage};
pub use probabilities::Probabilities;
pub use summary::Summary;
pub use table::{Named, Roots, load, training_images};
pub use teacher::Teacher;
pub use trained::{Report, Trained};

use crate::command::arguments::Training;
use crate::command::error::{Error, Result};
use crate::command::output;
use std::path::PathBuf;

/// Trains a classifier on latents, or a teacher on images, by an experiment's file.
///
/// A run that was interrupted goes on where it was when started again with the same arguments.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = output::EXIT_CODES)]
pub struct Args {
    /// What is trained, and where the run goes.
    #[command(flatten)]
    pub training: Training,
    /// The folder of the files of latents.
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub latents: PathBuf,
    /// Ends behind the stage of this name, as if there were no further ones; what belongs to its network goes into the stage's own folder.
    #[arg(long, value_name = "STAGE")]
    pub until: Option<String>,
    /// Afterwards, writes the probabilities that the network gives the training split to this file, for a student to learn from.
    #[arg(long, value_name = "FILE")]
    pub teach: Option<PathBuf>,
    /// The parameter set that the released student is evaluated under.
    #[arg(long, default_value = "n14", value_name = "NAME")]
    pub params: String,
    /// Most evaluation keys that the released student's circuit may ask for, MB; fewer keys cost time.
    #[arg(long, value_name = "MB", requires = "release")]
    pub key_budget: Option<f64>,
}

/// Runs the command.
///
/// # Errors
/// An experiment, data or a folder that cannot be used.
pub fn run(args: &Args) -> Result<Summary> {
    let experiment = Experiment::read(&args.training.config)?;
    let (experiment, results) = match &args.until {
        None => (experiment, args.training.out.clone()),
        Some(stage) => {
            (experiment.until(stage).map_err(|why| Error::config(&args.training.config, why))?, args.training.out.join(stage))
        }
    };
    let roots = Roots { data: args.training.common.data_root.clone(), latents: args.latents.clone() };
    let folder = args.training.config.parent().unwrap_or(std::path::Path::new(""));
    let trained = Trained::train(&experiment, folder, &roots, &args.training.out)?;
    trained.save(&results)?;
    if let Some(path) = &args.teach {
        trained.teach()?.save(path)?;
    }
    if let Some(folder) = &args.training.release {
        trained.release(&results, folder, &args.params, args.key_budget)?;
    }
    let test = args.training.test.then(|| trained.test(&roots)).transpose()?;
    if let Some(test) = &test {
        output::write_json(&results.join("test.json"), test)?;
    }
    Ok(Summary { report: trained.into_report(), test })
}
