//! How far the values between layers reached where a model was checked, and whether an image leaves that range.
//!
//! A polynomial of degree two is a good activation near the values it was trained on and nowhere else. A release therefore states how far
//! they reached on the validation split ([`RangeContract`]). Where the weights are, [`check_range`] compares an image with it, layer by
//! layer and in clear; a client has no weights and bounds the logits alone.

mod check;
mod contract;

pub use check::{RangeWarning, check_range};
pub use contract::{LayerRange, RangeContract};
