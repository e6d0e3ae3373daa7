//! The VQGAN encoders: a canonical chest X-ray in, a small latent out, and back.
//!
//! - [`vqgan`] is the autoencoder, [`mod@train`] trains it, [`release`] opens what was released;
//! - [`input`] makes a network's input of an image: by a released encoder, or of its pixels;
//! - [`metrics`] says how close a reconstruction is to its image, [`evaluate`] over a data set.
//!
//! Files become canonical images in `veilray-imaging`. Nothing here knows of encryption.
#![forbid(unsafe_code)]

pub mod evaluate;
pub mod input;
pub mod metrics;
pub mod release;
pub mod train;
pub mod vqgan;
