//! A release on disk: a manifest in TOML beside files that it names by digest.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use veilray_nn::write_atomically;

/// The manifest's file.
pub const MANIFEST: &str = "manifest.toml";
/// The weights' file.
pub const WEIGHTS: &str = "model.safetensors";

/// Why a release's folder was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// A file that cannot be read or written.
    #[error("cannot {doing} {}: {why}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        why: String,
    },
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
pub(crate) fn manifest<M: DeserializeOwned>(folder: &Path) -> Result<(M, String), FolderError> {
    let bytes = read(&folder.join(MANIFEST))?;
    let text = std::str::from_utf8(&bytes).map_err(|e| refuse(folder, e))?;
    Ok((toml::from_str(text).map_err(|e| refuse(folder, e))?, digest(&bytes)))
}

/// A refusal of the manifest of `folder`.
pub(crate) fn refuse(folder: &Path, why: impl ToString) -> FolderError {
    FolderError::Manifest { path: folder.join(MANIFEST), why: why.to_string() }
}

/// The file `name` of `folder`, which must have the digest `wanted`.
///
/// # Errors
/// A file that cannot be read or has another one.
pub(crate) fn checked(folder: &Path, name: &str, wanted: &str) -> Result<Vec<u8>, FolderError> {
    let path = folder.join(name);
    let bytes = read(&path)?;
    let found = digest(&bytes);
    if found == wanted { Ok(bytes) } else { Err(FolderError::Digest { path, wanted: wanted.into(), found }) }
}

/// Writes `files`, by name, and then the manifest to `folder`, which is made where it is missing.
///
/// # Errors
/// A folder that cannot be written to.
pub(crate) fn write(folder: &Path, files: &[(&str, &[u8])], manifest: &impl Serialize) -> Result<(), FolderError> {
    let failed = |doing, path: &Path, why: String| FolderError::File { doing, path: path.into(), why };
    std::fs::create_dir_all(folder).map_err(|e| failed("create", folder, e.to_string()))?;
    let text = toml::to_string_pretty(manifest).map_err(|e| failed("write", &folder.join(MANIFEST), e.to_string()))?;
    for (name, bytes) in files.iter().copied().chain([(MANIFEST, text.as_bytes())]) {
        let path = folder.join(name);
        write_atomically(&path, bytes).map_err(|e| failed("write", &path, e.to_string()))?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, FolderError> {
    std::fs::read(path).map_err(|e| FolderError::File { doing: "read", path: path.into(), why: e.to_string() })
}

/// SHA-256 in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
