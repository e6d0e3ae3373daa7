//! Training of networks that survive encryption, and of the network that teaches them.
//!
//! Data comes in as [`Samples`] in memory; a run is [`train`] with a [`TrainConfig`] on a [`Lesson`], checkpointed and resumed bit for
//! bit by [`veilray_nn::training`]. The recipe, in the order of runs:
//!
//! 1. A ReLU teacher on pixels ([`ResNetConfig`]); its probabilities by [`teach`].
//! 2. A student on latents with ReLU, then with the range penalty ([`RangePenalty`]).
//! 3. The same student with HerPN activations, started from those weights, half of its loss from the teacher.
//! 4. The best weights by validation macro-AUC, their [`RangeContract`], and one look at the test split.

mod augment;
mod config;
mod error;
mod layers;
mod learner;
mod loss;
mod network;
mod predict;
mod range;
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
pub use loss::LossConfig;
pub use network::{Architecture, Network, Pass, Watched};
pub use predict::{predict, probabilities};
pub use range::{LayerRange, RangeContract, RangePenalty};
pub use samples::{Inputs, Samples};
pub use segment::{MaskSamples, SegmentConfig, train_segmenter};
pub use student::Student;
pub use teacher::ResNetConfig;
pub use trainer::{Lesson, Trained, best_weights, frozen, reported, teach, train, trained_values};
