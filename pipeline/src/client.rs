//! The hospital's side: keys at rest, images into ciphertexts, replies into findings, and the way to the server.
//!
//! Nothing here opens a classifier's weights: what a client must know of a model is its [`Interface`](veilray_classifier::interface::Interface),
//! which the server serves and the key folder keeps.

pub mod batch;
pub mod container;
pub mod error;
pub mod files;
pub mod findings;
pub mod images;
pub mod inspect;
pub mod keyset;
pub mod ledger;
pub mod passphrase;
pub mod remote;
pub mod row;
pub mod segmentation;
pub mod session;
pub mod vault;

pub use error::{Error, Exit, Result};
