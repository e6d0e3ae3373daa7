//! Parameters: the literal travels, and the reader checks it from the start.

use super::header::{self, Header};
use super::size::{LITERAL_BYTES, params_bytes};
use super::stream::{Sink, Source, to_vec};
use crate::error::Result;
use crate::object::Object;
use crate::params::{Params, ParamsLiteral};
use bincode::{Decode, Encode};
use std::io::{Read, Write};

/// A literal as on the wire.
#[derive(Encode, Decode)]
struct Raw {
    log_n: u32,
    base_limbs: u32,
    base_bits: f64,
    levels: u32,
    prime_bits: f64,
    primes_per_level: u32,
    special_limbs: u32,
    special_bits: f64,
    digits: u32,
    log_scale: f64,
}

impl Params {
    /// Writes the literal that these parameters were made from.
    ///
    /// # Errors
    /// [`WireError::Insecure`](super::WireError::Insecure), or the writer's own.
    pub fn write_to(&self, out: &mut impl Write) -> Result<()> {
        let l = self.literal();
        // Checked parameters have at most 128 primes.
        let count = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let raw = Raw {
            log_n: l.log_n,
            base_limbs: count(l.base_limbs),
            base_bits: l.base_bits,
            levels: count(l.levels),
            prime_bits: l.prime_bits,
            primes_per_level: count(l.primes_per_level),
            special_limbs: count(l.special_limbs),
            special_bits: l.special_bits,
            digits: count(l.digits),
            log_scale: l.log_scale,
        };
        let header = Header::new(self, Object::Params, self.max_level(), self.scale(), LITERAL_BYTES);
        Ok(Sink::open(out, self, &header)?.bytes(&header::encode::<LITERAL_BYTES>(&raw)?)?)
    }

    /// As [`Params::write_to`], to memory.
    ///
    /// # Errors
    /// [`WireError::Insecure`](super::WireError::Insecure).
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        to_vec(params_bytes(), |out| self.write_to(out))
    }

    /// Reads parameters of at most `limit` bytes, checks them with [`ParamsLiteral::check`], and their digest with the primes found.
    ///
    /// # Errors
    /// The [`WireError`](super::WireError) that says what is wrong with the bytes, or whatever [`ParamsLiteral::check`] refuses.
    pub fn read_from(from: &mut impl Read, limit: usize) -> Result<Self> {
        Self::read(Source::stream(from), limit)
    }

    /// As [`Params::read_from`], from bytes that hold nothing else.
    ///
    /// # Errors
    /// As [`Params::read_from`], and [`WireError::Trailing`](super::WireError::Trailing).
    pub fn from_bytes(bytes: &[u8], limit: usize) -> Result<Self> {
        Self::read(Source::slice(bytes), limit)
    }

    fn read(mut source: Source<impl Read>, limit: usize) -> Result<Self> {
        let header = source.open(&[Object::Params], limit)?;
        source.expect(&header, LITERAL_BYTES)?;
        let raw: Raw = header::decode::<_, LITERAL_BYTES>(&source.array()?)?;
        let literal = ParamsLiteral {
            log_n: raw.log_n,
            base_limbs: raw.base_limbs as usize,
            base_bits: raw.base_bits,
            levels: raw.levels as usize,
            prime_bits: raw.prime_bits,
            primes_per_level: raw.primes_per_level as usize,
            special_limbs: raw.special_limbs as usize,
            special_bits: raw.special_bits,
            digits: raw.digits as usize,
            log_scale: raw.log_scale,
        };
        let params = literal.check()?;
        header.check_params(&params)?;
        header.check_fixed(params.max_level(), params.scale())?;
        Ok(params)
    }
}
