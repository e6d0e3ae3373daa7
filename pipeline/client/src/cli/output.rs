//! Output that commands share: results, errors, progress.

use crate::client::text::harmless;
use crate::client::{Error, Exit, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::Write;

/// Writes to standard output and flushes it.
///
/// # Errors
/// Standard output's.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Prints one JSON object, or the text.
///
/// # Errors
/// Standard output's.
pub(crate) fn report(json: bool, object: &impl serde::Serialize, text: impl FnOnce() -> String) -> Result<()> {
    let mut line = if json { serde_json::to_string(object).map_err(std::io::Error::from)? } else { text() };
    if !line.ends_with('\n') {
        line.push('\n');
    }
    print(&line)
}

/// Says on standard error why the program ends.
pub(crate) fn failed(error: &Error) -> Exit {
    // Whatever a path or a server brought into it, no line steers the terminal.
    let text = error.to_string();
    eprintln!("veilray: {}", text.lines().map(harmless).collect::<Vec<_>>().join("\n"));
    error.exit()
}

/// A line of progress on standard error, unless that is no terminal or the user wants none.
pub(crate) fn bar(total: u64, template: &str, quiet: bool) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    if quiet {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Bytes for people, in powers of ten.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}
