//! Training of networks that can be encrypted, and of the networks that teach them; measures of how good they are.
//!
//! | module | holds |
//! |---|---|
//! | here | samples in memory, networks, losses, runs |
//! | [`metrics`] | ranking, decisions, calibration, bootstrap intervals, overlap of masks |
//!
//! Data comes in as [`Samples`] in memory; a run is [`train`] with a [`TrainConfig`] on [`TrainingData`]. Runs are checkpointed, and resumed
//! to the same bits, by [`veilray_nn::training`]. The recipe, in the order of runs:
//!
//! 1. A teacher with ReLU on pixels ([`ResNetConfig`]); its probabilities by [`teacher_probabilities`].
//! 2. A student on latents with ReLU, then with the range penalty ([`RangePenalty`]).
//! 3. The same student with HerPN activations, started from those weights; half of its loss compares it with the teacher's probabilities.
//! 4. The best weights by macro ROC-AUC on the validation split, the range of their activations ([`measure_range`]), and one evaluation on
//!    the test split.
#![forbid(unsafe_code)]

mod augment;
mod config;
mod error;
mod layers;
mod learner;
mod loss;
pub mod metrics;
mod network;
mod predict;
mod range;
mod released;
mod samples;
mod segment;
mod student;
mod teacher;
#[cfg(test)]
mod tests;
mod trainer;

pub use augment::{ImageAugmentation, LatentAugmentation};
pub use config::TrainConfig;
pub use error::{Error, Result};
pub use learner::{Trained, best_weights};
pub use loss::LossConfig;
pub use network::{Architecture, Network, Pass, Watched};
pub use predict::{predict, probabilities};
pub use range::{RangePenalty, measure_range};
pub use released::network_of;
pub use samples::{Inputs, Samples};
pub use segment::{MaskSamples, SegmentConfig, train_segmenter};
pub use student::Student;
pub use teacher::ResNetConfig;
pub use trainer::{TrainingData, frozen, reported, teacher_probabilities, train, trained_values};
