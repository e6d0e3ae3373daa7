//! The ledger as a table: CSV to look at, HDF5 to compute with.

use super::{Error, Result, Row};
use serde_json::Value;
use std::path::Path;
use veilray_base::file::write_atomically;
use veilray_latents::tables;

/// The columns that stand in front; the others follow by name.
const FIRST: [&str; 12] =
    ["id", "sweep", "outcome", "reason", "data", "factor", "latent", "network", "gate", "activation", "params", "seed"];

/// The rows as columns; what a row has several of (times by threads) becomes several columns, layers are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    names: Vec<String>,
    /// Indexed `[row, column]`.
    cells: Vec<Vec<Value>>,
}

impl Table {
    /// Of some rows.
    ///
    /// # Errors
    /// None in practice: a row that is no JSON object.
    pub fn of(rows: &[Row]) -> Result<Self> {
        let mut names: Vec<String> = Vec::new();
        let mut flat = Vec::with_capacity(rows.len());
        for row in rows {
            let failed = |e: serde_json::Error| Error::Format { path: super::FILE.into(), why: e.to_string() };
            let mut cells = Vec::new();
            flatten(String::new(), &serde_json::to_value(row).map_err(failed)?, &mut cells);
            for (name, _) in &cells {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
            flat.push(cells);
        }
        names.sort_by_key(|name| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()));
        // An interval that the first row has not is an empty cell there, not a column of its own name.
        let parent = |name: &String| names.iter().any(|other| other.strip_prefix(name.as_str()).is_some_and(|r| r == "_value"));
        let kept: Vec<String> = names.iter().filter(|name| !parent(name)).cloned().collect();
        let cell = |row: &Vec<(String, Value)>, name: &String| {
            row.iter().find(|(known, _)| known == name).map_or(Value::Null, |(_, value)| value.clone())
        };
        let cells = flat.iter().map(|row| kept.iter().map(|name| cell(row, name)).collect()).collect();
        Ok(Self { names: kept, cells })
    }

    /// Names of the columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Writes a CSV file with a line of names.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write_csv(&self, path: &Path) -> Result<()> {
        let failed = |e: String| Error::Format { path: path.into(), why: e };
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.names).map_err(|e| failed(e.to_string()))?;
        for row in &self.cells {
            writer.write_record(row.iter().map(text)).map_err(|e| failed(e.to_string()))?;
        }
        let bytes = writer.into_inner().map_err(|e| failed(e.to_string()))?;
        write_atomically(path, &bytes).map_err(|e| failed(e.to_string()))
    }

    /// Writes an HDF5 file: a data set per column, of floats (NaN where a cell is empty) or of texts.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write_hdf5(&self, path: &Path) -> Result<()> {
        let failed = |e: tables::Error| Error::Format { path: path.into(), why: e.to_string() };
        let mut file = tables::Writer::create(path).map_err(failed)?;
        for (index, name) in self.names.iter().enumerate() {
            let column: Vec<&Value> = self.cells.iter().filter_map(|row| row.get(index)).collect();
            if column.iter().all(|cell| cell.is_number() || cell.is_null()) {
                let values: Vec<f64> = column.iter().map(|cell| cell.as_f64().unwrap_or(f64::NAN)).collect();
                file.numbers(name, &[values.len()], &values).map_err(failed)?;
            } else {
                // HDF5's texts end at a NUL.
                let texts: Vec<String> = column.iter().map(|cell| text(cell).replace('\0', "")).collect();
                file.texts(name, &texts).map_err(failed)?;
            }
        }
        file.finish().map_err(failed)
    }
}

/// Appends a value's leaves with the names on the way to each.
fn flatten(name: String, value: &Value, out: &mut Vec<(String, Value)>) {
    let below = |key: &str| if name.is_empty() { key.to_string() } else { format!("{name}_{key}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| flatten(below(key), value, out)),
        Value::Array(times) if name == "server" => {
            for time in times {
                let Some(threads) = time.get("threads").and_then(Value::as_u64) else { continue };
                for key in ["median_ms", "p95_ms", "runs"] {
                    out.push((format!("server_{key}_{threads}t"), time.get(key).cloned().unwrap_or_default()));
                }
            }
        }
        Value::Array(_) => {}
        value => out.push((name, value.clone())),
    }
}

fn text(cell: &Value) -> String {
    match cell {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_and_hdf5_hold_what_the_rows_hold() {
        let folder = tempfile::tempdir().unwrap();
        let row: Row = serde_json::from_str(include_str!("example.json")).unwrap();
        let refused = Row {
            id: "b".into(),
            reason: Some("too deep, \"really\"".into()),
            auc_encrypted: None,
            server: vec![],
            ..row.clone()
        };
        let table = Table::of(&[refused, row.clone()]).unwrap();
        let (csv, h5) = (folder.path().join("a.csv"), folder.path().join("a.h5"));
        table.write_csv(&csv).unwrap();
        table.write_hdf5(&h5).unwrap();
        let mut reader = csv::Reader::from_path(&csv).unwrap();
        let names: Vec<String> = reader.headers().unwrap().iter().map(Into::into).collect();
        let column = |name: &str| names.iter().position(|known| known == name).unwrap_or_else(|| panic!("{name} in {names:?}"));
        let lines: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(&lines[0][column("reason")], "too deep, \"really\"");
        assert_eq!((&lines[0][column("auc_encrypted_value")], &lines[0][column("server_median_ms_1t")]), ("", ""));
        assert_eq!(lines[1][column("auc_encrypted_value")].parse::<f64>().unwrap(), row.auc_encrypted.unwrap().value);
        assert!(!names.contains(&"auc_encrypted".to_string()), "{names:?}");
        let file = tables::Reader::open(&h5).unwrap();
        let values = file.numbers::<f64>("auc_encrypted_value").unwrap();
        assert!(values[0].is_nan() && values[1] == row.auc_encrypted.unwrap().value);
        assert_eq!(file.texts("network").unwrap()[1], row.network);
    }
}
