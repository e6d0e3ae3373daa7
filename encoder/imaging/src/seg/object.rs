//! The object, module by module (PS3.3 table A.51-1).

use super::item::Item;
use super::{Error, Film, Made, Mask, Result, Structure, uid};
use dicom_dictionary_std::tags;
use dicom_object::FileMetaTableBuilder;

/// Segmentation Storage (PS3.4 B.5).
const SOP_CLASS: &str = "1.2.840.10008.5.1.4.1.1.66.4";
/// Explicit VR little endian.
const TRANSFER_SYNTAX: &str = "1.2.840.10008.1.2.1";
/// Above the series of an examination, which count from 1.
const SERIES_NUMBER: &str = "9001";
/// What every viewer that shows a description shows.
const DESCRIPTION: &str = "Research software: not for diagnostic use";
/// The same of a mask that can be none of its structure, at most 64 characters.
const IMPLAUSIBLE: &str = "Implausible mask. Research software: not for diagnostic use";

impl Structure {
    /// Label of the segment.
    fn label(self) -> &'static str {
        match self {
            Self::Lung => "Lung",
        }
    }

    /// The same, as a code string.
    fn content_label(self) -> &'static str {
        match self {
            Self::Lung => "LUNG",
        }
    }

    /// What the series is called.
    fn series_description(self) -> &'static str {
        match self {
            Self::Lung => "Lung mask by Veilray, not for diagnostic use",
        }
    }

    /// Category and type (PS3.16 CID 7150 and 7151), in SNOMED CT.
    fn codes(self) -> [Item; 2] {
        match self {
            Self::Lung => [Item::code("123037004", "SCT", "Anatomical Structure"), Item::code("39607008", "SCT", "Lung")],
        }
    }
}

/// The file of a Segmentation.
///
/// # Errors
/// [`Error::Random`]; [`Error::Encoding`] is not expected.
pub(super) fn write(film: &Film, mask: &Mask<'_>, made: &Made<'_>) -> Result<Vec<u8>> {
    let identifiers = Identifiers { series: uid::random()?, instance: uid::random()?, dimensions: uid::random()? };
    let item = film.file_in(Item::new());
    let item = series_and_equipment(item, mask.structure, made, &identifiers);
    let item = image(item, film, mask, made);
    let item = segment(item, mask, made);
    let item = frames(item, film, &identifiers);
    // Neither error is passed on: what a crate says of an object may quote it.
    let meta = FileMetaTableBuilder::new().transfer_syntax(TRANSFER_SYNTAX);
    let object = item.0.with_meta(meta).map_err(|_| Error::Encoding("its file meta information"))?;
    let mut file = Vec::new();
    object.write_all(&mut file).map_err(|_| Error::Encoding("its data set"))?;
    Ok(file)
}

fn description(mask: &Mask<'_>) -> &'static str {
    if mask.implausible { IMPLAUSIBLE } else { DESCRIPTION }
}

/// The UIDs that are new with an object.
struct Identifiers {
    series: String,
    instance: String,
    dimensions: String,
}

/// C.7.3.1 and C.8.20.1 General and Segmentation Series, C.7.5.1 and C.7.5.2 Equipment, C.12.1 SOP Common.
fn series_and_equipment(item: Item, structure: Structure, made: &Made<'_>, identifiers: &Identifiers) -> Item {
    item.text(tags::SOP_CLASS_UID, SOP_CLASS)
        .text(tags::SOP_INSTANCE_UID, &identifiers.instance)
        .text(tags::MODALITY, "SEG")
        .text(tags::SERIES_INSTANCE_UID, &identifiers.series)
        .text(tags::SERIES_NUMBER, SERIES_NUMBER)
        .text(tags::SERIES_DESCRIPTION, structure.series_description())
        .text(tags::MANUFACTURER, "Veilray")
        .text(tags::MANUFACTURER_MODEL_NAME, "veilray segment")
        // Software has no serial number; this is what tells one model of a name from the next.
        .text(tags::DEVICE_SERIAL_NUMBER, made.manifest_sha256)
        .text(tags::SOFTWARE_VERSIONS, env!("CARGO_PKG_VERSION"))
}

/// C.7.6.1 General Image, C.7.6.3 Image Pixel, the first half of C.8.20.2 Segmentation Image.
fn image(item: Item, film: &Film, mask: &Mask<'_>, made: &Made<'_>) -> Item {
    let item = item
        .text(tags::IMAGE_TYPE, "DERIVED\\PRIMARY")
        .text(tags::INSTANCE_NUMBER, "1")
        .text(tags::CONTENT_DATE, made.date)
        .text(tags::CONTENT_TIME, made.time)
        .text(tags::CONTENT_LABEL, mask.structure.content_label())
        .text(tags::CONTENT_DESCRIPTION, description(mask))
        // No person made it.
        .text(tags::CONTENT_CREATOR_NAME, "")
        .short(tags::SAMPLES_PER_PIXEL, 1)
        .text(tags::PHOTOMETRIC_INTERPRETATION, "MONOCHROME2")
        .short(tags::ROWS, film.rows)
        .short(tags::COLUMNS, film.columns)
        .short(tags::BITS_ALLOCATED, 1)
        .short(tags::BITS_STORED, 1)
        .short(tags::HIGH_BIT, 0)
        .short(tags::PIXEL_REPRESENTATION, 0);
    film.compression_in(item).bytes(tags::PIXEL_DATA, mask.bits(film.rows, film.columns, &film.geometry, &film.placement))
}

/// The other half of C.8.20.2, and its Segment Description macro (C.8.20.4).
fn segment(item: Item, mask: &Mask<'_>, made: &Made<'_>) -> Item {
    let structure = mask.structure;
    let [category, kind] = structure.codes();
    let segment = Item::new()
        .short(tags::SEGMENT_NUMBER, 1)
        .text(tags::SEGMENT_LABEL, structure.label())
        .text(tags::SEGMENT_DESCRIPTION, description(mask))
        .text(tags::SEGMENT_ALGORITHM_TYPE, "AUTOMATIC")
        .text(tags::SEGMENT_ALGORITHM_NAME, made.model)
        .item(tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, category)
        .item(tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, kind);
    item.text(tags::SEGMENTATION_TYPE, "BINARY").text(tags::SEGMENTS_OVERLAP, "NO").item(tags::SEGMENT_SEQUENCE, segment)
}

/// C.7.6.16 Multi-frame Functional Groups, C.7.6.17 Multi-frame Dimension, C.12.2 Common Instance Reference.
///
/// The one frame has its groups to itself, for that is where viewers look; nothing is left to be shared. There is no plane position: a
/// projection has none, and each pixel lies on one of the image referred to (A.51.5.1).
fn frames(item: Item, film: &Film, identifiers: &Identifiers) -> Item {
    let dimension = Item::new()
        .text(tags::DIMENSION_ORGANIZATION_UID, &identifiers.dimensions)
        .pointer(tags::DIMENSION_INDEX_POINTER, tags::REFERENCED_SEGMENT_NUMBER)
        .pointer(tags::FUNCTIONAL_GROUP_POINTER, tags::SEGMENT_IDENTIFICATION_SEQUENCE)
        .text(tags::DIMENSION_DESCRIPTION_LABEL, "Segment");
    let source = reference(film).text(tags::SPATIAL_LOCATIONS_PRESERVED, "YES").item(
        tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
        Item::code("121322", "DCM", "Source image for image processing operation"),
    );
    let derivation = Item::new()
        .item(tags::DERIVATION_CODE_SEQUENCE, Item::code("113076", "DCM", "Segmentation"))
        .item(tags::SOURCE_IMAGE_SEQUENCE, source);
    let frame = Item::new()
        .item(tags::FRAME_CONTENT_SEQUENCE, Item::new().long(tags::DIMENSION_INDEX_VALUES, 1))
        .item(tags::SEGMENT_IDENTIFICATION_SEQUENCE, Item::new().short(tags::REFERENCED_SEGMENT_NUMBER, 1))
        .item(tags::DERIVATION_IMAGE_SEQUENCE, derivation);
    let series =
        Item::new().raw(tags::SERIES_INSTANCE_UID, film.series()).item(tags::REFERENCED_INSTANCE_SEQUENCE, reference(film));
    item.text(tags::NUMBER_OF_FRAMES, "1")
        .item(tags::DIMENSION_ORGANIZATION_SEQUENCE, Item::new().text(tags::DIMENSION_ORGANIZATION_UID, &identifiers.dimensions))
        .item(tags::DIMENSION_INDEX_SEQUENCE, dimension)
        .item(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, Item::new())
        .item(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frame)
        .item(tags::REFERENCED_SERIES_SEQUENCE, series)
}

/// The film as an SOP instance (PS3.3 table 10-11).
fn reference(film: &Film) -> Item {
    let [class, instance] = film.sop();
    Item::new().raw(tags::REFERENCED_SOP_CLASS_UID, class).raw(tags::REFERENCED_SOP_INSTANCE_UID, instance)
}
