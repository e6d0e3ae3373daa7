//! A released classifier: a folder with a manifest, a network and its weights, checked against each other when opened.

pub use veilray_base::release::{FolderError, MANIFEST, name_of};

use crate::execute::client::too_large;
use crate::execute::{EncryptedCircuit, ExecuteError};
use crate::fold::{FoldError, FoldOptions, fold};
use crate::mask::Mask;
use crate::operating_point::OperatingPoint;
use crate::pack::{PackError, PackOptions, PackedCircuit, pack};
use crate::range::RangeContract;
use crate::spec::{NetworkSpec, SpecError};
use crate::weights::{Weights, WeightsError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use veilray_base::digest::sha256_hex;
use veilray_base::release::{self as folder, checked, refuse, write};
use veilray_he::{Params, ParamsLiteral};

/// The weights' file.
pub const WEIGHTS: &str = "model.safetensors";
/// The network's file.
pub const NETWORK: &str = "network.toml";
/// The format of the manifests this crate writes and reads.
pub const FORMAT: u32 = 1;

/// This module's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a released classifier was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A folder that cannot be read or written, or whose manifest is refused.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A network that is refused.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Weights that are refused.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A parameter set that is refused.
    #[error(transparent)]
    Params(#[from] veilray_he::Error),
    /// A network that cannot be folded.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// A circuit that cannot be packed.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// A circuit that cannot be encoded under its parameters.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// A parameter set that cannot tell large logits from others that wrapped around: clients would refuse the model.
    #[error(
        "the logits of {model} may reach {wanted:.1} by its range, but a reply under {params} has no slot that would show one beyond \
         {found:.1} coming back from the other end; release it under a set with a larger base, such as n14"
    )]
    Room {
        /// The model's name.
        model: String,
        /// The parameter set.
        params: String,
        /// The bound on its logits.
        wanted: f64,
        /// The largest logit that the set holds safely.
        found: f64,
    },
}

/// What a released classifier is: `manifest.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    /// The model's name, such as `nih14-f8`.
    pub name: String,
    /// The encoder whose latents it reads.
    pub encoder: String,
    /// SHA-256 of that encoder's manifest, which in turn names its weights and preprocessing.
    pub encoder_sha256: String,
    /// The parameter set that it is evaluated under.
    pub params: String,
    /// SHA-256 of the network's file.
    pub network_sha256: String,
    /// SHA-256 of the weights' file.
    pub weights_sha256: String,
    /// Most evaluation keys that its circuit may ask for, MB: fewer keys cost time ([`PackOptions::with_key_budget`]). Without it, what is fastest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_budget: Option<f64>,
    /// Images that it was trained on, by data set; train splits only.
    pub data: BTreeMap<String, usize>,
    /// Where the logits are the pixels of a mask: its extents. The operating point then has one label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<Mask>,
    /// Temperature and thresholds, chosen on the validation split.
    pub operating_point: OperatingPoint,
    /// How far the values between layers reached on the validation split.
    pub range: RangeContract,
}

/// A released classifier whose parts belong together.
#[derive(Debug, Clone)]
pub struct Model {
    manifest: Manifest,
    digest: String,
    spec: NetworkSpec,
    weights: Weights,
    params: Params,
}

impl Model {
    /// Opens the folder `path`.
    ///
    /// # Errors
    /// Files that are missing or not of this format, of another digest than the manifest's, or that do not fit each other.
    pub fn open(path: &Path) -> Result<Self> {
        let (manifest, digest): (Manifest, String) = folder::manifest(path)?;
        if manifest.format != FORMAT {
            let (found, model) = (manifest.format, "use the release of Veilray that belongs to this model");
            return Err(refuse(path, format!("format {found} is not {FORMAT}; {model}")).into());
        }
        let bytes = checked(path, NETWORK, &manifest.network_sha256)?;
        let utf8 = std::str::from_utf8(&bytes).map_err(|e| SpecError::Toml { why: e.to_string() })?;
        let spec = NetworkSpec::from_toml(utf8)?;
        let weights = Weights::from_safetensors(&checked(path, WEIGHTS, &manifest.weights_sha256)?)?;
        Self::of(path, manifest, digest, spec, weights)
    }

    /// Parts that are checked against each other.
    fn of(path: &Path, manifest: Manifest, digest: String, spec: NetworkSpec, weights: Weights) -> Result<Self> {
        weights.check(&spec)?;
        if let Some(found) = Mask::contradiction(manifest.mask, &manifest.operating_point.thresholds, spec.labels) {
            return Err(refuse(path, format!("network and manifest contradict each other: {found}")).into());
        }
        if let Some(budget) = manifest.key_budget.filter(|budget| !(budget.is_finite() && *budget > 0.0)) {
            return Err(refuse(path, format!("key_budget must be a positive number of MB, not {budget}")).into());
        }
        let params = ParamsLiteral::named(&manifest.params)?.check()?;
        Ok(Self { digest, manifest, spec, weights, params })
    }

    /// Packs the circuit and only then writes the release to the folder `path`: a model that could not be evaluated is left nowhere.
    ///
    /// # Errors
    /// As [`Model::packed`] and [`Model::write`].
    pub fn release(path: &Path, manifest: Manifest, spec: &NetworkSpec, weights: &Weights) -> Result<()> {
        Self::of(path, manifest.clone(), String::new(), spec.clone(), weights.clone())?.packed()?;
        Self::write(path, manifest, spec, weights)
    }

    /// Writes a release to the folder `path`, whatever its circuit needs; the digests of network and weights are filled in.
    ///
    /// # Errors
    /// Weights that are not the network's, a folder that cannot be written to.
    pub fn write(path: &Path, mut manifest: Manifest, spec: &NetworkSpec, weights: &Weights) -> Result<()> {
        weights.check(spec)?;
        let (network, bytes) = (spec.to_toml()?, weights.to_safetensors()?);
        (manifest.network_sha256, manifest.weights_sha256) = (sha256_hex(network.as_bytes()), sha256_hex(&bytes));
        Ok(write(path, &[(NETWORK, network.as_bytes()), (WEIGHTS, &bytes)], &manifest)?)
    }

    /// What it is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The circuit that is evaluated under the manifest's parameters, its diagonals encoded.
    ///
    /// # Errors
    /// A network that cannot be folded, packed or encoded under these parameters.
    pub fn circuit(&self) -> Result<EncryptedCircuit> {
        Ok(EncryptedCircuit::new(self.packed()?, &self.params)?)
    }

    /// The circuit over slots.
    ///
    /// # Errors
    /// A network that cannot be folded or packed under these parameters, or whose logits could wrap around unseen.
    pub fn packed(&self) -> Result<PackedCircuit> {
        let circuit = fold(&self.spec, &self.weights, &FoldOptions::default())?;
        let options = PackOptions::new(&self.params, &circuit);
        let packed = pack(&circuit, &PackOptions { key_budget: self.manifest.key_budget, ..options })?;
        match too_large(&self.manifest.range, packed.io(), &self.params) {
            None => Ok(packed),
            Some((wanted, found)) => {
                let (model, params) = (self.manifest.name.clone(), self.manifest.params.clone());
                Err(Error::Room { model, params, wanted, found })
            }
        }
    }

    /// SHA-256 of the manifest's file, hexadecimal: it stands for the whole model.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The network: its layers and shapes.
    pub fn spec(&self) -> &NetworkSpec {
        &self.spec
    }

    /// The network's weights, checked against it.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The parameters it is evaluated under.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The labels' names, in the order of the logits; of a model that gives a mask, what it shows.
    pub fn labels(&self) -> &[String] {
        &self.manifest.operating_point.thresholds.labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operating_point::{Temperature, Thresholds};
    use crate::spec::Shape;
    use veilray_base::file::FileError;

    fn manifest(labels: usize) -> Manifest {
        let thresholds = Thresholds { labels: (0..labels).map(|i| format!("label {i}")).collect(), values: vec![0.5; labels] };
        Manifest {
            format: FORMAT,
            name: "test".into(),
            encoder: "encoder-f8".into(),
            encoder_sha256: sha256_hex(b"encoder"),
            params: "n13".into(),
            network_sha256: String::new(),
            weights_sha256: String::new(),
            key_budget: None,
            data: [("set".to_string(), 7)].into(),
            mask: None,
            operating_point: OperatingPoint { temperature: Temperature::ONE, thresholds },
            range: RangeContract { images: 1, layers: Vec::new(), logits: 1.0 },
        }
    }

    #[test]
    fn a_release_opens_as_it_was_written_and_altered_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test");
        let spec = crate::networks::named("veilnet-xs", Shape { channels: 4, height: 32, width: 32 }, 3).unwrap();
        let weights = Weights::random(&spec, 1).unwrap();
        Model::write(&path, manifest(3), &spec, &weights).unwrap();
        let model = Model::open(&path).unwrap();
        assert_eq!((model.spec(), model.weights(), model.labels().len()), (&spec, &weights, 3));
        assert_eq!(model.params().log_n(), 13);

        for (file, wanted) in [(NETWORK, "SHA-256"), (WEIGHTS, "SHA-256"), (MANIFEST, "manifest.toml")] {
            let file = path.join(file);
            let good = std::fs::read(&file).unwrap();
            let mut bad = good.clone();
            *bad.last_mut().unwrap() ^= 0x55;
            std::fs::write(&file, bad).unwrap();
            let refused = Model::open(&path).unwrap_err().to_string();
            assert!(refused.contains(wanted), "{refused}");
            std::fs::remove_file(&file).unwrap();
            assert!(matches!(Model::open(&path), Err(Error::Folder(FolderError::File(FileError { doing: "read", .. })))));
            std::fs::write(&file, good).unwrap();
        }
        Model::write(&path, manifest(2), &spec, &weights).unwrap();
        assert!(matches!(Model::open(&path), Err(Error::Folder(FolderError::Manifest { .. }))));
        for mask in [Mask { height: 1, width: 4 }, Mask { height: 0, width: 3 }, Mask { height: 3, width: 1 << 20 }] {
            Model::write(&path, Manifest { mask: Some(mask), ..manifest(1) }, &spec, &weights).unwrap();
            assert!(matches!(Model::open(&path), Err(Error::Folder(FolderError::Manifest { .. }))), "{mask:?}");
        }
        let mask = Some(Mask { height: 1, width: 3 });
        Model::write(&path, Manifest { mask, ..manifest(3) }, &spec, &weights).unwrap();
        assert!(matches!(Model::open(&path), Err(Error::Folder(FolderError::Manifest { .. }))), "a mask has one label");
        Model::write(&path, Manifest { mask, ..manifest(1) }, &spec, &weights).unwrap();
        assert_eq!(Model::open(&path).unwrap().manifest().mask, mask);
        for budget in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            Model::write(&path, Manifest { key_budget: Some(budget), ..manifest(3) }, &spec, &weights).unwrap();
            assert!(matches!(Model::open(&path), Err(Error::Folder(FolderError::Manifest { .. }))), "{budget}");
        }
        Model::write(&path, Manifest { key_budget: Some(1e-6), ..manifest(3) }, &spec, &weights).unwrap();
        assert!(matches!(Model::open(&path).unwrap().packed(), Err(Error::Pack(PackError::Keys { .. }))));
        let spec = crate::networks::named("veilnet-xs", Shape { channels: 4, height: 32, width: 32 }, 1).unwrap();
        let (alone, weights) = (manifest(1), Weights::random(&spec, 1).unwrap());
        for (reach, fits) in [(2.2, true), (2.3, false)] {
            let range = RangeContract { logits: reach, ..alone.range.clone() };
            Model::write(&path, Manifest { range: range.clone(), ..alone.clone() }, &spec, &weights).unwrap();
            let packed = Model::open(&path).unwrap().packed();
            let other = folder.path().join(format!("{reach}"));
            let released = Model::release(&other, Manifest { range, ..alone.clone() }, &spec, &weights);
            assert_eq!((released.is_ok(), other.exists()), (fits, fits), "a model that cannot be evaluated is left nowhere");
            assert!(
                packed.is_ok() == fits && (fits || matches!(packed, Err(Error::Room { .. }))),
                "{reach}: four times that of 9.1"
            );
        }
        Model::write(&path, Manifest { params: "n99".into(), ..alone }, &spec, &weights).unwrap();
        assert!(matches!(Model::open(&path), Err(Error::Params(_))));
        Model::write(&path, Manifest { format: 2, ..manifest(1) }, &spec, &weights).unwrap();
        assert!(matches!(Model::open(&path), Err(Error::Folder(FolderError::Manifest { .. }))));
    }
}
