//! Secret keys: a magic and a type of their own, so that no reader of anything else takes one and no message can hold one by mistake.
//!
//! Coefficients are packed and unpacked without a branch or an address that depends on them, in memory that is overwritten with zeros.

use super::header::Header;
use super::size::{secret_key_bytes, secret_key_payload};
use super::stream::{Sink, Source};
use crate::error::{Result, WireError};
use crate::object::Object;
use crate::params::Params;
use crate::secret::SecretKey;
use std::io::{Read, Write};
use zeroize::Zeroizing;

impl SecretKey {
    /// Writes the key, **unencrypted**, where only its owner can read. The writer's own buffers are the caller's to overwrite.
    ///
    /// # Errors
    /// [`WireError::Insecure`], or the writer's own.
    pub fn write_to(&self, out: &mut impl Write) -> Result<()> {
        let (params, payload) = (self.params(), secret_key_payload(self.params()));
        let mut packed = Zeroizing::new(vec![0u8; payload]);
        for (byte, four) in packed.iter_mut().zip(self.coefficients().as_chunks::<4>().0) {
            let [a, b, c, d] = four.map(|s| s.cast_unsigned() & 3);
            *byte = a | b << 2 | c << 4 | d << 6;
        }
        let mut sink = Sink::open(out, params, &Header::new(params, Object::SecretKey, 0, 0.0, payload))?;
        sink.bytes(&packed)?;
        Ok(())
    }

    /// As [`SecretKey::write_to`], to memory that is overwritten with zeros when dropped.
    ///
    /// # Errors
    /// [`WireError::Insecure`].
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>> {
        // Of full size from the start: growing would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(secret_key_bytes(self.params())));
        self.write_to(&mut *bytes)?;
        Ok(bytes)
    }

    /// Reads a secret key of those parameters and at most `limit` bytes.
    ///
    /// # Errors
    /// The [`WireError`] that says what is wrong with the bytes.
    pub fn read_from(params: &Params, from: &mut impl Read, limit: usize) -> Result<Self> {
        Self::read(params, Source::stream(from), limit)
    }

    /// As [`SecretKey::read_from`], from bytes that hold nothing else.
    ///
    /// # Errors
    /// As [`SecretKey::read_from`], and [`WireError::Trailing`].
    pub fn from_bytes(params: &Params, bytes: &[u8], limit: usize) -> Result<Self> {
        Self::read(params, Source::slice(bytes), limit)
    }

    fn read(params: &Params, mut source: Source<impl Read>, limit: usize) -> Result<Self> {
        let header = source.open_under(params, &[Object::SecretKey], limit)?;
        header.check_fixed(0, 0.0)?;
        source.expect(&header, secret_key_payload(params))?;
        let mut packed = Zeroizing::new(vec![0u8; secret_key_payload(params)]);
        source.fill(&mut packed)?;
        let mut coefficients = Zeroizing::new(vec![0i8; params.n()]);
        let mut bad = 0;
        for (four, byte) in coefficients.as_chunks_mut::<4>().0.iter_mut().zip(packed.iter()) {
            // 10 is the one pair of bits that is no coefficient: the high bit without the low one.
            bad |= (byte >> 1) & !byte & 0x55;
            // Up to the sign's place and down again, which spreads the sign.
            *four = [6, 4, 2, 0].map(|up| (byte << up).cast_signed() >> 6);
        }
        if bad != 0 {
            return Err(WireError::NotTernary.into());
        }
        Self::from_coefficients(params, coefficients)
    }
}
