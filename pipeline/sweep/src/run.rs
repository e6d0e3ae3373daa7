//! `veilray-sweep run` and `resume`: every experiment of a sweep, from images to a row of the ledger.
//!
//! An experiment goes through stages, each of which leaves a file that the next run finds: films and encoders, latents, the networks
//! with their figures in clear, the images on ciphertexts. The row is written last. So a run that was killed anywhere repeats no row and
//! loses at most what its stage did since its last checkpoint.

mod identity;
mod latents;
mod student;

pub use latents::SweepFolders;
pub use student::Prepared;

use crate::command::arguments::Common;
use crate::command::error::{Error, Result};
use crate::command::output;
use crate::grid::{Experiment, Sweep};
use crate::ledger::State;
use crate::ledger::{Ledger, Outcome, Table};
use crate::measure::{self, Ready};
use crate::{machine, report};
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// Runs every experiment of a sweep and writes its report; experiments that the folder's ledger has are not repeated.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = output::EXIT_CODES)]
pub struct Args {
    /// The sweep's TOML file.
    #[arg(value_name = "FILE")]
    pub config: PathBuf,
    /// The sweep's folder: ledger, latents, networks, results.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// How far to go.
    #[command(flatten)]
    pub choices: Choices,
}

/// Goes on with a sweep where it was.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = output::EXIT_CODES)]
pub struct ResumeArgs {
    /// The sweep's folder.
    #[arg(value_name = "DIR")]
    pub out: PathBuf,
    /// How far to go.
    #[command(flatten)]
    pub choices: Choices,
}

/// What `run` and `resume` have in common.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Choices {
    /// Stops after so many new rows.
    #[arg(long, value_name = "N")]
    pub rows: Option<usize>,
    /// Trains and scores every network in clear and measures none: `resume` then measures when the machine is quiet.
    #[arg(long)]
    pub train_only: bool,
    /// Tries again what the ledger says cannot run: on a machine of more memory, or with `measure.stream` or `measure.memory_mb` changed.
    #[arg(long)]
    pub retry_refused: bool,
    /// Data and output.
    #[command(flatten)]
    pub common: Common,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Name of the sweep, as its file states it.
    pub sweep: String,
    /// Experiments of its grids.
    pub experiments: usize,
    /// Rows that were there before.
    pub rows_before: usize,
    /// Rows that this run measured.
    pub measured: usize,
    /// Rows of this run that say why an experiment cannot run here.
    pub refused: usize,
    /// Experiments whose networks are trained and that are not measured yet (`--train-only`).
    pub trained: usize,
    /// Wall time of this run, s.
    pub seconds: f64,
    /// The report's folder.
    pub results: PathBuf,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = self.rows_before + self.measured + self.refused;
        writeln!(f, "{}: {done} of {} experiments in the ledger", self.sweep, self.experiments)?;
        writeln!(f, "  of this run {} measured, {} refused, {:.0} s", self.measured, self.refused, self.seconds)?;
        if self.trained > 0 {
            writeln!(f, "  {} trained and not measured yet: `veilray-sweep resume` goes on with them", self.trained)?;
        }
        write!(f, "  report in {}", self.results.display())
    }
}

/// Runs `run`.
///
/// # Errors
/// A sweep's file or data that cannot be used, a folder that cannot be written to.
pub fn run(args: &Args) -> Result<Summary> {
    // Understood before anything is written.
    Sweep::read(&args.config)?;
    std::fs::create_dir_all(&args.out).map_err(Error::file("create", &args.out))?;
    let text = std::fs::read_to_string(&args.config).map_err(Error::file("read", &args.config))?;
    let absolute = std::path::absolute(&args.config).map_err(Error::file("read", &args.config))?;
    let base = absolute.parent().map(Path::to_path_buf).unwrap_or_default();
    let state = State { config: args.config.clone(), base, text, experiments: Vec::new() };
    sweep(state, &args.out, &args.choices)
}

/// Runs `resume`.
///
/// # Errors
/// As [`run`], and a folder that holds no sweep.
pub fn resume(args: &ResumeArgs) -> Result<Summary> {
    sweep(State::read(&args.out)?, &args.out, &args.choices)
}

fn sweep(mut state: State, out: &Path, choices: &Choices) -> Result<Summary> {
    let start = std::time::Instant::now();
    let sweep = Sweep::parse(&state.text, &state.config)?;
    let mut experiments = sweep.experiments(&state.base)?;
    // Locked before anything of an earlier run is changed.
    let mut ledger = Ledger::open(out)?;
    let folders = SweepFolders {
        out: out.into(),
        data_root: choices.common.data_root.clone(),
        sets: sweep.data.iter().map(|data| data.get_ref().clone()).collect(),
    };
    folders.identify(&mut experiments)?;
    let ids: Vec<String> = experiments.iter().map(Experiment::id).collect();
    state.experiments.clone_from(&ids);
    state.write(out)?;
    let finished = |ledger: &Ledger, id: &str| match choices.retry_refused {
        true => ledger.find(id).is_some_and(|row| row.outcome == Outcome::Measured),
        false => ledger.find(id).is_some(),
    };
    let rows_before = ids.iter().filter(|id| finished(&ledger, id)).count();
    let limit = sweep.measure.memory_mb.map_or_else(machine_memory, |mb| mb * 1_000_000);
    let most = choices.rows;
    let mut group: Vec<Ready> = Vec::new();
    let (mut measured, mut refused, mut trained) = (0, 0, 0);
    for (experiment, id) in experiments.iter().zip(&ids) {
        if most.is_some_and(|most| measured + refused + trained + group.len() >= most) {
            break;
        }
        if finished(&ledger, id) {
            continue;
        }
        eprintln!("{}", describe(experiment));
        match student::prepare(experiment, &folders, limit)? {
            Prepared::Refused(row) => {
                eprintln!("  refused: {}", row.reason.as_deref().unwrap_or_default());
                ledger.append(*row)?;
                refused += 1;
            }
            Prepared::Ready(_) if choices.train_only => trained += 1,
            Prepared::Ready(ready) => {
                let memory: usize = group.iter().chain([&*ready]).map(|ready| ready.memory).sum();
                if group.len() >= sweep.measure.interleave.get() || memory > limit {
                    let [more, less] = finish(&mut group, &mut ledger)?;
                    (measured, refused) = (measured + more, refused + less);
                }
                group.push(*ready);
            }
        }
    }
    let [more, less] = finish(&mut group, &mut ledger)?;
    (measured, refused) = (measured + more, refused + less);
    let table = Table::of(ledger.rows())?;
    table.write_csv(&out.join("ledger.csv"))?;
    table.write_hdf5(&out.join("ledger.h5"))?;
    let results = out.join("results");
    report::write(ledger.rows(), &state, out, &results)?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(Summary { sweep: sweep.name, experiments: ids.len(), rows_before, measured, refused, trained, seconds, results })
}

/// Measures a group of experiments together and writes their rows; gives how many were measured and how many refused.
fn finish(group: &mut Vec<Ready>, ledger: &mut Ledger) -> Result<[usize; 2]> {
    let mut counts = [0; 2];
    for row in measure::group(std::mem::take(group))? {
        let [measured, refused] = &mut counts;
        *(if row.outcome == Outcome::Measured { measured } else { refused }) += 1;
        ledger.append(row)?;
    }
    Ok(counts)
}

fn describe(experiment: &Experiment) -> String {
    let point = &experiment.point;
    let network = experiment.network();
    format!("{} f{} {} {network} {} seed {}", point.data, point.factor, point.latent, point.activation, point.seed)
}

/// Four fifths of the machine's memory; without a known limit, none.
fn machine_memory() -> usize {
    machine::memory_bytes().map_or(usize::MAX, |bytes| bytes / 5 * 4)
}
