//! Image files become canonical chest X-rays, and masks become DICOM objects. No network and no tensor library is behind it.
//!
//! - [`ingest`] turns a DICOM, PNG or JPEG file into a canonical image, or says why it will not;
//! - [`fitness`] says whether the pixels show an upright chest;
//! - [`seg`] writes a mask as a DICOM Segmentation, filed with the film it was made from;
//! - [`mask`] says whether a mask can be one of the lungs;
//! - [`phantom`] draws a synthetic chest X-ray, for demonstrations and tests;
//! - [`pixels`] brings a canonical image to a smaller side, for networks without an encoder.
#![forbid(unsafe_code)]

mod catch_panic;
mod codec;
mod dicom;
pub mod fitness;
mod image;
pub mod ingest;
pub mod mask;
pub mod nonfilm;
pub mod phantom;
pub mod pixels;
pub mod seg;
