//! A code of a file that is in no table here, as far as it may be shown.

use serde::{Serialize, Serializer};
use std::fmt;

/// Longest code that is shown: as long as DICOM's short strings (PS3.5 6.2, SH).
const MAX_LENGTH: usize = 16;

/// A code value of a file: at most 16 of `A-Z`, `0-9` and `-`, a digit among them. Neither a name nor a date with its separators is one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code {
    bytes: [u8; MAX_LENGTH],
    length: usize,
}

impl Code {
    /// The code of a text, if it may be shown.
    pub(crate) fn of(text: &[u8]) -> Option<Self> {
        let plain = text.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'-'));
        let mut bytes = [0; MAX_LENGTH];
        bytes.get_mut(..text.len()).filter(|_| plain && text.iter().any(u8::is_ascii_digit))?.copy_from_slice(text);
        Some(Self { bytes, length: text.len() })
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({self})")
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_shown_and_a_name_is_not() {
        for code in ["R-102CD", "399182000", "1", "ABCDEFGHIJ-12345"] {
            assert_eq!(Code::of(code.as_bytes()).unwrap().to_string(), code);
        }
        for text in ["", "MUELLER", "R-ABC", "MUELLER^1", "r-102cd", "1955.12.24", "12 34", "ABCDEFGHIJK-12345", "1\u{e9}"] {
            assert_eq!(Code::of(text.as_bytes()), None, "{text}");
        }
    }
}
