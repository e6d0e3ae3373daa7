//! `veilray-sweep report`: what a sweep found, as a Markdown page, SVG figures and one HTML page that needs nothing else.

mod answer;
mod cells;
mod document;
mod lines;
mod page;
mod training;

pub use answer::{Answer, Reference, Verdict};

use crate::command::error::{Error, Result};
use crate::command::output;
use crate::ledger::{self, Ledger, Row, Table};
use crate::ledger::{STATE, State};
use crate::plots::{self, Figure};
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use veilray_base::file::write_atomically;

/// Writes the report of a sweep: a Markdown page, its figures and a single HTML page.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = output::EXIT_CODES)]
pub struct Args {
    /// The sweep's folder.
    #[arg(value_name = "DIR")]
    pub sweep: PathBuf,
    /// The folder to write to.
    #[arg(long, default_value = "docs/results", value_name = "DIR")]
    pub out: PathBuf,
    /// Prints one JSON object instead of text.
    #[arg(long)]
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
pub fn run(args: &Args) -> Result<Summary> {
    let state = State::read(&args.sweep)?;
    write(&Ledger::read(&args.sweep)?, &state, &args.sweep, &args.out)
}

/// Writes the report of `rows` to the folder `out`, and the ledger itself: `report` of that folder writes the same pages again.
///
/// # Errors
/// A file that cannot be written.
pub fn write(rows: &[Row], state: &State, sweep: &Path, out: &Path) -> Result<Summary> {
    std::fs::create_dir_all(out).map_err(Error::file("create", out))?;
    // What an earlier version left does not say which experiments are its own: then all are.
    let is_current = |row: &&Row| state.experiments.is_empty() || state.experiments.contains(&row.id);
    let current: Vec<Row> = rows.iter().filter(is_current).cloned().collect();
    let answers = answer::of(&current);
    let figures: Vec<Figure> = plots::all(&current);
    let same = |a: &Path, b: &Path| a.canonicalize().ok().zip(b.canonicalize().ok()).is_some_and(|(a, b)| a == b);
    let is_copy = same(sweep, out);
    // A ledger beside its report is a copy: no folder to run in, and what the commands of its pages name.
    let is_kept = is_copy || sweep.join("index.html").is_file();
    let (ran, kept) = match is_kept {
        true => (Path::new("runs").join(state.config.file_stem().unwrap_or_default()), sweep),
        false => (sweep.into(), out),
    };
    let commands = page::Commands {
        run: format!("veilray-sweep run {} --out {}", state.config.display(), ran.display()),
        report: format!("veilray-sweep report {} --out {}", kept.display(), kept.display()),
    };
    let superseded = rows.len() - current.len();
    let page =
        page::Page { rows: &current, superseded, answers: &answers, figures: &figures, commands: &commands, text: &state.text };
    let mut files = Vec::new();
    let mut put = |name: &str, text: &str| -> Result<()> {
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
    put("sweep.toml", &state.text)?;
    if !is_copy {
        put(ledger::FILE, &ledger::lines(rows)?)?;
        // Where the sweep's file lay is a matter of the machine that ran it.
        let base = state.config.parent().map(Path::to_path_buf).unwrap_or_default();
        let state = State { base, ..state.clone() };
        state.write(out)?;
        files.push(out.join(STATE));
    }
    let table = Table::of(&current)?;
    table.write_csv(&out.join("ledger.csv"))?;
    table.write_hdf5(&out.join("ledger.h5"))?;
    files.extend(["ledger.csv", "ledger.h5"].map(|name| out.join(name)));
    Ok(Summary { answer: page.answer(), rows: current.len(), files })
}
