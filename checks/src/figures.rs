//! Measured figures, each once in `docs/results/*.json`, rendered into pages between
//! `<!-- figures:NAME MODEL … -->` and `<!-- /figures -->`.
//!
//! `tables.json` holds how they are printed: `{"format": 1, "tables": {NAME: {"layout", "models", "fields"}}, "texts": {NAME: [LINE]}}`.
//! A field is `[HEADING, TEMPLATE, …]`: of several templates the first is taken whose figures are all there. `models.json` holds the
//! figures by model. In a table's template `{a.b}` is a figure of the model and `{name}` the model's name; in a text the first key is a
//! file's name without `.json`. `{a.b:FORMAT}` prints as [`Format`] says.

mod render;
mod template;

pub use render::Pages;
pub use template::Format;

use crate::tree::Tree;
use serde_json::{Map, Value};
use std::io;
use thiserror::Error;

/// The version of the files in `docs/results` that this reads.
pub const FORMAT: u64 = 1;

/// Why figures could not be rendered.
#[derive(Debug, Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{file}: {source}")]
    Io {
        /// The file, relative to the root.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file of figures is no JSON.
    #[error("{file}: {source}")]
    Json {
        /// The file, relative to the root.
        file: String,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// A file of figures does not say `"format": 1`.
    #[error("{file}: \"format\" is {found}; this program reads {FORMAT}")]
    Version {
        /// The file, relative to the root.
        file: String,
        /// What the file says.
        found: Value,
    },
    /// A key is missing, or its value has the wrong type.
    #[error("docs/results: there is no {wanted} at {path}")]
    Missing {
        /// Keys joined by points.
        path: String,
        /// The type that is wanted: text, number, list, table.
        wanted: &'static str,
    },
    /// A format that does not exist, or does not fit its figure.
    #[error("the format {format:?} does not fit {value}; use .K, e or _ for a number, and none for text")]
    Unprintable {
        /// The text behind the colon.
        format: String,
        /// The figure.
        value: Value,
    },
    /// A marker in a page that cannot be filled.
    #[error("{file}:{line}: {reason}")]
    Marker {
        /// The page, relative to the root.
        file: String,
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
}

/// Every file of figures, by its name without `.json`.
#[derive(Debug, Clone)]
pub struct Figures {
    files: Value,
}

impl Figures {
    /// Those of a repository: every `docs/results/*.json`.
    ///
    /// # Errors
    /// A file that cannot be read, is no JSON or has another version.
    pub fn read(tree: &Tree) -> Result<Self, Error> {
        let mut files = Map::new();
        for (file, text) in tree.texts(".json").map_err(|source| Error::Io { file: "docs/results".into(), source })? {
            let Some(name) = file.strip_prefix("docs/results/").and_then(|name| name.strip_suffix(".json")) else { continue };
            if name.contains('/') {
                continue;
            }
            let value: Value = serde_json::from_str(&text).map_err(|source| Error::Json { file: file.into(), source })?;
            let found = value.get("format").cloned().unwrap_or(Value::Null);
            if found != FORMAT {
                return Err(Error::Version { file: file.into(), found });
            }
            files.insert(name.into(), value);
        }
        Ok(Self { files: Value::Object(files) })
    }

    /// Figures from values, for tests.
    pub fn of(files: Value) -> Self {
        Self { files }
    }

    /// The names of the models that have figures.
    pub fn models(&self) -> Vec<&str> {
        let models = self.files.pointer("/models/models").and_then(Value::as_object);
        models.map(|models| models.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    /// The lines that stand for the table or text `name`, of `models` in place of the table's own where there are some.
    ///
    /// # Errors
    /// An unknown name or model, a figure that is missing in a text, a format that does not fit.
    pub fn lines(&self, name: &str, models: &[&str]) -> Result<Vec<String>, Error> {
        render::lines(&self.files, name, models)
    }
}

/// The value at `path`, keys joined by points; `None` where a key is missing or the value null.
fn look<'a>(start: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(start, |value, key| value.get(key)).filter(|value| !value.is_null())
}
