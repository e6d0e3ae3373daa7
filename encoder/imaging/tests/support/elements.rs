//! DICOM files byte by byte, in every way that elements are written, and miswritten.

use super::{grey_png16, levels_apart, picture, read};
use std::collections::BTreeMap;
use veilray_imaging::ingest::{Canonical, Format, HEAD, Settings, detect, read_bytes};

pub(crate) type Tag = (u16, u16);

/// How elements are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum As {
    Implicit,
    Explicit,
    Big,
}

pub(crate) const UNDEFINED: u32 = u32::MAX;

impl As {
    pub(crate) fn short(self, value: u16) -> [u8; 2] {
        if self == Self::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    pub(crate) fn long(self, value: u32) -> [u8; 4] {
        if self == Self::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    pub(crate) fn words(self, values: &[u16]) -> Vec<u8> {
        values.iter().flat_map(|&value| self.short(value)).collect()
    }

    /// A header and what follows it, whatever the length says.
    pub(crate) fn header(self, tag: Tag, vr: &str, length: u32, value: &[u8]) -> Vec<u8> {
        let mut out = [self.short(tag.0), self.short(tag.1)].concat();
        if self == Self::Implicit || tag.0 == 0xFFFE {
            out.extend(self.long(length));
        } else if ["OB", "OW", "OF", "OD", "UN", "SQ", "UT"].contains(&vr) {
            out.extend(vr.as_bytes());
            out.extend([0, 0]);
            out.extend(self.long(length));
        } else {
            out.extend(vr.as_bytes());
            out.extend(self.short(length as u16));
        }
        out.extend(value);
        out
    }

    pub(crate) fn element(self, tag: Tag, vr: &str, value: &[u8]) -> Vec<u8> {
        self.header(tag, vr, value.len() as u32, value)
    }

    /// A sequence of undefined length, its delimiter in little endian.
    pub(crate) fn undefined(self, tag: Tag, vr: &str, items: &[u8]) -> Vec<u8> {
        [self.header(tag, vr, UNDEFINED, items), end_of_sequence()].concat()
    }
}

pub(crate) fn item(elements: &[u8]) -> Vec<u8> {
    As::Implicit.element((0xFFFE, 0xE000), "", elements)
}

pub(crate) fn undefined_item(elements: &[u8]) -> Vec<u8> {
    let end = As::Implicit.element((0xFFFE, 0xE00D), "", &[]);
    [As::Implicit.header((0xFFFE, 0xE000), "", UNDEFINED, elements), end].concat()
}

pub(crate) fn end_of_sequence() -> Vec<u8> {
    As::Implicit.element((0xFFFE, 0xE0DD), "", &[])
}

/// A text of even length.
pub(crate) fn text(value: &str) -> Vec<u8> {
    let padding = if value.len() % 2 == 1 { " " } else { "" };
    [value, padding].concat().into_bytes()
}

/// An uncompressed film, each element by its tag.
#[derive(Clone)]
pub(crate) struct Film {
    pub(crate) written: As,
    elements: BTreeMap<Tag, Vec<u8>>,
}

impl Film {
    /// A CR, PA, of 16 bits allocated and `stored`, with a window about their middle.
    pub(crate) fn new(written: As, width: usize, height: usize, stored: u16, pixels: &[u16]) -> Self {
        let film = Self { written, elements: BTreeMap::new() };
        film.text((0x0008, 0x0005), "CS", "ISO_IR 100")
            .text((0x0008, 0x0016), "UI", "1.2.840.10008.5.1.4.1.1.1\0")
            .text((0x0008, 0x0018), "UI", "1.2.3.4\0")
            .text((0x0008, 0x0060), "CS", "CR")
            .text((0x0018, 0x5101), "CS", "PA")
            .text((0x0028, 0x0004), "CS", "MONOCHROME2")
            .short((0x0028, 0x0002), 1)
            .short((0x0028, 0x0010), height as u16)
            .short((0x0028, 0x0011), width as u16)
            .short((0x0028, 0x0100), 16)
            .short((0x0028, 0x0101), stored)
            .short((0x0028, 0x0102), stored - 1)
            .short((0x0028, 0x0103), 0)
            .text((0x0028, 0x1050), "DS", &(1u32 << (stored - 1)).to_string())
            .text((0x0028, 0x1051), "DS", &(1u32 << stored).to_string())
            .with((0x7FE0, 0x0010), "OW", &written.words(pixels))
    }

    pub(crate) fn with(self, tag: Tag, vr: &str, value: &[u8]) -> Self {
        let element = self.written.element(tag, vr, value);
        self.raw(tag, element)
    }

    /// Puts bytes in the place of an element.
    pub(crate) fn raw(mut self, tag: Tag, bytes: Vec<u8>) -> Self {
        self.elements.insert(tag, bytes);
        self
    }

    pub(crate) fn text(self, tag: Tag, vr: &str, value: &str) -> Self {
        self.with(tag, vr, &text(value))
    }

    pub(crate) fn short(self, tag: Tag, value: u16) -> Self {
        let bytes = self.written.short(value);
        self.with(tag, "US", &bytes)
    }

    pub(crate) fn without(mut self, tags: &[Tag]) -> Self {
        tags.iter().for_each(|tag| drop(self.elements.remove(tag)));
        self
    }

    pub(crate) fn without_window(self) -> Self {
        self.without(&[(0x0028, 0x1050), (0x0028, 0x1051)])
    }

    /// The value of an element with a header of eight bytes.
    pub(crate) fn value(&self, tag: Tag) -> Vec<u8> {
        self.elements[&tag][8..].to_vec()
    }

    pub(crate) fn tags(&self) -> Vec<Tag> {
        self.elements.keys().copied().collect()
    }

    pub(crate) fn data_set(&self) -> Vec<u8> {
        self.elements.values().flatten().copied().collect()
    }

    pub(crate) fn syntax(&self) -> &'static str {
        match self.written {
            As::Implicit => "1.2.840.10008.1.2",
            As::Explicit => "1.2.840.10008.1.2.1",
            As::Big => "1.2.840.10008.1.2.2",
        }
    }

    /// The file: preamble, meta information, data set.
    pub(crate) fn file(&self) -> Vec<u8> {
        [preamble(), meta(self.syntax()), self.data_set()].concat()
    }
}

pub(crate) fn preamble() -> Vec<u8> {
    [&[0; 128][..], b"DICM"].concat()
}

/// File meta information.
pub(crate) fn meta(syntax: &str) -> Vec<u8> {
    let syntax = if syntax.len() % 2 == 1 { format!("{syntax}\0") } else { syntax.into() };
    let rest = [
        As::Explicit.element((2, 1), "OB", &[0, 1]),
        As::Explicit.element((2, 2), "UI", b"1.2.840.10008.5.1.4.1.1.1\0"),
        As::Explicit.element((2, 3), "UI", b"1.2.3.4\0"),
        As::Explicit.element((2, 0x10), "UI", syntax.as_bytes()),
    ]
    .concat();
    [As::Explicit.element((2, 0), "UL", &(rest.len() as u32).to_le_bytes()), rest].concat()
}

/// Columns and rows of [`film`].
pub(crate) const N: usize = 144;

/// The stored values of [`film`].
pub(crate) fn words() -> Vec<u16> {
    picture(N, N).into_iter().map(|level| u16::from(level) * 16).collect()
}

/// A film of 12 bits.
pub(crate) fn film(written: As) -> Film {
    Film::new(written, N, N, 12, &words())
}

/// What it is to be, however it is written.
pub(crate) fn reference() -> Canonical {
    let image = read(&film(As::Explicit).file());
    // By the window, a stored value is its share of 4095.
    let wide: Vec<u16> = words().iter().map(|&word| (f64::from(word) * 65_535.0 / 4095.0).round() as u16).collect();
    assert!(levels_apart(&image, &read(&grey_png16(N, N, &wide))) <= 1);
    image
}

/// Checks that each of the files is taken for DICOM and gives [`reference`].
pub(crate) fn assert_same(files: &[(&str, Vec<u8>)]) {
    let wanted = reference();
    for (what, file) in files {
        match read_bytes(file, &Settings::default()) {
            Ok(found) => assert!(found.image == wanted, "{what}: another image"),
            Err(error) => panic!("{what}: {error}"),
        }
        assert_eq!(detect(&file[..file.len().min(HEAD)]), Some(Format::Dicom), "{what}");
    }
}
