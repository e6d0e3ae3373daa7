//! RNS-CKKS on 32-bit limbs.
#![deny(unsafe_code)]


mod error;
pub mod simd;

pub use error::{Error, Result};
