//! The results file: what is done, so that a run that was broken off goes on where it stopped.
//!
//! Lines are appended and flushed to disk batch by batch. An image counts as done when the file has an answered line of the same path, file
//! digest and manifest. Lines of images without findings, and of paths that were not read, are dropped when the path comes up again; an image
//! whose reply was refused is not tried again by itself, and its line stays.

use super::row::{self, Form, Row, Status};
use super::{Error, Result, files};
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use veilray_base::file;
use veilray_classifier::operating_point::OperatingPoint;

/// Largest results file that is read, bytes.
const LIMIT: u64 = 1 << 30;

/// An open results file.
#[derive(Debug)]
pub(crate) struct ResultsFile {
    path: PathBuf,
    file: File,
    form: Form,
    completed: Completed,
}

/// Images that have findings, by path, file digest and manifest digest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Completed {
    answered: HashSet<(String, String, String)>,
    refused: HashSet<(String, String, String)>,
}

/// Which lines of a run's images are dropped, besides those that failed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Again {
    /// Those with findings.
    pub answered: bool,
    /// Those whose reply was refused.
    pub refused: bool,
}

impl Completed {
    /// Whether the image of that path and content is answered by that version of the model.
    pub(crate) fn contains(&self, path: &str, sha256: &str, manifest_sha256: &str) -> bool {
        self.answered.contains(&(path.into(), sha256.into(), manifest_sha256.into()))
    }

    /// Whether the file keeps the line that a reply to it was refused.
    pub(crate) fn refused(&self, path: &str, sha256: &str, manifest_sha256: &str) -> bool {
        self.refused.contains(&(path.into(), sha256.into(), manifest_sha256.into()))
    }
}

impl ResultsFile {
    /// Opens or creates `path`, whose extension, `.csv` or `.jsonl`, says its form. `paths` are the images of this run: their lines
    /// without findings are dropped, and those that `again` names.
    ///
    /// # Errors
    /// Another extension, a file that holds something else, the system's.
    pub(crate) fn open(path: &Path, labels: &[String], paths: &HashSet<String>, again: Again) -> Result<Self> {
        let form = match path.extension().and_then(|e| e.to_str()) {
            Some("csv") => Form::Csv,
            Some("jsonl") => Form::Json,
            _ => return Err(Error::Usage(format!("{}: results go to a file named *.csv or *.jsonl", super::text::path(path)))),
        };
        let head = form.head(labels)?;
        let old = match path.exists() {
            true => String::from_utf8(files::read_limited(path, LIMIT)?).map_err(|_| other(path, "it is not text"))?,
            false => String::new(),
        };
        let mut completed = Completed::default();
        let mut kept = head.clone();
        let lines = if form == Form::Csv { csv_lines(&old, &head, path)? } else { json_lines(&old, path)? };
        for (line, (image, sha256, manifest, status)) in lines {
            let dropped = match status {
                Status::Answered => again.answered,
                Status::ReplyRefused => again.refused,
                Status::Refused | Status::Failed | Status::Skipped => true,
            };
            if dropped && paths.contains(&image) {
                continue;
            }
            kept.push_str(line);
            match status {
                Status::Answered => drop(completed.answered.insert((image, sha256, manifest))),
                Status::ReplyRefused => drop(completed.refused.insert((image, sha256, manifest))),
                Status::Refused | Status::Failed | Status::Skipped => {}
            }
        }
        files::warn_if_wide(path);
        if kept != old || !path.exists() {
            file::write_private(path, kept.as_bytes())?;
        }
        let file = OpenOptions::new().append(true).open(path).map_err(Error::file("open", path))?;
        Ok(Self { path: path.into(), file, form, completed })
    }

    /// The images that are answered as the file stands now.
    pub(crate) fn completed(&self) -> Completed {
        self.completed.clone()
    }

    /// Appends rows and flushes them to disk.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn append(&mut self, rows: &[Row], point: &OperatingPoint) -> Result<()> {
        let text = rows.iter().map(|row| self.form.row(row, point)).collect::<Result<String>>()?;
        self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data()).map_err(Error::file("write", &self.path))
    }
}

type Key = (String, String, String, Status);

fn other(path: &Path, why: &str) -> Error {
    Error::Usage(format!("{}: {why}; choose another file with --out", super::text::path(path)))
}

/// Whole lines with what they are about. The last one is dropped if it was cut off.
fn json_lines<'t>(text: &'t str, path: &Path) -> Result<Vec<(&'t str, Key)>> {
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n') && !line.trim().is_empty());
    let parse = |line: &'t str| {
        let row: Row = serde_json::from_str(line).map_err(|_| other(path, "it holds lines that are no results"))?;
        Ok((line, (row.path, row.sha256, row.manifest_sha256, row.status)))
    };
    whole.map(parse).collect()
}

/// As [`json_lines`]; a cell may hold line ends, so the lines are those of the CSV reader.
fn csv_lines<'t>(text: &'t str, head: &str, path: &Path) -> Result<Vec<(&'t str, Key)>> {
    if text.is_empty() {
        return Ok(vec![]);
    }
    let Some(rest) = text.strip_prefix(head) else {
        // A file cut off in its first line holds no result.
        let cut = head.starts_with(text);
        return if cut { Ok(vec![]) } else { Err(other(path, "its columns are not those of this model's results")) };
    };
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(rest.as_bytes());
    let columns = row::columns(&[]).len();
    let wanted = csv::ReaderBuilder::new().has_headers(false).from_reader(head.as_bytes()).records().next();
    let columns = wanted.and_then(std::result::Result::ok).map_or(columns, |record| record.len());
    let mut out = Vec::new();
    let mut record = csv::StringRecord::new();
    loop {
        let start = reader.position().byte() as usize;
        let more = reader.read_record(&mut record).map_err(|_| other(path, "it holds lines that are no results"))?;
        let line = rest.get(start..reader.position().byte() as usize).unwrap_or_default();
        if !more || !line.ends_with('\n') {
            return Ok(out);
        }
        let key = row::key_of_csv(&record, columns).ok_or_else(|| other(path, "it holds lines that are no results"))?;
        out.push((line, key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::findings;
    use veilray_classifier::operating_point::{Temperature, Thresholds};

    fn point() -> OperatingPoint {
        let labels = ["Edema", "Mass, \"odd\""].map(String::from);
        OperatingPoint { temperature: Temperature::ONE, thresholds: Thresholds { labels: labels.into(), values: vec![0.0, 1.0] } }
    }

    fn row(path: &str, status: Status) -> Row {
        let answered = status == Status::Answered;
        Row {
            path: path.into(),
            sha256: format!("digest of {path}"),
            model: "m".into(),
            manifest_sha256: "manifest".into(),
            status,
            reason: if answered { String::new() } else { "two\nlines, and a \"quote\"".into() },
            warnings: vec!["one".into(), "two".into()],
            labels: if answered { findings::of(&[0.25, -3.0], &point()) } else { vec![] },
        }
    }

    fn paths(of: &[&str]) -> HashSet<String> {
        of.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_run_goes_on_where_it_stopped_even_in_the_middle_of_a_line() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["r.csv", "r.jsonl"] {
            let file = folder.path().join(name);
            let labels = point().thresholds.labels;
            let open = |of: &[&str], force| {
                ResultsFile::open(&file, &labels, &paths(of), Again { answered: force, refused: false }).unwrap()
            };
            let mut results = open(&[], false);
            results
                .append(&[row("a, b", Status::Answered), row("c", Status::Refused), row("d", Status::Answered)], &point())
                .unwrap();
            drop(results);
            let whole = std::fs::read_to_string(&file).unwrap();
            // Cut off at every byte of the last row: the rows before it stay.
            let last = whole.rfind("d,digest").or_else(|| whole.rfind("{\"path\":\"d\"")).unwrap();
            for cut in last..whole.len() {
                std::fs::write(&file, &whole[..cut]).unwrap();
                let results = open(&[], false);
                assert!(
                    results.completed().contains("a, b", "digest of a, b", "manifest")
                        && !results.completed().contains("d", "digest of d", "manifest")
                );
                assert_eq!(std::fs::read_to_string(&file).unwrap(), whole[..last], "cut at {cut} of {name}");
            }
            std::fs::write(&file, &whole).unwrap();
            // Another file, another model: to be done again. A refused one: tried again, its line dropped.
            let results = open(&["c"], false);
            assert!(
                !results.completed().contains("a, b", "other", "manifest")
                    && !results.completed().contains("a, b", "digest of a, b", "other")
            );
            assert!(
                !results.completed().contains("c", "digest of c", "manifest")
                    && results.completed().contains("d", "digest of d", "manifest")
            );
            assert!(!std::fs::read_to_string(&file).unwrap().contains("digest of c"));
            assert!(!open(&["d"], true).completed().contains("d", "digest of d", "manifest"));
            assert!(open(&[], false).completed().contains("a, b", "digest of a, b", "manifest"));
        }
    }

    #[test]
    fn paths_that_spreadsheets_would_compute_are_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("r.csv");
        let labels = point().thresholds.labels;
        let open =
            |of: &[&str]| ResultsFile::open(&file, &labels, &paths(of), Again { answered: false, refused: false }).unwrap();
        let names = ["=1+1.png", "'=1.png", "-a.png", "@b.png", "'plain.png", "c.png"];
        open(&[]).append(&names.map(|name| row(name, Status::Answered)), &point()).unwrap();
        let again = open(&names);
        for name in names {
            assert!(again.completed().contains(name, &format!("digest of {name}"), "manifest"), "{name}");
        }
        assert!(!std::fs::read_to_string(&file).unwrap().lines().any(|line| line.starts_with(['=', '-', '@'])));
    }

    #[test]
    fn lines_of_paths_that_were_not_read_stand_until_they_come_up_again() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["r.csv", "r.jsonl"] {
            let file = folder.path().join(name);
            let labels = point().thresholds.labels;
            let open = |of: &[&str]| ResultsFile::open(&file, &labels, &paths(of), Again::default()).unwrap();
            let rows = [row("SR1", Status::Skipped), row("locked", Status::Failed), row("a", Status::Answered)];
            open(&[]).append(&rows, &point()).unwrap();
            let before = std::fs::read_to_string(&file).unwrap();
            assert!(before.contains("skipped") && open(&["other"]).completed().contains("a", "digest of a", "manifest"));
            assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
            assert!(open(&["SR1", "locked", "a"]).completed().contains("a", "digest of a", "manifest"));
            let after = std::fs::read_to_string(&file).unwrap();
            assert!(!after.contains("SR1") && !after.contains("locked") && after.contains("digest of a"), "{after}");
        }
    }

    #[test]
    fn a_file_of_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("x.csv", "name,age\nDoe,47\n"), ("x.jsonl", "{\"a\":1}\n"), ("x.txt", ""), ("x.csv", "\u{1}\n\n")] {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            let refused =
                ResultsFile::open(&file, &point().thresholds.labels, &paths(&[]), Again { answered: true, refused: false })
                    .unwrap_err();
            assert_eq!(refused.exit(), crate::client::Exit::Usage, "{refused}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        }
    }

    #[test]
    fn csv_and_json_say_the_same() {
        let row = row("p\"q", Status::Answered);
        let json: serde_json::Value = serde_json::from_str(&Form::Json.row(&row, &point()).unwrap()).unwrap();
        let text = Form::Csv.head(&point().thresholds.labels).unwrap() + &Form::Csv.row(&row, &point()).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let head = reader.headers().unwrap().clone();
        let record = reader.records().next().unwrap().unwrap();
        let cell = |name: &str| record.get(head.iter().position(|h| h == name).unwrap()).unwrap().to_string();
        assert_eq!(cell("path"), json["path"].as_str().unwrap());
        assert_eq!(cell("warnings"), "one | two");
        for (at, label) in point().thresholds.labels.iter().enumerate() {
            for column in ["logit", "probability", "threshold"] {
                let number: f64 = cell(&format!("{label}.{column}")).parse().unwrap();
                assert_eq!(number, json["labels"][at][column].as_f64().unwrap());
            }
            assert_eq!(cell(&format!("{label}.positive")), json["labels"][at]["positive"].to_string());
        }
        let table = Form::Table.row(&row, &point()).unwrap();
        assert!(table.contains("Edema") && table.contains("POSITIVE") && table.contains("warning: two"), "{table}");
    }
}
