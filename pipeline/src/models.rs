//! Released models: where their folders are, and opening one to serve it.

use std::path::{Path, PathBuf};
use veilray_classifier::execute::EncryptedCircuit;
use veilray_classifier::interface::Interface;
use veilray_classifier::release::{MANIFEST, Model};
use veilray_encoder::eye::Eye;
use veilray_encoder::pixels::Pixels;
use veilray_encoder::release::Released;

/// The environment variable that names the folder of released models.
pub const WEIGHTS_VARIABLE: &str = "VEILRAY_WEIGHTS";

/// Why a model was not found or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No folder of that name.
    #[error(
        "no model {name}: looked in {}; give its folder, or set {WEIGHTS_VARIABLE} to the folder of the released models",
        list(looked)
    )]
    Unknown {
        /// The name that was given.
        name: String,
        /// The folders looked in.
        looked: Vec<PathBuf>,
    },
    /// A folder that is no sound release.
    #[error(transparent)]
    Release(#[from] veilray_classifier::release::Error),
    /// An encoder's folder that is no sound release.
    #[error(transparent)]
    Encoder(#[from] veilray_encoder::vqgan::Error),
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
/// [`ModelError::Unknown`].
pub fn find(name: &str) -> Result<PathBuf, ModelError> {
    let is_release = |folder: &Path| folder.join(MANIFEST).is_file();
    let given = PathBuf::from(name);
    if is_release(&given) {
        return Ok(given);
    }
    let looked = folders();
    // A name must not lead out of the folders.
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let found = looked.iter().map(|folder| folder.join(name)).find(|folder| plain && is_release(folder));
    found.ok_or(ModelError::Unknown { name: name.into(), looked })
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

/// What a model sees images through: pixels for a name such as `pixels-64`, otherwise the encoder of that name or folder.
///
/// # Errors
/// No such encoder, or one that is no sound release.
pub fn eye(name: &str) -> Result<Eye, ModelError> {
    Ok(match Pixels::named(name) {
        Some(pixels) => Eye::Pixels(pixels),
        None => Eye::Encoder(Box::new(Released::open(&find(name)?)?)),
    })
}

/// A model ready to be evaluated on ciphertexts.
#[derive(Debug)]
pub struct Served {
    /// The release.
    pub model: Model,
    /// Its circuit, diagonals encoded.
    pub circuit: EncryptedCircuit,
    /// What its clients must know.
    pub interface: Interface,
}

impl Served {
    /// Opens a release and encodes its circuit: about two seconds.
    ///
    /// # Errors
    /// A folder that is no sound release, a network that does not fit its parameters.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let model = Model::open(folder)?;
        let circuit = model.circuit()?;
        let interface = Interface::of(&model, &circuit);
        Ok(Self { model, circuit, interface })
    }
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
        assert_eq!(eye("encoder-f8").unwrap().shape(), [4, 32, 32]);
        assert_eq!(eye("pixels-64").unwrap().shape(), [1, 64, 64]);
        assert!(matches!(eye("pixels-0"), Err(ModelError::Unknown { .. })));
    }
}
