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
mod error;
pub(crate) mod labels;
mod probabilities;
mod summary;
mod table;
mod teacher;
mod trained;

pub use config::{Derived, Experiment, Network, Source, Stage};
pub use error::{Error, Result};
pub use probabilities::Probabilities;
pub use summary::Summary;
pub use table::{Named, Roots, load, training_images};
pub use teacher::Teacher;
pub use trained::{Report, Trained};

use crate::output;
use std::path::PathBuf;

/// Trains a classifier on latents, or a teacher on images, by an experiment's file.
///
/// A run that was interrupted goes on where it was when started again with the same arguments.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = output::EXIT_CODES)]
pub struct Args {
    /// The experiment's TOML file.
    #[arg(long, env = "VEILRAY_EXPERIMENT", value_name = "FILE")]
    pub config: PathBuf,
    /// The folder of the run.
    #[arg(long, env = "VEILRAY_OUT", value_name = "DIR")]
    pub out: PathBuf,
    /// The folder of the known data sets; otherwise shared/data beside the current folder or one of those around it.
    #[arg(long, env = "VEILRAY_DATA", value_name = "DIR")]
    pub data_root: Option<PathBuf>,
    /// The folder of the files of latents.
    #[arg(long, env = "VEILRAY_LATENTS", default_value = ".", value_name = "DIR")]
    pub latents: PathBuf,
    /// Ends behind the stage of this name, as if there were no further ones; what belongs to its network goes into the stage's own folder.
    #[arg(long, env = "VEILRAY_UNTIL", value_name = "STAGE")]
    pub until: Option<String>,
    /// Afterwards, writes the probabilities that the network gives the training split to this file, for a student to learn from.
    #[arg(long, env = "VEILRAY_TEACH", value_name = "FILE")]
    pub teach: Option<PathBuf>,
    /// Afterwards, evaluates on the test split: once, at the very end.
    #[arg(long, env = "VEILRAY_TEST")]
    pub test: bool,
    /// Afterwards, releases the student to this folder: manifest, network, weights.
    #[arg(long, env = "VEILRAY_RELEASE", value_name = "DIR")]
    pub release: Option<PathBuf>,
    /// The parameter set that the released student is evaluated under.
    #[arg(long, env = "VEILRAY_PARAMS", default_value = "n14", value_name = "NAME")]
    pub params: String,
    /// Most evaluation keys that the released student's circuit may ask for, MB; fewer keys cost time.
    #[arg(long, env = "VEILRAY_KEY_BUDGET", value_name = "MB", requires = "release")]
    pub key_budget: Option<f64>,
    /// Prints one JSON object instead of text.
    #[arg(long, env = "VEILRAY_JSON")]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// An experiment, data or a folder that cannot be used.
pub fn run(args: &Args) -> Result<Summary> {
    let experiment = Experiment::read(&args.config)?;
    let (experiment, results) = match &args.until {
        None => (experiment, args.out.clone()),
        Some(stage) => (experiment.until(stage).map_err(|why| Error::config(&args.config, why))?, args.out.join(stage)),
    };
    let roots = Roots { data: args.data_root.clone(), latents: args.latents.clone() };
    let folder = args.config.parent().unwrap_or(std::path::Path::new(""));
    let trained = Trained::train(&experiment, folder, &roots, &args.out)?;
    trained.save(&results)?;
    if let Some(path) = &args.teach {
        trained.teach()?.save(path)?;
    }
    if let Some(folder) = &args.release {
        trained.release(&results, folder, &args.params, args.key_budget)?;
    }
    let test = args.test.then(|| trained.test(&roots)).transpose()?;
    if let Some(test) = &test {
        output::write_json(&results.join("test.json"), test)?;
    }
    Ok(Summary { report: trained.into_report(), test })
}
