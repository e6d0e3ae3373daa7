//! The settings of a run.

use crate::augment::{ImageAugmentation, LatentAugmentation};
use crate::error::{Result, setting};
use crate::learner::RunConfig;
use crate::loss::LossConfig;
use crate::range::RangePenalty;
use serde::{Deserialize, Serialize};
use veilray_nn::OptimiserConfig;

/// How a network is trained: everything but the network and the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Seed of the first weights, the order of samples, augmentation and dropout.
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
    /// a of the Beta(a, a) distribution from which the share of a second sample in each input and target is drawn (Zhang et al. 2018),
    /// in [0, 1]; 0 mixes nothing.
    pub mixup: f64,
    /// Epochs between evaluations on the validation split.
    pub evaluate_every: u64,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Settings of the loss.
    pub loss: LossConfig,
    /// Changes to images.
    pub images: ImageAugmentation,
    /// Changes to latents.
    pub latents: LatentAugmentation,
    /// Keeps pre-activations and coefficients where encryption can follow.
    pub range: RangePenalty,
}

impl Default for TrainConfig {
    fn default() -> Self {
        let optimiser = OptimiserConfig { learning_rate: 2e-3, clip_norm: Some(1.0), ..OptimiserConfig::default() };
        Self {
            seed: 0,
            epochs: 20,
            batch: 64,
            optimiser,
            rise: 0.3,
            average: None,
            mixup: 0.0,
            evaluate_every: 1,
            checkpoint_every: 100,
            loss: LossConfig::default(),
            images: ImageAugmentation::default(),
            latents: LatentAugmentation::default(),
            range: RangePenalty::default(),
        }
    }
}

impl TrainConfig {
    /// Refuses settings outside their range.
    pub(crate) fn check(&self) -> Result<()> {
        self.run_config().check()?;
        if !(0.0..=1.0).contains(&self.mixup) {
            return setting("mixup", "in [0, 1]", self.mixup);
        }
        self.loss.check()?;
        self.images.check()?;
        self.latents.check()
    }

    /// What runs of every kind have.
    pub(crate) fn run_config(&self) -> RunConfig {
        let Self { seed, epochs, batch, optimiser, rise, average, evaluate_every, checkpoint_every, range, .. } = *self;
        RunConfig { seed, epochs, batch, optimiser, rise, average, evaluate_every, checkpoint_every, range }
    }
}
