//! stub doc
mod network;
mod quantise;
mod train;
mod error;
pub use error::{Error, Result};
pub use network::{Fcnn, LOGITS, Parts};
pub use quantise::Quantiser;
pub use train::{FcnnConfig, TrainedFcnn, score, scores, train};
