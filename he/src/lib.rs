//! RNS-CKKS on 32-bit limbs: approximate arithmetic on encrypted real and complex vectors.
#![deny(unsafe_code)]

mod ciphertext;
mod encode;
mod encrypt;
mod error;
mod evaluate;
pub mod galois;
mod keys;
mod keyswitch;
mod linear;
pub mod modulus;
pub mod noise;
mod ntt;
mod par;
mod params;
mod pool;
mod precision;
pub mod prime;
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
pub use ntt::NttTable;
pub use num_complex::Complex64;
pub use params::{Params, ParamsLiteral, max_log_qp};
pub use precision::PrecisionStats;
pub use sample::SIGMA;
pub use scale::SCALE_TOLERANCE;
pub use secret::SecretKey;
pub use seed::Seed;
