//! What every command does with its report or its error.

use serde::Serialize;
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// Exit codes, as `--help` states them.
pub const EXIT_CODES: &str =
    "Exit codes: 0 done; 1 the run failed, the reason is on stderr; 2 the command line was not understood.";

/// Prints a report to stdout, as text or as one JSON object, or an error to stderr, and says how to exit.
pub fn end<T: Serialize + Display, E: Display>(result: Result<T, E>, json: bool) -> ExitCode {
    let report = match result {
        Ok(report) => report,
        Err(error) => return failed(&error),
    };
    let text = if json { serde_json::to_string(&report) } else { Ok(report.to_string()) };
    match text.map_err(std::io::Error::from).and_then(|text| writeln!(std::io::stdout(), "{text}")) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever closed the pipe has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &impl Display) -> ExitCode {
    eprintln!("veilray-sweep: {error}");
    ExitCode::from(1)
}
