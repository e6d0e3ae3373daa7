//! Where released folders are found by name.

use super::MANIFEST;
use std::path::{Path, PathBuf};

/// The environment variable that names the folder of released models.
pub const WEIGHTS_VARIABLE: &str = "VEILRAY_WEIGHTS";

/// No released folder of that name.
#[derive(Debug, thiserror::Error)]
#[error(
    "no model {name}: looked in {}; give its folder, or set {WEIGHTS_VARIABLE} to the folder of the released models",
    list(looked)
)]
pub struct FindError {
    /// The name that was given.
    pub name: String,
    /// The folders looked in.
    pub looked: Vec<PathBuf>,
}

fn list(folders: &[PathBuf]) -> String {
    folders.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Folders that hold released models, first choice first: `VEILRAY_WEIGHTS` alone if it is set; otherwise `weights` in the current folder,
/// beside the program, in `share/veilray` of its installation, and in the source tree it was built from.
#[must_use]
pub fn folders() -> Vec<PathBuf> {
    if let Some(named) = std::env::var_os(WEIGHTS_VARIABLE) {
        return vec![named.into()];
    }
    let mut out = vec![PathBuf::from("weights")];
    if let Some(beside) = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_path_buf())) {
        out.extend([beside.join("weights"), beside.join("../share/veilray/weights")]);
    }
    out.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../weights"));
    out
}

/// The folder of a release, an encoder's or a classifier's: `name` itself if it is one, otherwise of that name in one of [`folders`].
///
/// # Errors
/// [`FindError`].
pub fn find(name: &str) -> Result<PathBuf, FindError> {
    let is_release = |folder: &Path| folder.join(MANIFEST).is_file();
    let given = PathBuf::from(name);
    if is_release(&given) {
        return Ok(given);
    }
    let looked = folders();
    // A name must not lead out of the folders.
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let found = looked.iter().map(|folder| folder.join(name)).find(|folder| plain && is_release(folder));
    found.ok_or(FindError { name: name.into(), looked })
}

/// The kind of a release that neither client nor server takes, such as a network under TFHE: its manifest states a `kind`.
#[must_use]
pub fn other_kind(folder: &Path) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Manifest {
        kind: Option<String>,
    }
    let text = std::fs::read_to_string(folder.join(MANIFEST)).ok()?;
    toml::from_str::<Manifest>(&text).ok()?.kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_release_is_refused_with_the_folders_looked_in() {
        for name in ["no-such-model", "", "../weights", "a/b"] {
            let refused = find(name).unwrap_err().to_string();
            assert!(refused.contains(WEIGHTS_VARIABLE) && refused.contains("weights"), "{refused}");
        }
        assert!(find("encoder-f8").unwrap().join(MANIFEST).is_file());
        assert_eq!(other_kind(&find("nih14-f8").unwrap()), None);
        assert_eq!(other_kind(&find("fcnn-tfhe-pneumonia").unwrap()).as_deref(), Some("fcnn-tfhe"));
    }
}
