//! Images that the network answers in clear although the product would not, or should not be believed.

use super::encrypted::spread;
use crate::command::error::Result;
use rayon::prelude::*;
use serde::Serialize;
use veilray_classifier::execute::client::Bounds;
use veilray_classifier::range::check_range;
use veilray_classifier::release::{self, Model};
use veilray_training::Samples;

/// What counts as within the range contract, which was measured in f32 and is compared in f64.
const MARGIN: f64 = 1.001;

/// How many images leave the range that a model was trained for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OutOfRange {
    /// Images with a logit in clear beyond the bound that the client enforces: it would refuse their replies.
    pub beyond_bounds: usize,
    /// Of the images that are evaluated encrypted too, refused replies among them: those that bring a layer or a logit beyond what it
    /// reached on the validation split. None where no image is encrypted, or where no range can be left, as under TFHE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted_leaves_range: Option<usize>,
}

impl OutOfRange {
    /// Of all `samples` by their logits in clear [image, logit], and of those that [`Session::run`](super::Session::run) encrypts if it is
    /// asked for `count`.
    ///
    /// # Errors
    /// Weights of another network.
    pub(super) fn of(model: &Model, samples: &Samples, logits: &[f32], count: usize) -> Result<Self> {
        let contract = &model.manifest().range;
        let leaves = |image: &usize| -> Result<bool> {
            let warnings = check_range(model.spec(), model.weights(), contract, &samples.values(*image), MARGIN);
            Ok(!warnings.map_err(release::Error::from)?.is_empty())
        };
        let images = spread(samples.len(), count);
        let left: Vec<bool> = images.par_iter().map(leaves).collect::<Result<_>>()?;
        Ok(Self {
            beyond_bounds: beyond(logits, model.spec().labels, &model.bounds()),
            encrypted_leaves_range: (count > 0).then(|| left.into_iter().filter(|left| *left).count()),
        })
    }

    /// What the printed line on refused replies ends with.
    pub(super) fn of_encrypted(&self) -> String {
        let left = |count| format!("; {count} of these images leave the range of the validation split");
        self.encrypted_leaves_range.map_or(String::new(), left)
    }
}

/// Images with a logit that the client would not believe.
fn beyond(logits: &[f32], labels: usize, bounds: &Bounds) -> usize {
    let refused = |logit: &f32| logit.is_nan() || f64::from(logit.abs()) > bounds.logit;
    logits.chunks(labels.max(1)).filter(|logits| logits.iter().any(refused)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_counts_once_however_many_of_its_logits_are_beyond() {
        let bounds = Bounds { logit: 8.0, ..Bounds::default() };
        let logits = [8.0, -8.0, 8.5, -9.0, 0.0, f32::NAN, 1.0, 2.0, -8.001, 0.0];
        assert_eq!((beyond(&logits, 2, &bounds), beyond(&logits, 5, &bounds), beyond(&[], 2, &bounds)), (3, 2, 0));
    }
}
