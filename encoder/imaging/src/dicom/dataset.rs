//! The elements of a DICOM file that ingest reads, as slices of the file.

use super::syntax::{Coding, coding};
use super::value;
use crate::catch_panic::catch_panic;
use crate::image::attribute::{self, Attribute};
use crate::image::{Error, Format, Result};
use dicom_core::header::{DataElementHeader, HasLength, Header};
use dicom_core::{Tag, VR};
use dicom_parser::dataset::LazyDataToken;
use dicom_parser::dataset::lazy_read::LazyDataSetReader;
use dicom_parser::stateful::decode::StatefulDecode;
use dicom_transfer_syntax_registry::{TransferSyntaxIndex, TransferSyntaxRegistry};
use std::collections::BTreeMap;
use std::io::Cursor;

/// Sequences within sequences, at most; chest radiographs have two.
const MAX_DEPTH: usize = 32;

/// Elements, items and delimiters before the pixel data, at most; chest radiographs have a few hundred. Each costs a step of the parser.
const MAX_TOKENS: u64 = 1 << 19;

/// Fragments of the one frame: at 256 MiB, of 4 KiB each.
const MAX_FRAGMENTS: u64 = 65_536;

/// One element: how it is written, and its bytes.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    pub vr: VR,
    pub bytes: &'a [u8],
}

/// The pixel data as it stands in the file.
pub(super) enum PixelData<'a> {
    Native(Element<'a>),
    /// Fragments without the offset table.
    Encapsulated(Vec<&'a [u8]>),
}

/// The elements on a list of attributes, at the root and in the first item of a sequence on it, and the pixel data.
pub(super) struct Dataset<'a> {
    /// The transfer syntax UID.
    pub syntax: &'a str,
    pub coding: Coding,
    pub big_endian: bool,
    elements: BTreeMap<(Option<Attribute>, Attribute), Element<'a>>,
    pub pixels: PixelData<'a>,
}

impl<'a> Dataset<'a> {
    /// Reads the attributes on `list`, in a file up to the end of its pixel data.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Unsupported`] for its transfer syntax, [`Error::Missing`] without pixel data.
    pub(super) fn read(bytes: &'a [u8], list: &'static [Attribute]) -> Result<Self> {
        catch_panic(Format::Dicom, || {
            let (uid, start) = file_meta(bytes)?;
            let (coding, big_endian) = coding(uid)?;
            let mut walk = Walk::new(bytes, list);
            walk.run(start, uid)?;
            let pixels = match (walk.pixels, coding) {
                (Some(pixels @ PixelData::Native(_)), Coding::Native) => pixels,
                (Some(_), Coding::Native) | (Some(PixelData::Native(_)), _) => {
                    return Err(Error::at(attribute::PIXEL_DATA, "encapsulated or not, against the transfer syntax"));
                }
                (Some(pixels @ PixelData::Encapsulated(_)), _) => pixels,
                (None, _) => return Err(Error::Missing { attribute: attribute::PIXEL_DATA }),
            };
            Ok(Self { syntax: uid, coding, big_endian, elements: walk.elements, pixels })
        })
    }

    /// An element of the root.
    pub(super) fn element(&self, attribute: Attribute) -> Option<Element<'a>> {
        self.elements.get(&(None, attribute)).copied()
    }

    /// An element of a sequence's first item.
    pub(super) fn in_sequence(&self, sequence: Attribute, attribute: Attribute) -> Option<Element<'a>> {
        self.elements.get(&(Some(sequence), attribute)).copied()
    }

    /// An element's text, all of its values; empty where it is absent.
    pub(super) fn text(&self, attribute: Attribute) -> &'a [u8] {
        self.element(attribute).map_or(&[], |element| value::trimmed(element.bytes))
    }

    /// The text of an element of a sequence's first item.
    pub(super) fn nested(&self, sequence: Attribute, attribute: Attribute) -> &'a [u8] {
        self.in_sequence(sequence, attribute).map_or(&[], |element| value::trimmed(element.bytes))
    }

    /// The texts of the root's elements, all of their values, as they stand in the file but for the padding at the ends.
    pub(super) fn texts(&self) -> impl Iterator<Item = (Attribute, &'a [u8])> {
        let root = self.elements.iter().filter(|((sequence, _), _)| sequence.is_none());
        root.map(|((_, attribute), element)| (*attribute, value::trimmed(element.bytes)))
    }

    /// An element's first value as an integer; none where it is absent or empty.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub(super) fn integer(&self, attribute: Attribute) -> Result<Option<i64>> {
        self.element(attribute).map_or(Ok(None), |element| value::integer(attribute, element, self.big_endian))
    }

    /// An element's first value as a number; none where it is absent or empty.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub(super) fn decimal(&self, attribute: Attribute) -> Result<Option<f64>> {
        self.element(attribute).map_or(Ok(None), |element| value::decimal(attribute, element, self.big_endian))
    }
}

/// The transfer syntax UID, and where the data set starts.
fn file_meta(bytes: &[u8]) -> Result<(&str, usize)> {
    const START: usize = 132;
    let mut at = START;
    let mut uid = None;
    let meta = bytes.get(START..).unwrap_or_default();
    // Group 0002 is always explicit little endian; an element is a tag, a representation and a length of 16 or 32 bits.
    while let Some(&[2, 0, element_low, element_high, vr0, vr1, l0, l1]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let (header, length) = if matches!(&[vr0, vr1], b"OB" | b"OW" | b"UN" | b"UT" | b"SQ" | b"UC" | b"UR") {
            let long = bytes.get(at + 8..).and_then(|rest| rest.first_chunk::<4>());
            (12, long.map(|&long| u32::from_le_bytes(long)))
        } else {
            (8, Some(u32::from(u16::from_le_bytes([l0, l1]))))
        };
        let truncated = || Error::malformed(Format::Dicom, "the file meta group runs past the end of the file");
        let start = at + header;
        let end = length.and_then(|length| start.checked_add(length as usize)).ok_or_else(truncated)?;
        let value = bytes.get(start..end).ok_or_else(truncated)?;
        if u16::from_le_bytes([element_low, element_high]) == attribute::TRANSFER_SYNTAX_UID.tag().1 {
            uid = std::str::from_utf8(value::trimmed(value)).ok();
        }
        at = end;
    }
    if meta.is_empty() {
        return Err(Error::malformed(Format::Dicom, "the file ends after its preamble"));
    }
    Ok((uid.ok_or(Error::Missing { attribute: attribute::TRANSFER_SYNTAX_UID })?, at))
}

/// An open sequence or item of the walk.
enum Open {
    /// A sequence, with its attribute if it is on the list, and the items seen in it.
    Sequence(Option<Attribute>, usize),
    Item,
    /// The fragments of the root's pixel data.
    Fragments,
}

/// One pass over the tokens of a data set.
struct Walk<'a> {
    bytes: &'a [u8],
    list: &'static [Attribute],
    open: Vec<Open>,
    elements: BTreeMap<(Option<Attribute>, Attribute), Element<'a>>,
    fragments: Vec<&'a [u8]>,
    pixels: Option<PixelData<'a>>,
    tokens: u64,
}

impl<'a> Walk<'a> {
    fn new(bytes: &'a [u8], list: &'static [Attribute]) -> Self {
        Self { bytes, list, open: Vec::new(), elements: BTreeMap::new(), fragments: Vec::new(), pixels: None, tokens: 0 }
    }

    fn run(&mut self, start: usize, uid: &str) -> Result<()> {
        let damaged = || Error::malformed(Format::Dicom, "the data set is damaged or ends too early");
        let syntax = TransferSyntaxRegistry.get(uid).ok_or_else(damaged)?;
        let mut cursor = Cursor::new(self.bytes);
        cursor.set_position(start as u64);
        let mut reader = LazyDataSetReader::new_with_ts(cursor, syntax).map_err(|_| damaged())?;
        while self.pixels.is_none() {
            let Some(token) = reader.advance() else { break };
            self.count()?;
            match token.map_err(|_| damaged())? {
                LazyDataToken::ElementHeader(_) => {}
                LazyDataToken::LazyValue { header, decoder } => {
                    let bytes = self.slice(decoder.position(), header.length().get())?;
                    self.keep(&header, bytes);
                    decoder.skip_bytes(bytes.len() as u32).map_err(|_| damaged())?;
                }
                LazyDataToken::LazyItemValue { len, decoder } => {
                    let bytes = self.slice(decoder.position(), Some(len))?;
                    if matches!(self.open.as_slice(), [Open::Fragments, Open::Item]) {
                        // The parser gives a value only for items that have one: replace the empty one pushed at its start.
                        self.fragments.pop();
                        self.fragments.push(bytes);
                    }
                    decoder.skip_bytes(len).map_err(|_| damaged())?;
                }
                LazyDataToken::SequenceStart { tag, .. } => self.push(Open::Sequence(self.listed(tag), 0))?,
                LazyDataToken::PixelSequenceStart if self.open.is_empty() => self.push(Open::Fragments)?,
                LazyDataToken::PixelSequenceStart => self.push(Open::Sequence(None, 0))?,
                LazyDataToken::ItemStart { .. } => {
                    match self.open.last_mut() {
                        Some(Open::Sequence(_, items)) => *items += 1,
                        Some(Open::Fragments) => self.fragments.push(&[]),
                        _ => return Err(damaged()),
                    }
                    self.push(Open::Item)?;
                }
                // The parser trusts its stack to match: an end without a start must not reach it.
                LazyDataToken::ItemEnd => match self.open.pop() {
                    Some(Open::Item) => {}
                    _ => return Err(damaged()),
                },
                LazyDataToken::SequenceEnd => match self.open.pop() {
                    Some(Open::Sequence(..)) => {}
                    Some(Open::Fragments) => self.close_fragments(),
                    _ => return Err(damaged()),
                },
                _ => return Err(damaged()),
            }
        }
        // Some writers leave out the delimiter after the last fragment.
        if self.pixels.is_none() && matches!(self.open.as_slice(), [Open::Fragments]) {
            self.close_fragments();
        }
        Ok(())
    }

    fn count(&mut self) -> Result<()> {
        let within = |what, found, limit| if found > limit { Err(Error::TooLarge { what, found, limit }) } else { Ok(()) };
        self.tokens += 1;
        // The offset table is the first of them.
        within("the pixel data's fragments", (self.fragments.len() as u64).saturating_sub(1), MAX_FRAGMENTS)?;
        within("the DICOM file's elements and items", self.tokens, MAX_TOKENS)
    }

    fn close_fragments(&mut self) {
        // The first item is the offset table.
        let fragments = self.fragments.drain(..).skip(1).collect();
        self.pixels = Some(PixelData::Encapsulated(fragments));
    }

    fn push(&mut self, open: Open) -> Result<()> {
        if self.open.len() >= 2 * MAX_DEPTH {
            return Err(Error::malformed(Format::Dicom, "sequences are nested too deeply"));
        }
        self.open.push(open);
        Ok(())
    }

    fn slice(&self, position: u64, length: Option<u32>) -> Result<&'a [u8]> {
        let end = |start: usize| start.checked_add(length? as usize);
        usize::try_from(position)
            .ok()
            .and_then(|start| self.bytes.get(start..end(start)?))
            .ok_or(Error::malformed(Format::Dicom, "an element runs past the end of the file"))
    }

    /// Keeps an element of the list, the first where it stands twice.
    fn keep(&mut self, header: &DataElementHeader, bytes: &'a [u8]) {
        let sequence = match self.open.as_slice() {
            [] if is(attribute::PIXEL_DATA, header.tag()) => {
                self.pixels = Some(PixelData::Native(Element { vr: header.vr(), bytes }));
                return;
            }
            [] => None,
            [Open::Sequence(Some(sequence), 1), Open::Item] => Some(*sequence),
            _ => return,
        };
        if let Some(attribute) = self.listed(header.tag()) {
            self.elements.entry((sequence, attribute)).or_insert(Element { vr: header.vr(), bytes });
        }
    }

    fn listed(&self, tag: Tag) -> Option<Attribute> {
        self.list.iter().copied().find(|&attribute| is(attribute, tag))
    }
}

fn is(attribute: Attribute, tag: Tag) -> bool {
    attribute.tag() == (tag.group(), tag.element())
}
