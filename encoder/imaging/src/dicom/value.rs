//! Values of elements: integers and decimals, in binary or in text.

use super::dataset::Element;
use crate::image::attribute::Attribute;
use crate::image::{Error, Result};
use dicom_core::VR;

/// Text without the padding at its ends.
pub(super) fn trimmed(bytes: &[u8]) -> &[u8] {
    let nul = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    bytes.get(..nul).unwrap_or_default().trim_ascii()
}

/// The 16-bit words of a value.
pub(super) fn words(bytes: &[u8], big_endian: bool) -> impl Iterator<Item = u16> {
    let word = if big_endian { u16::from_be_bytes } else { u16::from_le_bytes };
    bytes.as_chunks::<2>().0.iter().map(move |&pair| word(pair))
}

/// The first `count` bytes of a value, of which two fill a word of 16 bits, the first its low half: in big endian they change places, unless
/// they are written as bytes. None if there are fewer.
pub(super) fn bytes(element: Element<'_>, count: usize) -> Option<Vec<u16>> {
    let as_words = element.big && element.vr != VR::OB;
    let byte = |i: usize| element.bytes.get(if as_words { i ^ 1 } else { i }).map(|&byte| u16::from(byte));
    (0..count).map(byte).collect()
}

/// The first value as an integer; none if it is empty.
pub(super) fn integer(attribute: Attribute, element: Element<'_>) -> Result<Option<i64>> {
    if element.bytes.is_empty() {
        return Ok(None);
    }
    let damaged = || Error::at(attribute, "not an integer of its kind");
    let word = || words(element.bytes, element.big).next().ok_or_else(damaged);
    let long = || {
        let &four = element.bytes.first_chunk::<4>().ok_or_else(damaged)?;
        Ok(if element.big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) })
    };
    Ok(Some(match element.vr {
        VR::US | VR::OW | VR::UN => i64::from(word()?),
        VR::SS => i64::from(word()?.cast_signed()),
        VR::UL => i64::from(long()?),
        VR::SL => i64::from(long()?.cast_signed()),
        _ => match first_text(element.bytes) {
            None => return Ok(None),
            Some(text) => text.parse().or_else(|_| whole(text).ok_or_else(damaged))?,
        },
    }))
}

/// A whole number that is written with a point or an exponent, as some writers do.
fn whole(text: &str) -> Option<i64> {
    let value: f64 = text.parse().ok()?;
    (value.fract() == 0.0 && value.abs() < 1e15).then_some(value as i64)
}

/// The first value as a finite number; none if it is empty.
pub(super) fn decimal(attribute: Attribute, element: Element<'_>) -> Result<Option<f64>> {
    let finite = |value: Option<f64>| {
        let value = value.filter(|value| value.is_finite());
        value.map(Some).ok_or(Error::at(attribute, "not a finite decimal number"))
    };
    match element.vr {
        _ if element.bytes.is_empty() => Ok(None),
        VR::FL => finite(
            element
                .bytes
                .first_chunk()
                .map(|&four| f64::from(if element.big { f32::from_be_bytes(four) } else { f32::from_le_bytes(four) })),
        ),
        VR::FD => finite(
            element.bytes.first_chunk().map(
                |&eight| {
                    if element.big { f64::from_be_bytes(eight) } else { f64::from_le_bytes(eight) }
                },
            ),
        ),
        VR::US | VR::SS | VR::UL | VR::SL => Ok(integer(attribute, element)?.map(|value| value as f64)),
        _ => match first_text(element.bytes) {
            None => Ok(None),
            Some(text) => finite(text.parse().ok()),
        },
    }
}

/// The first of the values in a text; none if it is empty or not text.
fn first_text(bytes: &[u8]) -> Option<&str> {
    let first = bytes.split(|&byte| byte == b'\\').next()?;
    Some(std::str::from_utf8(trimmed(first)).unwrap_or("?")).filter(|text| !text.is_empty())
}
