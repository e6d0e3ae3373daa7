//! `veilray-sweep report`: what a sweep found, as a Markdown page, SVG figures and one HTML page that needs nothing else.

mod answer;
mod page;

pub use answer::{Answer, Configuration, Verdict};

use crate::ledger::{self, Ledger, Row, Table};
use crate::output;
use crate::plots::{self, Figure};
use crate::run::State;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use veilray_nn::write_atomically;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// A file that cannot be written.
    #[error(transparent)]
    Write(#[from] veilray_nn::Error),
    /// A folder that cannot be made.
    #[error("could not create {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A folder that holds no sweep.
    #[error("{why}")]
    NoSweep {
        /// What is missing.
        why: String,
    },
}

/// Writes the report of a sweep: a Markdown page, its figures and a single HTML page.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = output::EXIT_CODES)]
pub struct Args {
    /// The sweep's folder.
    #[arg(value_name = "DIR", env = "VEILRAY_SWEEP_DIR")]
    pub sweep: PathBuf,
    /// The folder to write to.
    #[arg(long, env = "VEILRAY_OUT", default_value = "docs/results", value_name = "DIR")]
    pub out: PathBuf,
    /// Prints one JSON object instead of text.
    #[arg(long, env = "VEILRAY_JSON")]
    pub json: bool,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The answer, a paragraph.
    pub answer: String,
    /// Rows of the ledger.
    pub rows: usize,
    /// The files.
    pub files: Vec<PathBuf>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{} rows", self.answer, self.rows)?;
        self.files.iter().try_for_each(|file| write!(f, "\n  {}", file.display()))
    }
}

/// Runs the command.
///
/// # Errors
/// A folder without a sweep, a file that cannot be written.
pub fn run(args: &Args) -> Result<Summary, Error> {
    let state = State::read(&args.sweep).map_err(|e| Error::NoSweep { why: e.to_string() })?;
    write(&Ledger::read(&args.sweep)?, &state, &args.sweep, &args.out)
}

/// Writes the report of `rows` to the folder `out`.
///
/// # Errors
/// A file that cannot be written.
pub fn write(rows: &[Row], state: &State, sweep: &Path, out: &Path) -> Result<Summary, Error> {
    std::fs::create_dir_all(out).map_err(|source| Error::Folder { path: out.into(), source })?;
    let answers = answer::of(rows);
    let figures: Vec<Figure> = plots::all(rows);
    let commands = page::Commands {
        run: format!("veilray-sweep run {} --out {}", state.config.display(), sweep.display()),
        report: format!("veilray-sweep report {} --out {}", sweep.display(), out.display()),
    };
    let page = page::Page { rows, answers: &answers, figures: &figures, commands: &commands };
    let mut files = Vec::new();
    let mut put = |name: &str, text: &str| -> Result<(), Error> {
        let path = out.join(name);
        write_atomically(&path, text.as_bytes())?;
        files.push(path);
        Ok(())
    };
    for figure in &figures {
        put(&format!("{}.svg", figure.name), &figure.svg)?;
    }
    put("README.md", &page.markdown())?;
    put("index.html", &page.html())?;
    let table = Table::of(rows)?;
    table.write_csv(&out.join("ledger.csv"))?;
    files.push(out.join("ledger.csv"));
    Ok(Summary { answer: page.answer(), rows: rows.len(), files })
}
