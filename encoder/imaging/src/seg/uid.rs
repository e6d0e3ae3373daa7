//! New unique identifiers.

use super::{Error, Result};

/// A UID under the root for UUIDs (PS3.5 B.2): `2.25.` and the decimal number of a random UUID (RFC 9562, version 4).
///
/// # Errors
/// [`Error::Random`].
pub(super) fn random() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| Error::Random(e.to_string()))?;
    Ok(format!("2.25.{}", version_4(u128::from_be_bytes(bytes))))
}

/// The bits of version and variant, over random ones.
fn version_4(random: u128) -> u128 {
    const VERSION: u32 = 76;
    const VARIANT: u32 = 62;
    (random & !(0xf << VERSION) & !(0b11 << VARIANT)) | (4 << VERSION) | (0b10 << VARIANT)
}

/// Whether a text is a UID: at most 64 digits and dots, no component empty (PS3.5 9.1).
pub(super) fn is_uid(text: &[u8]) -> bool {
    text.len() <= 64 && text.split(|&byte| byte == b'.').all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_keeps_its_random_bits_and_states_its_version() {
        // 00112233-4455-4677-8899-aabbccddeeff, by hand.
        assert_eq!(version_4(0x0011_2233_4455_6677_c899_aabb_ccdd_eeff), 0x0011_2233_4455_4677_8899_aabb_ccdd_eeff);
        assert_eq!(version_4(u128::MAX), 0xffff_ffff_ffff_4fff_bfff_ffff_ffff_ffff);
    }

    #[test]
    fn identifiers_are_valid_and_never_the_same() {
        let (one, other) = (random().unwrap(), random().unwrap());
        assert!(one != other && [&one, &other].iter().all(|uid| uid.starts_with("2.25.") && is_uid(uid.as_bytes())));
    }

    #[test]
    fn what_is_no_uid_is_known() {
        assert!(is_uid(b"1.2.840.10008.1.2"));
        for text in ["", "1..2", ".1", "1.2.", "1.2a", "1.2 3", &"1.".repeat(33)] {
            assert!(!is_uid(text.as_bytes()), "{text}");
        }
    }
}
