//! Turns a trained polynomial network into one circuit over encrypted slots: fold, pack, plan, execute.
//!
//! Stands on `veilray-he` and knows nothing of images or processes.
#![forbid(unsafe_code)]

pub mod circuit;
pub mod execute;
pub mod fold;
pub mod metrics;
pub mod networks;
pub mod pack;
pub mod reference;
pub mod release;
pub mod schedule;
pub mod sparse;
pub mod spec;
pub mod train;
pub mod weights;
