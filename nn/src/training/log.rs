//! Rows of metrics, as CSV and JSON lines.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use veilray_base::file::write_atomically;

/// Named numbers in a fixed order: the columns of a row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics(Vec<(String, f64)>);

impl Metrics {
    /// A row without metrics.
    pub fn new() -> Self {
        Self::default()
    }

    /// The row with one more metric, `name`, as its last column.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<f64>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    /// The value of the metric `name`, if the row has it.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// Names and values, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// Whether the row has no metric.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Sums of metrics over the steps since the last row, as bits: JSON would round them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Means(Vec<(String, u64, u64)>);

impl Means {
    pub(super) fn add(&mut self, metrics: &Metrics) {
        for (name, value) in metrics.iter() {
            match self.0.iter_mut().find(|(known, _, _)| known == name) {
                Some((_, bits, count)) => {
                    *bits = (f64::from_bits(*bits) + value).to_bits();
                    *count += 1;
                }
                None => self.0.push((name.into(), value.to_bits(), 1)),
            }
        }
    }

    pub(super) fn take(&mut self) -> Metrics {
        let mean = |(name, bits, count): (String, u64, u64)| (name, f64::from_bits(bits) / count as f64);
        Metrics(std::mem::take(&mut self.0).into_iter().map(mean).collect())
    }
}

/// The three log files of a run.
pub(super) struct Log {
    train: Csv,
    evaluate: Csv,
    lines: PathBuf,
    lines_file: File,
}

impl Log {
    /// Opens the logs in `folder`, dropping rows beyond `step`: the run continues from there.
    pub(super) fn open(folder: &Path, step: u64) -> Result<Self> {
        let lines = folder.join("log.jsonl");
        keep(&lines, |_, line| json_step(line).is_some_and(|at| at <= step))?;
        let (train, evaluate) = (Csv::open(folder.join("train.csv"), step)?, Csv::open(folder.join("evaluate.csv"), step)?);
        Ok(Self { train, evaluate, lines_file: append(&lines)?, lines })
    }

    pub(super) fn train(&mut self, step: u64, seconds: f64, metrics: &Metrics) -> Result<()> {
        self.train.row(step, seconds, metrics)?;
        self.line("train", step, seconds, metrics)
    }

    pub(super) fn evaluate(&mut self, step: u64, seconds: f64, metrics: &Metrics) -> Result<()> {
        self.evaluate.row(step, seconds, metrics)?;
        self.line("evaluate", step, seconds, metrics)
    }

    fn line(&mut self, kind: &str, step: u64, seconds: f64, metrics: &Metrics) -> Result<()> {
        let mut object = serde_json::json!({ "kind": kind, "step": step, "seconds": seconds });
        if let Some(object) = object.as_object_mut() {
            object.extend(metrics.iter().map(|(name, value)| (name.to_string(), value.into())));
        }
        writeln!(self.lines_file, "{object}").map_err(Error::io("write", &self.lines))
    }

    /// Waits until every row is on the disk.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.lines_file.sync_data().map_err(Error::io("write", &self.lines))?;
        self.train.flush()?;
        self.evaluate.flush()
    }
}

/// One CSV file: `step,seconds,` and the metrics of its first row.
struct Csv {
    path: PathBuf,
    file: Option<File>,
    columns: Option<Vec<String>>,
}

impl Csv {
    fn open(path: PathBuf, step: u64) -> Result<Self> {
        let cell = |line: &str| line.split(',').next().and_then(|cell| cell.parse::<u64>().ok());
        keep(&path, |number, line| number == 0 || cell(line).is_some_and(|at| at <= step))?;
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let columns = text.lines().next().map(|header| header.split(',').skip(2).map(String::from).collect());
        Ok(Self { path, file: None, columns })
    }

    fn row(&mut self, step: u64, seconds: f64, metrics: &Metrics) -> Result<()> {
        let mut text = String::new();
        let columns = self.columns.get_or_insert_with(|| {
            let names: Vec<String> = metrics.iter().map(|(name, _)| name.into()).collect();
            text = format!("step,seconds,{}\n", names.join(","));
            names
        });
        let cells = columns.iter().map(|name| metrics.get(name).map_or(String::new(), |value| value.to_string()));
        text += &format!("{step},{seconds:.3},{}\n", cells.collect::<Vec<_>>().join(","));
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(append(&self.path)?),
        };
        file.write_all(text.as_bytes()).map_err(Error::io("write", &self.path))
    }

    fn flush(&mut self) -> Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_data).map_err(Error::io("write", &self.path))
    }
}

fn append(path: &Path) -> Result<File> {
    OpenOptions::new().create(true).append(true).open(path).map_err(Error::io("open", path))
}

/// Keeps the whole lines of a file that `wanted` (by number and text) says; a last line without its end was torn by a kill.
fn keep(path: &Path, wanted: impl Fn(usize, &str) -> bool) -> Result<()> {
    let text = match std::fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io("read", path)(e)),
    };
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let kept: String =
        whole.enumerate().filter(|(number, line)| wanted(*number, line.trim_end())).map(|(_, line)| line).collect();
    if kept == text { Ok(()) } else { Ok(write_atomically(path, kept.as_bytes())?) }
}

fn json_step(line: &str) -> Option<u64> {
    serde_json::from_str::<serde_json::Value>(line).ok()?.get("step")?.as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_beyond_the_checkpoint_and_torn_lines_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::open(folder.path(), 0).unwrap();
        for step in [10, 20, 30] {
            log.train(step, 0.5, &Metrics::new().with("loss", 1.0 / step as f64).with("rate", 1e-3)).unwrap();
        }
        log.evaluate(20, 0.5, &Metrics::new().with("auc", 0.7)).unwrap();
        log.flush().unwrap();
        let csv = folder.path().join("train.csv");
        std::fs::OpenOptions::new().append(true).open(&csv).unwrap().write_all(b"2").unwrap();
        let mut log = Log::open(folder.path(), 20).unwrap();
        log.train(30, 0.75, &Metrics::new().with("rate", 2e-3)).unwrap();
        assert_eq!(
            std::fs::read_to_string(csv).unwrap(),
            "step,seconds,loss,rate\n10,0.500,0.1,0.001\n20,0.500,0.05,0.001\n30,0.750,,0.002\n"
        );
        let lines = std::fs::read_to_string(folder.path().join("log.jsonl")).unwrap();
        let kinds: Vec<(u64, String)> = lines
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|row| (row["step"].as_u64().unwrap(), row["kind"].as_str().unwrap().to_string()))
            .collect();
        let expected = [(10, "train"), (20, "train"), (20, "evaluate"), (30, "train")];
        assert_eq!(kinds, expected.map(|(step, kind)| (step, kind.to_string())));
    }

    #[test]
    fn means_are_over_the_steps_that_had_the_metric() {
        let mut means = Means::default();
        means.add(&Metrics::new().with("a", 1.0));
        means.add(&Metrics::new().with("a", 2.0).with("b", 5.0));
        assert_eq!(means.take(), Metrics::new().with("a", 1.5).with("b", 5.0));
        assert!(means.take().is_empty());
    }
}
