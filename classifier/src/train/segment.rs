//! Training of networks that give a mask: one logit per pixel.
//!
//! The loss is the mean of two, as usual for masks: cross-entropy of every pixel, and one less the soft Dice coefficient of every image
//! (Milletari et al. 2016), which no large background outweighs. Image and mask go through the same augmentation. The best weights are
//! those with the highest mean Dice coefficient on the validation split.

mod samples;
mod start;

pub use samples::MaskSamples;

use super::augment::ImageAugmentation;
use super::error::setting;
use super::network::{Architecture, Network, Pass};
use super::predict::predict;
use super::range::RangePenalty;
use super::trainer::{Trained, best_weights};
use super::{Result, Student};
use crate::metrics::Overlap;
use candle_core::{D, Device, Tensor};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use veilray_nn::training::{self, Batches, Best, LoopConfig, Metrics, Task};
use veilray_nn::{Bundle, Ema, Optimiser, OptimiserConfig, Params, Rng, Schedule, State};

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
        if self.epochs == 0 || self.evaluate_every == 0 || self.checkpoint_every == 0 {
            let found = format!("{}, {} and {}", self.epochs, self.evaluate_every, self.checkpoint_every);
            return setting("epochs, evaluate_every and checkpoint_every", "at least 1", found);
        }
        for (what, value) in [("rise", self.rise), ("dice", self.dice)] {
            if !(0.0..=1.0).contains(&value) {
                return setting(what, "in [0, 1]", value);
            }
        }
        self.images.check()?;
        self.range.check()
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
    let loop_config = segmenter.loop_config();
    let outcome = training::run(&mut segmenter, &loop_config, folder, stop)?;
    let best = folder.join("best.safetensors");
    let tensors = if best.exists() { best_weights(&best)? } else { segmenter.params.tensors() };
    Ok(Trained { tensors, outcome })
}

struct Segmenter<'a> {
    config: &'a SegmentConfig,
    train: &'a MaskSamples,
    validation: &'a MaskSamples,
    params: Params,
    network: Box<dyn Network>,
    /// What is evaluated: the same weights, or their average, without a graph.
    evaluated: Box<dyn Network>,
    average: Option<Ema>,
    optimiser: Optimiser,
    schedule: Schedule,
    batches: Batches,
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
        let params = Params::seeded(config.seed, &Device::Cpu);
        let network = student.build(&params.root())?;
        let mut tensors = params.tensors();
        start::shift_norms(student.spec(), &mut tensors)?;
        params.assign(&tensors)?;
        let average = config.average.map(|decay| Ema::new(decay, &params)).transpose()?;
        let frozen = average.as_ref().map_or_else(|| params.freeze(), Ema::params);
        let evaluated = student.build(&frozen.root())?;
        let optimiser = Optimiser::new(config.optimiser, &params)?;
        let batches = Batches::new(train.len(), config.batch, config.seed)?;
        let steps = batches.per_epoch() * config.epochs;
        let schedule = Schedule::OneCycle { steps, rise: config.rise, start: 25.0, end: 1e4 };
        let (count, held) = (train.len(), validation.len());
        let settings = format!("{} | {config:?} | {count} training and {held} validation masks", student.describe());
        Ok(Self { config, train, validation, params, network, evaluated, average, optimiser, schedule, batches, settings })
    }

    fn loop_config(&self) -> LoopConfig {
        let epoch = self.batches.per_epoch();
        LoopConfig {
            steps: epoch * self.config.epochs,
            seed: self.config.seed,
            log_every: epoch.div_ceil(4).max(1),
            evaluate_every: epoch * self.config.evaluate_every,
            checkpoint_every: self.config.checkpoint_every,
            best: Some(Best { metric: SELECTED_BY.into(), maximise: true }),
        }
    }
}

impl Task for Segmenter<'_> {
    fn step(&mut self, step: u64, rng: &mut Rng) -> veilray_nn::Result<Metrics> {
        let indices = self.batches.at(step).to_vec();
        let (images, masks) = self.train.batch(&indices, &self.config.images, rng)?;
        let mut pass = Pass::train(rng);
        if self.config.range.is_used() {
            pass = pass.watching();
        }
        let logits = self.network.forward(&images, &mut pass)?;
        let mut loss = loss(&logits, &masks, self.config.dice)?;
        let mut metrics = Metrics::new().with("loss", loss.to_scalar::<f32>()?);
        if let Some(penalty) = self.config.range.of(&pass.watched())? {
            metrics = metrics.with("penalty", penalty.to_scalar::<f32>()?);
            loss = (loss + penalty)?;
        }
        let norm = self.optimiser.step(&loss.backward()?, self.schedule.factor(step))?;
        if let Some(average) = &mut self.average {
            average.update(&self.params)?;
        }
        Ok(metrics.with("gradient", norm))
    }

    fn evaluate(&mut self, _: u64) -> veilray_nn::Result<Metrics> {
        let logits = predict(self.evaluated.as_ref(), self.validation.images(), self.config.batch, false)?;
        let overlaps = self.validation.overlaps(&logits, 0.0);
        let finite = logits.iter().all(|logit| logit.is_finite());
        let dice = if finite { Overlap::mean(&overlaps, Overlap::dice) } else { f64::NAN };
        Ok(Metrics::new().with(SELECTED_BY, dice).with("iou", Overlap::mean(&overlaps, Overlap::iou)))
    }

    fn save(&self, bundle: &mut Bundle) -> veilray_nn::Result<()> {
        self.params.save(bundle, "weights")?;
        self.optimiser.save(bundle, "optimiser")?;
        self.average.as_ref().map_or(Ok(()), |average| average.save(bundle, "average"))
    }

    fn load(&mut self, bundle: &Bundle) -> veilray_nn::Result<()> {
        self.params.load(bundle, "weights")?;
        self.optimiser.load(bundle, "optimiser")?;
        self.average.as_mut().map_or(Ok(()), |average| average.load(bundle, "average"))
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
