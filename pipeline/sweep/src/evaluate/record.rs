//! Writes what an evaluation measured into a file of figures, `docs/results/models.json`.

use super::{Args, Evaluation, MaskReport, Report};
use crate::command::error::{Error, Result};
use crate::data::Split;
use serde_json::Value;
use std::path::Path;
use veilray_base::figures::{Figures, decimals, significant};
use veilray_encoder::evaluate::Times;

/// Decimals of areas under curves, of parts and of Dice coefficients.
const DECIMALS: usize = 6;

/// Where, when and of what source an evaluation ran.
pub(super) struct Origin {
    /// The command as it can be given again.
    pub command: String,
    /// `YYYY-MM-DD`, UTC.
    pub date: String,
    /// The source's commit, where it is known.
    pub commit: Option<String>,
}

impl Origin {
    /// Of this evaluation, now. Model and data set are named as the report names them: a path would be of one machine.
    pub(super) fn of(args: &Args, model: &str, data: &str, tfhe: bool) -> Self {
        let mut command = String::from("cargo run --release -p veilray-sweep");
        if tfhe {
            command += " --features tfhe";
        }
        command += &format!(" -- evaluate --model {model} --data {data} --split {}", args.split);
        if let Some(limit) = args.limit {
            command += &format!(" --limit {limit}");
        }
        if args.encrypted > 0 {
            command += &format!(" --encrypted {}", args.encrypted);
        }
        let date = veilray_base::clock::text().chars().take_while(|c| *c != 'T').collect();
        let commit = Some(crate::machine::Machine::here().commit).filter(|commit| commit != "unknown");
        Self { command, date, commit }
    }
}

/// What both kinds of reports hold of an encrypted evaluation's cost.
struct Cost<'a> {
    server_ms: &'a Times,
    images: usize,
    threads: usize,
    upload_bytes: usize,
    reply_bytes: usize,
    key_bytes: usize,
    memory_mb: Option<f64>,
}

/// A model's figures in the file.
struct Entry<'a> {
    figures: &'a mut Figures,
    model: &'a str,
}

impl Entry<'_> {
    fn key<'k>(&'k self, key: &[&'k str]) -> Vec<&'k str> {
        [&["models", self.model], key].concat()
    }

    fn has(&self, key: &str) -> bool {
        self.figures.has(&self.key(&[key]))
    }

    fn set(&mut self, key: &[&str], value: impl Into<Value>) -> Result<()> {
        let key = [&["models", self.model], key].concat();
        Ok(self.figures.set(&key, value)?)
    }

    fn remove(&mut self, key: &[&str]) {
        let key = [&["models", self.model], key].concat();
        self.figures.remove(&key);
    }

    fn part(&mut self, key: &[&str], value: Option<f64>) -> Result<()> {
        self.set(key, value.map_or(Value::Null, |value| decimals(value, DECIMALS)))
    }

    fn cost(&mut self, cost: &Cost) -> Result<()> {
        let mb = |bytes: usize| significant(bytes as f64 / 1e6, 3);
        self.set(&["server_ms", "median"], significant(cost.server_ms.median, 3))?;
        self.set(&["server_ms", "p95"], significant(cost.server_ms.p95, 3))?;
        self.set(&["server_ms", "images"], cost.images)?;
        self.set(&["server_ms", "threads"], cost.threads)?;
        // Notes are of the measurement before.
        self.remove(&["server_ms", "note"]);
        self.set(&["upload_mb"], mb(cost.upload_bytes))?;
        self.set(&["reply_mb"], mb(cost.reply_bytes))?;
        self.set(&["keys_mb"], mb(cost.key_bytes))?;
        self.set(&["memory_mb"], cost.memory_mb.map_or(Value::Null, |memory| decimals(memory, 0)))
    }

    /// What a whole split gave in clear, and encrypted where it is the test split.
    fn labels(&mut self, report: &Report) -> Result<()> {
        let split = report.split.name();
        let auc = format!("auc_{split}");
        self.set(&["images", split], report.n)?;
        self.part(&[&auc, "value"], report.auc_macro)?;
        self.part(&[&auc, "low"], report.auc_macro_ci.map(|[low, _]| low))?;
        self.part(&[&auc, "high"], report.auc_macro_ci.map(|[_, high]| high))?;
        // A share of right decisions says something of one question, not of fourteen findings: only models that have it show it.
        let shows_accuracy = self.has("accuracy");
        if shows_accuracy {
            self.part(&["accuracy", split], report.accuracy)?;
        }
        let Some(a) = report.agreement.as_ref().filter(|_| report.split == Split::Test) else { return Ok(()) };
        self.set(&["encrypted", "images"], report.n_encrypted)?;
        self.part(&["encrypted", "auc_clear"], a.auc_macro_clear_same)?;
        self.part(&["encrypted", "auc_encrypted"], a.auc_macro_encrypted)?;
        self.set(&["encrypted", "largest_logit_difference"], significant(a.max_abs_logit_error, 2))?;
        self.set(&["encrypted", "labels_far"], a.label_flips)?;
        self.set(&["encrypted", "labels_near"], a.label_flips_near)?;
        if shows_accuracy {
            self.part(&["accuracy", "encrypted"], a.accuracy_encrypted)?;
        }
        Ok(())
    }

    /// As [`Entry::labels`], of masks.
    fn masks(&mut self, report: &MaskReport) -> Result<()> {
        let split = report.split.name();
        self.set(&["images", split], report.n)?;
        self.part(&["dice", split], Some(report.dice))?;
        self.part(&["dice", &format!("p5_{split}")], Some(report.figures.dice_fifth_percentile))?;
        self.part(&["dice", &format!("least_{split}")], Some(report.figures.dice_least))?;
        self.part(&["iou", split], Some(report.iou))?;
        let Some(a) = report.agreement.as_ref().filter(|_| report.split == Split::Test) else { return Ok(()) };
        self.set(&["encrypted", "images"], report.n_encrypted)?;
        self.part(&["encrypted", "dice_clear"], Some(a.dice_clear_same))?;
        self.part(&["encrypted", "dice_encrypted"], Some(a.dice_encrypted))?;
        self.set(&["encrypted", "largest_dice_change"], significant(a.max_abs_dice_difference, 2))?;
        self.set(&["encrypted", "largest_logit_difference"], significant(a.max_abs_logit_error, 2))?;
        self.set(&["encrypted", "pixels"], a.pixels)?;
        self.set(&["encrypted", "pixels_differ"], a.pixels_flipped)
    }
}

impl Evaluation {
    fn cost(&self) -> Option<Cost<'_>> {
        macro_rules! of {
            ($report:expr) => {
                $report.agreement.as_ref().map(|a| Cost {
                    server_ms: &a.server_ms,
                    images: a.images + a.refused_replies,
                    threads: $report.threads,
                    upload_bytes: a.upload_bytes,
                    reply_bytes: a.reply_bytes,
                    key_bytes: a.key_bytes,
                    memory_mb: $report.peak_rss_mb,
                })
            };
        }
        match self {
            Self::Labels(report) => of!(report),
            Self::Masks(report) => of!(report),
        }
    }

    /// The model, the data set and the split.
    pub(super) fn subject(&self) -> (&str, &str, Split) {
        match self {
            Self::Labels(report) => (&report.model, &report.dataset, report.split),
            Self::Masks(report) => (&report.model, &report.dataset, report.split),
        }
    }
}

/// Puts into the file at `path` what `evaluation` measured, and leaves the rest. Figures in clear are of a whole split, so an
/// evaluation that is `limited` to some of its images gives none; nor does it count for how encrypted and clear agree. What
/// encryption gives and costs is of the test split.
///
/// # Errors
/// A file that is no file of figures, that does not know the model, or knows it on another data set.
pub(super) fn record(path: &Path, evaluation: &Evaluation, limited: bool, origin: &Origin) -> Result<()> {
    let mut figures = Figures::read(path)?;
    let (model, data, split) = evaluation.subject();
    if !figures.has(&["models", model]) {
        return Err(Error::NoFigures { path: path.into(), model: model.into() });
    }
    let known = figures.text(&["models", model, "data"]);
    if let Some(known) = known.filter(|known| *known != data) {
        let (path, model, wanted, found) = (path.into(), model.into(), known.into(), data.into());
        return Err(Error::OtherFigures { path, model, wanted, found });
    }
    let mut entry = Entry { figures: &mut figures, model };
    if !limited {
        match evaluation {
            Evaluation::Labels(report) => entry.labels(report)?,
            Evaluation::Masks(report) => entry.masks(report)?,
        }
    }
    let cost = evaluation.cost().filter(|_| split == Split::Test);
    if let Some(cost) = &cost {
        entry.cost(cost)?;
    }
    // `command` gives the figures of the test split, `command_time` the times alone where those were taken apart.
    let of = match (limited, split) {
        (true, _) if cost.is_none() => return Ok(()),
        (true, _) => "_time".to_owned(),
        (false, Split::Test) => String::new(),
        (false, split) => format!("_{split}"),
    };
    entry.set(&[&format!("command{of}")], origin.command.as_str())?;
    entry.set(&[&format!("date{of}")], origin.date.as_str())?;
    match &origin.commit {
        Some(commit) => entry.set(&[&format!("commit{of}")], commit.as_str())?,
        None => entry.remove(&[&format!("commit{of}")]),
    }
    if of.is_empty() && cost.is_some() {
        for key in ["command_time", "date_time", "commit_time"] {
            entry.remove(&[key]);
        }
    }
    Ok(figures.write()?)
}

#[cfg(test)]
mod tests;
