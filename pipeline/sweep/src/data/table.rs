//! `labels.csv`: one line per image.

use super::spec::Spec;
use super::{Error, Item, Result};
use std::path::{Component, Path};

/// The columns that every table has.
const FILE: &str = "file";
const SPLIT: &str = "split";
const PATIENT: &str = "patient_id";

/// The table's file.
pub(super) const LABELS: &str = "labels.csv";

/// A table's column names.
pub(super) fn columns(path: &Path) -> Result<Vec<String>> {
    let header = open(path)?.headers().map_err(|e| torn(path, &e))?.clone();
    Ok(header.iter().map(String::from).collect())
}

/// Whether `columns` are those of `spec`: every one that it names is there.
pub(super) fn fits(spec: &Spec, columns: &[String]) -> bool {
    let named = spec.labels.iter().map(|label| label.column());
    !spec.labels.is_empty() && spec.npz.is_none() && named.chain([FILE, SPLIT]).all(|name| columns.iter().any(|c| c == name))
}

/// The items of a table, and the names of the columns that are no labels. `folder` is how places call the table's folder.
pub(super) fn read(path: &Path, spec: &Spec, folder: &str) -> Result<(Vec<Item>, Vec<String>)> {
    let columns = columns(path)?;
    let find = |name: &str| columns.iter().position(|column| column == name);
    let need = |name: &str| find(name).ok_or_else(|| Error::Column { path: path.into(), column: name.into() });
    let (file, split, patient) = (need(FILE)?, need(SPLIT)?, need(PATIENT)?);
    let labels: Vec<usize> = spec.labels.iter().map(|label| need(label.column())).collect::<Result<_>>()?;
    // A column of class names is kept as a text too, one of 0 and 1 is not.
    let mut taken = vec![file, split, patient];
    taken.extend(spec.labels.iter().zip(&labels).filter(|(label, _)| label.is_binary()).map(|(_, &column)| column));
    let extras: Vec<usize> = (0..columns.len()).filter(|column| !taken.contains(column)).collect();
    let mut items = vec![];
    for record in open(path)?.records() {
        let record = record.map_err(|e| torn(path, &e))?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let bad = |column: &str, wanted: String| Error::Cell { path: path.into(), line, column: column.into(), wanted };
        if !plain(cell(file)) {
            return Err(bad(FILE, "a path below the table's folder, without . and ..".into()));
        }
        let values = spec
            .labels
            .iter()
            .zip(&labels)
            .map(|(label, &column)| spec.value(label, cell(column)).map_err(|wanted| bad(label.column(), wanted)));
        items.push(Item {
            file: cell(file).into(),
            split: cell(split).parse().map_err(|_| bad(SPLIT, "train, val or test".into()))?,
            patient_id: cell(patient).into(),
            labels: values.collect::<Result<_>>()?,
            extra: extras.iter().map(|&column| cell(column).into()).collect(),
            place: format!("{folder}/{LABELS} line {line}"),
        });
    }
    let names = extras.iter().filter_map(|&column| columns.get(column).cloned()).collect();
    Ok((items, names))
}

fn open(path: &Path) -> Result<csv::Reader<std::fs::File>> {
    let file = std::fs::File::open(path).map_err(Error::io(path))?;
    Ok(csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file))
}

fn torn(path: &Path, error: &csv::Error) -> Error {
    let why = match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            format!("line {line} has {len} cells, the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { pos, .. } => {
            format!("line {} is not UTF-8", pos.as_ref().map_or(0, csv::Position::line))
        }
        _ => format!("it is no table of comma-separated values: {error}"),
    };
    Error::Table { path: path.into(), why }
}

/// Whether a path only goes down.
pub(super) fn plain(path: &str) -> bool {
    !path.is_empty() && !path.contains('\0') && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}
