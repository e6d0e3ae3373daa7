//! Decoders of compressed pixels, for raster files and for the fragments of DICOM files.

pub(crate) mod jpeg;
#[cfg(feature = "jpeg2000")]
pub(crate) mod jpeg2000;
