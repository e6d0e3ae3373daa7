//! Every refusal and every warning, with its rule, value and tag.

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
use support::{grey_png, grey_png16, jpeg, picture, png, refusal, rule};
use veilray_imaging::ingest::checks::{Measured, Statistic, TrainingLimits, far_from_training};
use veilray_imaging::ingest::{Assume, Error, Limits, Modality, Rule, Settings, Value, View, Warning, attribute, read_bytes};

const N: usize = 160;

fn file() -> File {
    File::new(N, N, 8, 8).pixels8(&picture(N, N))
}

fn write(file: File) -> Vec<u8> {
    file.write(dicom::EXPLICIT)
}

fn warnings(bytes: &[u8]) -> Vec<Warning> {
    read_bytes(bytes, &Settings::default()).unwrap().report.warnings
}

fn assuming(text: &str) -> Settings {
    Settings { assume: text.parse().unwrap(), ..Settings::default() }
}

fn error(bytes: &[u8]) -> Error {
    read_bytes(bytes, &Settings::default()).unwrap_err()
}

#[test]
fn a_good_image_passes_without_a_word() {
    let read = read_bytes(&write(file()), &Settings::default()).unwrap();
    assert_eq!(read.report.warnings, []);
    assert_eq!((read.report.modality, read.report.view), (Some(Modality::DX), Some(View::Pa)));
    assert_eq!((read.report.width, read.report.height, read.report.bits), (N, N, 8));
}

#[test]
fn another_modality_is_refused() {
    let found = refusal(&write(file().text((0x0008, 0x0060), VR::CS, "CT")), &Settings::default());
    assert_eq!((found.rule, found.value, found.attribute), (Rule::WrongModality, Value::Term("CT"), Some(attribute::MODALITY)));
    assert_eq!(found.to_string(), "modality must be CR, DX or RG (a radiograph); found CT in (0008,0060) Modality");
    assert_eq!(rule(&write(file().text((0x0008, 0x0060), VR::CS, "NONSENSE"))), Rule::WrongModality);
    for good in ["CR", "DX", "RG"] {
        assert_eq!(warnings(&write(file().text((0x0008, 0x0060), VR::CS, good))), []);
    }
    let raster = grey_png(N, N, &picture(N, N));
    assert_eq!(refusal(&raster, &assuming("modality=MR")).rule, Rule::WrongModality);
}

#[test]
fn a_missing_modality_is_refused_unless_assumed() {
    let bytes = write(file().without((0x0008, 0x0060)));
    assert_eq!(refusal(&bytes, &Settings::default()).value, Value::Absent);
    assert_eq!(read_bytes(&bytes, &assuming("modality=CR")).unwrap().report.modality, Some(Modality::CR));
}

#[test]
fn a_view_from_the_side_is_refused_by_any_of_its_tags() {
    for view in ["LL", "RL", "LATERAL", "Left Lateral", "LLD", "RLO"] {
        let found = refusal(&write(file().text((0x0018, 0x5101), VR::CS, view)), &Settings::default());
        assert_eq!((found.rule, found.attribute), (Rule::NotFrontal, Some(attribute::VIEW_POSITION)), "{view}");
    }
    let code = file().sequence((0x0054, 0x0220), vec![dicom::text((0x0008, 0x0100), VR::SH, "399067008")]);
    assert_eq!(refusal(&write(code), &Settings::default()).attribute, Some(attribute::VIEW_CODE_SEQUENCE));
    let turned = file().without((0x0018, 0x5101)).text((0x0020, 0x0020), VR::CS, "A\\F");
    let found = refusal(&write(turned), &Settings::default());
    assert_eq!((found.value, found.attribute), (Value::Term("LATERAL"), Some(attribute::PATIENT_ORIENTATION)));
    assert_eq!(refusal(&grey_png(N, N, &picture(N, N)), &assuming("view=lateral")).rule, Rule::NotFrontal);
    for good in ["PA", "AP", "AP SUPINE"] {
        assert_eq!(warnings(&write(file().text((0x0018, 0x5101), VR::CS, good).text((0x0020, 0x0020), VR::CS, "L\\F"))), []);
    }
}

#[test]
fn several_frames_are_refused() {
    let found = refusal(&write(file().text((0x0028, 0x0008), VR::IS, "12")), &Settings::default());
    assert_eq!(
        (found.rule, found.value, found.attribute),
        (Rule::SeveralFrames, Value::Count(12), Some(attribute::NUMBER_OF_FRAMES))
    );
    let mut animation = Vec::new();
    let mut encoder = png::Encoder::new(&mut animation, N as u32, N as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    for _ in 0..2 {
        writer.write_image_data(&picture(N, N)).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(rule(&animation), Rule::SeveralFrames);
}

#[test]
fn a_small_image_is_refused() {
    let found = refusal(&write(File::new(N, 100, 8, 8).pixels8(&picture(N, 100))), &Settings::default());
    assert_eq!((found.rule, found.value, found.attribute), (Rule::TooSmall, Value::Count(100), Some(attribute::ROWS)));
    assert_eq!(rule(&grey_png(127, N, &picture(127, N))), Rule::TooSmall);
    assert_eq!(rule(&jpeg::baseline(8, 8, &picture(8, 8))), Rule::TooSmall);
}

#[test]
fn a_constant_or_saturated_image_is_refused() {
    assert_eq!(rule(&grey_png(N, N, &vec![77; N * N])), Rule::Constant);
    assert_eq!(rule(&write(File::new(N, N, 8, 8).pixels8(&vec![77; N * N]))), Rule::Constant);
    assert_eq!(rule(&grey_png16(N, N, &vec![9; N * N])), Rule::Constant);
    // A drawing: black lines on white.
    let drawing: Vec<u8> = (0..N * N).map(|i| if (i % N).is_multiple_of(9) { 0 } else { 255 }).collect();
    let found = refusal(&grey_png(N, N, &drawing), &Settings::default());
    assert_eq!((found.rule, found.value, found.attribute), (Rule::Saturated, Value::Measure(1.0), None));
    // A window too narrow, and one beside the image's values.
    let window = |centre, width| file().text((0x0028, 0x1050), VR::DS, centre).text((0x0028, 0x1051), VR::DS, width);
    assert_eq!(rule(&write(window("127", "2"))), Rule::Saturated);
    assert_eq!(rule(&write(window("900", "10"))), Rule::Constant);
}

#[test]
fn a_colour_photograph_is_refused() {
    let rgb: Vec<u8> = picture(N, N).iter().flat_map(|&v| [v, v / 2 + 40, 255 - v]).collect();
    assert_eq!(rule(&png(N, N, png::ColorType::Rgb, png::BitDepth::Eight, &rgb)), Rule::Colour);
    for photometric in ["RGB", "YBR_FULL_422", "PALETTE COLOR"] {
        let found = refusal(&write(file().text((0x0028, 0x0004), VR::CS, photometric)), &Settings::default());
        assert_eq!((found.rule, found.attribute), (Rule::Colour, Some(attribute::PHOTOMETRIC_INTERPRETATION)));
    }
    assert_eq!(rule(&write(file().short((0x0028, 0x0002), 3))), Rule::Colour);
}

#[test]
fn burned_in_annotation_and_another_body_part_are_warned_of() {
    assert_eq!(warnings(&write(file().text((0x0028, 0x0301), VR::CS, "YES"))), [Warning::BurnedInAnnotation]);
    assert_eq!(warnings(&write(file().text((0x0028, 0x0301), VR::CS, "NO"))), []);
    assert_eq!(warnings(&write(file().text((0x0018, 0x0015), VR::CS, "PORT CHEST"))), []);
    let knee = Warning::OtherBodyPart { part: Value::Term("KNEE") };
    assert_eq!(warnings(&write(file().text((0x0018, 0x0015), VR::CS, "KNEE"))), [knee]);
}

#[test]
fn what_was_assumed_is_told_and_what_the_user_assumed_is_not() {
    let raster = grey_png(N, N, &picture(N, N));
    let told: Vec<&str> = warnings(&raster)
        .iter()
        .map(|warning| match warning {
            Warning::NotStated { what, found: Value::Absent, .. } => *what,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, ["photometric interpretation", "modality", "view"]);
    let settings = assuming("photometric=MONOCHROME2, modality=CR, view=AP");
    assert_eq!(read_bytes(&raster, &settings).unwrap().report.warnings, []);
    for wrong in ["view", "view=up", "modality=camera", "photometric=RGB", "patient=me"] {
        assert!(matches!(wrong.parse::<Assume>(), Err(Error::Assume { .. })), "{wrong}");
    }
}

#[test]
fn an_image_far_from_training_is_warned_of_by_each_limit_it_oversteps() {
    let limits = TrainingLimits { reconstruction_error: 0.01, latent_min: -4.0, latent_max: 4.0 };
    let near = Measured { reconstruction_error: 0.01, latent_min: -4.0, latent_max: 3.0 };
    assert_eq!(far_from_training(&near, &limits), []);
    let far = Measured { reconstruction_error: f64::NAN, latent_min: -4.5, latent_max: 9.0 };
    let statistics: Vec<Statistic> = far_from_training(&far, &limits)
        .iter()
        .map(|warning| match warning {
            Warning::FarFromTraining { statistic, .. } => *statistic,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(statistics, [Statistic::ReconstructionError, Statistic::LatentMin, Statistic::LatentMax]);
}

#[test]
fn sizes_are_checked_before_anything_is_decoded() {
    let with =
        |file_bytes, pixels| Settings { limits: Limits { file_bytes, pixels, ..Limits::default() }, ..Settings::default() };
    let levels = picture(N, N);
    let files = [write(file()), grey_png(N, N, &levels), jpeg::baseline(20, 20, &picture(20, 20))];
    for bytes in files {
        let few = read_bytes(&bytes, &with(1 << 30, (N * N - 1) as u64)).unwrap_err();
        assert!(matches!(few, Error::TooLarge { found, .. } if found == (N * N) as u64), "{few}");
        let short = read_bytes(&bytes, &with(100, 1 << 30)).unwrap_err();
        assert!(matches!(short, Error::TooLarge { limit: 100, .. }), "{short}");
    }
}

#[test]
fn what_is_not_supported_says_what_is() {
    let text = |bytes: &[u8]| error(bytes).to_string();
    assert_eq!(error(b"GIF89a"), Error::UnknownFormat);
    let encapsulated = |syntax| File::new(N, N, 8, 8).fragments(vec![vec![0; 8]]).write(syntax);
    assert!(text(&encapsulated("1.2.840.10008.1.2.4.80")).contains("JPEG-LS"));
    assert!(text(&write(file().short((0x0028, 0x0100), 12))).contains("8, 16 or 32"));
    assert!(text(&write(file().short((0x0028, 0x0101), 9))).contains("BitsStored"));
    let odd = file().text((0x0028, 0x1050), VR::DS, "9").text((0x0028, 0x1051), VR::DS, "9");
    assert!(text(&write(odd.text((0x0028, 0x1056), VR::CS, "CUBIC"))).contains("LINEAR_EXACT"));
    assert!(text(&write(file().without((0x0028, 0x0010)))).contains("Rows is missing"));
    assert!(text(&write(file().without((0x7FE0, 0x0010)))).contains("PixelData is missing"));
    assert!(text(&write(File::new(N, N, 8, 8).pixels8(&[1, 2]))).contains("fewer pixels"));
}
