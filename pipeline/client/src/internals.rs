//! Readers that no other package uses, for the tests of robustness (`checks/robustness/`, `fuzz/`). Not an interface: it changes at any time.

use crate::client::results_file::{Again, ResultsFile};
use crate::client::{Result, inspect as inspection};
use std::collections::HashSet;
use std::path::Path;

/// What `veilray inspect` says of a file.
///
/// # Errors
/// As the command.
pub fn inspect(path: &Path) -> Result<String> {
    Ok(inspection::file(path)?.to_string())
}

/// Opens a results file as `veilray classify --out` does, for these labels and images.
///
/// # Errors
/// As the command.
pub fn results(path: &Path, labels: &[String], images: &HashSet<String>, force: bool) -> Result<()> {
    ResultsFile::open(path, labels, images, Again { answered: force, refused: false }).map(drop)
}
