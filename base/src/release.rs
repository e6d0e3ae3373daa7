//! A release on disk: a folder with a manifest in TOML beside files that it names by SHA-256.

mod find;

pub use find::{FindError, WEIGHTS_VARIABLE, find, folders, other_kind};

use crate::digest::sha256_hex;
use crate::file::{FileError, write_atomically};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// The manifest's file.
pub const MANIFEST: &str = "manifest.toml";

/// Why a release's folder was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// A file that cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A manifest that cannot be understood or contradicts the network.
    #[error("{}: {why}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong and what to do.
        why: String,
    },
    /// A file of another digest than the manifest's.
    #[error("{} has SHA-256 {found}, the manifest wants {wanted}; fetch the folder again", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// In the manifest.
        wanted: String,
        /// Of the file.
        found: String,
    },
}

/// The manifest of `folder` and its file's digest.
///
/// # Errors
/// A file that is missing or no such manifest.
pub fn manifest<M: DeserializeOwned>(folder: &Path) -> Result<(M, String), FolderError> {
    let bytes = read(&folder.join(MANIFEST))?;
    let text = std::str::from_utf8(&bytes).map_err(|e| refuse(folder, e))?;
    Ok((toml::from_str(text).map_err(|e| refuse(folder, e))?, sha256_hex(&bytes)))
}

/// A refusal of the manifest of `folder`.
pub fn refuse(folder: &Path, why: impl ToString) -> FolderError {
    FolderError::Manifest { path: folder.join(MANIFEST), why: why.to_string() }
}

/// The file `name` of `folder`, which must have the digest `wanted`.
///
/// # Errors
/// A file that cannot be read or has another one.
pub fn checked(folder: &Path, name: &str, wanted: &str) -> Result<Vec<u8>, FolderError> {
    let path = folder.join(name);
    let bytes = read(&path)?;
    let found = sha256_hex(&bytes);
    if found == wanted { Ok(bytes) } else { Err(FolderError::Digest { path, wanted: wanted.into(), found }) }
}

/// Writes `files`, by name, and then the manifest to `folder`, which is made where it is missing.
///
/// # Errors
/// A folder that cannot be written to.
pub fn write(folder: &Path, files: &[(&str, &[u8])], manifest: &impl Serialize) -> Result<(), FolderError> {
    std::fs::create_dir_all(folder).map_err(FileError::at("create", folder))?;
    let text = toml::to_string_pretty(manifest).map_err(|e| refuse(folder, format!("cannot be written as TOML: {e}")))?;
    for (name, bytes) in files.iter().copied().chain([(MANIFEST, text.as_bytes())]) {
        write_atomically(&folder.join(name), bytes)?;
    }
    Ok(())
}

/// The name of the model or encoder that a folder holds: the folder's.
///
/// # Errors
/// A folder without a name, such as `/`.
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
    }
}
