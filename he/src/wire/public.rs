//! Public keys.

use super::header::Header;
use super::size::{public_key_bytes, public_key_payload};
use super::stream::{Sink, Source, to_vec};
use crate::encrypt::PublicKey;
use crate::error::Result;
use crate::object::Object;
use crate::params::Params;
use std::io::{Read, Write};

impl PublicKey {
    /// Writes it, its uniform half as a seed. `wire::public_key_bytes` says how many bytes.
    ///
    /// # Errors
    /// [`WireError::Insecure`](super::WireError::Insecure), or the writer's own.
    pub fn write_to(&self, out: &mut impl Write) -> Result<()> {
        let (params, payload) = (&self.params, public_key_payload(&self.params));
        let mut sink = Sink::open(out, params, &Header::new(params, Object::PublicKey, params.max_level(), 0.0, payload))?;
        sink.bytes(self.seed.as_bytes())?;
        sink.poly(&self.b)?;
        Ok(())
    }

    /// As [`PublicKey::write_to`], to memory.
    ///
    /// # Errors
    /// As [`PublicKey::write_to`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        to_vec(public_key_bytes(&self.params), |out| self.write_to(out))
    }

    /// Reads a public key of those parameters and at most `limit` bytes.
    ///
    /// # Errors
    /// The [`WireError`](super::WireError) that says what is wrong with the bytes.
    pub fn read_from(params: &Params, from: &mut impl Read, limit: usize) -> Result<Self> {
        Self::read(params, Source::stream(from), limit)
    }

    /// As [`PublicKey::read_from`], from bytes that hold nothing else.
    ///
    /// # Errors
    /// As [`PublicKey::read_from`], and [`WireError::Trailing`](super::WireError::Trailing).
    pub fn from_bytes(params: &Params, bytes: &[u8], limit: usize) -> Result<Self> {
        Self::read(params, Source::slice(bytes), limit)
    }

    fn read(params: &Params, mut source: Source<impl Read>, limit: usize) -> Result<Self> {
        let header = source.open_under(params, &[Object::PublicKey], limit)?;
        header.check_fixed(params.max_level(), 0.0)?;
        source.expect(&header, public_key_payload(params))?;
        let seed = source.seed()?;
        let b = source.poly(params, Self::basis(params, params.max_level()))?;
        Ok(Self { params: params.clone(), seed, b })
    }
}
