//! What a sweep's folder knows of its sweep.

use super::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use veilray_base::file::write_atomically;

/// The file in a sweep's folder.
pub const STATE: &str = "sweep.json";

/// What `run` was given, for `resume`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// The sweep's file, as it was given.
    pub config: PathBuf,
    /// Its folder, absolute: other files are named relative to it.
    pub base: PathBuf,
    /// The text of the sweep's file.
    pub text: String,
    /// What the ledger knows its experiments by; rows of others are of an earlier configuration.
    #[serde(default)]
    pub experiments: Vec<String>,
}

impl State {
    /// Of a sweep's folder.
    ///
    /// # Errors
    /// [`Error::NoSweep`].
    pub fn read(folder: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(folder.join(STATE)).map_err(|_| Error::NoSweep { folder: folder.into() })?;
        serde_json::from_str(&text).map_err(|e| Error::Format { path: folder.join(STATE), why: e.to_string() })
    }

    /// Writes it to a sweep's folder.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(STATE);
        let json = serde_json::to_string_pretty(self).map_err(|e| Error::Format { path: path.clone(), why: e.to_string() })?;
        Ok(write_atomically(&path, json.as_bytes())?)
    }
}
