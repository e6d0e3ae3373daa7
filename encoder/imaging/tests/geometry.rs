//! However a film is filed, turned or mirrored, the canonical image is the upright one's, and a mask lies on the film as it is filed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

#[path = "support/files.rs"]
mod support;

use dicom_core::{Tag, VR};
use support::dicom::{self, File};
use support::picture;
use veilray_imaging::ingest::{Geometry, Ingested, Rect, Settings, Turn, Warning, attribute, read_bytes};
use veilray_imaging::seg::{Film, Made, Mask, Structure};

/// Columns and rows of the upright film: no square, so that a turn shows.
const SIZE: (usize, usize) = (192, 256);

/// Directions of rows and columns, and the turn that brings such a film upright.
const WAYS: [(char, char, Turn); 8] = [
    ('L', 'F', Turn::None),
    ('R', 'F', Turn::MirrorLeftRight),
    ('R', 'H', Turn::Half),
    ('L', 'H', Turn::MirrorTopBottom),
    ('F', 'L', Turn::Transpose),
    ('F', 'R', Turn::Clockwise),
    ('H', 'R', Turn::Transverse),
    ('H', 'L', Turn::Anticlockwise),
];

/// The place in the upright film of a pixel of one whose rows and columns run in these directions. Upright, columns count to the patient's
/// left and rows to the feet.
fn upright_place((row, column): (char, char), (x, y): (usize, usize)) -> (usize, usize) {
    let (mut left, mut foot) = (0, 0);
    for (direction, count) in [(row, x), (column, y)] {
        match direction {
            'L' => left = count,
            'R' => left = SIZE.0 - 1 - count,
            'F' => foot = count,
            _ => foot = SIZE.1 - 1 - count,
        }
    }
    (left, foot)
}

/// Columns and rows of the film as it is filed.
fn filed_size((row, _): (char, char)) -> (usize, usize) {
    if matches!(row, 'F' | 'H') { (SIZE.1, SIZE.0) } else { SIZE }
}

/// Values of the upright film as they are filed.
fn filed<T: Copy>(runs: (char, char), upright: &[T]) -> Vec<T> {
    let (width, height) = filed_size(runs);
    let place = |index: usize| upright_place(runs, (index % width, index / width));
    (0..width * height).map(place).map(|(x, y)| upright[y * SIZE.0 + x]).collect()
}

fn film(runs: (char, char)) -> File {
    let (width, height) = filed_size(runs);
    File::new(width, height, 8, 8)
        .text((0x0020, 0x000D), VR::UI, "1.2.3.40")
        .text((0x0020, 0x000E), VR::UI, "1.2.3.400")
        .text((0x0020, 0x0020), VR::CS, &format!("{}\\{}", runs.0, runs.1))
        .pixels8(&filed(runs, &picture(SIZE.0, SIZE.1)))
}

fn ingest(bytes: &[u8]) -> Ingested {
    read_bytes(bytes, &Settings::default()).unwrap()
}

/// The bits of the Segmentation of a film by a mask of `side` × `side` cells, one for each filed pixel.
fn segmentation(bytes: &[u8], side: usize, inside: &[bool]) -> Vec<bool> {
    let report = ingest(bytes).report;
    let made = Made { model: "unet-lung-128", manifest_sha256: "0123abcd", date: "20250131", time: "235958" };
    let mask = Mask::new(Structure::Lung, [side, side], inside).unwrap();
    let file = Film::read(bytes, &report).unwrap().segmentation(&mask, &made).unwrap();
    let object = dicom_object::from_reader(&file[128..]).unwrap();
    let number = |tag| object.element(Tag(0x0028, tag)).unwrap().to_int::<usize>().unwrap();
    assert_eq!((number(0x0011), number(0x0010)), (report.width, report.height));
    let bits = object.element(Tag(0x7FE0, 0x0010)).unwrap().to_bytes().unwrap().to_vec();
    (0..report.width * report.height).map(|index| bits[index / 8] >> (index % 8) & 1 == 1).collect()
}

/// Cells in no pattern that a turn or a mirror would keep.
fn irregular(cells: usize) -> Vec<bool> {
    (0..cells as u32).map(|cell| (cell.wrapping_mul(2_654_435_761) >> 13) % 3 == 0).collect()
}

#[test]
fn a_film_filed_in_any_of_eight_ways_is_the_upright_one_to_the_last_bit() {
    let upright = ingest(&film(('L', 'F')).write(dicom::EXPLICIT));
    for (row, column, turn) in WAYS {
        for syntax in [dicom::EXPLICIT, dicom::IMPLICIT] {
            let read = ingest(&film((row, column)).write(syntax));
            assert!(read.image == upright.image, "{row}\\{column}");
            let (width, height) = filed_size((row, column));
            assert_eq!(read.report.geometry, Geometry { turn, crop: Rect::whole(width, height) });
            assert_eq!((read.report.width, read.report.height), (width, height));
            assert_eq!(read.report.placement, upright.report.placement);
            let mirrored = Warning::Mirrored { attribute: Some(attribute::PATIENT_ORIENTATION) };
            let wanted: &[Warning] = if turn.mirrors() { &[mirrored] } else { &[] };
            assert_eq!(read.report.warnings, wanted, "{row}\\{column}");
        }
    }
}

#[test]
fn the_mask_of_a_turned_film_lies_on_it_as_it_is_filed() {
    // A cell covers 8 × 8 pixels of the canonical image, and as many of the film's.
    let inside = irregular(32 * 32);
    for (row, column, _) in WAYS {
        let runs = (row, column);
        let found = segmentation(&film(runs).write(dicom::EXPLICIT), 32, &inside);
        let width = filed_size(runs).0;
        for (index, bit) in found.into_iter().enumerate() {
            let (x, y) = upright_place(runs, (index % width, index / width));
            assert_eq!(bit, inside[y / 8 * 32 + (x + 32) / 8], "pixel {index} of {row}\\{column}");
        }
    }
}

#[test]
fn longer_words_of_orientation_are_read_by_their_first_direction() {
    let upright = ingest(&film(('L', 'F')).write(dicom::EXPLICIT)).image;
    for (runs, text) in [
        (('L', 'F'), "LF\\F"),
        (('L', 'F'), "LPF\\FRA"),
        (('F', 'R'), " FL \\ RF "),
        (('R', 'H'), "R\\HL"),
        (('L', 'F'), "LE\\CD"),
        (('R', 'H'), "RT\\CR"),
        (('R', 'F'), "r\\f"),
    ] {
        let read = ingest(&film(runs).text((0x0020, 0x0020), VR::CS, text).write(dicom::EXPLICIT));
        assert!(read.image == upright, "{text}");
    }
}

#[test]
fn an_orientation_that_contradicts_itself_is_warned_of_and_changes_nothing() {
    let as_it_lies = ingest(&film(('R', 'H')).text((0x0020, 0x0020), VR::CS, "").write(dicom::EXPLICIT));
    assert_eq!((as_it_lies.report.geometry.turn, as_it_lies.report.warnings.as_slice()), (Turn::None, [].as_slice()));
    for text in ["L\\R", "F\\F", "L", "L\\", "\\F", "LR\\F", "NONE\\NONE", "UPRIGHT", "1\\2"] {
        let read = ingest(&film(('R', 'H')).text((0x0020, 0x0020), VR::CS, text).write(dicom::EXPLICIT));
        assert!(read.image == as_it_lies.image, "{text}");
        let [Warning::NotApplied { attribute: attribute::PATIENT_ORIENTATION, .. }] = read.report.warnings.as_slice() else {
            panic!("{text}: {:?}", read.report.warnings)
        };
    }
}

#[test]
fn what_the_device_did_already_is_not_done_again() {
    // FieldOfViewRotation, FieldOfViewHorizontalFlip and ImageOrientation tell what was done, ImageLaterality what is seen.
    let plain = ingest(&film(('L', 'F')).write(dicom::EXPLICIT));
    let told = film(('L', 'F'))
        .text((0x0018, 0x7032), VR::DS, "90")
        .text((0x0018, 0x7034), VR::CS, "YES")
        .text((0x0020, 0x0060), VR::CS, "R")
        .text((0x0020, 0x0062), VR::CS, "R")
        .text((0x0020, 0x0037), VR::DS, "0\\1\\0\\1\\0\\0");
    assert_eq!(ingest(&told.write(dicom::EXPLICIT)), plain);
}

#[test]
fn a_png_and_a_jpeg_are_turned_as_their_exif_says() {
    let levels = picture(SIZE.0, SIZE.1);
    let upright = ingest(&support::grey_png(SIZE.0, SIZE.1, &levels)).image;
    for (orientation, (row, column, turn)) in (1u8..).zip(WAYS) {
        let (width, height) = filed_size((row, column));
        let mut png = support::grey_png(width, height, &filed((row, column), &levels));
        let tiff = [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(), &[orientation, 0, 0, 0, 0, 0, 0]].concat();
        png.splice(33..33, chunk(b"eXIf", &tiff));
        let read = ingest(&png);
        assert!(read.image == upright, "orientation {orientation}");
        assert_eq!(read.report.geometry.turn, turn);
        assert_eq!(read.report.warnings.contains(&Warning::Mirrored { attribute: None }), turn.mirrors());
    }

    // Blocks of 8 × 8 of one grey are exact in a JPEG.
    let (wide, high) = (24, 32);
    let blocks = picture(wide, high);
    let upright = ingest(&support::jpeg::baseline(wide, high, &blocks)).image;
    // Turned by 90° anticlockwise: to be turned clockwise, EXIF 6.
    let lying: Vec<u8> = (0..blocks.len()).map(|i| blocks[i % high * wide + (wide - 1 - i / high)]).collect();
    let mut jpeg = support::jpeg::baseline(high, wide, &lying);
    let exif = b"\xff\xe1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    jpeg.splice(2..2, exif.iter().copied());
    assert!(ingest(&jpeg).image == upright);
}

/// A PNG chunk with its checksum (ISO/IEC 15948 annex D).
fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let named = [name.as_slice(), data].concat();
    let crc = named.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    });
    [&(data.len() as u32).to_be_bytes()[..], &named, &(!crc).to_be_bytes()].concat()
}

#[test]
fn pixels_of_another_shape_are_brought_to_squares_in_every_turn() {
    // Pixels twice as high as wide: 192 × 256 of them are as 192 × 512 square ones, 96 × 256 in the canonical image.
    let spaced = |(row, column): (char, char)| {
        let spacing = if matches!(row, 'F' | 'H') { "0.1\\0.2" } else { "0.2\\0.1" };
        film((row, column)).text((0x0028, 0x0030), VR::DS, spacing).write(dicom::EXPLICIT)
    };
    let upright = ingest(&spaced(('L', 'F')));
    let placement = upright.report.placement;
    assert_eq!((placement.left, placement.top, placement.width, placement.height), (80, 0, 96, 256));
    let inside = irregular(256 * 256);
    for (row, column, _) in WAYS {
        let file = spaced((row, column));
        let read = ingest(&file);
        assert!(read.image == upright.image, "{row}\\{column}");
        let found = segmentation(&file, 256, &inside);
        let width = filed_size((row, column)).0;
        for (index, bit) in found.into_iter().enumerate() {
            let (x, y) = upright_place((row, column), (index % width, index / width));
            // The centre of a pixel half as wide as a canonical one.
            assert_eq!(bit, inside[y * 256 + 80 + x / 2], "pixel {index} of {row}\\{column}");
        }
    }
}
