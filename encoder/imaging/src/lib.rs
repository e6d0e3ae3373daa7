//! Image files become canonical chest X-rays, and masks become DICOM objects. No network and no tensor library is behind it.
//!
//! - [`ingest`] turns a DICOM, PNG or JPEG file into a canonical image, or says why it will not;
//! - [`seg`] writes a mask as a DICOM Segmentation, filed with the film it was made from;
//! - [`mask`] says whether a mask can be one of the lungs;
//! - [`phantom`] draws a synthetic chest X-ray, for demonstrations and tests;
//! - [`pixels`] brings a canonical image to a smaller side, for networks without an encoder.
//!
//! With the feature `jpeg2000`, DICOM files in JPEG 2000 are read too.
#![forbid(unsafe_code)]

mod catch_panic;
mod codec;
mod dicom;
mod image;
pub mod ingest;
pub mod mask;
pub mod phantom;
pub mod pixels;
pub mod seg;
