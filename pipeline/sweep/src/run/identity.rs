//! Digests of what experiments read, so that one whose files have changed is another experiment.

use super::SweepFolders;
use super::latents::FINDINGS;
use crate::command::error::{Error, Result};
use crate::data::known_labels;
use crate::grid::{Encoder, Experiment, Inputs};
use std::collections::BTreeMap;
use std::path::Path;
use veilray_base::digest::sha256_hex;
use veilray_base::release::find;
use veilray_encoder::release::Released;

impl SweepFolders {
    /// Fills in the digests of what every experiment reads.
    ///
    /// # Errors
    /// An encoder, a data set or a teacher's file that cannot be read.
    pub fn identify(&self, experiments: &mut [Experiment]) -> Result<()> {
        let mut encoders: BTreeMap<String, String> = BTreeMap::new();
        let mut sets: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut teachers: BTreeMap<&Path, String> = BTreeMap::new();
        for set in self.sets.iter().filter(|set| experiments.iter().any(|experiment| experiment.data.name == set.name)) {
            // Films that the sweep draws follow from its settings.
            let (labels, columns, digest) = match set.phantom {
                Some(_) => (FINDINGS.map(String::from).to_vec(), Vec::new(), None),
                None => {
                    let found = self.dataset(set)?;
                    let digest = found.digest();
                    (found.label_names, found.extra_names, Some(digest))
                }
            };
            let known = known_labels(&labels, &columns, &set.derived);
            if let Some(label) = set.labels.iter().chain(&set.auxiliary).find(|label| !known.contains(*label)) {
                return Err(Error::unknown_label(label, &known));
            }
            sets.insert(set.name.clone(), digest);
            for file in &set.teachers {
                teachers.insert(file, sha256_hex(&std::fs::read(file).map_err(Error::file("read", file))?));
            }
        }
        for experiment in experiments {
            let encoder = match &experiment.encoder {
                Encoder::Pixels | Encoder::Trained { .. } => None,
                Encoder::Released(name) => {
                    if !encoders.contains_key(name) {
                        encoders.insert(name.clone(), Released::open(&find(name)?)?.digest().into());
                    }
                    encoders.get(name).cloned()
                }
            };
            let digest = |file: &std::path::PathBuf| teachers.get(file.as_path()).cloned().unwrap_or_default();
            experiment.inputs = Inputs {
                encoder,
                data: sets.get(&experiment.data.name).cloned().flatten(),
                teachers: experiment.data.teachers.iter().map(digest).collect(),
            };
        }
        Ok(())
    }
}
