//! Decoders of compressed pixels, for raster files and for the fragments of DICOM files.

pub(crate) mod jpeg;
pub(crate) mod jpeg2000;
mod samples;

pub(crate) use samples::Samples;
