//! From when until when a certificate is valid: the one field of it that the TLS library does not tell its server.

use veilray_base::clock;

/// A DER element: its tag, its content, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if digits.is_empty() || digits.len() > 4 {
            return None;
        }
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// UNIX seconds of a UTCTime or a GeneralizedTime.
fn time(tag: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = text.split_at_checked(if tag == 0x17 { 2 } else { 4 })?;
    let year: i64 = year.parse().ok()?;
    // RFC 5280, 4.1.2.5.1.
    let year = match tag {
        0x17 if year < 50 => year + 2000,
        0x17 => year + 1900,
        0x18 => year,
        _ => return None,
    };
    let pair = |at: usize| rest.get(at..at + 2)?.parse::<i64>().ok();
    let days = clock::days(year, pair(0)?, pair(2)?);
    Some(days * 86_400 + pair(4)? * 3600 + pair(6)? * 60 + pair(8)?)
}

/// First and last UNIX second of a certificate (DER); none where it cannot be read.
pub(super) fn validity(certificate: &[u8]) -> Option<(i64, i64)> {
    let (0x30, certificate, _) = element(certificate)? else { return None };
    let (0x30, mut rest, _) = element(certificate)? else { return None };
    // The version may be left out; serial number, signature and issuer may not.
    if let (0xa0, _, behind) = element(rest)? {
        rest = behind;
    }
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (0x30, validity, _) = element(rest)? else { return None };
    let (tag, first, rest) = element(validity)?;
    let first = time(tag, first)?;
    let (tag, last, _) = element(rest)?;
    Some((first, time(tag, last)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_a_certificate_are_found() {
        for (from, until) in [(1999, 2031), (2020, 2065)] {
            let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
            params.not_before = rcgen::date_time_ymd(from, 2, 3);
            params.not_after = rcgen::date_time_ymd(until, 4, 5);
            let made = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
            let day = |year: i32, month, day| clock::days(i64::from(year), month, day) * 86_400;
            assert_eq!(validity(made.der()), Some((day(from, 2, 3), day(until, 4, 5))));
            for length in 0..120 {
                assert_eq!(validity(&made.der()[..length]), None);
            }
        }
    }
}
