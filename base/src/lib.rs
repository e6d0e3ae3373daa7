//! The lowest of Veilray's crates: what several of the others need and none of them owns.
//!
//! | module | holds |
//! |---|---|
//! | [`rng`] | random numbers named by a seed and a purpose, with a savable state; not for keys |
//! | [`digest`] | SHA-256 and hexadecimal text |
//! | [`mod@file`] | files written so that a crash leaves the old content or the new one |
//! | [`release`] | released folders: a manifest in TOML beside files that it names by digest, and where such folders are found |
//! | [`figures`] | files of measured figures, in which a program replaces those that it measured |
//! | [`clock`] | time of day, as numbers and as text |
#![forbid(unsafe_code)]

pub mod clock;
pub mod digest;
pub mod figures;
pub mod file;
pub mod release;
pub mod rng;

pub use rng::{Rng, RngState};
