//! A mask becomes a Segmentation that is filed with its film, pixel on pixel; dicom-object reads it back.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

#[path = "support/files.rs"]
mod support;

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{FileDicomObject, InMemDicomObject, from_reader};
use support::dicom::{self, File};
use support::{grey_png, picture};
use veilray_imaging::ingest::{Error as IngestError, Format, Settings, read_bytes};
use veilray_imaging::seg::{Error, Film, Made, Mask, Structure};

type Object = FileDicomObject<InMemDicomObject>;

const MADE: Made<'_> = Made { model: "unet-lung-128", manifest_sha256: "0123abcd", date: "20250131", time: "235958" };
const CLASS: &str = "1.2.840.10008.5.1.4.1.1.1.1";
/// A name in Latin-1, in which `ü` is one byte.
const NAME: &[u8] = b"M\xfcller^Zo\xeb";

fn raw(tag: (u16, u16), vr: VR, bytes: &[u8]) -> DataElement<InMemDicomObject> {
    DataElement::new(Tag(tag.0, tag.1), vr, PrimitiveValue::U8(bytes.to_vec().into()))
}

/// A film with everything that a Segmentation copies, without pixels yet.
fn filed(width: usize, height: usize) -> File {
    File::new(width, height, 8, 8)
        .text((0x0008, 0x0005), VR::CS, "ISO_IR 100")
        .text((0x0008, 0x0020), VR::DA, "20250130")
        .text((0x0008, 0x0030), VR::TM, "120000")
        .text((0x0008, 0x0050), VR::SH, "ACC7")
        .text((0x0008, 0x1030), VR::LO, "THORAX PA")
        .with(raw((0x0010, 0x0010), VR::PN, NAME))
        .text((0x0010, 0x0020), VR::LO, "PID-77")
        .text((0x0010, 0x0030), VR::DA, "19601224")
        .text((0x0010, 0x0040), VR::CS, "F")
        .text((0x0020, 0x000D), VR::UI, "1.2.3.40")
        .text((0x0020, 0x000E), VR::UI, "1.2.3.400")
        .text((0x0020, 0x0010), VR::SH, "S1")
        .text((0x0020, 0x0020), VR::CS, "L\\F")
        .text((0x0020, 0x0052), VR::UI, "1.2.3.41")
        .text((0x0018, 0x0015), VR::CS, "CHEST")
}

fn film(bytes: &[u8]) -> Result<Film, Error> {
    Film::read(bytes, &read_bytes(bytes, &Settings::default()).unwrap().report)
}

/// The Segmentation of a film by a mask of `sides`, as a file.
fn written(bytes: &[u8], sides: [usize; 2], inside: &[bool]) -> Vec<u8> {
    film(bytes).unwrap().segmentation(&Mask::new(Structure::Lung, sides, inside).unwrap(), &MADE).unwrap()
}

fn read(file: &[u8]) -> Object {
    from_reader(&file[128..]).unwrap()
}

fn text(object: &InMemDicomObject, tag: Tag) -> String {
    object.element(tag).unwrap().to_str().unwrap().trim_end_matches(['\0', ' ']).to_string()
}

fn number(object: &InMemDicomObject, tag: Tag) -> usize {
    object.element(tag).unwrap().to_int().unwrap()
}

/// The only item of a sequence, through sequences of one item.
fn item<'a>(object: &'a InMemDicomObject, path: &[Tag]) -> &'a InMemDicomObject {
    path.iter().fold(object, |object, tag| {
        let items = object.element(*tag).unwrap().items().unwrap();
        assert_eq!(items.len(), 1, "{tag}");
        &items[0]
    })
}

/// The pixels of a Segmentation, by PS3.5 8.1.1.
fn pixels(object: &Object) -> Vec<bool> {
    let bits = object.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap();
    let count = number(object, tags::ROWS) * number(object, tags::COLUMNS);
    assert_eq!(bits.len(), count.div_ceil(16) * 2);
    assert!((count..bits.len() * 8).all(|index| bits[index / 8] >> (index % 8) & 1 == 0), "padding is zero");
    (0..count).map(|index| bits[index / 8] >> (index % 8) & 1 == 1).collect()
}

/// Cells in no pattern that a turn or a mirror would keep.
fn irregular(cells: usize) -> Vec<bool> {
    (0..cells as u32).map(|cell| (cell.wrapping_mul(2_654_435_761) >> 13) % 3 == 0).collect()
}

#[test]
fn every_pixel_of_a_film_gets_the_cell_that_lies_on_it_whatever_its_format() {
    // 192 × 256 and twice that: in the canonical image a frame of 32 columns on each side, and cells of 8 or 16 film pixels.
    for (scale, syntax) in [(1, dicom::EXPLICIT), (1, dicom::IMPLICIT), (1, dicom::BIG), (2, dicom::EXPLICIT)] {
        let (width, height) = (192 * scale, 256 * scale);
        let inside = irregular(32 * 32);
        let file = filed(width, height).pixels8(&picture(width, height)).write(syntax);
        let object = read(&written(&file, [32, 32], &inside));
        assert_eq!((number(&object, tags::ROWS), number(&object, tags::COLUMNS)), (height, width));
        let cell = 8 * scale;
        let wanted = |index: usize| inside[index / width / cell * 32 + (index % width + 32 * scale) / cell];
        assert!(pixels(&object).iter().enumerate().all(|(index, found)| *found == wanted(index)), "{scale} {syntax}");
    }
}

#[test]
fn the_mask_of_what_ingest_sees_lies_on_what_the_film_shows() {
    // A bright field off every axis of symmetry, in a film that is scaled and framed; in MONOCHROME1 it is stored dark.
    let (width, height) = (500, 300);
    let bright = |index: usize| (40..230).contains(&(index % width)) && (30..120).contains(&(index / width));
    for photometric in ["MONOCHROME1", "MONOCHROME2"] {
        let level = |index| if bright(index) == (photometric == "MONOCHROME2") { 200 } else { 30 };
        let levels: Vec<u8> = (0..width * height).map(level).collect();
        let file = filed(width, height).text((0x0028, 0x0004), VR::CS, photometric).pixels8(&levels).write(dicom::EXPLICIT);
        let ingested = read_bytes(&file, &Settings::default()).unwrap();
        let inside: Vec<bool> = ingested.image.values().iter().map(|grey| *grey > 0.0).collect();
        let found = pixels(&read(&written(&file, [256, 256], &inside)));
        let wrong: Vec<usize> = (0..found.len()).filter(|index| found[*index] != bright(*index)).collect();
        // A canonical pixel is about two of the film's: only those at the field's border may differ.
        let near = |at: usize, line: usize| at.abs_diff(line) <= 2;
        let border = |index: &usize| {
            let (column, row) = (index % width, index / width);
            near(column, 40) || near(column, 230) || near(row, 30) || near(row, 120)
        };
        assert!(wrong.iter().all(border), "{photometric}: {} pixels differ", wrong.len());
    }
}

#[test]
fn the_object_has_what_its_class_requires_and_nothing_required_is_empty() {
    let file = filed(200, 150).pixels8(&picture(200, 150)).write(dicom::EXPLICIT);
    let bytes = written(&file, [16, 16], &irregular(256));
    let object = read(&bytes);
    assert_eq!(object.meta().transfer_syntax(), "1.2.840.10008.1.2.1");
    assert_eq!(object.meta().media_storage_sop_class_uid(), "1.2.840.10008.5.1.4.1.1.66.4");
    assert_eq!(object.meta().media_storage_sop_instance_uid().trim_end_matches('\0'), text(&object, tags::SOP_INSTANCE_UID));

    let texts = [
        (tags::SOP_CLASS_UID, "1.2.840.10008.5.1.4.1.1.66.4"),
        (tags::MODALITY, "SEG"),
        (tags::IMAGE_TYPE, "DERIVED\\PRIMARY"),
        (tags::INSTANCE_NUMBER, "1"),
        (tags::CONTENT_LABEL, "LUNG"),
        (tags::CONTENT_DATE, "20250131"),
        (tags::CONTENT_TIME, "235958"),
        (tags::PHOTOMETRIC_INTERPRETATION, "MONOCHROME2"),
        (tags::LOSSY_IMAGE_COMPRESSION, "00"),
        (tags::SEGMENTATION_TYPE, "BINARY"),
        (tags::NUMBER_OF_FRAMES, "1"),
        (tags::DEVICE_SERIAL_NUMBER, "0123abcd"),
        (tags::SOFTWARE_VERSIONS, env!("CARGO_PKG_VERSION")),
    ];
    for (tag, wanted) in texts {
        assert_eq!(text(&object, tag), wanted, "{tag}");
    }
    let numbers = [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, 150),
        (tags::COLUMNS, 200),
        (tags::BITS_ALLOCATED, 1),
        (tags::BITS_STORED, 1),
        (tags::HIGH_BIT, 0),
        (tags::PIXEL_REPRESENTATION, 0),
    ];
    for (tag, wanted) in numbers {
        assert_eq!(number(&object, tag), wanted, "{tag}");
    }
    for tag in [tags::SERIES_NUMBER, tags::MANUFACTURER, tags::MANUFACTURER_MODEL_NAME, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE] {
        assert!(object.get(tag).is_some(), "{tag}");
    }
    // Of type 2 in the modules of the object, or of an item that shares nothing.
    let may_be_empty = [tags::REFERRING_PHYSICIAN_NAME, tags::CONTENT_CREATOR_NAME, tags::POSITION_REFERENCE_INDICATOR];
    let mut empty = Vec::new();
    find_empty(&object, &mut empty);
    empty.retain(|tag| !may_be_empty.contains(tag));
    assert_eq!(empty, []);
}

fn find_empty(object: &InMemDicomObject, into: &mut Vec<Tag>) {
    for element in object {
        match element.items() {
            Some(items) if !items.is_empty() => items.iter().for_each(|item| find_empty(item, into)),
            Some(_) => into.push(element.header().tag),
            None if element.to_bytes().unwrap().is_empty() => into.push(element.header().tag),
            None => {}
        }
    }
}

#[test]
fn the_segment_is_coded_and_refers_to_its_film_and_its_dimension() {
    let file = filed(200, 150).pixels8(&picture(200, 150)).write(dicom::EXPLICIT);
    let object = read(&written(&file, [16, 16], &irregular(256)));
    let code = |object: &InMemDicomObject| [tags::CODE_VALUE, tags::CODING_SCHEME_DESIGNATOR].map(|tag| text(object, tag));

    let segment = item(&object, &[tags::SEGMENT_SEQUENCE]);
    assert_eq!(number(segment, tags::SEGMENT_NUMBER), 1);
    assert_eq!(
        (text(segment, tags::SEGMENT_LABEL), text(segment, tags::SEGMENT_ALGORITHM_TYPE)),
        ("Lung".into(), "AUTOMATIC".into())
    );
    assert_eq!(text(segment, tags::SEGMENT_ALGORITHM_NAME), "unet-lung-128");
    assert_eq!(code(item(segment, &[tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE])), ["123037004", "SCT"]);
    assert_eq!(code(item(segment, &[tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE])), ["39607008", "SCT"]);

    let frame = item(&object, &[tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE]);
    assert_eq!(number(item(frame, &[tags::FRAME_CONTENT_SEQUENCE]), tags::DIMENSION_INDEX_VALUES), 1);
    assert_eq!(number(item(frame, &[tags::SEGMENT_IDENTIFICATION_SEQUENCE]), tags::REFERENCED_SEGMENT_NUMBER), 1);
    let derivation = item(frame, &[tags::DERIVATION_IMAGE_SEQUENCE]);
    assert_eq!(code(item(derivation, &[tags::DERIVATION_CODE_SEQUENCE])), ["113076", "DCM"]);
    let source = item(derivation, &[tags::SOURCE_IMAGE_SEQUENCE]);
    assert_eq!(code(item(source, &[tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE])), ["121322", "DCM"]);
    assert_eq!(text(source, tags::SPATIAL_LOCATIONS_PRESERVED), "YES");
    let series = item(&object, &[tags::REFERENCED_SERIES_SEQUENCE]);
    assert_eq!(text(series, tags::SERIES_INSTANCE_UID), "1.2.3.400");
    for reference in [source, item(series, &[tags::REFERENCED_INSTANCE_SEQUENCE])] {
        assert_eq!(text(reference, tags::REFERENCED_SOP_CLASS_UID), CLASS);
        assert_eq!(text(reference, tags::REFERENCED_SOP_INSTANCE_UID), "1.2.3.4");
    }

    let organisation = text(item(&object, &[tags::DIMENSION_ORGANIZATION_SEQUENCE]), tags::DIMENSION_ORGANIZATION_UID);
    let dimension = item(&object, &[tags::DIMENSION_INDEX_SEQUENCE]);
    assert_eq!(text(dimension, tags::DIMENSION_ORGANIZATION_UID), organisation);
    let pointer = |tag: Tag| dimension.element(tag).unwrap().value().primitive().unwrap().clone();
    assert_eq!(pointer(tags::DIMENSION_INDEX_POINTER), PrimitiveValue::from(tags::REFERENCED_SEGMENT_NUMBER));
    assert_eq!(pointer(tags::FUNCTIONAL_GROUP_POINTER), PrimitiveValue::from(tags::SEGMENT_IDENTIFICATION_SEQUENCE));
}

#[test]
fn patient_and_study_are_the_film_s_and_series_and_instance_are_new_each_time() {
    for syntax in [dicom::EXPLICIT, dicom::IMPLICIT, dicom::BIG] {
        let file = filed(200, 150).pixels8(&picture(200, 150)).write(syntax);
        let objects = [(); 2].map(|()| read(&written(&file, [16, 16], &irregular(256))));
        let source = read(&file);
        for object in &objects {
            for tag in [
                tags::SPECIFIC_CHARACTER_SET,
                tags::PATIENT_NAME,
                tags::PATIENT_ID,
                tags::PATIENT_BIRTH_DATE,
                tags::PATIENT_SEX,
                tags::STUDY_INSTANCE_UID,
                tags::STUDY_DATE,
                tags::STUDY_TIME,
                tags::STUDY_ID,
                tags::STUDY_DESCRIPTION,
                tags::ACCESSION_NUMBER,
                tags::BODY_PART_EXAMINED,
                tags::PATIENT_ORIENTATION,
                tags::FRAME_OF_REFERENCE_UID,
            ] {
                assert_eq!(text(object, tag), text(&source, tag), "{tag} in {syntax}");
            }
            assert_eq!(text(object, tags::PATIENT_NAME), "Müller^Zoë");
        }
        let mut new: Vec<String> =
            objects.iter().flat_map(|o| [text(o, tags::SERIES_INSTANCE_UID), text(o, tags::SOP_INSTANCE_UID)]).collect();
        assert!(new.iter().all(|uid| uid.starts_with("2.25.") && uid.len() <= 44), "{new:?}");
        new.sort();
        new.dedup();
        assert_eq!(new.len(), 4);
    }
}

#[test]
fn a_name_in_a_character_set_that_nothing_here_decodes_is_copied_byte_by_byte() {
    // "Yamada^Tarou" and its ideographs, with the escape sequences of ISO 2022 IR 87 (PS3.5 H.3).
    let name = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B";
    let file = filed(200, 150)
        .text((0x0008, 0x0005), VR::CS, "\\ISO 2022 IR 87")
        .with(raw((0x0010, 0x0010), VR::PN, name))
        .pixels8(&picture(200, 150))
        .write(dicom::EXPLICIT);
    let bytes = written(&file, [16, 16], &irregular(256));
    let found = |wanted: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
    assert!(found(&[b"\x10\0\x10\0PN\x22\0".as_slice(), name].concat()));
    assert!(found(b"\x08\0\x05\0CS\x10\0\\ISO 2022 IR 87 "));
}

#[test]
fn a_film_that_leaves_things_unsaid_has_them_empty_or_absent() {
    let bare = File::new(200, 150, 8, 8).text((0x0020, 0x000D), VR::UI, "1.2.3.40").text((0x0020, 0x000E), VR::UI, "1.2.3.400");
    let object = read(&written(&bare.pixels8(&picture(200, 150)).write(dicom::EXPLICIT), [16, 16], &irregular(256)));
    for tag in
        [tags::PATIENT_NAME, tags::PATIENT_ID, tags::PATIENT_BIRTH_DATE, tags::PATIENT_SEX, tags::STUDY_DATE, tags::STUDY_TIME]
    {
        assert_eq!(text(&object, tag), "", "{tag}");
    }
    for tag in [tags::FRAME_OF_REFERENCE_UID, tags::POSITION_REFERENCE_INDICATOR, tags::SPECIFIC_CHARACTER_SET, tags::PATIENT_AGE]
    {
        assert!(object.get(tag).is_none(), "{tag}");
    }
}

#[test]
fn what_a_film_lost_by_compression_stays_stated() {
    let lossy = filed(200, 150)
        .text((0x0028, 0x2110), VR::CS, "01")
        .text((0x0028, 0x2112), VR::DS, "12.5\\3")
        .text((0x0028, 0x2114), VR::CS, "ISO_10918_1")
        .pixels8(&picture(200, 150));
    let object = read(&written(&lossy.write(dicom::EXPLICIT), [16, 16], &irregular(256)));
    assert_eq!(text(&object, tags::LOSSY_IMAGE_COMPRESSION), "01");
    assert_eq!(text(&object, tags::LOSSY_IMAGE_COMPRESSION_RATIO), "12.5\\3");
    assert_eq!(text(&object, tags::LOSSY_IMAGE_COMPRESSION_METHOD), "ISO_10918_1");
}

#[test]
fn a_film_that_cannot_be_filed_with_is_refused_with_what_to_do() {
    let png = grey_png(200, 150, &picture(200, 150));
    let refused = film(&png).unwrap_err();
    assert_eq!(refused, Error::NotDicom { found: Format::Png });
    assert!(refused.to_string().contains("PNG") && refused.to_string().contains("give the film as the DICOM file"), "{refused}");

    let broken = |file: File| film(&file.pixels8(&picture(200, 150)).write(dicom::EXPLICIT)).unwrap_err();
    for tag in [(0x0008, 0x0016), (0x0008, 0x0018), (0x0020, 0x000D), (0x0020, 0x000E)] {
        for file in
            [filed(200, 150).without(tag), filed(200, 150).text(tag, VR::UI, ""), filed(200, 150).text(tag, VR::UI, "MUELLER")]
        {
            let refused = broken(file);
            let Error::Unfiled { attribute } = refused else { panic!("{refused:?}") };
            assert_eq!(attribute.tag(), tag);
            assert!(!refused.to_string().contains("MUELLER"), "{refused}");
        }
    }
    assert!(matches!(broken(filed(200, 150).text((0x0020, 0x0052), VR::UI, "MUELLER")), Error::Unfiled { .. }));
    let long = broken(filed(200, 150).text((0x0010, 0x0010), VR::PN, &"MUELLER".repeat(200)));
    assert!(
        matches!(long, Error::Film(IngestError::Malformed { .. })) && !format!("{long} {long:?}").contains("MUELLER"),
        "{long}"
    );
}

#[test]
fn what_made_the_mask_must_be_writable_and_the_film_is_not_shown() {
    let file = filed(200, 150).pixels8(&picture(200, 150)).write(dicom::EXPLICIT);
    let film = film(&file).unwrap();
    let inside = irregular(256);
    let mask = Mask::new(Structure::Lung, [16, 16], &inside).unwrap();
    for made in [
        Made { model: "", ..MADE },
        Made { model: "two\\values", ..MADE },
        Made { manifest_sha256: &"a".repeat(65), ..MADE },
        Made { date: "2025-01-31", ..MADE },
        Made { time: "24h", ..MADE },
    ] {
        assert!(matches!(film.segmentation(&mask, &made), Err(Error::Made { .. })), "{made:?}");
    }
    let shown = format!("{film:?}");
    assert!(shown.contains("200 × 150") && !shown.contains("ller") && !shown.contains("PID"), "{shown}");
}

#[test]
fn the_object_of_an_implausible_mask_says_so_and_is_otherwise_the_same() {
    let file = filed(200, 150).pixels8(&picture(200, 150)).write(dicom::EXPLICIT);
    let film = film(&file).unwrap();
    let inside = irregular(256);
    let mask = Mask::new(Structure::Lung, [16, 16], &inside).unwrap();
    let [plain, marked] = [mask, mask.implausible()].map(|mask| read(&film.segmentation(&mask, &MADE).unwrap()));
    let described = |object: &Object| {
        let of_segment = text(item(object, &[tags::SEGMENT_SEQUENCE]), tags::SEGMENT_DESCRIPTION);
        [text(object, tags::CONTENT_DESCRIPTION), of_segment]
    };
    for (object, wanted) in [
        (&plain, "Research software: not for diagnostic use"),
        (&marked, "Implausible mask. Research software: not for diagnostic use"),
    ] {
        assert_eq!(described(object), [wanted, wanted]);
        // The longest that a long string can be.
        assert!(wanted.len() <= 64);
    }
    let bits = |object: &Object| object.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap().to_vec();
    assert_eq!(bits(&plain), bits(&marked));
}
