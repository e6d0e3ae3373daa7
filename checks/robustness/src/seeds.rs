//! Good inputs, made by a program: nothing of a patient is in them.

pub(crate) mod arrays;
pub(crate) mod dicom;
pub(crate) mod jpeg;
pub(crate) mod latents;
pub(crate) mod model;
pub(crate) mod objects;
pub(crate) mod picture;
pub(crate) mod raster;
