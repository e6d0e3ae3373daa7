//! The table that every metric reads.

use super::error::{Error, Result};

/// The label of which nothing is known.
pub const UNKNOWN: u8 = 255;

/// Scores and labels of a split, both [image, label]. Scores are finite and rank higher for yes; labels are 0, 1 or [`UNKNOWN`].
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    scores: Vec<f32>,
    labels: Vec<u8>,
    names: Vec<String>,
}

impl Scored {
    /// From rows of one score and one label per name in `names`.
    ///
    /// # Errors
    /// Tables of other sizes, a score that is not finite, a label that is not 0, 1 or 255.
    pub fn new(scores: Vec<f32>, labels: Vec<u8>, names: Vec<String>) -> Result<Self> {
        let count = names.len().max(1);
        if labels.len() != scores.len() {
            return Err(Error::Length { what: "labels", per: "score", wanted: scores.len(), found: labels.len() });
        }
        if names.is_empty() || !scores.len().is_multiple_of(count) {
            let wanted = scores.len().next_multiple_of(count);
            return Err(Error::Length { what: "scores", per: "image and label", wanted, found: scores.len() });
        }
        let place = |at: usize| (at / count, names.get(at % count).cloned().unwrap_or_default());
        if let Some((at, &score)) = scores.iter().enumerate().find(|(_, score)| !score.is_finite()) {
            let (image, label) = place(at);
            return Err(Error::NotFinite { image, label, score });
        }
        if let Some((at, &value)) = labels.iter().enumerate().find(|(_, label)| !matches!(**label, 0 | 1 | UNKNOWN)) {
            let (image, label) = place(at);
            return Err(Error::Label { image, label, value });
        }
        Ok(Self { scores, labels, names })
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.scores.len() / self.names.len().max(1)
    }

    /// The labels' names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Scores [image, label].
    pub fn scores(&self) -> &[f32] {
        &self.scores
    }

    /// Labels [image, label].
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// Image, score and whether yes, of every image for which label `label` is known.
    pub fn known(&self, label: usize) -> impl Iterator<Item = (usize, f32, bool)> {
        let step = self.names.len().max(1);
        let column = self.scores.iter().zip(&self.labels).skip(label).step_by(step).enumerate();
        column.filter(|(_, (_, known))| **known != UNKNOWN).map(|(image, (score, yes))| (image, *score, *yes == 1))
    }

    /// The images at `images`, in that order; places beyond the last image are skipped.
    #[must_use]
    pub fn select(&self, images: &[usize]) -> Self {
        let count = self.names.len().max(1);
        let pick = |at: &usize| at * count..(at + 1) * count;
        Self {
            scores: images.iter().filter_map(|at| self.scores.get(pick(at))).flatten().copied().collect(),
            labels: images.iter().filter_map(|at| self.labels.get(pick(at))).flatten().copied().collect(),
            names: self.names.clone(),
        }
    }

    /// The same labels with other scores, such as those of another model.
    ///
    /// # Errors
    /// As [`Scored::new`].
    pub fn with_scores(&self, scores: Vec<f32>) -> Result<Self> {
        Self::new(scores, self.labels.clone(), self.names.clone())
    }
}
