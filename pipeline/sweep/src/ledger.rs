//! The ledger of a sweep: one row per experiment, appended and brought to the disk before the next one starts.
//!
//! It is a file of JSON lines, so that a row is either there or not: a line that a kill cut off is dropped when the ledger is opened
//! again. [`Table`] gives the same rows as CSV and HDF5.

mod configuration;
mod row;
mod state;
mod table;

pub use configuration::Configuration;
pub use row::{Auc, LayerRow, Outcome, Row, ServerTime};
pub use state::{STATE, State};
pub use table::Table;

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The ledger's file in a sweep's folder.
pub const FILE: &str = "ledger.jsonl";

/// This module's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a ledger was not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that cannot be read or written.
    #[error("could not {doing} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// The file of the ledger, or its lock.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file of the sweep's folder cannot be written.
    #[error(transparent)]
    Write(#[from] veilray_base::file::FileError),
    /// The folder holds no sweep: `run` begins one.
    #[error("{} holds no {STATE}: start with `veilray-sweep run FILE --out {}`", folder.display(), folder.display())]
    NoSweep {
        /// The folder that was given.
        folder: PathBuf,
    },
    /// A line of the ledger is no row of this version.
    #[error("{}:{line}: {why}; it was written by another version, or changed by hand", path.display())]
    Line {
        /// The ledger's file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// Another process writes the ledger: wait for it, or end it.
    #[error("{} is in use by another run of this sweep; wait for it, or end it", path.display())]
    InUse {
        /// The ledger's file.
        path: PathBuf,
    },
    /// A row that cannot be written as text or as a table.
    #[error("{}: {why}", path.display())]
    Format {
        /// The file that was to be written.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl Error {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

/// A ledger that this process alone appends to.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: File,
    rows: Vec<Row>,
}

impl Ledger {
    /// Opens the ledger of the folder `folder`, or begins it; a last line that was cut off is dropped.
    ///
    /// # Errors
    /// A file that cannot be written to, that another process has open, or that holds something else.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(Error::io("open", &path))?;
        if !locked(&file) {
            return Err(Error::InUse { path });
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(Error::io("read", &path))?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if whole < text.len() {
            file.set_len(whole as u64).map_err(Error::io("write", &path))?;
            file.seek(SeekFrom::End(0)).map_err(Error::io("write", &path))?;
        }
        text.truncate(whole);
        let rows = parse(&text, &path)?;
        Ok(Self { path, file, rows })
    }

    /// The rows of a folder's ledger, which another process may be writing; a last line that is not whole yet is left out.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else.
    pub fn read(folder: &Path) -> Result<Vec<Row>> {
        let path = folder.join(FILE);
        let mut text = std::fs::read(&path).map_err(Error::io("read", &path))?;
        text.truncate(text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1));
        parse(&text, &path)
    }

    /// Its rows, in the order in which they were added.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row of an experiment.
    pub fn find(&self, id: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.id == id)
    }

    /// Adds a row and waits until it is on the disk; it takes the place of an earlier one that says why the experiment could not run.
    ///
    /// # Errors
    /// A file that cannot be written to.
    pub fn append(&mut self, row: Row) -> Result<()> {
        let line = lines(std::slice::from_ref(&row))?;
        self.file.write_all(line.as_bytes()).map_err(Error::io("write", &self.path))?;
        self.file.sync_data().map_err(Error::io("write", &self.path))?;
        self.rows.retain(|known| known.id != row.id);
        self.rows.push(row);
        Ok(())
    }
}

/// Rows as a ledger's file holds them.
///
/// # Errors
/// None in practice: a row that is no JSON.
pub fn lines(rows: &[Row]) -> Result<String> {
    let line = |row: &Row| match serde_json::to_string(row) {
        Ok(line) => Ok(line + "\n"),
        Err(e) => Err(Error::Format { path: FILE.into(), why: e.to_string() }),
    };
    rows.iter().map(line).collect()
}

/// Whether the file could be locked. A child that this process is just starting holds the locks of closed files for some milliseconds, until it
/// has become another program: a few tries tell that from another user.
fn locked(file: &File) -> bool {
    (0..20).any(|attempt| {
        if attempt > 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
        file.try_lock().is_ok()
    })
}

/// The rows, each experiment's last: what could not run once may have been tried again.
fn parse(text: &[u8], path: &Path) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let refuse = |why: String| Error::Line { path: path.into(), line: index + 1, why };
        let row: Row = serde_json::from_slice(line).map_err(|e| refuse(e.to_string()))?;
        if rows.iter().any(|known| known.id == row.id && known.outcome == Outcome::Measured) {
            return Err(refuse(format!("experiment {} has been measured already", row.id)));
        }
        rows.retain(|known| known.id != row.id);
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str) -> Row {
        let text = include_str!("ledger/example.json");
        Row { id: id.into(), ..serde_json::from_str(text).unwrap() }
    }

    #[test]
    fn figures_come_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let figures: Vec<f64> = (1..2000).map(|i| f64::from(i).sqrt() / 46.0).collect();
        let row = Row { auc_resampled: figures.clone(), ..row("a") };
        Ledger::open(folder.path()).unwrap().append(row).unwrap();
        assert_eq!(Ledger::read(folder.path()).unwrap()[0].auc_resampled, figures);
    }

    #[test]
    fn rows_are_there_after_opening_again_and_a_line_cut_off_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let mut ledger = Ledger::open(folder.path()).unwrap();
        assert!(matches!(Ledger::open(folder.path()), Err(Error::InUse { .. })));
        ledger.append(row("a")).unwrap();
        ledger.append(row("b")).unwrap();
        drop(ledger);
        let whole = std::fs::read(&path).unwrap();
        // Killed at any byte of the second row, the first is kept and the second can be written again.
        let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for cut in [first, first + 1, (first + whole.len()) / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(Ledger::read(folder.path()).unwrap().len(), 1);
            let mut ledger = Ledger::open(folder.path()).unwrap();
            assert!(ledger.find("a").is_some() && ledger.find("b").is_none());
            ledger.append(row("b")).unwrap();
            drop(ledger);
            assert_eq!(std::fs::read(&path).unwrap(), whole, "cut at {cut}");
        }
        std::fs::write(&path, [&whole[..], &whole[..]].concat()).unwrap();
        assert!(Ledger::open(folder.path()).unwrap_err().to_string().contains(":3: experiment a has been measured already"));
        let refused = serde_json::to_string(&Row { outcome: Outcome::Refused, ..row("b") }).unwrap() + "\n";
        std::fs::write(&path, [&whole[..first], refused.as_bytes()].concat()).unwrap();
        let mut ledger = Ledger::open(folder.path()).unwrap();
        assert_eq!(ledger.find("b").unwrap().outcome, Outcome::Refused);
        ledger.append(row("b")).unwrap();
        assert_eq!(ledger.rows(), [row("a"), row("b")], "tried again, it counts once");
        drop(ledger);
        assert_eq!(Ledger::read(folder.path()).unwrap(), [row("a"), row("b")]);
        std::fs::write(&path, b"{}\n").unwrap();
        assert!(matches!(Ledger::open(folder.path()), Err(Error::Line { line: 1, .. })));
    }
}
