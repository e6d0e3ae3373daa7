//! What the demo is doing, on standard error.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// One line that changes where standard error is a terminal, a line per step elsewhere.
pub(super) enum Progress {
    /// Nothing is shown.
    Quiet,
    /// A line per step.
    Lines,
    /// A line that changes.
    Line(ProgressBar),
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        if quiet {
            Self::Quiet
        } else if std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}");
            let bar = ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(100));
            Self::Line(bar)
        } else {
            Self::Lines
        }
    }

    /// Says what is being done from now on.
    pub(super) fn step(&self, what: &str) {
        match self {
            Self::Quiet => {}
            Self::Lines => eprintln!("veilray: {what} …"),
            Self::Line(bar) => bar.set_message(format!("{what} …")),
        }
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        if let Self::Line(bar) = self {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}
