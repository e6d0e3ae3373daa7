//! The 64 bytes before every object.

use crate::error::{Result, WireError};
use crate::object::{MAGIC, Object, SECRET_MAGIC};
use crate::params::Params;
use bincode::{Decode, Encode};

/// Bytes of a header.
pub const HEADER_BYTES: usize = 64;
/// The format version written, and the only one read.
pub const VERSION: u16 = 1;

/// What an object says of itself. Only its magic, version and type have been checked: the rest is a claim until the object is read.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Header {
    /// Version of the wire format, 1.
    pub version: u16,
    /// The kind of object that follows.
    pub object: Object,
    /// Level of a ciphertext; highest of any key; highest of parameters; 0 for a secret key.
    pub level: usize,
    /// Scale of a ciphertext; default of parameters; 0 for keys.
    pub scale: f64,
    /// Digest of the parameters it was made under.
    pub digest: [u8; 32],
    /// Length of what follows, bytes.
    pub payload: u64,
}

/// The header at the start of `bytes`, without parameters; what follows it is not looked at.
///
/// # Errors
/// Fewer bytes than a header, or a magic, version or object type that is unknown.
pub fn inspect(bytes: &[u8]) -> Result<Header> {
    let truncated = WireError::Truncated { wanted: HEADER_BYTES as u64, found: bytes.len() as u64 };
    Ok(Header::decode(bytes.first_chunk().ok_or(truncated)?, None)?)
}

/// As on the wire.
#[derive(Encode, Decode)]
struct Raw {
    magic: [u8; 8],
    version: u16,
    object: u16,
    level: u32,
    scale: f64,
    digest: [u8; 32],
    payload: u64,
}

impl Header {
    pub(super) fn new(params: &Params, object: Object, level: usize, scale: f64, payload: usize) -> Self {
        Self { version: VERSION, object, level, scale, digest: *params.digest(), payload: payload as u64 }
    }

    /// Bytes of the whole object.
    pub fn total_bytes(&self) -> u64 {
        self.payload.saturating_add(HEADER_BYTES as u64)
    }

    pub(super) fn encode(&self) -> Result<[u8; HEADER_BYTES], WireError> {
        encode(&Raw {
            magic: self.object.magic(),
            version: self.version,
            object: self.object as u16,
            level: u32::try_from(self.level).unwrap_or(u32::MAX),
            scale: self.scale,
            digest: self.digest,
            payload: self.payload,
        })
    }

    /// A header of one of the `wanted` objects, or of any.
    pub(super) fn decode(bytes: &[u8; HEADER_BYTES], wanted: Option<&[Object]>) -> Result<Self, WireError> {
        let raw: Raw = decode(bytes)?;
        let first = wanted.and_then(<[Object]>::first).copied();
        let magic = first.map_or(MAGIC, Object::magic);
        if raw.magic != magic && (first.is_some() || raw.magic != SECRET_MAGIC) {
            return Err(WireError::Magic { wanted: magic, found: raw.magic });
        }
        if raw.version != VERSION {
            return Err(WireError::Version { wanted: VERSION, found: raw.version });
        }
        let fits = |object: &Object| object.magic() == raw.magic && wanted.is_none_or(|wanted| wanted.contains(object));
        let Some(object) = Object::from_number(raw.object).filter(fits) else {
            let of_magic = if raw.magic == SECRET_MAGIC { Object::SecretKey } else { Object::Ciphertext };
            return Err(WireError::ObjectType { wanted: first.unwrap_or(of_magic), found: raw.object });
        };
        let Raw { version, level, scale, digest, payload, .. } = raw;
        Ok(Self { version, object, level: level as usize, scale, digest, payload })
    }

    pub(super) fn check_params(&self, params: &Params) -> Result<(), WireError> {
        let start = |digest: &[u8; 32]| digest.iter().take(4).map(|b| format!("{b:02x}")).collect::<String>();
        if self.digest != *params.digest() {
            return Err(WireError::Params { wanted: start(params.digest()), found: start(&self.digest) });
        }
        Ok(())
    }

    /// Level and scale of an object that leaves no choice of them.
    pub(super) fn check_fixed(&self, level: usize, scale: f64) -> Result<(), WireError> {
        if self.level != level {
            return Err(WireError::Field { field: "level", wanted: level.to_string(), found: self.level.to_string() });
        }
        if self.scale.to_bits() != scale.to_bits() {
            return Err(WireError::Field { field: "scale", wanted: scale.to_string(), found: self.scale.to_string() });
        }
        Ok(())
    }
}

/// Writers and readers alike refuse what is not 128-bit secure.
pub(super) fn check_secure(params: &Params) -> Result<(), WireError> {
    if params.is_secure() { Ok(()) } else { Err(WireError::Insecure { log_n: params.log_n() }) }
}

pub(super) fn check_level(params: &Params, level: usize) -> Result<(), WireError> {
    let max = params.max_level();
    if level > max { Err(WireError::Level { max, found: level }) } else { Ok(()) }
}

/// A fixed-layout block: little-endian, fixed widths, exactly `N` bytes.
pub(super) fn encode<const N: usize>(block: &impl Encode) -> Result<[u8; N], WireError> {
    let mut bytes = [0; N];
    let config = bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<N>();
    match bincode::encode_into_slice(block, &mut bytes, config) {
        Ok(written) if written == N => Ok(bytes),
        Ok(written) => Err(WireError::Syntax { reason: format!("{written} bytes of {N} written") }),
        Err(error) => Err(WireError::Syntax { reason: error.to_string() }),
    }
}

/// The inverse of [`encode`].
pub(super) fn decode<T: Decode<()>, const N: usize>(bytes: &[u8; N]) -> Result<T, WireError> {
    let config = bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<N>();
    match bincode::decode_from_slice(bytes, config) {
        Ok((block, read)) if read == N => Ok(block),
        Ok((_, read)) => Err(WireError::Syntax { reason: format!("{read} bytes of {N} read") }),
        Err(error) => Err(WireError::Syntax { reason: error.to_string() }),
    }
}
