//! Turns a trained polynomial network into one circuit over encrypted slots: fold, pack, plan, execute.
//!
//! Stands on `veilray-he` and knows nothing of images or processes.
#![forbid(unsafe_code)]
