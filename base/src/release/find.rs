//! Where released folders are found by name.

use super::MANIFEST;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The environment variable that names the folder which holds the released folders.
pub const WEIGHTS_VARIABLE: &str = "VEILRAY_WEIGHTS";

/// There is no released folder of that name.
#[derive(Debug, thiserror::Error)]
#[error(
    "no released model or encoder {name}: looked in {}; give the path of its folder, or set {WEIGHTS_VARIABLE} to the folder that \
     holds it",
    list(looked)
)]
pub struct FindError {
    /// The name or path that was given.
    pub name: String,
    /// The folders that were searched, in order.
    pub looked: Vec<PathBuf>,
}

fn list(folders: &[PathBuf]) -> String {
    folders.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Where released folders are searched, first choice first. They need not exist.
///
/// If the environment variable `VEILRAY_WEIGHTS` is set and not empty, the folder that it names, and no other. Otherwise:
/// 1. `weights` in the current folder;
/// 2. `weights` beside the program;
/// 3. `share/veilray/weights` of the program's installation: `/usr/local/share/veilray/weights` for `/usr/local/bin/veilray`;
/// 4. `veilray/weights` in the user's data folder: `$XDG_DATA_HOME`, or `~/.local/share` where that is not set or not an absolute
///    path (XDG Base Directory Specification 0.8);
/// 5. `weights` in the source tree that the program was built from.
#[must_use]
pub fn folders() -> Vec<PathBuf> {
    folders_for(|name| env::var_os(name), env::current_exe().ok().as_deref())
}

/// [`folders`] under the environment `variable` of the program at `program`.
fn folders_for(variable: impl Fn(&str) -> Option<OsString>, program: Option<&Path>) -> Vec<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(named) = set(WEIGHTS_VARIABLE) {
        return vec![named];
    }
    let mut out = vec![PathBuf::from("weights")];
    if let Some(beside) = program.and_then(Path::parent) {
        out.extend([beside.join("weights"), beside.join("../share/veilray/weights")]);
    }
    let data = set("XDG_DATA_HOME").filter(|folder| folder.is_absolute());
    let data = data.or_else(|| Some(set("HOME")?.join(".local/share")));
    out.extend(data.map(|folder| folder.join("veilray/weights")));
    out.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../weights"));
    out
}

/// The folder of a released encoder or classifier: `name` itself if it is the path of one, otherwise the first of that name in [`folders`].
/// A released folder is one that holds a [`MANIFEST`].
///
/// A name that is looked up has only ASCII letters, digits, `-` and `_`, so that it cannot lead out of the folders.
///
/// # Errors
/// [`FindError`] with the folders that were searched.
pub fn find(name: &str) -> Result<PathBuf, FindError> {
    let is_release = |folder: &Path| folder.join(MANIFEST).is_file();
    let given = PathBuf::from(name);
    if is_release(&given) {
        return Ok(given);
    }
    let looked = folders();
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let found = looked.iter().map(|folder| folder.join(name)).find(|folder| plain && is_release(folder));
    found.ok_or(FindError { name: name.into(), looked })
}

/// The `kind` that the manifest of `folder` states, if it states one. Encoders and classifiers state none; a network under TFHE, which
/// neither client nor server can use, states `fcnn-tfhe`. `None` also where there is no readable manifest.
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

    fn searched(variables: &[(&str, &str)], program: Option<&str>) -> Vec<PathBuf> {
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        folders_for(variable, program.map(Path::new))
    }

    #[test]
    fn folders_are_searched_in_the_order_that_is_documented() {
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../weights");
        let found = searched(&[("HOME", "/users/a")], Some("/usr/local/bin/veilray"));
        let wanted = [
            "weights",
            "/usr/local/bin/weights",
            "/usr/local/bin/../share/veilray/weights",
            "/users/a/.local/share/veilray/weights",
        ];
        assert_eq!(found, wanted.iter().map(PathBuf::from).chain([tree.clone()]).collect::<Vec<_>>());
        let of_data = |variables: &[(&str, &str)]| searched(variables, None).get(1).cloned();
        assert_eq!(of_data(&[("HOME", "/users/a"), ("XDG_DATA_HOME", "/data")]), Some("/data/veilray/weights".into()));
        for ignored in ["", "relative"] {
            let home = Some("/users/a/.local/share/veilray/weights".into());
            assert_eq!(of_data(&[("HOME", "/users/a"), ("XDG_DATA_HOME", ignored)]), home);
        }
        assert_eq!(searched(&[], None), [PathBuf::from("weights"), tree]);
    }

    #[test]
    fn the_variable_is_the_only_folder_unless_it_is_empty() {
        let others = [("HOME", "/users/a"), ("XDG_DATA_HOME", "/data")];
        let with = |value| searched(&[others[0], others[1], (WEIGHTS_VARIABLE, value)], Some("/usr/bin/veilray"));
        assert_eq!(with("/srv/models"), [PathBuf::from("/srv/models")]);
        assert_eq!(with(""), searched(&others, Some("/usr/bin/veilray")));
    }

    #[test]
    fn a_path_of_a_released_folder_is_taken_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        std::fs::create_dir(&path).unwrap();
        assert!(find(path.to_str().unwrap()).is_err(), "a folder without a manifest is no release");
        std::fs::write(path.join(MANIFEST), b"kind = \"other\"").unwrap();
        assert_eq!(find(path.to_str().unwrap()).unwrap(), path);
        assert_eq!(other_kind(&path).as_deref(), Some("other"));
        std::fs::write(path.join(MANIFEST), b"kind = ").unwrap();
        assert_eq!(other_kind(&path), None);
    }

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
