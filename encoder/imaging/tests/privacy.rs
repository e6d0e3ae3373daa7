//! A patient's name does not come out of ingest, whichever tag it was put in.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

#[path = "support/files.rs"]
mod support;

use dicom_core::VR;
use support::dicom::{self, File};
use support::picture;
use veilray_imaging::ingest::{Settings, read_bytes, read_file};

const NAME: &str = "ZEBEDEE^QUINCY";
const N: usize = 160;

/// Everything that ingest says of a file.
fn said(bytes: &[u8]) -> String {
    match read_bytes(bytes, &Settings::default()) {
        Ok(read) => {
            let warnings: String = read.report.warnings.iter().map(|warning| format!("{warning} {warning:?}")).collect();
            format!("{read:?} {warnings}")
        }
        Err(error) => format!("{error} {error:?} {error:#?}"),
    }
}

fn assert_silent(bytes: &[u8], what: &str) {
    let said = said(bytes).to_ascii_uppercase();
    for part in ["ZEBEDEE", "QUINCY"] {
        assert!(!said.contains(part), "{what}: {said}");
    }
}

fn good() -> File {
    File::new(N, N, 8, 8)
        .text((0x0010, 0x0010), VR::PN, NAME)
        .text((0x0010, 0x0020), VR::LO, NAME)
        .text((0x0010, 0x1000), VR::LO, NAME)
        .text((0x0008, 0x0090), VR::PN, NAME)
        .text((0x0008, 0x1030), VR::LO, NAME)
        .text((0x0010, 0x4000), VR::LT, NAME)
        .pixels8(&picture(N, N))
}

#[test]
fn a_name_in_the_patient_s_tags_is_not_shown() {
    assert_silent(&good().write(dicom::EXPLICIT), "a good file");
    assert_silent(&good().text((0x0008, 0x0060), VR::CS, "CT").write(dicom::IMPLICIT), "a refused file");
}

#[test]
fn a_name_in_any_tag_that_is_read_is_not_shown() {
    let texts = [
        (0x0008, 0x0008),
        (0x0008, 0x0016),
        (0x0008, 0x0060),
        (0x0008, 0x0068),
        (0x0008, 0x2111),
        (0x0010, 0x2210),
        (0x0018, 0x0015),
        (0x0018, 0x1164),
        (0x0018, 0x1460),
        (0x0018, 0x1491),
        (0x0018, 0x1600),
        (0x0018, 0x1602),
        (0x0018, 0x1610),
        (0x0018, 0x1620),
        (0x0018, 0x1622),
        (0x0018, 0x2010),
        (0x0018, 0x5101),
        (0x0020, 0x0020),
        (0x0028, 0x0002),
        (0x0028, 0x0004),
        (0x0028, 0x0008),
        (0x0028, 0x0010),
        (0x0028, 0x0011),
        (0x0028, 0x0030),
        (0x0028, 0x0034),
        (0x0028, 0x0100),
        (0x0028, 0x0101),
        (0x0028, 0x0102),
        (0x0028, 0x0103),
        (0x0028, 0x0120),
        (0x0028, 0x0300),
        (0x0028, 0x0301),
        (0x0028, 0x1041),
        (0x0028, 0x1050),
        (0x0028, 0x1051),
        (0x0028, 0x1052),
        (0x0028, 0x1053),
        (0x0028, 0x1056),
        (0x2050, 0x0020),
    ];
    for tag in texts {
        for syntax in [dicom::EXPLICIT, dicom::IMPLICIT] {
            let file = good().text((0x0028, 0x1050), VR::DS, "100").text((0x0028, 0x1051), VR::DS, "100");
            assert_silent(&file.text(tag, VR::LO, NAME).write(syntax), &format!("{tag:x?} in {syntax}"));
        }
    }
    for sequence in [(0x0008, 0x2218), (0x0028, 0x3000), (0x0028, 0x3010), (0x0054, 0x0220), (0x2050, 0x0010)] {
        let item = |tag| vec![dicom::text(tag, VR::LO, NAME)];
        for tag in [(0x0028, 0x3002), (0x0028, 0x3006), (0x0008, 0x0100), (0x0008, 0x0102), (0x0008, 0x0119), (0x0008, 0x0120)] {
            assert_silent(&good().sequence(sequence, item(tag)).write(dicom::EXPLICIT), &format!("{sequence:x?} {tag:x?}"));
        }
    }
}

#[test]
fn a_name_in_the_transfer_syntax_or_the_pixels_is_not_shown() {
    let uid = good().write(dicom::EXPLICIT);
    let at = uid.windows(19).position(|window| window == b"1.2.840.10008.1.2.1").unwrap();
    let mut named = uid.clone();
    named[at..at + NAME.len()].copy_from_slice(NAME.as_bytes());
    assert_silent(&named, "transfer syntax");
    for syntax in [dicom::RLE, dicom::JPEG_BASELINE, dicom::JPEG_LOSSLESS, dicom::JPEG_2000] {
        let file = File::new(N, N, 8, 8).fragments(vec![NAME.repeat(9).into_bytes()]);
        assert_silent(&file.write(syntax), syntax);
    }
}

#[test]
fn a_name_in_a_text_chunk_a_comment_or_the_path_is_not_shown() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, N as u32, N as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.add_text_chunk("Comment".into(), NAME.into()).unwrap();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&picture(N, N)).unwrap();
    writer.finish().unwrap();
    assert_silent(&bytes, "PNG");
    bytes.truncate(bytes.len() / 2);
    assert_silent(&bytes, "half a PNG");

    let error = read_file(format!("/nowhere/{NAME}.dcm").as_ref(), &Settings::default()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("ZEBEDEE"));
}

#[test]
fn no_pixel_is_shown() {
    let read = read_bytes(&good().write(dicom::EXPLICIT), &Settings::default()).unwrap();
    assert!(format!("{read:?}").len() < 700);
    assert!(format!("{:?}", read.image).contains("not shown"));
}
