//! One image's line in the results, and the three forms in which lines are written: a table to read, JSON Lines, CSV.

use super::findings::{Finding, NOT_FOR_DIAGNOSIS};
use super::images::LeftOut;
use super::text::harmless;
use super::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use veilray_classifier::operating_point::OperatingPoint;

/// What became of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// It has findings.
    Answered,
    /// It is no image that the model can judge, and was not sent.
    Refused,
    /// It could not be read, or the server could not evaluate it.
    Failed,
    /// It lies beside the images and is none: a report, a text, a file that another path leads to as well.
    Skipped,
    /// A reply to it was refused, now or earlier: it must not be sent again.
    ReplyRefused,
}

impl LeftOut {
    /// What its row says.
    pub(crate) fn status(&self) -> Status {
        if self.is_failure() { Status::Failed } else { Status::Skipped }
    }
}

impl Status {
    /// What an image without findings came to.
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::Image(veilray_imaging::ingest::Error::Refused(_)) | Error::Execute(_) => Self::Refused,
            Error::ReplyRefused { .. } | Error::RefusedBefore { .. } => Self::ReplyRefused,
            _ => Self::Failed,
        }
    }

    /// As it stands in results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::ReplyRefused => "reply_refused",
        }
    }
}

/// One image's line. It is for the user alone: paths may name patients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    /// As found on the command line.
    pub path: String,
    /// SHA-256 of the file, of one under gzip of what it holds; empty if it was not read.
    pub sha256: String,
    /// Name of the model that was asked.
    pub model: String,
    /// SHA-256 of its manifest.
    pub manifest_sha256: String,
    /// What became of it.
    pub status: Status,
    /// Why it has no findings; empty if it has.
    pub reason: String,
    /// What the user should know of the image.
    pub warnings: Vec<String>,
    /// The findings, in the model's order.
    pub labels: Vec<Finding>,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A table per image, for people.
    Table,
    /// One JSON object per line.
    Json,
    /// One line per image under a line of column names.
    Csv,
}

/// The columns before those of the labels.
const FIXED: [&str; 7] = ["path", "sha256", "model", "manifest_sha256", "status", "reason", "warnings"];
/// The columns of each label, as `label.column`.
const PER_LABEL: [&str; 4] = ["logit", "probability", "threshold", "positive"];
/// Between the warnings of an image in one CSV cell.
const WARNING_SEPARATOR: &str = " | ";

impl Form {
    /// What comes before the first row.
    ///
    /// # Errors
    /// None is expected.
    pub(crate) fn head(self, labels: &[String]) -> Result<String> {
        match self {
            Self::Table | Self::Json => Ok(String::new()),
            Self::Csv => csv_line(&columns(labels)),
        }
    }

    /// A row with the line end.
    ///
    /// # Errors
    /// None is expected.
    pub(crate) fn row(self, row: &Row, point: &OperatingPoint) -> Result<String> {
        match self {
            Self::Table => Ok(table(row, point)),
            Self::Json => {
                let mut line = serde_json::to_string(row).map_err(std::io::Error::from)?;
                line.push('\n');
                Ok(line)
            }
            Self::Csv => csv_line(&cells(row, point.thresholds.labels.len())),
        }
    }

    /// What comes after the last row.
    pub(crate) fn foot(self) -> String {
        match self {
            Self::Table => format!("{NOT_FOR_DIAGNOSIS}\n"),
            Self::Json | Self::Csv => String::new(),
        }
    }
}

/// The names of a CSV file's columns.
pub(super) fn columns(labels: &[String]) -> Vec<String> {
    let of_labels = labels.iter().flat_map(|label| PER_LABEL.iter().map(move |column| guarded(&format!("{label}.{column}"))));
    FIXED.iter().map(ToString::to_string).chain(of_labels).collect()
}

fn cells(row: &Row, labels: usize) -> Vec<String> {
    let fixed = [
        guarded(&row.path),
        row.sha256.clone(),
        guarded(&row.model),
        row.manifest_sha256.clone(),
        row.status.name().into(),
        guarded(&row.reason),
        guarded(&row.warnings.join(WARNING_SEPARATOR)),
    ];
    let finding = |f: &Finding| [f.logit.to_string(), f.probability.to_string(), f.threshold.to_string(), f.positive.to_string()];
    let mut out: Vec<String> = fixed.into_iter().chain(row.labels.iter().flat_map(finding)).collect();
    out.resize(FIXED.len() + labels * PER_LABEL.len(), String::new());
    out
}

/// Whether a spreadsheet would take the text for a formula, or for one that [`guarded`] has guarded.
fn is_formula(text: &str) -> bool {
    let text = text.trim_start_matches('\'');
    text.starts_with(['\t', '\r', '\n']) || text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
}

/// A cell of text that no spreadsheet computes: one that would be a formula gets an apostrophe before it.
fn guarded(text: &str) -> String {
    if is_formula(text) { format!("'{text}") } else { text.into() }
}

/// What [`guarded`] was given.
fn unguarded(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|text| is_formula(text)).unwrap_or(cell)
}

fn csv_line(cells: &[String]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).map_err(std::io::Error::from)?;
    let bytes = writer.into_inner().map_err(|e| std::io::Error::other(e.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Of a CSV row only what tells whether an image is done: path, digest, manifest and status. None for a line that is not whole.
pub(super) fn key_of_csv(record: &csv::StringRecord, columns: usize) -> Option<(String, String, String, Status)> {
    if record.len() != columns {
        return None;
    }
    let all = [Status::Answered, Status::Refused, Status::Failed, Status::Skipped, Status::ReplyRefused];
    let status = all.into_iter().find(|s| record.get(4) == Some(s.name()))?;
    Some((unguarded(record.get(0)?).into(), record.get(1)?.into(), record.get(3)?.into(), status))
}

fn table(row: &Row, point: &OperatingPoint) -> String {
    let mut out = format!("{}\n", harmless(&row.path));
    for warning in &row.warnings {
        let _ = writeln!(out, "  warning: {}", harmless(warning));
    }
    if row.status != Status::Answered {
        let _ = writeln!(out, "  {}: {}\n", row.status.name(), harmless(&row.reason));
        return out;
    }
    let width = row.labels.iter().map(|f| f.name.chars().count()).max().unwrap_or(0).max(5);
    let _ = writeln!(out, "  {:<width$}  probability  threshold", "label");
    for f in &row.labels {
        // Both sides of the comparison in the same unit: probability is a rising function of the logit.
        let threshold = point.temperature.probability(f.threshold);
        let mark = if f.positive { "  POSITIVE" } else { "" };
        let (probability, threshold) = (f.probability * 100.0, threshold * 100.0);
        let _ = writeln!(out, "  {:<width$}  {probability:>9.1} %  {threshold:>7.1} %{mark}", f.name);
    }
    out.push('\n');
    out
}

impl Row {
    /// The row of an image without findings.
    pub(crate) fn without(
        path: String,
        sha256: String,
        interface: &veilray_classifier::interface::Interface,
        error: &Error,
    ) -> Self {
        Self { path, sha256, status: Status::of(error), reason: error.to_string(), ..Self::blank(interface) }
    }

    /// The row of a path that is not read.
    pub(crate) fn left_out(path: String, interface: &veilray_classifier::interface::Interface, why: &LeftOut) -> Self {
        Self { path, status: why.status(), reason: why.reason(), ..Self::blank(interface) }
    }

    /// A row of that model that says nothing yet.
    pub(crate) fn blank(interface: &veilray_classifier::interface::Interface) -> Self {
        Self {
            path: String::new(),
            sha256: String::new(),
            model: interface.model.clone(),
            manifest_sha256: interface.manifest_sha256.clone(),
            status: Status::Failed,
            reason: String::new(),
            warnings: vec![],
            labels: vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_of_text_is_a_formula_and_every_path_comes_back() {
        for start in ["", "'", "''", "=", "+", "-", "@", "\t", "\r", "\n", " =", "＝", "'=", "''-", "'x", "x=", "\u{e9}"] {
            let path = format!("{start}HYPERLINK(\"http://x\")");
            let cell = guarded(&path);
            assert!(!cell.starts_with(['=', '+', '-', '@', '＝', ' ', '\t', '\r', '\n']), "{cell:?}");
            assert_eq!(unguarded(&cell), path);
        }
        assert_eq!(guarded("scans/a.png"), "scans/a.png");
    }
}
