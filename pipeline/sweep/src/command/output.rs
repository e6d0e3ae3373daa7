//! What every command does with its report or its error.

use super::error::{Error, Result};
use serde::Serialize;
use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use veilray_base::file::write_atomically;

/// Exit codes, as `--help` states them.
pub const EXIT_CODES: &str = "Exit codes:
  0  done
  1  failed; the reason is on standard error
  2  the command line was not understood";

/// Prints a report to stdout, as text or as one JSON object, or an error to stderr, and says how to exit.
pub fn end<T: Serialize + Display, E: Display>(result: Result<T, E>, json: bool) -> ExitCode {
    let report = match result {
        Ok(report) => report,
        Err(error) => return failed(&error),
    };
    let text = if json { serde_json::to_string(&report) } else { Ok(report.to_string()) };
    match text.map_err(std::io::Error::from).and_then(|text| writeln!(std::io::stdout(), "{text}")) {
        Ok(()) => ExitCode::SUCCESS,
        // A closed pipe is not an error.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// Writes `value` as JSON to `path`, the whole of it or nothing.
///
/// # Errors
/// A folder that cannot be written to.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let json = serde_json::to_string_pretty(value).map_err(Error::file("write", path))?;
    Ok(write_atomically(path, json.as_bytes())?)
}

fn failed(error: &impl Display) -> ExitCode {
    eprintln!("veilray-sweep: {error}");
    ExitCode::from(1)
}
