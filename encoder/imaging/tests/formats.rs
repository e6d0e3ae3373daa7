//! One picture in every encoding gives one canonical image.

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
use support::{grey_png, grey_png16, jpeg, levels_apart, picture, png, read};
use veilray_imaging::ingest::{Assume, Canonical, Error, Format, Photometric, Settings, Warning, read_bytes};

const W: usize = 300;
const H: usize = 200;

fn reference() -> Canonical {
    read(&grey_png(W, H, &picture(W, H)))
}

fn words() -> Vec<u16> {
    picture(W, H).into_iter().map(u16::from).collect()
}

fn assert_same(file: &[u8], what: &str) {
    assert!(levels_apart(&read(file), &reference()) <= 1, "{what}");
}

fn planes(words: &[u16]) -> Vec<Vec<u8>> {
    vec![words.iter().map(|w| (w >> 8) as u8).collect(), words.iter().map(|w| *w as u8).collect()]
}

#[test]
fn png_of_8_and_16_bits_and_dicom_of_both_monochromes_give_one_image() {
    let wide: Vec<u16> = words().iter().map(|w| w * 257).collect();
    assert_same(&grey_png16(W, H, &wide), "PNG, 16 bits");
    let levels = picture(W, H);
    assert_same(&File::new(W, H, 8, 8).pixels8(&levels).write(dicom::EXPLICIT), "MONOCHROME2, 8 bits");
    let negative: Vec<u8> = levels.iter().map(|v| 255 - v).collect();
    let one = |file: File| file.text((0x0028, 0x0004), VR::CS, "MONOCHROME1");
    assert_same(&one(File::new(W, H, 8, 8)).pixels8(&negative).write(dicom::EXPLICIT), "MONOCHROME1, 8 bits");
    let twelve: Vec<u16> = words().iter().map(|&w| (f64::from(w) * 4095.0 / 255.0).round() as u16).collect();
    assert_same(&File::new(W, H, 16, 12).pixels16(&twelve).write(dicom::EXPLICIT), "MONOCHROME2, 12 bits");
    let negative: Vec<u16> = twelve.iter().map(|v| 4095 - v).collect();
    assert_same(&one(File::new(W, H, 16, 12)).pixels16(&negative).write(dicom::EXPLICIT), "MONOCHROME1, 12 bits");
}

#[test]
fn every_byte_order_reads_alike() {
    for syntax in [dicom::IMPLICIT, dicom::EXPLICIT, dicom::BIG] {
        let wide: Vec<u16> = words().iter().map(|w| w * 257).collect();
        assert_same(&File::new(W, H, 16, 16).pixels16(&wide).write(syntax), syntax);
    }
    // Eight bits written as big-endian words: every pair is swapped.
    let levels = picture(W, H);
    let swapped: Vec<u16> = levels.chunks(2).map(|p| u16::from(p[1]) << 8 | u16::from(p[0])).collect();
    assert_same(&File::new(W, H, 8, 8).pixels16(&swapped).write(dicom::BIG), "8 bits in OW, big endian");
}

#[test]
fn palette_alpha_and_grey_written_as_rgb_read_as_grey() {
    let levels = picture(W, H);
    let rgb: Vec<u8> = levels.iter().flat_map(|&v| [v, v, v]).collect();
    assert_same(&png(W, H, png::ColorType::Rgb, png::BitDepth::Eight, &rgb), "RGB");
    let rgba: Vec<u8> = levels.iter().flat_map(|&v| [v, v, v, 255]).collect();
    assert_same(&png(W, H, png::ColorType::Rgba, png::BitDepth::Eight, &rgba), "RGBA");
    let half: Vec<u8> = levels.iter().flat_map(|&v| [255, v]).collect();
    assert_same(
        &png(W, H, png::ColorType::GrayscaleAlpha, png::BitDepth::Eight, &half),
        "white of the picture's opacity, over black",
    );
}

#[test]
fn a_raster_negative_is_turned_by_assumption() {
    let negative: Vec<u8> = picture(W, H).iter().map(|v| 255 - v).collect();
    let assume = Assume { photometric: Some(Photometric::Monochrome1), ..Assume::default() };
    let read = read_bytes(&grey_png(W, H, &negative), &Settings { assume, ..Settings::default() }).unwrap();
    assert!(levels_apart(&read.image, &reference()) <= 1);
    assert_eq!("photometric=monochrome1".parse::<Assume>().unwrap(), assume);
}

#[test]
fn a_file_s_own_word_stands_against_an_assumption() {
    let assume: Assume = "photometric=MONOCHROME1,view=LATERAL,modality=CT".parse().unwrap();
    let file = File::new(W, H, 8, 8).pixels8(&picture(W, H)).write(dicom::EXPLICIT);
    let read = read_bytes(&file, &Settings { assume, ..Settings::default() }).unwrap();
    assert!(levels_apart(&read.image, &reference()) <= 1);
    assert_eq!(read.report.warnings, []);
}

#[test]
fn signed_pixels_and_high_bits_are_read_by_their_layout() {
    // 12 bits stored in bits 2 to 13, two's complement, rescaled to 0..4095; what lies around them is noise.
    let stored = |w: u16| ((i32::from(w) * 4095 / 255 - 2048) & 0xfff) as u16;
    let pixels: Vec<u16> = words().iter().enumerate().map(|(i, &w)| (stored(w) << 2) | (0xc003 * ((i % 2) as u16))).collect();
    let file = File::new(W, H, 16, 12)
        .short((0x0028, 0x0102), 13)
        .short((0x0028, 0x0103), 1)
        .text((0x0028, 0x1052), VR::DS, "2048")
        .text((0x0028, 0x1053), VR::DS, "1.0")
        .pixels16(&pixels);
    assert_same(&file.write(dicom::EXPLICIT), "signed, high bit 13");
}

#[test]
fn a_negative_slope_turns_the_image_over() {
    let negative: Vec<u8> = picture(W, H).iter().map(|v| 255 - v).collect();
    let file = File::new(W, H, 8, 8).text((0x0028, 0x1052), VR::DS, "255").text((0x0028, 0x1053), VR::DS, "-1");
    assert_same(&file.pixels8(&negative).write(dicom::EXPLICIT), "slope −1");
}

#[test]
fn padding_is_black_in_both_monochromes() {
    let mut levels = picture(W, H);
    levels.iter_mut().for_each(|v| *v = (*v).max(1));
    for monochrome in ["MONOCHROME1", "MONOCHROME2"] {
        let mut pixels = levels.clone();
        pixels[..W * H / 2].fill(0);
        let file = File::new(W, H, 8, 8).text((0x0028, 0x0004), VR::CS, monochrome).short((0x0028, 0x0120), 0).pixels8(&pixels);
        let image = read(&file.write(dicom::EXPLICIT));
        // Row 60 of 256 lies in the upper half of the picture, which is 171 rows high from row 42.
        assert!(image.values()[60 * 256..61 * 256].iter().all(|&v| v == -1.0), "{monochrome}");
    }
}

/// The canonical image of the picture with a grey-scale curve applied.
fn curved(f: impl Fn(f64) -> f64) -> Canonical {
    let levels: Vec<u16> = words().iter().map(|&w| (65_535.0 * f(f64::from(w)).clamp(0.0, 1.0)).round() as u16).collect();
    read(&grey_png16(W, H, &levels))
}

#[test]
fn windows_follow_the_standard_s_formulas() {
    let window = |function: &str| {
        File::new(W, H, 8, 8)
            .text((0x0028, 0x1050), VR::DS, "120\\60")
            .text((0x0028, 0x1051), VR::DS, "101\\10")
            .text((0x0028, 0x1056), VR::CS, function)
            .pixels8(&picture(W, H))
            .write(dicom::EXPLICIT)
    };
    let linear = curved(|x| (x - 119.5) / 100.0 + 0.5);
    assert!(levels_apart(&read(&window("LINEAR")), &linear) <= 1);
    assert!(levels_apart(&read(&window("")), &linear) <= 1);
    assert!(levels_apart(&read(&window("LINEAR_EXACT")), &curved(|x| (x - 120.0) / 101.0 + 0.5)) <= 1);
    assert!(levels_apart(&read(&window("SIGMOID")), &curved(|x| 1.0 / (1.0 + (-4.0 * (x - 120.0) / 101.0).exp()))) <= 1);
    // The usual full window is the identity.
    let full = File::new(W, H, 8, 8).text((0x0028, 0x1050), VR::DS, "128").text((0x0028, 0x1051), VR::DS, "256");
    assert_same(&full.pixels8(&picture(W, H)).write(dicom::EXPLICIT), "window of 256 about 128");
}

#[test]
fn lookup_tables_of_modality_and_of_interest_are_applied() {
    let square = |bits: u32| (0..256u32).map(|v| (v * v * ((1 << bits) - 1) / 65_025) as u16).collect::<Vec<u16>>();
    let wanted = curved(|x| (x / 255.0).powi(2));
    for syntax in [dicom::IMPLICIT, dicom::EXPLICIT, dicom::BIG] {
        for tag in [(0x0028, 0x3000), (0x0028, 0x3010)] {
            let file = File::new(W, H, 8, 8).sequence(tag, dicom::lut(0, 12, &square(12))).pixels8(&picture(W, H));
            assert!(levels_apart(&read(&file.write(syntax)), &wanted) <= 1, "{tag:x?} in {syntax}");
        }
    }
    // From the first input on; a window beside a VOI LUT is not used. Below and above, the ends hold.
    let table: Vec<u16> = (0..100).map(|v| v * 655).collect();
    let file = File::new(W, H, 8, 8)
        .sequence((0x0028, 0x3010), dicom::lut(50, 16, &table))
        .text((0x0028, 0x1050), VR::DS, "10")
        .text((0x0028, 0x1051), VR::DS, "2")
        .pixels8(&picture(W, H));
    let wanted = curved(|x| (x - 50.0).clamp(0.0, 99.0) * 655.0 / 65_535.0);
    assert!(levels_apart(&read(&file.write(dicom::EXPLICIT)), &wanted) <= 1);
}

#[test]
fn run_length_encoding_of_8_and_16_bits_reads_alike() {
    let file = File::new(W, H, 8, 8).fragments(vec![dicom::rle(&[picture(W, H)])]);
    assert_same(&file.write(dicom::RLE), "RLE, 8 bits");
    let wide: Vec<u16> = words().iter().map(|w| w * 257).collect();
    let file = File::new(W, H, 16, 16).fragments(vec![dicom::rle(&planes(&wide))]);
    assert_same(&file.write(dicom::RLE), "RLE, 16 bits");
}

#[test]
fn lossless_jpeg_reads_alike_also_in_fragments_and_signed() {
    let twelve: Vec<u16> = words().iter().map(|&w| (f64::from(w) * 4095.0 / 255.0).round() as u16).collect();
    let stream = jpeg::lossless(W, H, 12, &twelve);
    let cut = |at: usize| vec![stream[..at].to_vec(), stream[at..].to_vec()];
    let file = |fragments| File::new(W, H, 16, 12).fragments(fragments).write(dicom::JPEG_LOSSLESS);
    assert_same(&file(vec![stream.clone()]), "one fragment");
    assert_same(&file(cut(stream.len() / 4 * 2)), "two fragments");
    assert_same(&jpeg_file(&words()), "a JPEG file");

    let signed: Vec<u16> = words().iter().map(|&w| (w * 257).wrapping_sub(0x8000)).collect();
    let file = File::new(W, H, 16, 16)
        .short((0x0028, 0x0103), 1)
        .fragments(vec![jpeg::lossless(W, H, 16, &signed)])
        .write(dicom::JPEG_LOSSLESS);
    assert_same(&file, "signed, 16 bits");
}

#[test]
fn every_predictor_of_lossless_jpeg_reads_alike() {
    let wide: Vec<u16> = words().iter().map(|w| w * 257).collect();
    for predictor in 1..=7 {
        assert_same(&jpeg::predicted(W, H, 16, &wide, predictor), &format!("predictor {predictor}"));
    }
}

#[test]
fn lossless_jpeg_with_restarts_is_refused_rather_than_misread() {
    let mut stream = jpeg_file(&words());
    stream.splice(2..2, [0xff, 0xdd, 0, 4, 0, 9]);
    let error = read_bytes(&stream, &Settings::default()).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
}

fn jpeg_file(words: &[u16]) -> Vec<u8> {
    jpeg::lossless(W, H, 16, &words.iter().map(|w| w * 257).collect::<Vec<_>>())
}

#[test]
fn baseline_jpeg_reads_alike_as_a_file_and_in_dicom() {
    let (wide, high) = (24, 20);
    let greys = picture(wide, high);
    let pixels: Vec<u8> = (0..64 * wide * high).map(|i| greys[i / (8 * wide) / 8 * wide + i % (8 * wide) / 8]).collect();
    let wanted = read(&grey_png(8 * wide, 8 * high, &pixels));
    let stream = jpeg::baseline(wide, high, &greys);
    assert!(levels_apart(&read(&stream), &wanted) <= 1);
    let file = File::new(8 * wide, 8 * high, 8, 8).fragments(vec![stream]).write(dicom::JPEG_BASELINE);
    assert!(levels_apart(&read(&file), &wanted) <= 1);
}

#[test]
fn detector_values_in_a_corner_of_their_range_are_stretched_with_a_warning() {
    let narrow: Vec<u16> = words().iter().map(|&w| 1000 + 8 * w).collect();
    let file = File::new(W, H, 16, 16).pixels16(&narrow).write(dicom::EXPLICIT);
    for bytes in [file, grey_png16(W, H, &narrow)] {
        let found = read_bytes(&bytes, &Settings::default()).unwrap();
        assert!(levels_apart(&found.image, &reference()) <= 1);
        let stretched = Warning::Stretched { low: 1000.0, high: 3040.0, declared: 65_535.0 };
        assert!(found.report.warnings.contains(&stretched), "{:?}", found.report.warnings);
    }
}

#[test]
fn the_canonical_image_keeps_the_aspect_ratio_between_black_borders() {
    let found = read_bytes(&grey_png(1200, 800, &[255, 128].repeat(1200 * 400)), &Settings::default()).unwrap();
    let placement = found.report.placement;
    assert_eq!((placement.left, placement.top, placement.width, placement.height), (0, 42, 256, 171));
    assert_eq!(found.report.format, Format::Png);
    let values = found.image.values();
    assert!(values[..42 * 256].iter().all(|&v| v == -1.0));
    assert!(values[(42 + 171) * 256..].iter().all(|&v| v == -1.0));
    // A grid at the sampling limit becomes its mean: no aliasing.
    let inner = &values[100 * 256 + 20..100 * 256 + 230];
    assert!(inner.iter().all(|&v| (v - 0.502).abs() < 0.02), "{:?}", &inner[..8]);
}

#[test]
fn an_image_already_of_the_canonical_size_keeps_its_levels() {
    let levels = picture(256, 256);
    assert_eq!(read(&grey_png(256, 256, &levels)).to_levels(), levels);
}
