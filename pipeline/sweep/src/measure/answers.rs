//! The decrypted logits of an experiment's images, one line of a file per image.

use crate::command::error::{Error, Result};
use crate::evaluate::Session;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use veilray_training::Samples;

/// The file in an experiment's folder.
const FILE: &str = "encrypted.jsonl";

/// One image's logits; none where the reply was not believed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    image: usize,
    logits: Option<Vec<f32>>,
}

/// The logits by image.
pub(super) struct Answers(BTreeMap<usize, Option<Vec<f32>>>);

impl Answers {
    /// Of `images`: those that the file has, and the others evaluated now.
    pub(super) fn take(folder: &Path, session: &Session, samples: &Samples, images: &[usize]) -> Result<Self> {
        let path = folder.join(FILE);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        // A line that a kill cut off is no JSON, and ends up written again.
        let whole: Vec<Line> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let mut known: BTreeMap<usize, Option<Vec<f32>>> = whole.into_iter().map(|line| (line.image, line.logits)).collect();
        let failed = || Error::file::<std::io::Error>("write", &path);
        let mut file = OpenOptions::new().append(true).create(true).open(&path).map_err(failed())?;
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n").map_err(failed())?;
        }
        for image in images {
            if known.contains_key(image) {
                continue;
            }
            let logits = session.answer(samples, *image)?.believed()?;
            let line = Line { image: *image, logits: logits.clone() };
            let text = serde_json::to_string(&line).map_err(Error::file("write", &path))?;
            file.write_all(format!("{text}\n").as_bytes()).map_err(failed())?;
            known.insert(*image, logits);
        }
        file.sync_data().map_err(failed())?;
        known.retain(|image, _| images.contains(image));
        Ok(Self(known))
    }

    /// Images whose replies were believed, and their logits [image, label].
    pub(super) fn believed(&self) -> (Vec<usize>, Vec<f32>) {
        let believed = || self.0.iter().filter_map(|(image, logits)| Some((*image, logits.as_ref()?)));
        (believed().map(|(image, _)| image).collect(), believed().flat_map(|(_, logits)| logits.iter().copied()).collect())
    }

    /// Replies that were not.
    pub(super) fn refused(&self) -> usize {
        self.0.values().filter(|logits| logits.is_none()).count()
    }
}
