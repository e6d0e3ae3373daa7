//! Training of networks that give a mask: one logit per pixel.
//!
//! The loss is the mean of two, as usual for masks: cross-entropy of every pixel, and one less the soft Dice coefficient of every image
//! (Milletari et al. 2016), which no large background outweighs. Image and mask go through the same augmentation. The best weights are
//! those with the highest mean Dice coefficient on the validation split.

mod samples;
mod start;

pub use samples::MaskSamples;

use crate::augment::ImageAugmentation;
use crate::error::{Result, setting};
use crate::learner::{self, Learner, RunConfig, Trained};
use crate::metrics::Overlap;
use crate::network::Architecture;
use crate::predict::predict;
use crate::range::RangePenalty;
use crate::student::Student;
use candle_core::{D, Tensor};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use veilray_base::Rng;
use veilray_nn::training::{Metrics, Task};
use veilray_nn::{Bundle, OptimiserConfig};

/// The evaluation's metric by which the best checkpoint is chosen.
const SELECTED_BY: &str = "dice";

/// How a network for masks is trained: everything but the network and the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SegmentConfig {
    /// Seed of the first weights, the order of samples and augmentation.
    pub seed: u64,
    /// Passes over the training split.
    pub epochs: u64,
    /// Samples per step; what is left over at an epoch's end is dropped.
    pub batch: usize,
    /// The optimiser; its learning rate is the highest of the run.
    pub optimiser: OptimiserConfig,
    /// Part of the run in which the learning rate rises (one cycle).
    pub rise: f64,
    /// Decay per step of the moving average of the weights, which is then what is evaluated and kept; none without it.
    pub average: Option<f64>,
    /// Part of the loss that is one less the soft Dice coefficient, in [0, 1]; the rest is cross-entropy.
    pub dice: f64,
    /// Epochs between evaluations on the validation split.
    pub evaluate_every: u64,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Changes to images; their masks are moved alike.
    pub images: ImageAugmentation,
    /// Keeps pre-activations where encryption can follow.
    pub range: RangePenalty,
}

impl Default for SegmentConfig {
    fn default() -> Self {
        let optimiser = OptimiserConfig { learning_rate: 5e-3, clip_norm: Some(1.0), ..OptimiserConfig::default() };
        Self {
            seed: 0,
            epochs: 100,
            batch: 16,
            optimiser,
            rise: 0.2,
            average: None,
            dice: 0.5,
            evaluate_every: 1,
            checkpoint_every: 100,
            images: ImageAugmentation::default(),
            range: RangePenalty::default(),
        }
    }
}

impl SegmentConfig {
    fn check(&self) -> Result<()> {
        self.run_config().check()?;
        if !(0.0..=1.0).contains(&self.dice) {
            return setting("dice", "in [0, 1]", self.dice);
        }
        self.images.check()
    }

    fn run_config(&self) -> RunConfig {
        let Self { seed, epochs, batch, optimiser, rise, average, evaluate_every, checkpoint_every, range, .. } = *self;
        RunConfig { seed, epochs, batch, optimiser, rise, average, evaluate_every, checkpoint_every, range }
    }
}

/// Trains `student` in `folder`, or resumes what the folder holds, until the end or until `stop` is set; returns the weights with the
/// highest mean Dice coefficient on the validation split. The test split has no part in it.
///
/// # Errors
/// Settings outside their range, samples that do not fit the network, a folder of another run, a gradient that is not finite.
pub fn train_segmenter(
    student: &Student,
    config: &SegmentConfig,
    train: &MaskSamples,
    validation: &MaskSamples,
    folder: &Path,
    stop: Option<&AtomicBool>,
) -> Result<Trained> {
    let mut segmenter = Segmenter::new(student, config, train, validation)?;
    learner::run(&mut segmenter, |segmenter| &segmenter.learner, SELECTED_BY, folder, stop)
}

struct Segmenter<'a> {
    config: &'a SegmentConfig,
    train: &'a MaskSamples,
    validation: &'a MaskSamples,
    learner: Learner,
    settings: String,
}

impl<'a> Segmenter<'a> {
    fn new(student: &Student, config: &'a SegmentConfig, train: &'a MaskSamples, validation: &'a MaskSamples) -> Result<Self> {
        config.check()?;
        for (what, samples) in [("training samples", train), ("validation samples", validation)] {
            if samples.images().shape() != student.input() || samples.pixels() != student.labels() {
                let wanted = format!("of the network's input {:?} and {} pixels", student.input(), student.labels());
                return setting(what, wanted, format!("{:?} with {}", samples.images().shape(), samples.pixels()));
            }
        }
        let shifted = |tensors: &mut _| Ok(start::shift_norms(student.spec(), tensors)?);
        let learner = Learner::new(student, config.run_config(), train.len(), shifted)?;
        let (count, held) = (train.len(), validation.len());
        let settings = format!("{} | {config:?} | {count} training and {held} validation masks", student.describe());
        Ok(Self { config, train, validation, learner, settings })
    }
}

impl Task for Segmenter<'_> {
    fn step(&mut self, step: u64, rng: &mut Rng) -> veilray_nn::Result<Metrics> {
        let indices = self.learner.indices(step);
        let (images, masks) = self.train.batch(&indices, &self.config.images, rng)?;
        self.learner.step(step, rng, &images, |logits| loss(logits, &masks, self.config.dice))
    }

    fn evaluate(&mut self, _: u64) -> veilray_nn::Result<Metrics> {
        let logits = predict(self.learner.evaluated.as_ref(), self.validation.images(), self.config.batch, false)?;
        let overlaps = self.validation.overlaps(&logits, 0.0);
        let finite = logits.iter().all(|logit| logit.is_finite());
        let dice = if finite { Overlap::mean(&overlaps, Overlap::dice) } else { f64::NAN };
        Ok(Metrics::new().with(SELECTED_BY, dice).with("iou", Overlap::mean(&overlaps, Overlap::iou)))
    }

    fn save(&self, bundle: &mut Bundle) -> veilray_nn::Result<()> {
        self.learner.save(bundle)
    }

    fn load(&mut self, bundle: &Bundle) -> veilray_nn::Result<()> {
        self.learner.load(bundle)
    }

    fn settings(&self) -> String {
        self.settings.clone()
    }
}

/// (1 − share) · cross-entropy + share · (1 − soft Dice) of `logits` and `masks` [image, pixel], masks of 0 and 1.
fn loss(logits: &Tensor, masks: &Tensor, share: f64) -> veilray_nn::Result<Tensor> {
    // log(1 + e^z) − y z, the logarithm by way of |z| so that nothing overflows.
    let soft = (logits.relu()? + (logits.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
    let entropy = (soft - logits.mul(masks)?)?.mean_all()?;
    // The sigmoid by way of tanh, whose slope stays finite.
    let probabilities = (((logits / 2.0)?.tanh()? + 1.0)? / 2.0)?;
    let both = probabilities.mul(masks)?.sum(D::Minus1)?;
    let sizes = (probabilities.sum(D::Minus1)? + masks.sum(D::Minus1)?)?;
    // One pixel is added to both sums, for masks without any.
    let dice = ((both * 2.0)? + 1.0)?.div(&(sizes + 1.0)?)?.mean_all()?;
    Ok(((entropy * (1.0 - share))? + ((dice.neg()? + 1.0)? * share)?)?)
}

#[cfg(test)]
mod tests;
