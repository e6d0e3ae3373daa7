//! RNS-CKKS on 32-bit limbs: approximate arithmetic on encrypted real and complex vectors (Cheon, Kim, Kim, Song 2017; in residues Cheon,
//! Han, Kim, Kim, Song 2018).
//!
//! | who | uses |
//! |---|---|
//! | both sides | [`ParamsLiteral`] → [`Params`]: ring degree, levels, primes, 128-bit security; [`Encoder`]: slots ↔ [`Plaintext`] |
//! | the client | [`SecretKey`], [`Encryptor`], [`Decryptor`]; [`EvaluationKeys`] of a [`KeySpec`], which it sends |
//! | the server | [`ExpandedKeys`], [`Evaluator`]: sums, products, rotations, rescaling; [`LinearTransform`]: a matrix by its [`Diagonals`] |
//! | a planner | [`noise`]: the error of a circuit without keys; [`wire`]: exact sizes in bytes |
//!
//! Objects travel by the methods `to_bytes` and `from_bytes` of their types; [`wire`] documents the format. `examples/quickstart.rs` and
//! `examples/logistic_regression.rs` are whole programs.
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
pub use encrypt::{Decryptor, Encryptor, MAX_PRECISION_BITS, PublicKey};
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
