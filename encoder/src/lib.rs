//! The client's eyes: image files become canonical X-rays, and a VQGAN encoder compresses those to small latents.
//!
//! - [`ingest`] turns a DICOM, PNG or JPEG file into a canonical image, or says why it will not;
//! - [`seg`] writes a mask as a DICOM Segmentation, filed with the film it was made from;
//! - [`phantom`] draws a synthetic chest X-ray, for demonstrations and tests;
//! - [`vqgan`] is the autoencoder, [`mod@train`] trains it, [`release`] opens what was released;
//! - [`pixels`] are what networks without an encoder read, [`eye`] is either;
//! - [`metrics`] says how close a reconstruction is to its image, [`evaluate`] over a data set.
//!
//! Nothing here knows of encryption; `pipeline` carries latents from this crate to `classifier`.
#![forbid(unsafe_code)]

pub mod evaluate;
pub mod eye;
pub mod ingest;
#[cfg(feature = "hdf5")]
pub mod latents;
pub mod metrics;
pub mod phantom;
pub mod pixels;
pub mod release;
pub mod seg;
pub mod train;
pub mod vqgan;
