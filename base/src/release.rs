//! A release on disk: a folder with a manifest in TOML beside files that it names by SHA-256.

mod find;

pub use find::{FindError, WEIGHTS_VARIABLE, find, folders, other_kind};

use crate::digest::sha256_hex;
use crate::file::{FileError, write_atomically};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// The name of the manifest's file in a released folder.
pub const MANIFEST: &str = "manifest.toml";

/// Why a released folder was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// A file of the folder that cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A manifest that cannot be understood, or that contradicts the files beside it.
    #[error("{}: {why}", path.display())]
    Manifest {
        /// Path of the manifest.
        path: PathBuf,
        /// What is wrong and what to do.
        why: String,
    },
    /// A file whose digest is not the one that the manifest states.
    #[error("{} has SHA-256 {found}, the manifest wants {wanted}; fetch the folder again", path.display())]
    Digest {
        /// Path of the file.
        path: PathBuf,
        /// SHA-256 that the manifest states, 64 hexadecimal digits.
        wanted: String,
        /// SHA-256 of the file, 64 hexadecimal digits.
        found: String,
    },
}

/// The manifest of `folder` and the SHA-256 of its file, 64 hexadecimal digits, which names the release.
///
/// # Errors
/// [`FolderError::File`] if there is no manifest, [`FolderError::Manifest`] if it is not UTF-8, not TOML or not of the form `M`.
pub fn manifest<M: DeserializeOwned>(folder: &Path) -> Result<(M, String), FolderError> {
    let bytes = read(&folder.join(MANIFEST))?;
    let text = std::str::from_utf8(&bytes).map_err(|e| refuse(folder, e))?;
    Ok((toml::from_str(text).map_err(|e| refuse(folder, e))?, sha256_hex(&bytes)))
}

/// A refusal of the manifest of `folder`; `why` says what is wrong and what to do.
pub fn refuse(folder: &Path, why: impl ToString) -> FolderError {
    FolderError::Manifest { path: folder.join(MANIFEST), why: why.to_string() }
}

/// The file `name` of `folder`, which must have the digest `wanted`.
///
/// # Errors
/// [`FolderError::File`] if it cannot be read, [`FolderError::Digest`] with both digests if it has another.
pub fn checked(folder: &Path, name: &str, wanted: &str) -> Result<Vec<u8>, FolderError> {
    let path = folder.join(name);
    let bytes = read(&path)?;
    let found = sha256_hex(&bytes);
    if found == wanted { Ok(bytes) } else { Err(FolderError::Digest { path, wanted: wanted.into(), found }) }
}

/// Writes `files`, by name, and then the manifest to `folder`, which is made where it is missing. A folder with a manifest is therefore
/// complete.
///
/// # Errors
/// [`FolderError::File`] if something cannot be written, [`FolderError::Manifest`] if the manifest has no form in TOML.
pub fn write(folder: &Path, files: &[(&str, &[u8])], manifest: &impl Serialize) -> Result<(), FolderError> {
    std::fs::create_dir_all(folder).map_err(FileError::at("create", folder))?;
    let text = toml::to_string_pretty(manifest).map_err(|e| refuse(folder, format!("cannot be written as TOML: {e}")))?;
    for (name, bytes) in files.iter().copied().chain([(MANIFEST, text.as_bytes())]) {
        write_atomically(&folder.join(name), bytes)?;
    }
    Ok(())
}

/// The name of the model or encoder that a folder holds: the folder's own.
///
/// # Errors
/// [`FolderError::Manifest`] for a folder without a name, such as `/`, or one whose name is not UTF-8.
pub fn name_of(folder: &Path) -> Result<&str, FolderError> {
    let why = "the released model is called as its folder is; give a folder with a name";
    folder.file_name().and_then(|name| name.to_str()).ok_or_else(|| refuse(folder, why))
}

fn read(path: &Path) -> Result<Vec<u8>, FolderError> {
    Ok(std::fs::read(path).map_err(FileError::at("read", path))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq)]
    struct Manifest {
        format: u32,
        weights_sha256: String,
    }

    #[test]
    fn a_folder_comes_back_as_written_and_a_changed_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model-1");
        let wanted = Manifest { format: 1, weights_sha256: sha256_hex(b"weights") };
        write(&path, &[("model.safetensors", b"weights")], &wanted).unwrap();
        let (found, digest) = manifest::<Manifest>(&path).unwrap();
        assert_eq!((found, digest.len(), name_of(&path).unwrap()), (wanted, 64, "model-1"));
        assert_eq!(checked(&path, "model.safetensors", &sha256_hex(b"weights")).unwrap(), b"weights");
        let other = checked(&path, "model.safetensors", &sha256_hex(b"other")).unwrap_err();
        assert!(matches!(other, FolderError::Digest { .. }), "{other}");
        std::fs::write(path.join(MANIFEST), b"format = \xff").unwrap();
        assert!(matches!(manifest::<Manifest>(&path), Err(FolderError::Manifest { .. })));
        assert!(matches!(manifest::<Manifest>(folder.path()), Err(FolderError::File(_))));
        assert!(name_of("/".as_ref()).is_err());
        std::fs::write(path.join(MANIFEST), b"format = \"one\"").unwrap();
        let refused = manifest::<Manifest>(&path).unwrap_err().to_string();
        assert!(refused.contains(MANIFEST) && refused.contains("invalid type"), "{refused}");
    }

    #[test]
    fn a_manifest_is_written_last_and_only_if_it_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a").join("model-2");
        // A list has no form as a whole file of TOML.
        assert!(matches!(write(&path, &[("a.bin", b"a")], &[1, 2]), Err(FolderError::Manifest { .. })));
        assert!(!path.join("a.bin").exists() && !path.join(MANIFEST).exists());
        // A file that cannot be written: nothing says that the folder is complete.
        let refused = write(&path, &[("missing/a.bin", b"a")], &Manifest { format: 1, weights_sha256: String::new() });
        assert!(matches!(refused, Err(FolderError::File(_))) && !path.join(MANIFEST).exists());
    }
}
