//! The hospital's side: keys at rest, images into ciphertexts, replies into findings, and requests to the server.
//!
//! Nothing here opens a classifier's weights: what a client must know of a model is its [`Interface`](veilray_classifier::interface::Interface),
//! which the server serves and the key folder keeps.

pub(crate) mod batch;
mod error;
pub(crate) mod files;
pub(crate) mod findings;
pub(crate) mod images;
pub(crate) mod inspect;
pub mod keyset;
pub(crate) mod passphrase;
pub mod refusals;
pub(crate) mod remote;
pub(crate) mod results_file;
pub(crate) mod row;
pub(crate) mod segmentation;
mod server_error;
pub(crate) mod server_url;
pub(crate) mod session;
pub(crate) mod text;
mod upload;
pub mod vault;

pub use error::{Error, Exit, Result};
