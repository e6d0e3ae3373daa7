//! The client: images are compressed and encrypted here, and only here are replies decrypted.
//!
//! | module | does |
//! |---|---|
//! | [`client`] | keys at rest, images to ciphertexts, replies to findings, requests to the server |
//! | [`cli`] | the command line of `veilray` |
//! | `demo` | every step on one machine (feature `demo`) |
#![forbid(unsafe_code)]

pub mod cli;
pub mod client;
#[cfg(feature = "demo")]
mod demo;
#[doc(hidden)]
pub mod internals;
