//! Training parts over candle: operations with fast backward passes, optimisers, seeding, checkpoints and the training loop.
//!
//! The lowest of Veilray's tool crates; `encoder` and `classifier` stand on it, it stands on none of ours.
#![forbid(unsafe_code)]
