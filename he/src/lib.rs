//! RNS-CKKS on 32-bit limbs: approximate arithmetic on encrypted real and complex vectors.
#![deny(unsafe_code)]

mod aligned;
mod ciphertext;
mod embedding;
mod encode;
mod encrypt;
mod error;
mod evaluate;
pub mod galois;
#[cfg(any(test, feature = "internals"))]
pub mod internals;
mod keys;
mod keyswitch;
mod linear;
mod modulus;
pub mod noise;
mod ntt;
mod object;
mod par;
mod params;
mod permutation;
mod pool;
mod precision;
mod prime;
mod rns;
mod sample;
mod scale;
mod secret;
mod seed;
pub mod simd;
pub mod wire;

pub use ciphertext::{Ciphertext, Product};
pub use encode::{Encoder, Plaintext};
pub use encrypt::{Decryptor, Encryptor, PublicKey};
pub use error::{Error, Result};
pub use evaluate::Evaluator;
pub use keys::{EvaluationKeys, ExpandedKeys, KeySpec};
pub use linear::{Diagonals, LinearTransform, Split};
pub use modulus::Modulus;
pub use num_complex::Complex64;
pub use params::{Params, ParamsLiteral, max_log_qp};
pub use precision::PrecisionStats;
pub use sample::SIGMA;
pub use scale::SCALE_TOLERANCE;
pub use secret::SecretKey;
pub use seed::Seed;
