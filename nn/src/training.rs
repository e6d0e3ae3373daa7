//! The training loop: steps, logs, evaluations and checkpoints of a run that may be killed at any moment.
//!
//! A run has a folder:
//!
//! | file | holds |
//! |---|---|
//! | `last.safetensors` | the newest checkpoint: step, random generator, everything the task saves |
//! | `best.safetensors` | the checkpoint of the best evaluation, where [`LoopConfig::best`] names a metric |
//! | `train.csv`, `evaluate.csv` | one row per logged step and per evaluation |
//! | `log.jsonl` | the same rows as JSON objects |
//!
//! Started again in the same folder, a run continues from `last.safetensors`; rows logged after it are dropped and written anew, so
//! that weights and logs (but for the column `seconds`) are those of a run that was never killed, bit for bit.

mod batches;
mod log;
mod progress;

pub use batches::Batches;
pub use log::Metrics;

use crate::bundle::Bundle;
use crate::error::{Error, Result};
use crate::state::State;
use candle_core::Device;
use log::Log;
use progress::Progress;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use veilray_base::Rng;

/// What a run trains: one step, how to evaluate, and the whole state.
pub trait Task {
    /// Step `step`, counted from 0. Randomness must come from `rng` or from the step's number alone, never from a clock or a thread.
    ///
    /// # Errors
    /// Any error ends the run; what was done since the last checkpoint is then lost.
    fn step(&mut self, step: u64, rng: &mut Rng) -> Result<Metrics>;

    /// Metrics of the present weights on held-out data; empty where the task has none.
    ///
    /// # Errors
    /// Any error ends the run, as in [`Task::step`].
    fn evaluate(&mut self, step: u64) -> Result<Metrics> {
        let _ = step;
        Ok(Metrics::new())
    }

    /// Adds the task's whole state: weights, optimisers, averages.
    ///
    /// # Errors
    /// Values that cannot be stored.
    fn save(&self, bundle: &mut Bundle) -> Result<()>;

    /// Takes the state that [`Task::save`] added.
    ///
    /// # Errors
    /// Entries that are missing or of another form.
    fn load(&mut self, bundle: &Bundle) -> Result<()>;

    /// Names the settings that must not change within a run (network, data, optimiser); a run is not resumed under others.
    fn settings(&self) -> String {
        String::new()
    }
}

/// Settings of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoopConfig {
    /// Number of steps of the whole run, before and after resuming.
    pub steps: u64,
    /// Seed of the random generator that the steps draw from.
    pub seed: u64,
    /// Steps between rows of the log, at least 1; a row holds the means over them.
    pub log_every: u64,
    /// Steps between evaluations, 0 for none; there is always one at the end.
    pub evaluate_every: u64,
    /// Steps between checkpoints, at least 1; there is always one at the end.
    pub checkpoint_every: u64,
    /// The metric by which the best checkpoint is kept.
    pub best: Option<Best>,
}

impl Default for LoopConfig {
    fn default() -> Self {
        Self { steps: 1000, seed: 0, log_every: 10, evaluate_every: 0, checkpoint_every: 100, best: None }
    }
}

/// An evaluation's metric and in which direction it is better.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// Name of a metric that [`Task::evaluate`] returns.
    pub metric: String,
    /// Whether the largest value is the best one (the default); otherwise the smallest is.
    #[serde(default = "yes")]
    pub maximise: bool,
}

fn yes() -> bool {
    true
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Steps taken in all, before and after resuming.
    pub steps: u64,
    /// The checkpoint's step, where the run was resumed.
    pub resumed_at: Option<u64>,
    /// Metrics of the last evaluation; empty where there was none.
    pub evaluation: Metrics,
    /// Whether it was asked to stop before its end.
    pub stopped: bool,
    /// Wall time of all steps, before and after resuming, s.
    pub seconds: f64,
}

/// What of the loop itself goes into a checkpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Position {
    step: u64,
    seed: u64,
    settings: String,
    seconds: f64,
    /// Sums since the last row of the log.
    pending: log::Means,
    /// Bits of the best evaluation so far.
    best: Option<u64>,
}

/// Runs `task` to the end of `config`, or until `stop` is set (then after a last checkpoint), resuming what `folder` holds.
///
/// A progress bar stands on stderr where that is a terminal.
///
/// # Errors
/// Whatever the task refuses; [`Error::Setting`] for `log_every` or `checkpoint_every` of 0; [`Error::Io`] for a folder that cannot be
/// written to; [`Error::OtherRun`] if the folder holds a run under another seed or other settings.
pub fn run(task: &mut impl Task, config: &LoopConfig, folder: &Path, stop: Option<&AtomicBool>) -> Result<Outcome> {
    Run::start(task, config, folder)?.finish(stop)
}

struct Run<'a, T> {
    task: &'a mut T,
    config: &'a LoopConfig,
    folder: PathBuf,
    rng: Rng,
    position: Position,
    resumed_at: Option<u64>,
    log: Log,
    began: Instant,
}

impl<'a, T: Task> Run<'a, T> {
    fn start(task: &'a mut T, config: &'a LoopConfig, folder: &Path) -> Result<Self> {
        for (what, value) in [("log_every", config.log_every), ("checkpoint_every", config.checkpoint_every)] {
            if value == 0 {
                return Err(Error::Setting { what, wanted: "at least 1", found: "0".into() });
            }
        }
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let (settings, seed) = (task.settings(), config.seed);
        let mut position = Position { step: 0, seed, settings, seconds: 0.0, pending: log::Means::default(), best: None };
        let mut rng = Rng::new(config.seed, "training");
        let last = folder.join("last.safetensors");
        let mut resumed_at = None;
        if last.exists() {
            let bundle = Bundle::open(&last, &Device::Cpu)?;
            let stored: Position = bundle.get("loop.position")?;
            same_run(&last, &stored, &position)?;
            rng.load(&bundle, "loop.rng")?;
            task.load(&bundle)?;
            resumed_at = Some(stored.step);
            position = stored;
        }
        let log = Log::open(folder, position.step)?;
        Ok(Self { task, config, folder: folder.into(), rng, position, resumed_at, log, began: Instant::now() })
    }

    fn finish(mut self, stop: Option<&AtomicBool>) -> Result<Outcome> {
        let progress = Progress::new(self.config.steps, self.position.step);
        let (mut evaluation, mut stopped) = (Metrics::new(), false);
        while self.position.step < self.config.steps {
            let metrics = self.task.step(self.position.step, &mut self.rng)?;
            self.position.step += 1;
            self.position.pending.add(&metrics);
            let step = self.position.step;
            let last = step == self.config.steps;
            if step.is_multiple_of(self.config.log_every) || last {
                let means = self.position.pending.take();
                progress.show(&means);
                self.log.train(step, self.seconds(), &means)?;
            }
            if last || (self.config.evaluate_every > 0 && step.is_multiple_of(self.config.evaluate_every)) {
                evaluation = self.evaluate()?;
            }
            stopped = !last && stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
            if last || stopped || step.is_multiple_of(self.config.checkpoint_every) {
                self.checkpoint("last.safetensors")?;
            }
            progress.advance(step);
            if stopped {
                break;
            }
        }
        progress.finish();
        let seconds = self.seconds();
        Ok(Outcome { steps: self.position.step, resumed_at: self.resumed_at, evaluation, stopped, seconds })
    }

    /// Seconds spent in this run before and after resuming.
    fn seconds(&self) -> f64 {
        self.position.seconds + self.began.elapsed().as_secs_f64()
    }

    fn evaluate(&mut self) -> Result<Metrics> {
        let metrics = self.task.evaluate(self.position.step)?;
        if metrics.is_empty() {
            return Ok(metrics);
        }
        self.log.evaluate(self.position.step, self.seconds(), &metrics)?;
        if let Some(best) = &self.config.best {
            let value = metrics.get(&best.metric).ok_or_else(|| Error::Setting {
                what: "best.metric",
                wanted: "one of the evaluation's metrics",
                found: best.metric.clone(),
            })?;
            let better =
                self.position.best.map(f64::from_bits).is_none_or(|old| if best.maximise { value > old } else { value < old });
            if better && !value.is_nan() {
                self.position.best = Some(value.to_bits());
                self.checkpoint("best.safetensors")?;
            }
        }
        Ok(metrics)
    }

    /// Logs first, then the checkpoint: rows beyond a checkpoint are dropped on resuming, missing ones could not be made up.
    fn checkpoint(&mut self, name: &str) -> Result<()> {
        self.log.flush()?;
        let mut bundle = Bundle::new();
        let position = Position { seconds: self.seconds(), ..self.position.clone() };
        bundle.put("loop.position", &position)?;
        self.rng.save(&mut bundle, "loop.rng")?;
        self.task.save(&mut bundle)?;
        bundle.save(&self.folder.join(name))
    }
}

fn same_run(path: &Path, stored: &Position, wanted: &Position) -> Result<()> {
    let differs = |what, found: String, wanted: String| Err(Error::OtherRun { path: path.into(), what, wanted, found });
    if stored.seed != wanted.seed {
        return differs("seed", stored.seed.to_string(), wanted.seed.to_string());
    }
    if stored.settings != wanted.settings {
        return differs("task", stored.settings.clone(), wanted.settings.clone());
    }
    Ok(())
}
