//! `veilray-sweep run` and `resume`: every experiment of a sweep, from images to a row of the ledger.
//!
//! An experiment goes through stages, each of which leaves a file that the next run finds: films and encoders, latents, the networks
//! with their figures in clear, the images on ciphertexts. The row is written last. So a run that was killed anywhere repeats no row and
//! loses at most what its stage did since its last checkpoint.

mod identity;
mod latents;
mod student;

pub use latents::Workplace;
pub use student::{Clear, Prepared, Ready};

use crate::grid::{self, Experiment, Sweep};
use crate::ledger::{self, Ledger, Outcome, Table};
use crate::measure;
use crate::{data, encode, evaluate, machine, output, report, train_classifier, train_encoder};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use veilray_base::file::write_atomically;

/// What a sweep's folder knows of its sweep.
pub const STATE: &str = "sweep.json";

/// This module's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a sweep stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The sweep's file.
    #[error(transparent)]
    Grid(#[from] grid::Error),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// A data set.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// The latents.
    #[error(transparent)]
    Encode(#[from] encode::Error),
    /// A file of latents.
    #[error(transparent)]
    Latents(#[from] veilray_encoder::latents::Error),
    /// An encoder's training.
    #[error(transparent)]
    TrainEncoder(#[from] train_encoder::Error),
    /// An encoder.
    #[error(transparent)]
    Encoder(#[from] veilray_encoder::vqgan::Error),
    /// No such encoder.
    #[error(transparent)]
    Model(#[from] veilray_pipeline::models::ModelError),
    /// The synthetic films.
    #[error(transparent)]
    Phantom(#[from] veilray_encoder::phantom::Error),
    /// The networks.
    #[error(transparent)]
    Train(#[from] train_classifier::Error),
    /// Encrypted evaluation.
    #[error(transparent)]
    Evaluate(Box<evaluate::Error>),
    /// The report.
    #[error(transparent)]
    Report(#[from] report::Error),
    /// A folder that holds no sweep.
    #[error("{} holds no {STATE}: start with `veilray-sweep run FILE --out {}`", folder.display(), folder.display())]
    NoSweep {
        /// The folder.
        folder: PathBuf,
    },
    /// An encoder of another factor than the sweep says.
    #[error("the encoder {name} is of factor {found}, the sweep says {wanted}")]
    OtherFactor {
        /// The encoder.
        name: String,
        /// In the sweep's file.
        wanted: u32,
        /// In its manifest.
        found: usize,
    },
    /// A file that cannot be read or written.
    #[error("could not {doing} {}: {why}", path.display())]
    File {
        /// What was attempted.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        why: String,
    },
}

impl Error {
    /// For `map_err`.
    pub(crate) fn file<E: fmt::Display>(doing: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |e| Self::File { doing, path, why: e.to_string() }
    }
}

impl From<evaluate::Error> for Error {
    fn from(error: evaluate::Error) -> Self {
        Self::Evaluate(error.into())
    }
}

impl From<veilray_nn::Error> for Error {
    fn from(error: veilray_nn::Error) -> Self {
        Self::Train(error.into())
    }
}

/// Runs every experiment of a sweep and writes its report; experiments that the folder's ledger has are not repeated.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = output::EXIT_CODES)]
pub struct Args {
    /// The sweep's TOML file.
    #[arg(value_name = "FILE", env = "VEILRAY_SWEEP")]
    pub config: PathBuf,
    /// The sweep's folder: ledger, latents, networks, results.
    #[arg(long, env = "VEILRAY_OUT", value_name = "DIR")]
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
    #[arg(value_name = "DIR", env = "VEILRAY_OUT")]
    pub out: PathBuf,
    /// How far to go.
    #[command(flatten)]
    pub choices: Choices,
}

/// What `run` and `resume` have in common.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Choices {
    /// The folder of the known data sets; otherwise shared/data beside the current folder or one of those around it.
    #[arg(long, env = "VEILRAY_DATA", value_name = "DIR")]
    pub data_root: Option<PathBuf>,
    /// Stops after so many new rows.
    #[arg(long, env = "VEILRAY_ROWS", value_name = "N")]
    pub rows: Option<usize>,
    /// Trains and scores every network in clear and measures none: `resume` then measures when the machine is quiet.
    #[arg(long, env = "VEILRAY_TRAIN_ONLY")]
    pub train_only: bool,
    /// Tries again what the ledger says cannot run: on a machine of more memory, or with `measure.stream` or `measure.memory_mb` changed.
    #[arg(long, env = "VEILRAY_RETRY_REFUSED")]
    pub retry_refused: bool,
    /// Prints one JSON object instead of text.
    #[arg(long, env = "VEILRAY_JSON")]
    pub json: bool,
}

/// What `run` was given, for `resume`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// The sweep's file, as it was given.
    pub config: PathBuf,
    /// Its folder, absolute: other files are named relative to it.
    pub base: PathBuf,
    /// Its text.
    pub text: String,
    /// What the ledger knows its experiments by; rows of others are of an earlier configuration.
    #[serde(default)]
    pub experiments: Vec<String>,
}

impl State {
    /// Of a sweep's folder.
    ///
    /// # Errors
    /// [`Error::NoSweep`].
    pub fn read(folder: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(folder.join(STATE)).map_err(|_| Error::NoSweep { folder: folder.into() })?;
        serde_json::from_str(&text).map_err(Error::file("read", &folder.join(STATE)))
    }

    /// Writes it to a sweep's folder.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(STATE);
        let json = serde_json::to_string_pretty(self).map_err(Error::file("write", &path))?;
        Ok(write_atomically(&path, json.as_bytes())?)
    }
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The sweep.
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
    let workplace = Workplace {
        out: out.into(),
        data_root: choices.data_root.clone(),
        sets: sweep.data.iter().map(|data| data.get_ref().clone()).collect(),
    };
    workplace.identify(&mut experiments)?;
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
        match student::prepare(experiment, &workplace, limit)? {
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
