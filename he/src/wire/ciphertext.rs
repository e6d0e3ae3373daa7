//! Ciphertexts: both polynomials, or the first and the second's seed.

use super::header::{Header, check_level};
use super::size::{ciphertext_bytes, ciphertext_payload};
use super::stream::{Sink, Source, to_vec};
use crate::ciphertext::Ciphertext;
use crate::encrypt::expand_seed;
use crate::error::{Result, WireError};
use crate::object::Object;
use crate::params::Params;
use std::io::{Read, Write};

impl Ciphertext {
    /// Writes it: seeded if [`Ciphertext::is_seeded`], else with both polynomials. `wire::ciphertext_bytes` says how many bytes.
    ///
    /// # Errors
    /// [`WireError::Insecure`], a scale that no reader would take, or the writer's own.
    pub fn write_to(&self, out: &mut impl Write) -> Result<()> {
        check_scale(&self.params, self.level, self.scale)?;
        let object = if self.is_seeded() { Object::SeededCiphertext } else { Object::Ciphertext };
        let payload = ciphertext_payload(&self.params, self.level, self.is_seeded());
        let header = Header::new(&self.params, object, self.level, self.scale, payload);
        let mut sink = Sink::open(out, &self.params, &header)?;
        match &self.seed {
            Some(seed) => {
                sink.bytes(seed.as_bytes())?;
                sink.poly(&self.c0)?;
            }
            None => {
                sink.poly(&self.c0)?;
                sink.poly(&self.c1)?;
            }
        }
        Ok(())
    }

    /// As [`Ciphertext::write_to`], to memory.
    ///
    /// # Errors
    /// As [`Ciphertext::write_to`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        to_vec(ciphertext_bytes(&self.params, self.level, self.is_seeded())?, |out| self.write_to(out))
    }

    /// Reads a ciphertext of those parameters and at most `limit` bytes, in either form.
    ///
    /// # Errors
    /// The [`WireError`] that says what is wrong with the bytes.
    pub fn read_from(params: &Params, from: &mut impl Read, limit: usize) -> Result<Self> {
        Self::read(params, Source::stream(from), limit)
    }

    /// As [`Ciphertext::read_from`], from bytes that hold nothing else.
    ///
    /// # Errors
    /// As [`Ciphertext::read_from`], and [`WireError::Trailing`].
    pub fn from_bytes(params: &Params, bytes: &[u8], limit: usize) -> Result<Self> {
        Self::read(params, Source::slice(bytes), limit)
    }

    fn read(params: &Params, mut source: Source<impl Read>, limit: usize) -> Result<Self> {
        let header = source.open_under(params, &[Object::Ciphertext, Object::SeededCiphertext], limit)?;
        let (level, scale, seeded) = (header.level, header.scale, header.object == Object::SeededCiphertext);
        check_level(params, level)?;
        check_scale(params, level, scale)?;
        source.expect(&header, ciphertext_payload(params, level, seeded))?;
        let seed = if seeded { Some(source.seed()?) } else { None };
        let c0 = source.poly(params, params.basis(level))?;
        let c1 = match &seed {
            Some(seed) => expand_seed(params, level, seed)?,
            None => source.poly(params, params.basis(level))?,
        };
        Ok(Self { params: params.clone(), c0, c1, level, scale, seed })
    }
}

/// A scale is finite, at least 1, and leaves the message a bit below the modulus: the rule that products follow.
fn check_scale(params: &Params, level: usize, scale: f64) -> Result<(), WireError> {
    if !(scale.is_finite() && scale >= 1.0) {
        return Err(WireError::Scale { found: scale });
    }
    let (log_scale, log_q) = (scale.log2(), params.log_q(level));
    if log_scale + 1.0 >= log_q {
        return Err(WireError::ScaleTooLarge { log_scale, log_q, level });
    }
    Ok(())
}
