//! Evaluation keys on the wire.

/// Bytes of an upload that the daemon writes to its disk at a time, and reserves memory for: 1 MiB.
pub const UPLOAD_PIECE: usize = 1 << 20;

/// The name of uploaded keys: SHA-256 of their bytes in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyDigest(String);

impl KeyDigest {
    /// The digest that `text` is: 64 digits of `0-9a-f`; none for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (text.len() == 64 && text.bytes().all(digit)).then(|| Self(text.into()))
    }

    /// Its 64 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digests_name_keys() {
        assert!(KeyDigest::parse(&"a1".repeat(32)).is_some());
        for bad in ["", "../x", &"A1".repeat(32), &"a".repeat(63), &"g".repeat(64)] {
            assert!(KeyDigest::parse(bad).is_none());
        }
    }
}
