//! Files of measured figures: JSON objects of names and numbers under version control, in which the program that measures replaces what it
//! measured and leaves everything else, in the order in which it stands.

use crate::file::{FileError, write_atomically};
use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use serde_json::{Number, Value};
use std::path::{Path, PathBuf};

mod node;

use node::Node;

/// The version of the files that this reads and writes: their field `format`.
pub const FORMAT: u64 = 1;

/// Why figures were not read or written.
#[derive(Debug, thiserror::Error)]
pub enum FiguresError {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is no JSON.
    #[error("{} is no file of figures: {source}; restore it from version control", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the parser says, with the line.
        source: serde_json::Error,
    },
    /// The file is of another version, or of another kind.
    #[error("{}: \"format\" is {found}, this program writes {FORMAT}; name a file of figures of this version", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What stands there, `null` for nothing.
        found: String,
    },
    /// A figure is to be written below something that has no names in it.
    #[error("{}: {key} is no object, so no figure can stand below it; restore the file from version control", path.display())]
    NoObject {
        /// The file.
        path: PathBuf,
        /// Its names joined by points.
        key: String,
    },
}

/// The figures of one file.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    path: PathBuf,
    root: Node,
}

impl Figures {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that is not there, that is no JSON, or whose `format` is not [`FORMAT`].
    pub fn read(path: &Path) -> Result<Self, FiguresError> {
        let text = std::fs::read(path).map_err(FileError::at("read", path))?;
        let root: Node = serde_json::from_slice(&text).map_err(|source| FiguresError::Json { path: path.into(), source })?;
        let format = root.at(&["format"]);
        if format.and_then(Node::number) != Some(FORMAT as f64) {
            let found = format.map_or_else(|| "null".into(), Node::text);
            return Err(FiguresError::Format { path: path.into(), found });
        }
        Ok(Self { path: path.into(), root })
    }

    /// Whether there is something at `key`, names from the outermost on.
    pub fn has(&self, key: &[&str]) -> bool {
        self.root.at(key).is_some()
    }

    /// The number at `key`.
    pub fn number(&self, key: &[&str]) -> Option<f64> {
        self.root.at(key)?.number()
    }

    /// The text at `key`.
    pub fn text(&self, key: &[&str]) -> Option<&str> {
        self.root.at(key)?.string()
    }

    /// Puts `value` at `key`: in place of what is there, or behind everything else of its object. Objects on the way are made.
    /// `null`, which is what a figure is that was not measured, changes nothing.
    ///
    /// # Errors
    /// [`FiguresError::NoObject`].
    pub fn set(&mut self, key: &[&str], value: impl Into<Value>) -> Result<(), FiguresError> {
        let value = value.into();
        if value.is_null() {
            return Ok(());
        }
        self.root.set(key, value).map_err(|deep| {
            let key = key.get(..deep).unwrap_or(key).join(".");
            FiguresError::NoObject { path: self.path.clone(), key }
        })
    }

    /// Takes out what is at `key`, if there is something.
    pub fn remove(&mut self, key: &[&str]) {
        self.root.remove(key);
    }

    /// Writes the file: after a crash the old content is there or the new one.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self) -> Result<(), FiguresError> {
        let mut text = Vec::new();
        let mut json = serde_json::Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b" "));
        self.root.serialize(&mut json).map_err(|source| FiguresError::Json { path: self.path.clone(), source })?;
        text.push(b'\n');
        Ok(write_atomically(&self.path, &text)?)
    }
}

/// `value` with `digits` decimals and no zeros behind; `null` where it is not finite. 0.0 and 3.0 are integers.
pub fn decimals(value: f64, digits: usize) -> Value {
    if !value.is_finite() {
        return Value::Null;
    }
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    let whole = text.parse::<i64>().ok().map(Number::from);
    whole.or_else(|| Number::from_f64(text.parse().ok()?)).map_or(Value::Null, Value::Number)
}

/// `value` with `digits` significant digits, and never fewer than its whole part has; `null` where it is not finite.
pub fn significant(value: f64, digits: i32) -> Value {
    // Of the value as it is printed: 9.96 with two digits is 10.
    let printed = format!("{value:.*e}", usize::try_from(digits - 1).unwrap_or(0));
    let exponent = printed.split_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok()).unwrap_or(0);
    decimals(value, usize::try_from(digits - 1 - exponent).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TEXT: &str = "{\n \"format\": 1,\n \"z\": {\n  \"b\": 64.0,\n  \"a\": \"4 × 32\",\n  \"list\": [\n   1,\n   null,\n   \
                        true\n  ]\n },\n \"a\": -0.5\n}\n";

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("figures.json");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn what_is_not_measured_stays_as_it_stands() {
        let (_folder, path) = file(TEXT);
        let mut figures = Figures::read(&path).unwrap();
        figures.write().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), TEXT);
        assert_eq!(
            (figures.number(&["z", "b"]), figures.number(&["a"]), figures.text(&["z", "a"])),
            (Some(64.0), Some(-0.5), Some("4 × 32"))
        );
        figures.set(&["z", "b"], 65).unwrap();
        figures.set(&["z", "new", "x"], json!({ "y": 2, "x": 1 })).unwrap();
        figures.set(&["a"], f64::NAN).unwrap();
        figures.set(&["nothing"], Value::Null).unwrap();
        figures.remove(&["z", "list"]);
        figures.remove(&["not", "there"]);
        figures.write().unwrap();
        let wanted = "{\n \"format\": 1,\n \"z\": {\n  \"b\": 65,\n  \"a\": \"4 × 32\",\n  \"new\": {\n   \"x\": {\n    \"x\": 1,\n    \
                      \"y\": 2\n   }\n  }\n },\n \"a\": -0.5\n}\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), wanted);
        assert!(Figures::read(&path).unwrap() == figures && figures.has(&["z", "new"]) && !figures.has(&["z", "list"]));
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_file_of_figures_is_refused() {
        let (folder, path) = file("{\"format\": 1,");
        assert!(matches!(Figures::read(&path), Err(FiguresError::Json { .. })));
        for (text, found) in
            [("{}", "null"), ("{\"format\": 2}", "2"), ("{\"format\": \"1\"}", "\"1\""), ("[1]", "null"), ("3", "null")]
        {
            std::fs::write(&path, text).unwrap();
            let refused = Figures::read(&path).unwrap_err();
            assert!(matches!(&refused, FiguresError::Format { found: said, .. } if said == found), "{text}: {refused}");
        }
        std::fs::write(&path, TEXT).unwrap();
        let mut figures = Figures::read(&path).unwrap();
        let refused = figures.set(&["z", "b", "c"], 1).unwrap_err();
        assert!(refused.to_string().contains("z.b is no object"), "{refused}");
        assert!(matches!(Figures::read(&folder.path().join("none")), Err(FiguresError::File(error)) if error.doing == "read"));
        std::fs::remove_dir_all(folder.path()).unwrap();
        assert!(matches!(figures.write(), Err(FiguresError::File(_))));
    }

    #[test]
    fn numbers_are_rounded_as_they_are_to_be_printed() {
        for (value, digits, text) in
            [(238.4, 0, "238"), (6.94, 1, "6.9"), (3.0, 2, "3"), (-11.84, 1, "-11.8"), (0.0, 3, "0"), (-0.01, 1, "0")]
        {
            assert_eq!(decimals(value, digits).to_string(), text);
        }
        for (value, digits, text) in [
            (0.000_433, 2, "0.00043"),
            (16.44, 3, "16.4"),
            (1234.6, 3, "1235"),
            (9.96, 2, "10"),
            (0.0, 2, "0"),
            (0.645_1, 3, "0.645"),
            (4.0, 2, "4"),
        ] {
            assert_eq!(significant(value, digits).to_string(), text);
        }
        assert_eq!([decimals(f64::NAN, 1), significant(f64::INFINITY, 2)], [Value::Null, Value::Null]);
    }
}
