//! A quantised network of one hidden layer under TFHE (Chillotti, Gama, Georgieva and Izabachène 2020), for small images.
//!
//! | module | does |
//! |---|---|
//! | `Quantiser` | the client's: grey levels to a few bits |
//! | `Fcnn` | the network in integers, which the ciphertexts compute exactly |
//! | `train()` | training with the quantisation in the loop |
//! | `TfheParams`, `NoiseBudget` | parameters, their security, the probability of a wrong answer |
//! | `ClientKey`, `SentKey`, `ServerKey` | keys |
//! | `SentImage`, `Reply` | what is sent |
//! | `EncryptedFcnn` | the server's evaluation |
//! | `Released` | a released network: manifest and integers |
//!
//! An image is a handful of polynomials whose coefficients are its pixels; a hidden neuron's weighted sum is one coefficient of their
//! products with clear polynomials. The sum lives on the torus modulo a small even number, and one programmable bootstrap per neuron
//! looks its activation up in a table that is antiperiodic, a sine: so no bit of the torus is lost to padding, and a sum that wraps
//! around does so in clear too. The output layer is a linear combination of bootstrapped ciphertexts; the client decrypts two logits.
//!
//! Without the feature `tfhe` this crate is empty: the crate of that name grants no patent rights, and commercial use needs a licence of its
//! publisher.
#![forbid(unsafe_code)]

#[cfg(feature = "tfhe")]
mod fcnn;

#[cfg(feature = "tfhe")]
pub use fcnn::*;
