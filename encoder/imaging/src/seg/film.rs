//! What a Segmentation takes from its film: identifiers, patient and study as they stand in the file, and where its pixels lie.

use super::item::Item;
use super::{Error, Made, Mask, Result, object, uid};
use crate::dicom::{self, Texts};
use crate::image::attribute::filing as at;
use crate::image::memory::Memory;
use crate::image::{self, Attribute, Format, Geometry, Limits, Placement};
use crate::ingest::Report;
use dicom_core::Tag;
use std::collections::BTreeMap;
use std::fmt;

/// Longest value that is copied, bytes; every text of the list is shorter by its representation, in any character set.
const MAX_VALUE: usize = 1024;

/// Identifiers that a Segmentation cannot do without: those of the study, and those it refers to its film by.
const IDENTIFIERS: [Attribute; 4] = [at::STUDY_INSTANCE_UID, at::SERIES_INSTANCE_UID, at::SOP_CLASS_UID, at::SOP_INSTANCE_UID];

/// Patient and study, as the archive knows them: present in every Segmentation, empty where the film leaves them empty (type 2).
const FILED: [Attribute; 10] = [
    at::PATIENT_NAME,
    at::PATIENT_ID,
    at::PATIENT_BIRTH_DATE,
    at::PATIENT_SEX,
    at::STUDY_DATE,
    at::STUDY_TIME,
    at::REFERRING_PHYSICIAN_NAME,
    at::STUDY_ID,
    at::ACCESSION_NUMBER,
    at::PATIENT_ORIENTATION,
];

/// The same, but absent where the film has no value (type 3).
const OPTIONAL: [Attribute; 5] =
    [at::SPECIFIC_CHARACTER_SET, at::ISSUER_OF_PATIENT_ID, at::PATIENT_AGE, at::STUDY_DESCRIPTION, at::BODY_PART_EXAMINED];

/// Transfer syntaxes whose images went through lossy compression, whether or not the file says so: JPEG baseline and extended.
const LOSSY: [&str; 2] = ["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"];

/// A DICOM film, as far as its Segmentation repeats it.
#[derive(Clone, PartialEq)]
pub struct Film {
    values: BTreeMap<Attribute, Vec<u8>>,
    lossy: bool,
    pub(super) rows: u16,
    pub(super) columns: u16,
    pub(super) geometry: Geometry,
    pub(super) placement: Placement,
}

impl Film {
    /// Reads what a Segmentation needs of a film's file. `report` is what ingest said of the same bytes.
    ///
    /// # Errors
    /// [`Error::NotDicom`] for another format, [`Error::Unfiled`] without an identifier of study, series or film, [`Error::Film`] for a value
    /// that cannot be copied, [`Error::Extents`].
    pub fn read(file: &[u8], report: &Report) -> Result<Self> {
        if report.format != Format::Dicom {
            return Err(Error::NotDicom { found: report.format });
        }
        let limits = Limits::default();
        let content = dicom::Content::open(file, &limits, &mut Memory::new(file.len() as u64, limits.memory_bytes, None))?;
        let Texts { syntax, values } = dicom::texts(&content, at::ALL)?;
        if let Some(attribute) =
            IDENTIFIERS.into_iter().find(|attribute| !values.get(attribute).is_some_and(|text| uid::is_uid(text)))
        {
            return Err(Error::Unfiled { attribute });
        }
        if values.get(&at::FRAME_OF_REFERENCE_UID).is_some_and(|text| !text.is_empty() && !uid::is_uid(text)) {
            return Err(Error::Unfiled { attribute: at::FRAME_OF_REFERENCE_UID });
        }
        if let Some((&attribute, _)) = values.iter().find(|(_, text)| text.len() > MAX_VALUE) {
            return Err(image::Error::at(attribute, "longer than such a value can be").into());
        }
        let side = |count: usize| u16::try_from(count).ok().filter(|count| *count > 0);
        let (Some(rows), Some(columns)) = (side(report.height), side(report.width)) else {
            return Err(Error::Extents { rows: report.height, columns: report.width });
        };
        let lossy = match values.get(&at::LOSSY_IMAGE_COMPRESSION) {
            Some(&b"01") => true,
            _ => LOSSY.contains(&syntax),
        };
        let values = values.into_iter().filter(|(_, text)| !text.is_empty()).map(|(attribute, text)| (attribute, text.to_vec()));
        Ok(Self { values: values.collect(), lossy, rows, columns, geometry: report.geometry, placement: report.placement })
    }

    /// The Segmentation of this film, as a DICOM file in explicit VR little endian, with identifiers that no other object has.
    ///
    /// # Errors
    /// [`Error::Made`], [`Error::Random`].
    pub fn segmentation(&self, mask: &Mask<'_>, made: &Made<'_>) -> Result<Vec<u8>> {
        made.check()?;
        object::write(self, mask, made)
    }

    /// Patient, study and frame of reference, put into `item`.
    pub(super) fn file_in(&self, mut item: Item) -> Item {
        for attribute in FILED {
            item = item.raw(tag(attribute), self.value(attribute));
        }
        for attribute in OPTIONAL {
            item = self.copied(attribute, item);
        }
        item = item.raw(tag(at::STUDY_INSTANCE_UID), self.value(at::STUDY_INSTANCE_UID));
        if self.values.contains_key(&at::FRAME_OF_REFERENCE_UID) {
            item = self.copied(at::FRAME_OF_REFERENCE_UID, item);
            item = item.raw(tag(at::POSITION_REFERENCE_INDICATOR), self.value(at::POSITION_REFERENCE_INDICATOR));
        }
        item
    }

    /// What the film went through, put into `item` (PS3.3 C.8.20.2.2).
    pub(super) fn compression_in(&self, item: Item) -> Item {
        let item = item.text(tag(at::LOSSY_IMAGE_COMPRESSION), if self.lossy { "01" } else { "00" });
        if !self.lossy {
            return item;
        }
        let item = self.copied(at::LOSSY_IMAGE_COMPRESSION_METHOD, item);
        // A decimal string: the writer takes it as text only.
        match std::str::from_utf8(self.value(at::LOSSY_IMAGE_COMPRESSION_RATIO)) {
            Ok(ratio) if !ratio.is_empty() => item.text(tag(at::LOSSY_IMAGE_COMPRESSION_RATIO), ratio),
            _ => item,
        }
    }

    /// The film's series UID.
    pub(super) fn series(&self) -> &[u8] {
        self.value(at::SERIES_INSTANCE_UID)
    }

    /// The film's SOP class and instance.
    pub(super) fn sop(&self) -> [&[u8]; 2] {
        [self.value(at::SOP_CLASS_UID), self.value(at::SOP_INSTANCE_UID)]
    }

    fn value(&self, attribute: Attribute) -> &[u8] {
        self.values.get(&attribute).map_or(&[], Vec::as_slice)
    }

    fn copied(&self, attribute: Attribute, item: Item) -> Item {
        match self.values.get(&attribute) {
            Some(text) => item.raw(tag(attribute), text),
            None => item,
        }
    }
}

impl fmt::Debug for Film {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Film {{ {} × {}, patient and study not shown }}", self.columns, self.rows)
    }
}

fn tag(attribute: Attribute) -> Tag {
    let (group, element) = attribute.tag();
    Tag(group, element)
}
