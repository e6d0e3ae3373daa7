//! One pass over a data set: the elements of a list, the rest stepped over.

use super::dataset::{Element, PixelData};
use super::header::{self, Header, ITEM, ITEM_END, Order, SEQUENCE_END};
use crate::image::attribute::{self, Attribute};
use crate::image::{Error, Format, Result};
use dicom_core::VR;
use std::collections::BTreeMap;

/// Sequences within sequences, at most; chest radiographs have two.
const MAX_DEPTH: usize = 32;

/// Elements, items and delimiters, at most; chest radiographs have a few hundred. Each costs a step.
const MAX_TOKENS: u64 = 1 << 18;

/// Fragments of the one frame: at 256 MiB, of 4 KiB each.
const MAX_FRAGMENTS: u64 = 65_536;

/// What is open at a place of the data set.
enum Open {
    /// The data set itself, or an item of a sequence.
    Elements,
    /// A sequence, with its attribute if it is on the list, and the items seen in it.
    Sequence(Option<Attribute>, usize),
    /// The fragments of the root's pixel data.
    Fragments,
}

/// A part of the data set that is open.
struct Level {
    open: Open,
    order: Order,
    /// Where it ends at the latest.
    end: usize,
    /// Whether its length is stated: it then ends there and nowhere else.
    defined: bool,
}

/// A walk, and what it has found.
pub(super) struct Walk<'a> {
    bytes: &'a [u8],
    list: &'static [Attribute],
    at: usize,
    /// The root, then sequence and item in turn.
    levels: Vec<Level>,
    pub elements: BTreeMap<(Option<Attribute>, Attribute), Element<'a>>,
    fragments: Vec<&'a [u8]>,
    pub pixels: Option<PixelData<'a>>,
    /// Pixel data of floating point numbers.
    pub float: Option<Attribute>,
    tokens: u64,
}

impl<'a> Walk<'a> {
    pub(super) fn new(bytes: &'a [u8], list: &'static [Attribute]) -> Self {
        Self {
            bytes,
            list,
            at: 0,
            levels: Vec::new(),
            elements: BTreeMap::new(),
            fragments: Vec::new(),
            pixels: None,
            float: None,
            tokens: 0,
        }
    }

    /// Walks from `start` to the end. What is damaged behind the pixel data is left alone.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::TooLarge`].
    pub(super) fn run(&mut self, start: usize, order: Order) -> Result<()> {
        self.at = start;
        self.levels.push(Level { open: Open::Elements, order, end: self.bytes.len(), defined: true });
        loop {
            match self.step() {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) if self.pixels.is_some() => break,
                Err(error) => return Err(error),
            }
        }
        // Some writers leave out the delimiter after the last fragment.
        if self.pixels.is_none() && matches!(self.levels.last(), Some(Level { open: Open::Fragments, .. })) {
            self.close_fragments();
        }
        Ok(())
    }

    /// One header and what it leads over; false at the end.
    fn step(&mut self) -> Result<bool> {
        let Some(level) = self.levels.last() else { return Ok(false) };
        // A header has eight bytes; fewer are no part of anything.
        if self.at.saturating_add(8) > level.end {
            if self.levels.len() == 1 || matches!(level.open, Open::Fragments) {
                return Ok(false);
            }
            // One of undefined length ends with what it lies in.
            self.at = level.end;
            self.levels.pop();
            return Ok(true);
        }
        let step = match level.open {
            Open::Elements => Self::element,
            Open::Sequence(..) => Self::item,
            Open::Fragments => Self::fragment,
        };
        self.count()?;
        step(self)?;
        Ok(true)
    }

    fn element(&mut self) -> Result<()> {
        let (order, end) = self.level()?;
        let is_root = self.levels.len() == 1;
        let header = Header::read(self.rest(end), order).ok_or_else(damaged)?;
        let start = self.at + header.size;
        if header.tag == ITEM_END && !is_root {
            self.at = start;
            return self.pop();
        }
        // Some writers end a sequence of stated length all the same.
        if header.tag == SEQUENCE_END && header.length == Some(0) && self.levels.last().is_some_and(|level| level.defined) {
            self.at = start;
            return Ok(());
        }
        if header.tag.0 == ITEM.0 {
            return Err(damaged());
        }
        let listed = self.listed(header.tag);
        let as_unknown = header.vr == Some(VR::UN);
        // What is written as UN is implicit VR little endian inside, whatever is around it (PS3.5 6.2.2).
        let inside = if as_unknown { Order::IMPLICIT } else { order };
        let Some(length) = header.length else {
            self.at = start;
            if is_root && is(attribute::PIXEL_DATA, header.tag) {
                return self.push(Level { open: Open::Fragments, order, end, defined: false });
            }
            if !matches!(header::item(self.rest(end)), Some((ITEM | SEQUENCE_END, _))) {
                return self.seek_sequence_end(end);
            }
            let attribute = listed.filter(|_| is_root);
            return self.push(Level { open: Open::Sequence(attribute, 0), order: inside, end, defined: false });
        };
        let last = start.checked_add(length).filter(|&last| last <= end);
        let last = last.ok_or(Error::malformed(Format::Dicom, "an element runs past the end of the file"))?;
        let bytes = self.bytes.get(start..last).unwrap_or_default();
        self.at = last;
        let stated = header.vr.filter(|_| !as_unknown);
        if is_root && is(attribute::PIXEL_DATA, header.tag) {
            let element = Element { vr: stated.unwrap_or(VR::OW), stated: stated.is_some(), bytes, big: inside.big };
            self.pixels.get_or_insert(PixelData::Native(element));
            return Ok(());
        }
        for float in [attribute::FLOAT_PIXEL_DATA, attribute::DOUBLE_FLOAT_PIXEL_DATA] {
            if is_root && is(float, header.tag) {
                self.float.get_or_insert(float);
            }
        }
        let Some(attribute) = listed else { return Ok(()) };
        let vr = stated.unwrap_or_else(|| header::implied(attribute));
        let sequence = match self.levels.as_slice() {
            // Also what states another representation than the dictionary's.
            [_] if vr == VR::SQ || bytes.starts_with(&[0xFE, 0xFF, 0, 0xE0]) && header::implied(attribute) == VR::SQ => {
                self.at = start;
                let level = Level { open: Open::Sequence(Some(attribute), 0), order: inside, end: last, defined: true };
                return self.push(level);
            }
            [_] => None,
            [_, Level { open: Open::Sequence(Some(sequence), 1), .. }, _] => Some(*sequence),
            _ => return Ok(()),
        };
        // The first, where it stands twice.
        let element = Element { vr, stated: stated.is_some(), bytes, big: inside.big };
        self.elements.entry((sequence, attribute)).or_insert(element);
        Ok(())
    }

    fn item(&mut self) -> Result<()> {
        let (order, end) = self.level()?;
        let (tag, length) = header::item(self.rest(end)).ok_or_else(damaged)?;
        let start = self.at + 8;
        let Some(Level { open: Open::Sequence(attribute, items), .. }) = self.levels.last_mut() else {
            return Err(damaged());
        };
        match tag {
            ITEM => {
                *items += 1;
                let is_wanted = attribute.is_some() && *items == 1;
                let last = length.map_or(Some(end), |length| start.checked_add(length)).filter(|&last| last <= end);
                let last = last.ok_or_else(damaged)?;
                if length.is_some() && !is_wanted {
                    self.at = last;
                    return Ok(());
                }
                self.at = start;
                let order = order.of(self.rest(last));
                self.push(Level { open: Open::Elements, order, end: last, defined: length.is_some() })
            }
            SEQUENCE_END => {
                self.at = start;
                self.pop()
            }
            _ => Err(damaged()),
        }
    }

    fn fragment(&mut self) -> Result<()> {
        let (_, end) = self.level()?;
        let start = self.at + 8;
        match header::item(self.rest(end)).ok_or_else(damaged)? {
            (ITEM, Some(length)) => {
                let last = start.checked_add(length).filter(|&last| last <= end);
                let last = last.ok_or(Error::malformed(Format::Dicom, "an element runs past the end of the file"))?;
                self.fragments.push(self.bytes.get(start..last).unwrap_or_default());
                self.at = last;
                Ok(())
            }
            (SEQUENCE_END, _) => {
                self.at = start;
                self.close_fragments();
                self.pop()
            }
            _ => Err(damaged()),
        }
    }

    /// Steps over a value of undefined length that is not made of items.
    fn seek_sequence_end(&mut self, end: usize) -> Result<()> {
        const DELIMITER: [u8; 8] = [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0];
        let found = self.rest(end).windows(DELIMITER.len()).position(|window| window == DELIMITER);
        self.at += found.ok_or_else(damaged)? + DELIMITER.len();
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
        self.pixels.get_or_insert(PixelData::Encapsulated(fragments));
    }

    /// Order and end of what is open.
    fn level(&self) -> Result<(Order, usize)> {
        self.levels.last().map(|level| (level.order, level.end)).ok_or_else(damaged)
    }

    fn rest(&self, end: usize) -> &'a [u8] {
        self.bytes.get(self.at..end).unwrap_or_default()
    }

    fn push(&mut self, level: Level) -> Result<()> {
        if self.levels.len() > 2 * MAX_DEPTH {
            return Err(Error::malformed(Format::Dicom, "sequences are nested too deeply"));
        }
        self.levels.push(level);
        Ok(())
    }

    /// Closes what is open, which is not the root; where its length is stated, what is left of it is stepped over.
    fn pop(&mut self) -> Result<()> {
        let level = self.levels.pop().ok_or_else(damaged)?;
        if level.defined {
            self.at = level.end;
        }
        Ok(())
    }

    fn listed(&self, tag: (u16, u16)) -> Option<Attribute> {
        self.list.iter().copied().find(|&attribute| is(attribute, tag))
    }
}

fn damaged() -> Error {
    Error::malformed(Format::Dicom, "the data set is damaged or ends too early")
}

fn is(attribute: Attribute, tag: (u16, u16)) -> bool {
    attribute.tag() == tag
}
