//! Vector backends, chosen once at run time. Only the files of this folder may leave safe Rust.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod backend;
#[cfg(target_arch = "x86_64")]
mod ifma;
#[cfg(target_arch = "x86_64")]
mod kernels;
mod memcheck;
#[cfg(target_arch = "x86_64")]
mod ntt;
mod run;
mod scalar;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vector;

pub use backend::Backend;
pub(crate) use backend::Vectorize;
pub(crate) use memcheck::{mark_public, mark_secret};
pub(crate) use run::{RUN, Source};
