//! A released quantised network: a folder with a manifest and a file of small integers, checked against each other when opened.

use super::{EncryptedFcnn, Error, Fcnn, Quantiser, Result, TfheParams};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use veilray_base::digest::sha256_hex;
use veilray_base::release as folder;
use veilray_classifier::operating_point::OperatingPoint;
use veilray_classifier::release::WEIGHTS;

/// What a manifest of such a network has for its `kind`.
pub const KIND: &str = "fcnn-tfhe";
/// The format of the manifests this module writes and reads.
pub const FORMAT: u32 = 1;

/// What a released network is: `manifest.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    /// [`KIND`].
    pub kind: String,
    /// The model's name, such as `fcnn-tfhe-pneumonia`.
    pub name: String,
    /// What it sees images through, such as `pixels-28`.
    pub encoder: String,
    /// SHA-256 of what that does to an image.
    pub encoder_sha256: String,
    /// The TFHE parameters' name.
    pub params: String,
    /// SHA-256 of the network's file.
    pub weights_sha256: String,
    /// A step of the difference of the two logits, in units of a natural logit.
    pub logit_scale: f32,
    /// Images that it was trained on, by data set; train splits only.
    pub data: BTreeMap<String, usize>,
    /// How the client makes small integers of an image.
    pub quantiser: Quantiser,
    /// Temperature and threshold of the one label, chosen on the validation split.
    pub operating_point: OperatingPoint,
}

impl Manifest {
    /// Refuses a scale under which no or every logit would mean yes, or the other way round.
    fn check_scale(&self) -> Result<()> {
        match self.logit_scale.is_finite() && self.logit_scale > 0.0 {
            true => Ok(()),
            false => Err(Error::setting("logit_scale", "finite and above 0", self.logit_scale)),
        }
    }
}

/// A released network whose parts belong together.
#[derive(Debug, Clone)]
pub struct Released {
    manifest: Manifest,
    network: Fcnn,
    params: TfheParams,
}

impl Released {
    /// Opens the folder `path`.
    ///
    /// # Errors
    /// Files that are missing or not of this format, of another digest than the manifest's, or that do not fit each other.
    pub fn open(path: &Path) -> Result<Self> {
        let refuse = |why: String| Error::from(folder::refuse(path, why));
        let (manifest, _): (Manifest, String) = folder::manifest(path)?;
        if (manifest.format, manifest.kind.as_str()) != (FORMAT, KIND) {
            let found = format!("{} of format {}", manifest.kind, manifest.format);
            return Err(refuse(format!(
                "{found} is not {KIND} of format {FORMAT}; use the release of Veilray that belongs to it"
            )));
        }
        let bytes = folder::checked(path, WEIGHTS, &manifest.weights_sha256)?;
        let network = Fcnn::from_safetensors(&bytes)?;
        let params = TfheParams::named(&manifest.params)?;
        manifest.check_scale()?;
        manifest.quantiser.check()?;
        let labels = &manifest.operating_point.thresholds;
        if (labels.labels.len(), labels.values.len()) != (1, 1) {
            return Err(refuse(format!("one label with one threshold is wanted, it has {:?}", labels.labels)));
        }
        if (manifest.quantiser.values(), manifest.quantiser.largest) != (network.inputs(), network.largest_input()) {
            return Err(refuse(format!(
                "its quantiser gives {} values, the network reads {}",
                manifest.quantiser.values(),
                network.inputs()
            )));
        }
        Ok(Self { manifest, network, params })
    }

    /// Writes a release to the folder `path`; kind, format and digest are filled in.
    ///
    /// # Errors
    /// A network that fails too often under its parameters, a scale that is none, a folder that cannot be written to.
    pub fn write(path: &Path, manifest: Manifest, network: &Fcnn) -> Result<()> {
        manifest.check_scale()?;
        EncryptedFcnn::new(network.clone(), &TfheParams::named(&manifest.params)?)?;
        let bytes = network.to_safetensors()?;
        let manifest = Manifest { format: FORMAT, kind: KIND.into(), weights_sha256: sha256_hex(&bytes), ..manifest };
        Ok(folder::write(path, &[(WEIGHTS, &bytes)], &manifest)?)
    }

    /// What it is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The network in integers.
    pub fn network(&self) -> &Fcnn {
        &self.network
    }

    /// The parameters it is evaluated under.
    pub fn params(&self) -> &TfheParams {
        &self.params
    }

    /// The network made ready for ciphertexts.
    ///
    /// # Errors
    /// As [`EncryptedFcnn::new`].
    pub fn circuit(&self) -> Result<EncryptedFcnn> {
        EncryptedFcnn::new(self.network.clone(), &self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fcnn::{P2048, Parts};
    use veilray_base::release::{FolderError, MANIFEST};
    use veilray_classifier::operating_point::{Temperature, Thresholds};

    #[test]
    fn a_release_opens_as_it_was_written_and_altered_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test");
        let parts = Parts {
            largest_input: 3,
            modulus: 52,
            weights: vec![1; 32],
            biases: vec![0, 51],
            table: Fcnn::sine(52, 3),
            output: vec![1, -1, 0, 2],
            output_biases: vec![0, 1],
        };
        let network = Fcnn::new(parts.clone()).unwrap();
        let manifest = Manifest {
            format: FORMAT,
            kind: KIND.into(),
            name: "test".into(),
            encoder: "pixels-4".into(),
            encoder_sha256: sha256_hex(b"pixels"),
            params: P2048.name.into(),
            weights_sha256: String::new(),
            logit_scale: 0.1,
            data: [("set".to_string(), 7)].into(),
            quantiser: Quantiser { side: 4, largest: 3, gain: 1.5 },
            operating_point: OperatingPoint {
                temperature: Temperature::ONE,
                thresholds: Thresholds { labels: vec!["a".into()], values: vec![0.5] },
            },
        };
        Released::write(&path, manifest.clone(), &network).unwrap();
        let released = Released::open(&path).unwrap();
        assert_eq!((released.network(), released.params().name), (&network, P2048.name));

        let text = std::fs::read_to_string(path.join(MANIFEST)).unwrap();
        for scale in ["0.0", "-0.1", "nan", "inf"] {
            let altered = text.replace("logit_scale = 0.1", &format!("logit_scale = {scale}"));
            assert_ne!(altered, text);
            std::fs::write(path.join(MANIFEST), altered).unwrap();
            assert!(matches!(Released::open(&path), Err(Error::Setting { what: "logit_scale", .. })), "{scale}");
            let manifest = Manifest { logit_scale: scale.parse().unwrap(), ..manifest.clone() };
            assert!(matches!(Released::write(&path, manifest, &network), Err(Error::Setting { what: "logit_scale", .. })));
        }
        std::fs::write(path.join(MANIFEST), text).unwrap();

        let file = path.join(WEIGHTS);
        let mut bytes = std::fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&file, bytes).unwrap();
        assert!(matches!(Released::open(&path), Err(Error::Folder(FolderError::Digest { .. }))));
        Released::write(&path, Manifest { quantiser: Quantiser { side: 5, ..manifest.quantiser }, ..manifest.clone() }, &network)
            .unwrap();
        assert!(matches!(Released::open(&path), Err(Error::Folder(FolderError::Manifest { .. }))));
        assert!(Released::write(&path, Manifest { params: "other".into(), ..manifest.clone() }, &network).is_err());
        // Too many values of a sum for the bootstrap to tell apart.
        let crowded = Fcnn::new(Parts { modulus: 200, table: Fcnn::sine(200, 3), ..parts }).unwrap();
        assert!(matches!(Released::write(&path, manifest, &crowded), Err(Error::Failure { .. })));
    }
}
