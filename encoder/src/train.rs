//! Training of the autoencoders: crops first, whole images last, from images in memory.
//!
//! [`Training`] is a [`Task`](veilray_nn::training::Task) of `veilray-nn`'s loop, which logs, evaluates, checkpoints and resumes it.

mod config;
mod finish;
mod images;
mod task;

pub use config::{Adversarial, CodebookTraining, Phase, Source, TrainConfig};
pub use finish::release;
pub use images::Images;
pub use task::Training;
