//! A data set under construction: values by tag, each as the standard's dictionary says it is represented.

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_object::mem::InMemElement;
use dicom_object::{InMemDicomObject, StandardDataDictionary};

/// A data set, or an item of a sequence.
pub(super) struct Item(pub InMemDicomObject);

impl Item {
    pub(super) fn new() -> Self {
        Self(InMemDicomObject::new_empty())
    }

    /// A coded concept (PS3.3 8.8): value, coding scheme, meaning.
    pub(super) fn code(value: &str, scheme: &str, meaning: &str) -> Self {
        use dicom_dictionary_std::tags;
        Self::new().text(tags::CODE_VALUE, value).text(tags::CODING_SCHEME_DESIGNATOR, scheme).text(tags::CODE_MEANING, meaning)
    }

    /// ASCII text; a backslash parts its values.
    pub(super) fn text(self, tag: Tag, text: &str) -> Self {
        self.primitive(tag, PrimitiveValue::from(text))
    }

    /// Text in the object's character set, as it is to stand in the file but for padding.
    pub(super) fn raw(self, tag: Tag, text: &[u8]) -> Self {
        let mut padded = text.to_vec();
        if padded.len() % 2 == 1 {
            padded.push(if representation(tag) == VR::UI { 0 } else { b' ' });
        }
        self.primitive(tag, PrimitiveValue::U8(padded.into()))
    }

    /// A number of 16 bits.
    pub(super) fn short(self, tag: Tag, number: u16) -> Self {
        self.primitive(tag, PrimitiveValue::from(number))
    }

    /// A number of 32 bits.
    pub(super) fn long(self, tag: Tag, number: u32) -> Self {
        self.primitive(tag, PrimitiveValue::from(number))
    }

    /// A value that is itself a tag (VR AT).
    pub(super) fn pointer(self, tag: Tag, to: Tag) -> Self {
        self.primitive(tag, PrimitiveValue::from(to))
    }

    /// Bytes of pixel data.
    pub(super) fn bytes(self, tag: Tag, bytes: Vec<u8>) -> Self {
        self.element(DataElement::new(tag, VR::OB, PrimitiveValue::U8(bytes.into())))
    }

    /// A sequence of one item.
    pub(super) fn item(self, tag: Tag, item: Self) -> Self {
        self.element(DataElement::new(tag, VR::SQ, DataSetSequence::from(vec![item.0])))
    }

    fn primitive(self, tag: Tag, value: PrimitiveValue) -> Self {
        self.element(DataElement::new(tag, representation(tag), value))
    }

    fn element(mut self, element: InMemElement) -> Self {
        self.0.put(element);
        self
    }
}

fn representation(tag: Tag) -> VR {
    StandardDataDictionary.by_tag(tag).map_or(VR::UN, |entry| entry.vr().relaxed())
}
