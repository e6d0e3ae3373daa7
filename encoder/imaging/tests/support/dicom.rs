//! DICOM files through dicom-object, an implementation of its own of everything that `ingest::dicom` reads by hand.

use dicom_core::value::{DataSetSequence, PixelFragmentSequence};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_object::mem::{InMemDicomObject, InMemElement};
use dicom_object::meta::FileMetaTableBuilder;

pub(crate) const IMPLICIT: &str = "1.2.840.10008.1.2";
pub(crate) const EXPLICIT: &str = "1.2.840.10008.1.2.1";
pub(crate) const BIG: &str = "1.2.840.10008.1.2.2";
pub(crate) const RLE: &str = "1.2.840.10008.1.2.5";
pub(crate) const JPEG_BASELINE: &str = "1.2.840.10008.1.2.4.50";
pub(crate) const JPEG_LOSSLESS: &str = "1.2.840.10008.1.2.4.70";
pub(crate) const JPEG_2000: &str = "1.2.840.10008.1.2.4.90";

/// A data set under construction.
pub(crate) struct File {
    pub(crate) object: InMemDicomObject,
}

pub(crate) fn text(tag: (u16, u16), vr: VR, value: &str) -> InMemElement {
    DataElement::new(Tag(tag.0, tag.1), vr, PrimitiveValue::from(value))
}

pub(crate) fn short(tag: (u16, u16), value: u16) -> InMemElement {
    DataElement::new(Tag(tag.0, tag.1), VR::US, PrimitiveValue::from(value))
}

impl File {
    /// A DX, PA, MONOCHROME2, unsigned image without pixels yet.
    pub(crate) fn new(width: usize, height: usize, allocated: u16, stored: u16) -> Self {
        let object = InMemDicomObject::from_element_iter([
            text((0x0008, 0x0016), VR::UI, "1.2.840.10008.5.1.4.1.1.1.1"),
            text((0x0008, 0x0018), VR::UI, "1.2.3.4"),
            text((0x0008, 0x0060), VR::CS, "DX"),
            text((0x0018, 0x5101), VR::CS, "PA"),
            text((0x0028, 0x0004), VR::CS, "MONOCHROME2"),
            short((0x0028, 0x0002), 1),
            short((0x0028, 0x0010), height as u16),
            short((0x0028, 0x0011), width as u16),
            short((0x0028, 0x0100), allocated),
            short((0x0028, 0x0101), stored),
            short((0x0028, 0x0102), stored - 1),
            short((0x0028, 0x0103), 0),
        ]);
        Self { object }
    }

    pub(crate) fn with(mut self, element: InMemElement) -> Self {
        self.object.put(element);
        self
    }

    pub(crate) fn text(self, tag: (u16, u16), vr: VR, value: &str) -> Self {
        self.with(text(tag, vr, value))
    }

    pub(crate) fn short(self, tag: (u16, u16), value: u16) -> Self {
        self.with(short(tag, value))
    }

    pub(crate) fn without(mut self, tag: (u16, u16)) -> Self {
        self.object.remove_element(Tag(tag.0, tag.1));
        self
    }

    pub(crate) fn sequence(self, tag: (u16, u16), item: Vec<InMemElement>) -> Self {
        let items = vec![InMemDicomObject::from_element_iter(item)];
        self.with(DataElement::new(Tag(tag.0, tag.1), VR::SQ, DataSetSequence::from(items)))
    }

    pub(crate) fn bytes(self, tag: (u16, u16), vr: VR, bytes: &[u8]) -> Self {
        self.with(DataElement::new(Tag(tag.0, tag.1), vr, PrimitiveValue::from(bytes.to_vec())))
    }

    pub(crate) fn words(self, tag: (u16, u16), vr: VR, words: &[u16]) -> Self {
        self.with(DataElement::new(Tag(tag.0, tag.1), vr, PrimitiveValue::U16(words.iter().copied().collect())))
    }

    pub(crate) fn pixels8(self, bytes: &[u8]) -> Self {
        self.with(DataElement::new(Tag(0x7FE0, 0x0010), VR::OB, PrimitiveValue::from(bytes.to_vec())))
    }

    pub(crate) fn pixels16(self, words: &[u16]) -> Self {
        self.with(DataElement::new(Tag(0x7FE0, 0x0010), VR::OW, PrimitiveValue::U16(words.iter().copied().collect())))
    }

    pub(crate) fn fragments(self, fragments: Vec<Vec<u8>>) -> Self {
        let even = |mut bytes: Vec<u8>| {
            if bytes.len() % 2 == 1 {
                bytes.push(0);
            }
            bytes
        };
        let fragments: Vec<Vec<u8>> = fragments.into_iter().map(even).collect();
        self.with(DataElement::new(Tag(0x7FE0, 0x0010), VR::OB, PixelFragmentSequence::new_fragments(fragments)))
    }

    pub(crate) fn write(self, transfer_syntax: &str) -> Vec<u8> {
        let meta = FileMetaTableBuilder::new().transfer_syntax(transfer_syntax);
        let mut bytes = Vec::new();
        self.object.with_meta(meta).unwrap().write_all(&mut bytes).unwrap();
        bytes
    }
}

/// A lookup table's item.
pub(crate) fn lut(first: u16, bits: u16, entries: &[u16]) -> Vec<InMemElement> {
    let words = |values: &[u16]| PrimitiveValue::U16(values.iter().copied().collect());
    vec![
        DataElement::new(Tag(0x0028, 0x3002), VR::US, words(&[entries.len() as u16, first, bits])),
        DataElement::new(Tag(0x0028, 0x3006), VR::OW, words(entries)),
    ]
}

/// One frame in DICOM's run-length encoding, the planes from the highest byte down.
pub(crate) fn rle(planes: &[Vec<u8>]) -> Vec<u8> {
    let packed: Vec<Vec<u8>> = planes.iter().map(|plane| pack_bits(plane)).collect();
    let mut stream = (planes.len() as u32).to_le_bytes().to_vec();
    let mut offset = 64u32;
    for segment in &packed {
        stream.extend(offset.to_le_bytes());
        offset += segment.len() as u32;
    }
    stream.resize(64, 0);
    stream.extend(packed.concat());
    stream
}

fn pack_bits(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    let mut rest = bytes;
    while let Some(&first) = rest.first() {
        let run = rest.iter().take(128).take_while(|&&b| b == first).count();
        if run >= 3 {
            out.extend([(257 - run) as u8, first]);
            rest = &rest[run..];
        } else {
            let literal = rest.len().min(100);
            out.push((literal - 1) as u8);
            out.extend(&rest[..literal]);
            rest = &rest[literal..];
            // 128 is to be skipped.
            out.push(128);
        }
    }
    if out.len() % 2 == 1 {
        out.push(0);
    }
    out
}
