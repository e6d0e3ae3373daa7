//! Headers of elements and items (PS3.5 7.1, 7.5), as they are written and as they are miswritten.

use crate::image::Attribute;
use dicom_core::Tag;
use dicom_core::VR;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_dictionary_std::StandardDataDictionary;

/// An item of a sequence, or a fragment.
pub(super) const ITEM: (u16, u16) = (0xFFFE, 0xE000);
/// The end of an item of undefined length.
pub(super) const ITEM_END: (u16, u16) = (0xFFFE, 0xE00D);
/// The end of a sequence of undefined length.
pub(super) const SEQUENCE_END: (u16, u16) = (0xFFFE, 0xE0DD);

/// How elements are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    /// Whether each element states its value representation.
    pub explicit: bool,
    pub big: bool,
}

impl Order {
    /// Implicit VR little endian.
    pub(super) const IMPLICIT: Self = Self { explicit: false, big: false };
    /// Explicit VR little endian.
    pub(super) const EXPLICIT: Self = Self { explicit: true, big: false };
    /// Explicit VR big endian.
    pub(super) const BIG: Self = Self { explicit: true, big: true };

    fn short(self, bytes: [u8; 2]) -> u16 {
        if self.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    fn long(self, bytes: [u8; 4]) -> u32 {
        if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    /// The order of a data set that begins with `bytes` and is said to be in this one: some writers put an implicit one into an explicit
    /// one, or announce the other of the two.
    pub(super) fn of(self, bytes: &[u8]) -> Self {
        let Some(&[g0, g1, e0, e1, v0, v1]) = bytes.first_chunk() else { return self };
        let tag = (self.short([g0, g1]), self.short([e0, e1]));
        if tag.0 == ITEM.0 {
            return self;
        }
        let letters = v0.is_ascii_uppercase() && v1.is_ascii_uppercase();
        match (self.explicit, letters) {
            (true, false) => Self { explicit: false, ..self },
            (false, true) if Self { explicit: true, ..self }.agrees(tag, bytes) => Self { explicit: true, ..self },
            _ => self,
        }
    }

    /// Whether an element that is read as explicit states the representation that the dictionary gives it, and ends within `bytes`. A length
    /// that looks like that would be one in 65 536.
    fn agrees(self, tag: (u16, u16), bytes: &[u8]) -> bool {
        let Some(header) = Header::read(bytes, self) else { return false };
        let fits = header.length.is_none_or(|length| length <= bytes.len().saturating_sub(header.size));
        fits && header.vr.is_some_and(|stated| fits_dictionary(tag, stated) == Some(true))
    }
}

/// The header of an element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub tag: (u16, u16),
    /// The stated value representation; one that no standard has is unknown (UN).
    pub vr: Option<VR>,
    /// None if it is undefined.
    pub length: Option<usize>,
    /// Bytes of the header itself.
    pub size: usize,
}

impl Header {
    /// Reads the header at the start of `bytes`, which end where the data set or item around the element does; none if they are too few.
    pub(super) fn read(bytes: &[u8], order: Order) -> Option<Self> {
        let &[g0, g1, e0, e1, v0, v1, l0, l1] = bytes.first_chunk()?;
        let tag = (order.short([g0, g1]), order.short([e0, e1]));
        let header = |vr, length: u32, size| {
            let length = (length != u32::MAX).then_some(length as usize);
            Self { tag, vr, length, size }
        };
        let implicit = header(None, order.long([v0, v1, l0, l1]), 8);
        if !order.explicit || tag.0 == ITEM.0 {
            return Some(implicit);
        }
        let short = |vr| header(Some(vr), u32::from(order.short([l0, l1])), 8);
        let long = |vr| {
            let length = order.long(*bytes.get(8..)?.first_chunk()?);
            Some(header(Some(vr), length, 12))
        };
        let fits = |header: &Self| header.length.is_none_or(|length| length <= bytes.len().saturating_sub(header.size));
        match VR::from_binary([v0, v1]) {
            Some(vr) if is_long(vr) => long(vr),
            Some(vr) => Some(short(vr)),
            // One that came after this program has a long length (PS3.5 7.1.2).
            None if v0.is_ascii_uppercase() && v1.is_ascii_uppercase() => {
                long(VR::UN).filter(|header| [l0, l1] == [0, 0] && fits(header)).or(Some(short(VR::UN)))
            }
            // Not a representation: the length follows the tag, or else a short one follows what stands there instead.
            None => Some(implicit).filter(fits).or(Some(short(VR::UN))),
        }
    }
}

/// Whether an element of this representation has a length of 32 bits.
fn is_long(vr: VR) -> bool {
    !matches!(
        vr,
        VR::AE
            | VR::AS
            | VR::AT
            | VR::CS
            | VR::DA
            | VR::DS
            | VR::DT
            | VR::FD
            | VR::FL
            | VR::IS
            | VR::LO
            | VR::LT
            | VR::PN
            | VR::SH
            | VR::SL
            | VR::SS
            | VR::ST
            | VR::TM
            | VR::UI
            | VR::UL
            | VR::US
    )
}

/// The tag and the length of an item or delimiter, in whichever byte order it is written: in one that the sequence around it does not have,
/// where that was written as UN. A length is none if it is undefined.
pub(super) fn item(bytes: &[u8]) -> Option<((u16, u16), Option<usize>)> {
    let order = if bytes.first() == Some(&0xFE) { Order::IMPLICIT } else { Order { explicit: false, big: true } };
    Header::read(bytes, order).map(|header| (header.tag, header.length))
}

/// The dictionary's value representation (PS3.6); none of a private element.
fn dictionary(tag: (u16, u16)) -> Option<VirtualVr> {
    StandardDataDictionary.by_tag(Tag(tag.0, tag.1)).map(|entry| entry.vr())
}

/// Whether the dictionary knows an element.
pub(super) fn is_known(tag: (u16, u16)) -> bool {
    dictionary(tag).is_some()
}

/// Whether a stated representation is one that the dictionary gives the element; none if it does not know the element.
pub(super) fn fits_dictionary(tag: (u16, u16), stated: VR) -> Option<bool> {
    Some(match dictionary(tag)? {
        VirtualVr::Exact(vr) => vr == stated,
        VirtualVr::Xs => matches!(stated, VR::US | VR::SS),
        _ => matches!(stated, VR::OB | VR::OW | VR::US | VR::SS),
    })
}

/// The representation of an element that states none, or UN; unsigned where it depends on the pixels.
pub(super) fn implied(attribute: Attribute) -> VR {
    dictionary(attribute.tag()).map_or(VR::UN, VirtualVr::relaxed)
}

/// Whether an element's sign is that of the pixels, where it states none.
pub(super) fn is_signed_as_pixels(attribute: Attribute) -> bool {
    dictionary(attribute.tag()) == Some(VirtualVr::Xs)
}
