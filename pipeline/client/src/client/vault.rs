//! A secret key at rest: sealed by a passphrase through Argon2id (RFC 9106) and XChaCha20-Poly1305.
//!
//! Numbers are little-endian. The header and what the caller binds (32 bytes: a digest of the public part of the key set) are the associated
//! data: no byte of them can change without the opening failing. Version 1 bound the header alone; it is still opened.
//!
//! | at | bytes | field | content |
//! |---:|---:|---|---|
//! | 0 | 8 | magic | `VEILSEAL` |
//! | 8 | 2 | version | 2 (1 in earlier releases) |
//! | 10 | 2 | lanes | of Argon2id |
//! | 12 | 4 | memory | of Argon2id, KiB |
//! | 16 | 4 | passes | of Argon2id |
//! | 20 | 4 | length | of what is sealed, bytes |
//! | 24 | 16 | salt | of Argon2id |
//! | 40 | 24 | nonce | of XChaCha20-Poly1305 |
//! | 64 | length + 16 | sealed | ciphertext and tag |

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 64;
/// Bytes of the tag behind the ciphertext.
const TAG_BYTES: usize = 16;
/// The format version written; version 1 is read too.
pub const VERSION: u16 = 2;
/// What is bound to a sealed secret: opening it needs the same bytes.
pub type Bound = [u8; 32];
/// Largest secret that is sealed or opened, bytes.
pub const MAX_SECRET: usize = 1 << 20;

const MAGIC: [u8; 8] = *b"VEILSEAL";

/// Cost of turning a passphrase into a key. A reader takes what the file says up to [`Cost::MAX`], so that a hostile file cannot ask
/// for a machine's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory that Argon2id fills, KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes of Argon2id (RFC 9106, parameter p).
    pub lanes: u16,
}

impl Cost {
    /// 64 MiB, three passes: the second recommended choice of RFC 9106, section 4, in one lane.
    pub const DEFAULT: Self = Self { memory_kib: 64 << 10, passes: 3, lanes: 1 };
    /// The most that is accepted from a file.
    pub const MAX: Self = Self { memory_kib: 256 << 10, passes: 16, lanes: 16 };
    /// The most KiB times passes that are accepted: about a second.
    const MOST_WORK: u64 = 1 << 20;
    /// The least: 8 MiB and one pass.
    pub const MIN: Self = Self { memory_kib: 8 << 10, passes: 1, lanes: 1 };

    fn check(self) -> Result<(), VaultError> {
        let inside = (Self::MIN.memory_kib..=Self::MAX.memory_kib).contains(&self.memory_kib)
            && (Self::MIN.passes..=Self::MAX.passes).contains(&self.passes)
            && (Self::MIN.lanes..=Self::MAX.lanes).contains(&self.lanes);
        // Memory times passes is what the time grows with.
        let work = u64::from(self.memory_kib) * u64::from(self.passes);
        if inside && work <= Self::MOST_WORK { Ok(()) } else { Err(VaultError::Cost { found: self }) }
    }
}

/// Why a sealed secret was not written or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The file does not begin like a sealed secret key: another file was named.
    #[error("this file is not a sealed secret key: it does not begin with VEILSEAL")]
    Magic,
    /// A version that this program does not know.
    #[error("the sealed secret key has format {found}, this program reads 1 and {VERSION}: use the release that wrote it")]
    Version {
        /// The version found.
        found: u16,
    },
    /// The file is shorter or longer than its header states: it is damaged.
    #[error("the sealed secret key has {found} bytes where {wanted} belong: it is damaged; restore it from a backup")]
    Length {
        /// Bytes that belong there.
        wanted: usize,
        /// Bytes that the file has.
        found: usize,
    },
    /// A cost that no writer of this format chooses.
    #[error(
        "the sealed secret key asks for {} KiB, {} passes and {} lanes of Argon2id, outside what is accepted: it is damaged or hostile",
        found.memory_kib,
        found.passes,
        found.lanes
    )]
    Cost {
        /// The cost found.
        found: Cost,
    },
    /// The wrong passphrase, or changed bytes: the two cannot be told apart.
    #[error(
        "the passphrase is wrong, or key.toml, interface.json or the sealed secret key was altered: restore them from a backup"
    )]
    Opening,
    /// A secret of more bytes than are ever sealed.
    #[error("a secret of {found} bytes is above the limit of {MAX_SECRET}")]
    TooLarge {
        /// Its length, bytes.
        found: usize,
    },
    /// The system gave no randomness, or no memory for Argon2id.
    #[error("sealing failed: {0}")]
    System(String),
}

/// Seals a secret under a passphrase, with a fresh salt and nonce, and binds `bound` to it.
///
/// # Errors
/// A cost out of range, a secret too large, no randomness, no memory.
pub fn seal(secret: &[u8], passphrase: &[u8], cost: Cost, bound: &Bound) -> Result<Vec<u8>, VaultError> {
    cost.check()?;
    let length = u32::try_from(secret.len())
        .ok()
        .filter(|_| secret.len() <= MAX_SECRET)
        .ok_or(VaultError::TooLarge { found: secret.len() })?;
    let mut random = [0u8; 40];
    getrandom::fill(&mut random).map_err(|e| VaultError::System(e.to_string()))?;
    let mut header = Vec::with_capacity(HEADER_BYTES + secret.len() + TAG_BYTES);
    header.extend(MAGIC);
    header.extend(VERSION.to_le_bytes());
    header.extend(cost.lanes.to_le_bytes());
    header.extend(cost.memory_kib.to_le_bytes());
    header.extend(cost.passes.to_le_bytes());
    header.extend(length.to_le_bytes());
    header.extend(random);
    let parsed = Header::parse(&header)?;
    let cipher = parsed.cipher(passphrase)?;
    let sealed = cipher
        .encrypt(&XNonce::from(parsed.nonce), Payload { msg: secret, aad: &parsed.associated(&header, bound) })
        .map_err(|_| VaultError::System("the cipher refused".into()))?;
    header.extend(sealed);
    Ok(header)
}

/// Opens what [`seal`] made with the same `bound`, or what version 1 made.
///
/// # Errors
/// Bytes that are not that, and [`VaultError::Opening`].
pub fn open(bytes: &[u8], passphrase: &[u8], bound: &Bound) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let header = Header::parse(bytes)?;
    let wanted = HEADER_BYTES + header.length + TAG_BYTES;
    let (head, msg) = bytes
        .split_at_checked(HEADER_BYTES)
        .filter(|_| bytes.len() == wanted)
        .ok_or(VaultError::Length { wanted, found: bytes.len() })?;
    let cipher = header.cipher(passphrase)?;
    let aad = header.associated(head, bound);
    cipher.decrypt(&XNonce::from(header.nonce), Payload { msg, aad: &aad }).map(Zeroizing::new).map_err(|_| VaultError::Opening)
}

/// What a sealed secret says of itself, without the passphrase: the cost and the sealed bytes.
///
/// # Errors
/// Bytes that are not a sealed secret.
pub fn inspect(bytes: &[u8]) -> Result<(Cost, usize), VaultError> {
    Header::parse(bytes).map(|header| (header.cost, header.length))
}

struct Header {
    version: u16,
    cost: Cost,
    length: usize,
    salt: [u8; 16],
    nonce: [u8; 24],
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, VaultError> {
        let truncated = || VaultError::Length { wanted: HEADER_BYTES, found: bytes.len() };
        if !bytes.starts_with(&MAGIC) {
            return Err(VaultError::Magic);
        }
        let version = u16::from_le_bytes(field(bytes, 8).ok_or_else(truncated)?);
        if !(1..=VERSION).contains(&version) {
            return Err(VaultError::Version { found: version });
        }
        let lanes = u16::from_le_bytes(field(bytes, 10).ok_or_else(truncated)?);
        let memory_kib = u32::from_le_bytes(field(bytes, 12).ok_or_else(truncated)?);
        let passes = u32::from_le_bytes(field(bytes, 16).ok_or_else(truncated)?);
        let length = u32::from_le_bytes(field(bytes, 20).ok_or_else(truncated)?) as usize;
        let cost = Cost { memory_kib, passes, lanes };
        cost.check()?;
        if length > MAX_SECRET {
            return Err(VaultError::TooLarge { found: length });
        }
        let (salt, nonce) = (field(bytes, 24).ok_or_else(truncated)?, field(bytes, 40).ok_or_else(truncated)?);
        Ok(Self { version, cost, length, salt, nonce })
    }

    /// The associated data of a file with that head.
    fn associated(&self, head: &[u8], bound: &Bound) -> Vec<u8> {
        let bound: &[u8] = if self.version == 1 { &[] } else { bound };
        [head, bound].concat()
    }

    fn cipher(&self, passphrase: &[u8]) -> Result<XChaCha20Poly1305, VaultError> {
        let system = |e: argon2::Error| VaultError::System(e.to_string());
        let Cost { memory_kib, passes, lanes } = self.cost;
        let params = Params::new(memory_kib, passes, u32::from(lanes), Some(32)).map_err(system)?;
        let mut key = Zeroizing::new([0u8; 32]);
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon.hash_password_into(passphrase, &self.salt, key.as_mut_slice()).map_err(system)?;
        XChaCha20Poly1305::new_from_slice(key.as_slice()).map_err(|e| VaultError::System(e.to_string()))
    }
}

/// `N` bytes at `at`.
fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: &Bound = &[7; 32];

    const CHEAP: Cost = Cost::MIN;
    const SECRET: &[u8] = b"not a real key";

    #[test]
    fn what_was_sealed_opens_with_its_passphrase_and_no_other() {
        let sealed = seal(SECRET, b"correct horse", CHEAP, BOUND).unwrap();
        assert_eq!(sealed.len(), HEADER_BYTES + SECRET.len() + TAG_BYTES);
        assert_eq!(open(&sealed, b"correct horse", BOUND).unwrap().as_slice(), SECRET);
        assert_eq!(open(&sealed, b"correct horsf", BOUND), Err(VaultError::Opening));
        assert_eq!(open(&sealed, b"", BOUND), Err(VaultError::Opening));
        assert_eq!(inspect(&sealed), Ok((CHEAP, SECRET.len())));
        // The same secret is never sealed to the same bytes.
        let again = seal(SECRET, b"correct horse", CHEAP, BOUND).unwrap();
        assert_ne!(sealed[24..], again[24..]);
        assert!(!sealed.windows(SECRET.len()).any(|window| window == SECRET));
    }

    #[test]
    fn no_byte_can_change() {
        let sealed = seal(SECRET, b"p", CHEAP, BOUND).unwrap();
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            let refused = open(&bad, b"p", BOUND).unwrap_err();
            let expected = match at {
                0..8 => matches!(refused, VaultError::Magic),
                8..10 => matches!(refused, VaultError::Version { .. } | VaultError::Opening),
                // Cost: out of range, or another key; length: not the file's.
                10..20 => matches!(refused, VaultError::Cost { .. } | VaultError::Opening),
                20..24 => matches!(refused, VaultError::Length { .. } | VaultError::TooLarge { .. }),
                _ => refused == VaultError::Opening,
            };
            assert!(expected, "byte {at}: {refused}");
        }
    }

    #[test]
    fn truncated_and_lengthened_files_are_refused() {
        let sealed = seal(SECRET, b"p", CHEAP, BOUND).unwrap();
        for length in 0..sealed.len() {
            let refused = open(&sealed[..length], b"p", BOUND).unwrap_err();
            assert!(matches!(refused, VaultError::Magic | VaultError::Length { .. }), "{length}: {refused}");
        }
        let long = [sealed.as_slice(), b"x"].concat();
        assert!(matches!(open(&long, b"p", BOUND), Err(VaultError::Length { .. })));
    }

    #[test]
    fn a_file_cannot_ask_for_all_memory() {
        let mut sealed = seal(SECRET, b"p", CHEAP, BOUND).unwrap();
        sealed[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(open(&sealed, b"p", BOUND), Err(VaultError::Cost { .. })));
        assert!(matches!(seal(SECRET, b"p", Cost { passes: 0, ..CHEAP }, BOUND), Err(VaultError::Cost { .. })));
        assert!(matches!(seal(&vec![0; MAX_SECRET + 1], b"p", CHEAP, BOUND), Err(VaultError::TooLarge { .. })));
    }

    #[test]
    fn what_is_bound_must_be_there_again() {
        let sealed = seal(SECRET, b"p", CHEAP, BOUND).unwrap();
        assert_eq!(open(&sealed, b"p", BOUND).unwrap().as_slice(), SECRET);
        assert_eq!(open(&sealed, b"p", &[8; 32]).unwrap_err(), VaultError::Opening);
        // Nor does it help to call it a file of version 1, which bound nothing.
        let mut older = sealed;
        older[8] = 1;
        assert_eq!(open(&older, b"p", BOUND).unwrap_err(), VaultError::Opening);
    }

    #[test]
    fn files_of_version_1_are_opened() {
        let golden = "5645494c5345414c0100010000200000010000000d000000d8ce2e4f80a7a05ab590032c08b2b690786c1b8e2d4039cd4def22d590ec9ea0\
                      6b38d8eafc3617aabe2dc1bdf993e1cff200247c0406db18f8a5396667fa92a65d6f719134";
        let byte = |at: usize| u8::from_str_radix(&golden[2 * at..2 * at + 2], 16).unwrap();
        let sealed: Vec<u8> = (0..golden.len() / 2).map(byte).collect();
        assert_eq!(open(&sealed, b"correct horse", BOUND).unwrap().as_slice(), b"golden secret");
    }
}
