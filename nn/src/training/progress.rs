//! The progress bar on stderr.

use super::Metrics;
use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar with the latest metrics behind it; invisible where stderr is no terminal.
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new(steps: u64, done: u64) -> Self {
        let bar = ProgressBar::new(steps).with_position(done);
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {per_sec} eta {eta} {msg}") {
            bar.set_style(style);
        }
        bar.reset_eta();
        Self(bar)
    }

    pub(super) fn show(&self, metrics: &Metrics) {
        let words: Vec<String> = metrics.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
        self.0.set_message(words.join(" "));
    }

    pub(super) fn advance(&self, step: u64) {
        self.0.set_position(step);
    }

    pub(super) fn finish(&self) {
        self.0.finish();
    }
}
