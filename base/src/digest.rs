//! SHA-256 (FIPS 180-4) and hexadecimal text.

use sha2::{Digest, Sha256};
use std::io::{self, Read};

/// `bytes` as lower-case hexadecimal digits, two for each byte.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256 of `bytes` as 64 lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of what `reader` still holds, as 64 lower-case hexadecimal digits, and its length in bytes. Memory does not grow with the length.
///
/// # Errors
/// Whatever the reader refuses; a read that was interrupted is tried again.
pub fn sha256_hex_of_reader(mut reader: impl Read) -> io::Result<(String, u64)> {
    let (mut hasher, mut buffer, mut total) = (Sha256::new(), vec![0; 1 << 16], 0);
    loop {
        let count = match reader.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count?,
        };
        if count == 0 {
            return Ok((hex(&hasher.finalize()), total));
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
        total += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_of_sha_256() {
        // FIPS 180-4, appendix B.1.
        let wanted = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_hex(b"abc"), wanted);
        assert_eq!(sha256_hex_of_reader(&b"abc"[..]).unwrap(), (wanted.to_string(), 3));
        assert_eq!(hex(&[0x00, 0x0f, 0xff]), "000fff");
        let long = vec![7; 200_000];
        assert_eq!(sha256_hex_of_reader(long.as_slice()).unwrap(), (sha256_hex(&long), 200_000));
    }
}
