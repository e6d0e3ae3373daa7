//! What a DICOM file holds: where its data set begins and how it is written, with the file meta information of PS3.10 or without, and
//! inflated where it is deflated (PS3.5 annex A.5).

use super::header::{self, Header, Order};
use super::{inflate, value};
use crate::image::attribute;
use crate::image::memory::Memory;
use crate::image::{Error, Format, Limits, Result};
use std::borrow::Cow;

const IMPLICIT: &str = "1.2.840.10008.1.2";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
const BIG: &str = "1.2.840.10008.1.2.2";
/// A vendor's: implicit VR little endian, but for the pixel data.
const BIG_PIXELS: &str = "1.2.840.113619.5.2";

/// Length of the preamble, which says nothing.
const PREAMBLE: usize = 128;

/// Bytes from which a file is known to be DICOM.
pub(crate) const HEAD: usize = 1024;

/// Headers that tell a data set from other files where nothing announces it.
const TELLING: usize = 3;

/// A data set and how it is written.
pub(crate) struct Content<'a> {
    bytes: Cow<'a, [u8]>,
    /// Where the data set starts in the bytes.
    pub(super) start: usize,
    /// How its root is written.
    pub(super) order: Order,
    /// The transfer syntax that the file states.
    pub(super) syntax: Option<&'a str>,
}

impl<'a> Content<'a> {
    /// Finds the data set of a file. What is deflated is inflated, to at most [`Limits::file_bytes`]; `memory` is asked before.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::TooLarge`], [`Error::Missing`] without a transfer syntax where the data set does not show how it is
    /// written.
    pub(crate) fn open(bytes: &'a [u8], limits: &Limits, memory: &mut Memory<'_>) -> Result<Self> {
        let signature = signature(bytes.get(..HEAD).unwrap_or(bytes));
        let (syntax, start) = file_meta(bytes, signature.unwrap_or(0))?;
        let rest = bytes.get(start..).unwrap_or_default();
        if signature.is_some() && rest.is_empty() {
            return Err(Error::malformed(Format::Dicom, "the file ends before its data set"));
        }
        if syntax == Some(DEFLATED) {
            let bytes = inflate::inflate(rest, limits, memory)?;
            let order = Order::EXPLICIT.of(&bytes);
            return Ok(Self { bytes: Cow::Owned(bytes), start: 0, order, syntax });
        }
        let order = match syntax {
            Some(IMPLICIT | BIG_PIXELS) => Order::IMPLICIT,
            Some(BIG) => Order::BIG,
            Some(_) => Order::EXPLICIT,
            None => guess(rest).ok_or(Error::Missing { attribute: attribute::TRANSFER_SYNTAX_UID })?,
        };
        Ok(Self { bytes: Cow::Borrowed(bytes), start, order: order.of(rest), syntax })
    }

    /// What [`Content::start`] counts in.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The transfer syntax UID: the stated one, or that of a data set written like this.
    pub(super) fn syntax(&self) -> &'a str {
        self.syntax.unwrap_or(match self.order {
            Order { explicit: false, .. } => IMPLICIT,
            Order { big: true, .. } => BIG,
            _ => EXPLICIT,
        })
    }

    /// The transfer syntax UID that pixels are decoded by: that of the same data set, not deflated and in the order of the standard.
    pub(super) fn coded_as(&self) -> &'a str {
        match self.syntax() {
            DEFLATED => EXPLICIT,
            BIG_PIXELS => IMPLICIT,
            syntax => syntax,
        }
    }

    /// Whether the pixel data is big endian in a data set that is not.
    pub(super) fn has_big_pixels(&self) -> bool {
        self.syntax == Some(BIG_PIXELS)
    }
}

/// Whether a file is DICOM, by its first [`HEAD`] bytes: `DICM` behind a preamble or without one, or three headers that the meta information
/// or a data set begins with, in order and with the representations that the dictionary gives them.
pub(crate) fn is_dicom(bytes: &[u8]) -> bool {
    let bytes = bytes.get(..HEAD).unwrap_or(bytes);
    if signature(bytes).is_some() {
        return true;
    }
    let Some(order) = order_at(bytes) else { return false };
    let mut rest = bytes;
    let mut last = None;
    for number in 1..=TELLING {
        let Some(header) = Header::read(rest, order) else { return false };
        let is_known = match header.vr {
            Some(vr) => header::fits_dictionary(header.tag, vr) == Some(true),
            None => header::is_known(header.tag),
        };
        if !is_known || last.is_some_and(|last| header.tag <= last) || header.length.is_some_and(|length| length % 2 == 1) {
            return false;
        }
        last = Some(header.tag);
        let next = header.length.and_then(|length| rest.get(header.size.checked_add(length)?..));
        match next {
            Some(next) => rest = next,
            None if number == TELLING => {}
            None => return false,
        }
    }
    true
}

/// How the elements are written that meta information or a data set begins with; none where neither does.
pub(super) fn order_at(bytes: &[u8]) -> Option<Order> {
    match bytes.first_chunk() {
        Some([2, 0]) => Some(Order::EXPLICIT.of(bytes)),
        Some([8, 0] | [0, 8]) => guess(bytes),
        _ => None,
    }
}

/// Where what follows `DICM` begins. Without a preamble, the meta information or a data set has to.
pub(super) fn signature(bytes: &[u8]) -> Option<usize> {
    let signed = |at: usize| bytes.get(at..at + 4) == Some(b"DICM".as_slice());
    let begins = matches!(bytes.get(4..6), Some([2 | 8, 0] | [0, 2 | 8]));
    if signed(PREAMBLE) { Some(PREAMBLE + 4) } else { (signed(0) && begins).then_some(4) }
}

/// How a data set is written that nothing announces: by its first tag, whose group is 0008 or a little more, and what follows it.
fn guess(bytes: &[u8]) -> Option<Order> {
    let &[first, second] = bytes.first_chunk()?;
    let big = first == 0;
    if (first == 0) == (second == 0) {
        return None;
    }
    let order = Order { explicit: true, big }.of(bytes);
    Some(order).filter(|order| order.explicit || !big)
}

/// The transfer syntax UID, and where the data set starts. The stated length of the group is not needed, and often wrong.
fn file_meta(bytes: &[u8], start: usize) -> Result<(Option<&str>, usize)> {
    let mut at = start;
    let mut uid = None;
    // Group 0002 is to be explicit little endian.
    while let Some(rest) = bytes.get(at..)
        && let Some(group @ ([2, 0] | [0, 2])) = rest.first_chunk()
    {
        let truncated = || Error::malformed(Format::Dicom, "the file meta group runs past the end of the file");
        let order = if *group == [2, 0] { Order::EXPLICIT } else { Order::BIG };
        let header = Header::read(rest, order).ok_or_else(truncated)?;
        let length = header.length.ok_or_else(truncated)?;
        let end = header.size.checked_add(length).ok_or_else(truncated)?;
        let value = rest.get(header.size..end).ok_or_else(truncated)?;
        if header.tag == attribute::TRANSFER_SYNTAX_UID.tag() {
            uid = std::str::from_utf8(value::trimmed(value)).ok().filter(|uid| !uid.is_empty());
        }
        at += end;
    }
    Ok((uid, at))
}
