//! The protocol of client and daemon: HTTP header names, bodies, error codes, and the file of ciphertexts that takes the place of a
//! connection.
//!
//! | module | holds |
//! |---|---|
//! | [`headers`] | names of HTTP headers |
//! | [`body`] | binary bodies: a JSON part, then ciphertexts |
//! | [`messages`] | the JSON of requests and answers |
//! | [`error`] | error codes and their HTTP status |
//! | [`keys`] | the digest that names uploaded keys, and how they are uploaded |
//! | [`container`] | the `.vct` file: ciphertexts of many images |
//!
//! Inference follows the Open Inference Protocol v2 with its binary tensor extension: a JSON header, then the tensors' bytes, the length of
//! the JSON being in [`headers::INFERENCE_HEADER_LENGTH`]. A ciphertext is an element of datatype BYTES: its length in four bytes, lowest
//! first, then the bytes that `veilray_he::Ciphertext::to_bytes` gives.
#![forbid(unsafe_code)]

pub mod body;
pub mod container;
pub mod error;
pub mod headers;
pub mod keys;
pub mod messages;

pub use error::{ErrorBody, ErrorCode};
pub use keys::KeyDigest;
