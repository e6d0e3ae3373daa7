//! A released classifier: a folder with a manifest, a network and its weights, checked against each other when opened.

mod error;

pub use error::Error;
pub use veilray_base::release::{FolderError, MANIFEST, name_of};

use crate::execute::client::{Bounds, too_large};
use crate::execute::levels::{level_scales, same_scale};
use crate::execute::reply::{MIN_PRECISION_BITS, precision_bits, simulated_deviation, too_many_labels};
use crate::execute::{EncryptedCircuit, ExecuteError};
use crate::fold::{FoldOptions, fold};
use crate::known_answer::known_answer_input;
use crate::mask::Mask;
use crate::operating_point::OperatingPoint;
use crate::pack::{PackOptions, PackedCircuit, pack};
use crate::range::RangeContract;
use crate::spec::{NetworkSpec, SpecError};
use crate::weights::Weights;
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

/// Independent errors that the noise of a release is estimated by, over all its images.
const DRAWS: usize = 64;

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
    /// Bits behind the binary point that clients keep of a logit: a unit of at least ten standard deviations of the replies' noise. Without
    /// it, as many as the parameters allow ([`max_precision_bits`](crate::execute::reply::max_precision_bits)), which is also the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_bits: Option<u32>,
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
        if let Some(bits) = manifest.reply_bits.filter(|bits| *bits < MIN_PRECISION_BITS) {
            return Err(refuse(path, format!("reply_bits must be at least {MIN_PRECISION_BITS}, not {bits}")).into());
        }
        let params = ParamsLiteral::named(&manifest.params)?.check()?;
        Ok(Self { digest, manifest, spec, weights, params })
    }

    /// Packs the circuit and only then writes the release to the folder `path`: a model that could not be evaluated is left nowhere. Bits of
    /// the replies that the manifest does not state follow from the noise that is predicted for `images`, values of the validation split, or
    /// for the self-test's input where there are none.
    ///
    /// # Errors
    /// As [`Model::packed`], [`Model::reply_bits`] and [`Model::write`].
    pub fn release(
        path: &Path,
        mut manifest: Manifest,
        spec: &NetworkSpec,
        weights: &Weights,
        images: &[Vec<f64>],
    ) -> Result<()> {
        let model = Self::of(path, manifest.clone(), String::new(), spec.clone(), weights.clone())?;
        let packed = model.packed()?;
        if manifest.reply_bits.is_none() {
            let own = || vec![known_answer_input(&manifest.encoder, spec.input.len())];
            let images = if images.is_empty() { own() } else { images.to_vec() };
            let deviation = simulated_deviation(&packed, &model.params, &images, DRAWS.div_ceil(images.len()))?;
            manifest.reply_bits = Some(model.reply_bits(deviation)?);
        }
        Self::write(path, manifest, spec, weights)
    }

    /// The bits that clients should keep of a logit, if the replies' noise has that standard deviation.
    ///
    /// # Errors
    /// [`Error::Noise`] where it leaves fewer than a model may keep.
    pub fn reply_bits(&self, deviation: f64) -> Result<u32> {
        let (bits, model) = (precision_bits(&self.params, deviation), &self.manifest.name);
        if bits < MIN_PRECISION_BITS { Err(Error::Noise { model: model.clone(), deviation, bits }) } else { Ok(bits) }
    }

    /// Writes the manifest of the release in the folder `path` again, which this model was opened from, with that number of bits. Its digest
    /// changes, so that clients make new keys.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn rewrite(&self, path: &Path, reply_bits: u32) -> Result<()> {
        let manifest = Manifest { reply_bits: Some(reply_bits), ..self.manifest.clone() };
        Ok(write(path, &[], &manifest)?)
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
    /// A network that cannot be folded or packed under these parameters, or whose replies clients would refuse: its logits could wrap around
    /// unseen, it has too many labels, or it ends at another scale.
    pub fn packed(&self) -> Result<PackedCircuit> {
        let circuit = fold(&self.spec, &self.weights, &FoldOptions::default())?;
        let options = PackOptions::new(&self.params, &circuit);
        let packed = pack(&circuit, &PackOptions { key_budget: self.manifest.key_budget, ..options })?;
        let (model, params) = (self.manifest.name.clone(), self.manifest.params.clone());
        if let Some((wanted, found)) = too_large(&self.manifest.range, packed.io(), &self.params) {
            return Err(Error::Room { model, params, wanted, found });
        }
        if let Some(most) = too_many_labels(self.manifest.mask, packed.io(), &self.params) {
            return Err(Error::Labels { model, params, found: packed.io().labels(), most });
        }
        let (wanted, ends) = (self.params.scale(), level_scales(&packed, &self.params).map_err(ExecuteError::from)?);
        match ends.last().map(|end| end.scale).filter(|found| !same_scale(*found, wanted)) {
            Some(found) => Err(Error::ReplyScale { model, wanted: wanted.log2(), found: found.log2() }),
            None => Ok(packed),
        }
    }

    /// Limits within which clients accept its replies.
    pub fn bounds(&self) -> Bounds {
        Bounds::of(&self.manifest.range, self.manifest.reply_bits)
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
    use crate::pack::PackError;
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
            reply_bits: None,
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
            let released = Model::release(&other, Manifest { range, ..alone.clone() }, &spec, &weights, &[]);
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
