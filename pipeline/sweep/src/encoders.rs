//! Encoders: their training and how well they keep images.

pub mod evaluate;
pub mod train;
