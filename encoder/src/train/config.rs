//! How an autoencoder is trained: a TOML file.

use crate::vqgan::loss::Reconstruction;
use crate::vqgan::{DiscriminatorConfig, Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use veilray_nn::{OptimiserConfig, Schedule};

/// Settings of a training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Seed of weights, batches and codebook.
    pub seed: u64,
    /// Data sets and how often each is drawn from.
    pub data: Vec<Source>,
    /// What the steps see, one phase after the other: crops first, whole images last.
    pub phases: Vec<Phase>,
    /// Weights of the reconstruction loss.
    pub reconstruction: Reconstruction,
    /// The optimiser of encoder and decoder.
    pub optimiser: OptimiserConfig,
    /// Its learning rate's course.
    pub schedule: Schedule,
    /// Decay of the averaged weights, which are what is evaluated and released.
    pub average: f64,
    /// When and how the codebook is trained.
    pub codebook: CodebookTraining,
    /// The discriminator's, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adversarial: Option<Adversarial>,
    /// Optimiser steps between checkpoints.
    pub checkpoint_every: u64,
    /// Steps between evaluations on the validation images.
    pub evaluate_every: u64,
    /// Validation images of an evaluation, the first ones of each data set in turn.
    pub evaluate_images: usize,
}

/// A data set to draw from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Name of the data set's folder.
    pub name: String,
    /// Share of the draws, relative to the others.
    pub weight: f64,
}

/// A number of steps on crops of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Number of optimiser steps.
    pub steps: u64,
    /// Side of the crops, pixels; 256 for whole images.
    pub side: usize,
    /// Crops of one step.
    pub batch: usize,
}

/// When and how the codebook is trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodebookTraining {
    /// First step whose latents are quantised.
    pub from: u64,
    /// Part of each batch that the decoder sees quantised; the rest it sees as it is, since that is what the classifier reads.
    pub share: f64,
    /// Weight β of the commitment loss, relative to the latent's variance.
    pub commitment: f64,
    /// What a step keeps of the entries' averages.
    pub decay: f32,
    /// Steps between moving dead entries.
    pub revive_every: u64,
}

/// When and how the discriminator is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adversarial {
    /// First step that sees the discriminator: before, there is nothing worth judging.
    pub from: u64,
    /// Weight of the adversarial loss, multiplied by the adaptive one.
    pub weight: f64,
    /// Weight of the feature matching loss.
    pub matching: f64,
    /// Channels and layers of the discriminator.
    pub discriminator: DiscriminatorConfig,
    /// The optimiser of the discriminator.
    pub optimiser: OptimiserConfig,
}

impl TrainConfig {
    /// Reads a TOML text and checks it.
    ///
    /// # Errors
    /// [`Error::Config`] with what is wrong.
    pub fn from_toml(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text).map_err(|e| Error::Config { why: e.to_string() })?;
        config.check()?;
        Ok(config)
    }

    /// Reads a TOML file.
    ///
    /// # Errors
    /// [`Error::Io`], or as [`TrainConfig::from_toml`].
    pub fn read(path: &Path) -> Result<Self> {
        Self::from_toml(&std::fs::read_to_string(path).map_err(Error::io("read", path))?)
    }

    fn check(&self) -> Result<()> {
        let refuse = |why: String| Err(Error::Config { why });
        if self.data.is_empty() || self.data.iter().any(|source| !(source.weight.is_finite() && source.weight > 0.0)) {
            return refuse("data needs at least one entry, each with a positive weight".into());
        }
        if let Some(phase) = self.phases.iter().find(|p| p.steps == 0 || p.batch == 0 || p.side == 0) {
            return refuse(format!("steps, side and batch of a phase must be positive, found {phase:?}"));
        }
        if self.phases.is_empty() {
            return refuse("phases needs at least one entry".into());
        }
        if !(0.0..=1.0).contains(&self.codebook.share) || !(0.0..1.0).contains(&self.codebook.decay) {
            return refuse(format!(
                "codebook.share must be in [0, 1] and codebook.decay in [0, 1), found {} and {}",
                self.codebook.share, self.codebook.decay
            ));
        }
        Ok(())
    }

    /// Optimiser steps of all phases.
    pub fn steps(&self) -> u64 {
        self.phases.iter().map(|phase| phase.steps).sum()
    }

    /// The phase of step `step`; the last one afterwards.
    pub fn phase(&self, step: u64) -> Option<&Phase> {
        let mut end = 0;
        let passed = |phase: &&Phase| {
            end += phase.steps;
            step < end
        };
        self.phases.iter().find(passed).or(self.phases.last())
    }
}
