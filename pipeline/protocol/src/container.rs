//! Ciphertexts in a file, for machines without a network between them: requests that go out, replies that come back.
//!
//! | at | bytes | content |
//! |---:|---:|---|
//! | 0 | 8 | `VEILVCT` and a zero byte |
//! | 8 | 2 | version: 1 |
//! | 10 | 2 | zero |
//! | 12 | 4 | length of the JSON part |
//! | 16 | | [`Head`] as JSON, then every ciphertext behind its length in four bytes, as `Ciphertext::to_bytes` gives them |
//!
//! Numbers are little-endian. Images have numbers, from 1; nothing in the file says which file an image came from.

use serde::{Deserialize, Serialize};
use std::io::{Read, Write};

/// The first bytes.
pub const MAGIC: [u8; 8] = *b"VEILVCT\0";
/// The format version written, and the only one read.
pub const VERSION: u16 = 1;
/// Longest JSON part, bytes.
const MAX_HEAD: u32 = 64 << 10;

/// Why a file of ciphertexts was not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// Bytes that are no such file, or a file that is cut off, continues or holds more than the reader takes.
    #[error("not a usable file of ciphertexts: {0}")]
    Format(String),
    /// The writer failed, such as on a full disk.
    #[error("cannot write the file of ciphertexts: {0}")]
    Write(#[from] std::io::Error),
}

/// What the ciphertexts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Images, from the client.
    Request,
    /// Logits, from the server.
    Reply,
}

/// What a file of ciphertexts says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Images or logits.
    pub kind: Kind,
    /// Name of the model that the images are for or the logits are from.
    pub model: String,
    /// SHA-256 of its manifest.
    pub manifest_sha256: String,
    /// The parameter set.
    pub params: String,
    /// SHA-256 of the evaluation keys.
    pub keys_sha256: String,
    /// Number of images.
    pub images: usize,
    /// Ciphertexts of each image.
    pub ciphertexts_per_image: usize,
}

/// Writes the head; each ciphertext follows by [`write_ciphertext`].
///
/// # Errors
/// The writer's.
pub fn write_head(out: &mut impl Write, head: &Head) -> Result<(), ContainerError> {
    let json = serde_json::to_vec(head).map_err(std::io::Error::from)?;
    let length = u32::try_from(json.len()).ok().filter(|length| *length <= MAX_HEAD);
    let length = length.ok_or_else(|| ContainerError::Format(format!("a head of {} bytes is too long", json.len())))?;
    out.write_all(&MAGIC)?;
    out.write_all(&VERSION.to_le_bytes())?;
    out.write_all(&[0; 2])?;
    out.write_all(&length.to_le_bytes())?;
    Ok(out.write_all(&json)?)
}

/// Writes one ciphertext behind its length.
///
/// # Errors
/// The writer's.
pub fn write_ciphertext(out: &mut impl Write, bytes: &[u8]) -> Result<(), ContainerError> {
    let length = u32::try_from(bytes.len()).map_err(|_| ContainerError::Format("a ciphertext of 4 GB or more".into()))?;
    out.write_all(&length.to_le_bytes())?;
    Ok(out.write_all(bytes)?)
}

/// A file of ciphertexts that is being read.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    head: Head,
    left: usize,
}

impl<R: Read> Reader<R> {
    /// Reads the head.
    ///
    /// # Errors
    /// [`ContainerError::Format`] for bytes that are no such file.
    pub fn open(mut from: R) -> Result<Self, ContainerError> {
        let mut fixed = [0u8; 16];
        from.read_exact(&mut fixed).map_err(|_| refused("it is shorter than its head"))?;
        let [magic @ .., _, _, _, _, _, _, _, _] = &fixed;
        if *magic != MAGIC {
            return Err(refused("it does not begin with VEILVCT"));
        }
        let [.., v0, v1, _, _, l0, l1, l2, l3] = fixed;
        let (version, length) = (u16::from_le_bytes([v0, v1]), u32::from_le_bytes([l0, l1, l2, l3]));
        if version != VERSION {
            return Err(ContainerError::Format(format!("it has version {version}, this program reads {VERSION}")));
        }
        if length > MAX_HEAD {
            return Err(ContainerError::Format(format!("a head of {length} bytes, above the limit of {MAX_HEAD}")));
        }
        let mut json = vec![0; length as usize];
        from.read_exact(&mut json).map_err(|_| refused("it ends in its head"))?;
        let head: Head = serde_json::from_slice(&json).map_err(|e| ContainerError::Format(format!("its head: {e}")))?;
        let left = head.images.checked_mul(head.ciphertexts_per_image).filter(|_| head.ciphertexts_per_image > 0);
        let left = left.ok_or_else(|| refused("its head announces an impossible number of ciphertexts"))?;
        Ok(Self { from, head, left })
    }

    /// What the file says of itself.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The next ciphertext's bytes, at most `limit`; none after the last, behind which nothing may follow.
    ///
    /// # Errors
    /// [`ContainerError::Format`] for a file that is cut off, continues, or has a larger ciphertext.
    pub fn next_ciphertext(&mut self, limit: usize) -> Result<Option<Vec<u8>>, ContainerError> {
        if self.left == 0 {
            let more = self.from.read(&mut [0]).map_err(|_| refused("it cannot be read to its end"))?;
            return if more == 0 { Ok(None) } else { Err(refused("bytes follow its last ciphertext")) };
        }
        let mut length = [0; 4];
        self.from.read_exact(&mut length).map_err(|_| refused("it ends before its last ciphertext"))?;
        let length = u32::from_le_bytes(length) as usize;
        if length > limit {
            return Err(ContainerError::Format(format!("a ciphertext of {length} bytes, above the limit of {limit}")));
        }
        let mut bytes = vec![0; length];
        self.from.read_exact(&mut bytes).map_err(|_| refused("it ends in a ciphertext"))?;
        self.left -= 1;
        Ok(Some(bytes))
    }
}

fn refused(why: &str) -> ContainerError {
    ContainerError::Format(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(images: usize) -> Head {
        Head {
            kind: Kind::Request,
            model: "m".into(),
            manifest_sha256: "a".into(),
            params: "n13".into(),
            keys_sha256: "b".into(),
            images,
            ciphertexts_per_image: 1,
        }
    }

    fn file(images: usize) -> Vec<u8> {
        let mut out = Vec::new();
        write_head(&mut out, &head(images)).unwrap();
        for image in 0..images {
            write_ciphertext(&mut out, &vec![7; 10 + image]).unwrap();
        }
        out
    }

    fn all(bytes: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, ContainerError> {
        let mut reader = Reader::open(bytes)?;
        std::iter::from_fn(|| reader.next_ciphertext(limit).transpose()).collect()
    }

    #[test]
    fn what_was_written_comes_back_and_every_cut_is_noticed() {
        let bytes = file(3);
        assert_eq!(all(&bytes, 100).unwrap().iter().map(Vec::len).collect::<Vec<_>>(), [10, 11, 12]);
        for cut in 0..bytes.len() {
            assert!(matches!(all(&bytes[..cut], 100), Err(ContainerError::Format(_))), "cut at {cut}");
        }
        assert!(all(&[bytes.as_slice(), &[0]].concat(), 100).is_err());
        assert!(all(&bytes, 11).is_err());
        let mut bad = bytes.clone();
        bad[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(all(&bad, 100).unwrap_err().to_string().contains("limit"));
        let mut huge = Vec::new();
        write_head(&mut huge, &Head { images: usize::MAX, ciphertexts_per_image: 2, ..head(0) }).unwrap();
        assert!(matches!(Reader::open(huge.as_slice()), Err(ContainerError::Format(_))));
    }
}
