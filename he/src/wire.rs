//! The wire format, version 1: parameters, ciphertexts and keys as bytes.
//!
//! Every type has the same four methods: `to_bytes` and `write_to` make one object, `from_bytes` and `read_from` take it back under the
//! reader's own parameters and a cap on the whole object's size. The functions of this module say how large an object will be before
//! it exists, and [`inspect`] reads a header without parameters.
//!
//! # Layout
//!
//! Numbers are little-endian, of fixed width. One object is one header of 64 bytes and its payload:
//!
//! | at | bytes | field | content |
//! |---:|---:|---|---|
//! | 0 | 8 | magic | `VEILRAY` and a zero byte; for a secret key `!SECRET!` |
//! | 8 | 2 | version | 1 |
//! | 10 | 2 | object | see below |
//! | 12 | 4 | level | of the ciphertext; the highest of any key; the parameters' highest; 0 for a secret key |
//! | 16 | 8 | scale | `f64`: of the ciphertext; the parameters' default; 0 for keys |
//! | 24 | 32 | digest | [`Params::digest`](crate::Params::digest) |
//! | 56 | 8 | payload | its length in bytes |
//!
//! | object | payload |
//! |---|---|
//! | 1 parameters | the ten fields of [`ParamsLiteral`](crate::ParamsLiteral) in order, counts as `u32`, sizes as `f64`: 56 bytes |
//! | 2 ciphertext | c0, c1 over the level's limbs |
//! | 3 seeded ciphertext | seed of c1 (32 bytes), c0 |
//! | 4 evaluation keys | count (`u32`); for each key its kind (`u32`: 0 relinearisation, else the Galois element), level (`u32`) and seed (32 bytes), kinds ascending; then for each key, digit by digit, b over the limbs of its level and the special ones |
//! | 5 public key | seed (32 bytes), b over all limbs of the chain and the first special one |
//! | 6 secret key | N coefficients of 2 bits each, two's complement, the first in the lowest bits |
//!
//! A polynomial is its limbs in the order of the primes; a limb is N residues (evaluations in the library's order), each in as many bits as
//! the largest residue of its prime takes ([`Modulus::bits`](crate::modulus::Modulus::bits)), packed from the lowest bit of the first
//! byte upwards. N is a multiple of 8, so limbs end on bytes and there is no padding: one object has one encoding.
//!
//! A seed stands for uniform residues: those of the prime with id i (its place in the chain; special primes follow the chain) are taken
//! from the ChaCha20 keystream with the seed as key and the nonce 1 (`u32`) ‖ stream (`u64`), stream being i, plus 2^32 times the digit
//! in evaluation keys. Of each 32-bit word of it the low bits are kept, as many as the prime has, and values not below the prime skipped.
//!
//! # What a reader may rely on
//!
//! * The header is checked against the cap and the reader's parameters before anything is allocated; what is then allocated follows from
//!   the parameters, never from a length in the bytes. Evaluation keys are allocated one at a time as they arrive.
//! * Every residue is below its prime, every level and Galois element within the ring, every scale one that its level can hold: no
//!   operation panics on what was read.
//! * Parameters without 128-bit security are neither written nor read.
//!
//! The format does not authenticate: bytes that were changed into another valid object are read as that object.

mod bits;
mod ciphertext;
mod evaluation;
mod header;
mod params;
mod public;
mod secret;
mod size;
mod stream;

pub use crate::error::WireError;
pub use crate::object::Object;
pub use header::{HEADER_BYTES, Header, VERSION, inspect};
pub use size::{
    ciphertext_bytes, evaluation_keys_bytes, galois_key_bytes, params_bytes, public_key_bytes, relinearisation_key_bytes,
    secret_key_bytes,
};
