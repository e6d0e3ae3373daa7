//! Objects as streams of blocks: one limb is packed or unpacked at a time.

use super::bits;
use super::header::{HEADER_BYTES, Header, check_secure};
use crate::error::{Result, WireError};
use crate::object::Object;
use crate::params::Params;
use crate::rns::{Basis, Eval, Poly};
use crate::seed::Seed;
use std::io::{ErrorKind, Read, Write};

/// Where an object is written.
pub(super) struct Sink<'w, W: Write> {
    out: &'w mut W,
    packed: Vec<u8>,
}

impl<'w, W: Write> Sink<'w, W> {
    /// Writes the header.
    pub(super) fn open(out: &'w mut W, params: &Params, header: &Header) -> Result<Self, WireError> {
        check_secure(params)?;
        out.write_all(&header.encode()?)?;
        Ok(Self { out, packed: Vec::new() })
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        Ok(self.out.write_all(bytes)?)
    }

    pub(super) fn poly(&mut self, poly: &Poly<Eval>) -> Result<(), WireError> {
        for i in 0..poly.basis.len() {
            let (limb, width) = (poly.limb(i), poly.ring.modulus(poly.ring.id(poly.basis, i)).bits());
            bits::pack(limb, width, &mut self.packed);
            self.out.write_all(&self.packed)?;
        }
        Ok(())
    }
}

/// The bytes that `write` makes, in one allocation of `size` bytes.
pub(super) fn to_vec(size: usize, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(size);
    write(&mut bytes)?;
    Ok(bytes)
}

/// Where an object is read from.
pub(super) struct Source<R: Read> {
    from: R,
    /// Bytes there are, where that is known: exactly one object then.
    available: Option<u64>,
    read: u64,
    /// Bytes of the whole object, as far as known.
    total: u64,
    packed: Vec<u8>,
}

impl<'b> Source<&'b [u8]> {
    /// Bytes that hold exactly one object.
    pub(super) fn slice(bytes: &'b [u8]) -> Self {
        Self { available: Some(bytes.len() as u64), ..Self::stream(bytes) }
    }
}

impl<R: Read> Source<R> {
    /// A stream that may go on after the object.
    pub(super) fn stream(from: R) -> Self {
        Self { from, available: None, read: 0, total: HEADER_BYTES as u64, packed: Vec::new() }
    }

    /// Reads the header of one of the `wanted` objects, of at most `limit` bytes in all.
    pub(super) fn open(&mut self, wanted: &[Object], limit: usize) -> Result<Header, WireError> {
        let header = Header::decode(&self.array()?, Some(wanted))?;
        let found = header.total_bytes();
        if found > limit as u64 {
            return Err(WireError::TooLarge { limit, found });
        }
        Ok(header)
    }

    /// As [`Source::open`], for an object of those parameters.
    pub(super) fn open_under(&mut self, params: &Params, wanted: &[Object], limit: usize) -> Result<Header, WireError> {
        check_secure(params)?;
        let header = self.open(wanted, limit)?;
        header.check_params(params)?;
        Ok(header)
    }

    /// Holds the payload's announced length against the length that the parameters give it, and both against the bytes there are.
    pub(super) fn expect(&mut self, header: &Header, payload: usize) -> Result<(), WireError> {
        if header.payload != payload as u64 {
            return Err(WireError::Length { wanted: payload as u64, found: header.payload });
        }
        self.whole(header)
    }

    /// Holds the announced length against the bytes there are.
    pub(super) fn whole(&mut self, header: &Header) -> Result<(), WireError> {
        self.total = header.total_bytes();
        match self.available {
            Some(found) if found < self.total => Err(WireError::Truncated { wanted: self.total, found }),
            Some(found) if found > self.total => Err(WireError::Trailing { wanted: self.total, found }),
            _ => Ok(()),
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn seed(&mut self) -> Result<Seed, WireError> {
        Ok(Seed::from_bytes(self.array()?))
    }

    pub(super) fn fill(&mut self, mut out: &mut [u8]) -> Result<(), WireError> {
        while !out.is_empty() {
            match self.from.read(out) {
                Ok(0) => return Err(WireError::Truncated { wanted: self.total, found: self.read }),
                Ok(count) => {
                    self.read += count as u64;
                    out = out.get_mut(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// A polynomial whose residues are all below their primes.
    pub(super) fn poly(&mut self, params: &Params, basis: Basis) -> Result<Poly<Eval>> {
        let ring = params.ring()?;
        let mut poly = Poly::uninit(ring, basis);
        let mut packed = std::mem::take(&mut self.packed);
        for i in 0..basis.len() {
            let (limb, modulus) = (poly.limb_mut(i), ring.modulus(ring.id(basis, i)));
            self.fill(bits::window(limb.len(), modulus.bits(), &mut packed))?;
            bits::unpack(&packed, modulus.bits(), limb);
            check_residues(limb, i, modulus.value())?;
        }
        self.packed = packed;
        Ok(poly)
    }
}

fn check_residues(residues: &[u32], limb: usize, modulus: u32) -> Result<(), WireError> {
    // Without an early exit the sweep is a vector maximum.
    if residues.iter().fold(0, |largest, r| largest.max(*r)) < modulus {
        return Ok(());
    }
    let first = residues.iter().copied().enumerate().find(|(_, r)| *r >= modulus);
    first.map_or(Ok(()), |(index, found)| Err(WireError::Residue { limb, index, found, modulus }))
}
