//! The elements of a DICOM file that ingest reads, as slices of the file.

use super::content::Content;
use super::header;
use super::syntax::{Coding, coding};
use super::value;
use super::walk::Walk;
use crate::catch_panic::catch_panic;
use crate::image::attribute::{self, Attribute};
use crate::image::{Error, Format, Result, Value};
use dicom_core::VR;
use std::collections::BTreeMap;

/// One element: how it is written, and its bytes.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    /// The value representation, of the dictionary where the file states none.
    pub vr: VR,
    /// Whether the file states it.
    pub stated: bool,
    pub bytes: &'a [u8],
    /// Whether its numbers are big endian.
    pub big: bool,
}

/// The pixel data as it stands in the file.
pub(super) enum PixelData<'a> {
    Native(Element<'a>),
    /// Fragments without the offset table.
    Encapsulated(Vec<&'a [u8]>),
}

/// The elements on a list of attributes, at the root and in the first item of a sequence on it, and the pixel data.
pub(super) struct Dataset<'a> {
    /// The transfer syntax UID; where the file states none, that of the data set as it is written.
    pub syntax: &'a str,
    pub coding: Coding,
    /// Whether pixel data that is not encapsulated is big endian.
    pub big_endian: bool,
    elements: BTreeMap<(Option<Attribute>, Attribute), Element<'a>>,
    pub pixels: PixelData<'a>,
}

impl<'a> Dataset<'a> {
    /// Reads the attributes on `list`.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Unsupported`] for its transfer syntax or floating point pixels, [`Error::Missing`] without pixel data.
    pub(super) fn read(content: &'a Content<'_>, list: &'static [Attribute]) -> Result<Self> {
        catch_panic(Format::Dicom, || {
            let (coding, _) = coding(content.coded_as())?;
            let mut walk = Walk::new(content.bytes(), list);
            walk.run(content.start, content.order)?;
            let pixels = match (walk.pixels, coding) {
                (Some(PixelData::Encapsulated(_)), _) if content.syntax.is_none() => {
                    return Err(Error::Missing { attribute: attribute::TRANSFER_SYNTAX_UID });
                }
                (Some(pixels @ PixelData::Native(_)), Coding::Native) => pixels,
                (Some(_), Coding::Native) | (Some(PixelData::Native(_)), _) => {
                    return Err(Error::at(attribute::PIXEL_DATA, "encapsulated or not, against the transfer syntax"));
                }
                (Some(pixels @ PixelData::Encapsulated(_)), _) => pixels,
                (None, _) => return Err(walk.float.map_or(Error::Missing { attribute: attribute::PIXEL_DATA }, float)),
            };
            let big_endian = content.has_big_pixels() || matches!(pixels, PixelData::Native(Element { big: true, .. }));
            let mut dataset = Self { syntax: content.syntax(), coding, big_endian, elements: walk.elements, pixels };
            dataset.sign()?;
            Ok(dataset)
        })
    }

    /// Gives the elements whose sign is that of the pixels, and is not stated, that sign (PS3.5 annex A).
    fn sign(&mut self) -> Result<()> {
        if self.integer(attribute::PIXEL_REPRESENTATION)? != Some(1) {
            return Ok(());
        }
        for ((sequence, attribute), element) in &mut self.elements {
            if sequence.is_none() && !element.stated && header::is_signed_as_pixels(*attribute) {
                element.vr = VR::SS;
            }
        }
        Ok(())
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
        self.element(attribute).map_or(Ok(None), |element| value::integer(attribute, element))
    }

    /// An element's first value as a number; none where it is absent or empty.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub(super) fn decimal(&self, attribute: Attribute) -> Result<Option<f64>> {
        self.element(attribute).map_or(Ok(None), |element| value::decimal(attribute, element))
    }
}

fn float(attribute: Attribute) -> Error {
    let double = attribute == attribute::DOUBLE_FLOAT_PIXEL_DATA;
    Error::Unsupported {
        format: Format::Dicom,
        what: "an image of floating point numbers in",
        found: Value::Term(if double { "(7FE0,0009) DoubleFloatPixelData" } else { "(7FE0,0008) FloatPixelData" }),
        wanted: "(7FE0,0010) PixelData of 1 to 16 bits; export the image as a radiograph (CR or DX)",
    }
}
