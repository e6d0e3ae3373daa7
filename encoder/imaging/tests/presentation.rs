//! How a DICOM file says that its values and pixels are to be shown: polarity, padding, the shape of a pixel, the shutter, the frames.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

#[path = "support/files.rs"]
mod support;

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use proptest::prelude::*;
use std::ops::RangeInclusive;
use support::dicom::{self, File};
use support::{picture, refusal};
use veilray_imaging::ingest::{Error, Ingested, Rule, Settings, Value, Warning, attribute, read_bytes};

/// The side of the canonical image: a film of this size keeps its values.
const N: usize = 256;

fn film() -> File {
    File::new(N, N, 8, 8).pixels8(&picture(N, N))
}

fn ingest(file: File) -> Ingested {
    read_bytes(&file.write(dicom::EXPLICIT), &Settings::default()).unwrap()
}

/// The canonical value of an 8-bit level.
fn canonical(level: u8) -> f32 {
    f32::from(level) / 255.0 * 2.0 - 1.0
}

fn assert_shows(read: &Ingested, wanted: impl Fn(usize) -> f32, what: &str) {
    for (index, &value) in read.image.values().iter().enumerate() {
        assert!((value - wanted(index)).abs() < 1e-6, "{what}: {value} for {} at {index}", wanted(index));
    }
}

#[test]
fn the_shape_of_the_presentation_lut_says_what_is_black() {
    let levels = picture(N, N);
    for (photometric, shape, inverted, contradiction) in [
        ("MONOCHROME1", "", true, false),
        ("MONOCHROME1", "INVERSE", true, false),
        ("MONOCHROME1", "IDENTITY", false, true),
        ("MONOCHROME2", "", false, false),
        ("MONOCHROME2", "IDENTITY", false, false),
        ("MONOCHROME2", "INVERSE", true, true),
        ("MONOCHROME2", "LIN OD", false, false),
    ] {
        let read = ingest(film().text((0x0028, 0x0004), VR::CS, photometric).text((0x2050, 0x0020), VR::CS, shape));
        let wanted = |index: usize| if inverted { -canonical(levels[index]) } else { canonical(levels[index]) };
        assert_shows(&read, wanted, &format!("{photometric} {shape}"));
        let told =
            matches!(read.report.warnings[..], [Warning::Contradiction { attribute: attribute::PRESENTATION_LUT_SHAPE, .. }]);
        assert_eq!((told, read.report.warnings.len()), (contradiction, usize::from(contradiction)), "{photometric} {shape}");
    }
    let table = film().sequence((0x2050, 0x0010), dicom::lut(0, 16, &[0, 1, 2, 3]));
    let [Warning::NotApplied { attribute: attribute::PRESENTATION_LUT_SEQUENCE, .. }] = ingest(table).report.warnings[..] else {
        panic!()
    };
}

#[test]
fn a_sign_that_would_make_bone_dark_is_warned_of() {
    // 1: larger values are more intensity, to be shown dark (PS3.3 C.8.11.3.1.2).
    for (sign, photometric, slope, told) in [
        (1i16, "MONOCHROME1", "1", false),
        (-1, "MONOCHROME2", "1", false),
        (1, "MONOCHROME2", "1", true),
        (-1, "MONOCHROME1", "1", true),
        (1, "MONOCHROME2", "-1", false),
        (-1, "MONOCHROME1", "-1", false),
        (0, "MONOCHROME2", "1", false),
    ] {
        // As SS, as US of the same bits, and by the dictionary.
        let value = PrimitiveValue::from(sign.cast_unsigned());
        for (vr, syntax) in
            [(VR::SS, dicom::EXPLICIT), (VR::US, dicom::EXPLICIT), (VR::SS, dicom::IMPLICIT), (VR::SS, dicom::BIG)]
        {
            let file = film()
                .text((0x0028, 0x0004), VR::CS, photometric)
                .text((0x0028, 0x1053), VR::DS, slope)
                .with(DataElement::new(Tag(0x0028, 0x1041), vr, value.clone()))
                .write(syntax);
            let found = read_bytes(&file, &Settings::default()).unwrap().report.warnings;
            let wanted = attribute::PIXEL_INTENSITY_RELATIONSHIP_SIGN;
            let is = matches!(found[..], [Warning::Contradiction { attribute, .. }] if attribute == wanted);
            assert_eq!((is, found.len()), (told, usize::from(told)), "{sign} {photometric} {slope} {vr:?}");
        }
    }
    // A table can turn it round: nothing is said.
    let table = film().sequence((0x0028, 0x3010), dicom::lut(0, 8, &(0..256).rev().collect::<Vec<_>>()));
    assert_eq!(ingest(table.with(DataElement::new(Tag(0x0028, 0x1041), VR::SS, PrimitiveValue::from(1u16)))).report.warnings, []);
}

/// A film of 12 bits, a window over all of them.
fn deep(signed: bool) -> (File, Vec<i16>) {
    let lowest = if signed { -2048 } else { 0 };
    let values: Vec<i16> = (0..N * N).map(|index| lowest + (index * 7 % 4096) as i16).collect();
    let words: Vec<u16> = values.iter().map(|value| value.cast_unsigned()).collect();
    let file = File::new(N, N, 16, 12)
        .short((0x0028, 0x0103), u16::from(signed))
        .text((0x0028, 0x1050), VR::DS, if signed { "0" } else { "2048" })
        .text((0x0028, 0x1051), VR::DS, "4096")
        .pixels16(&words);
    (file, values)
}

/// No value.
const NOTHING: RangeInclusive<i32> = RangeInclusive::new(1, 0);

#[test]
fn padding_is_black_and_values_that_no_pixel_can_have_pad_nothing() {
    // Value and limit, and the stored values that they pad.
    let unsigned: [(u16, Option<u16>, RangeInclusive<i32>); 7] = [
        (65_535, None, NOTHING),
        (4096, None, NOTHING),
        (40_000, Some(65_535), NOTHING),
        (4095, None, 4095..=4095),
        (0, Some(99), 0..=99),
        (99, Some(0), 0..=99),
        (4000, Some(65_535), 4000..=4095),
    ];
    let negative = |value: i16| value.cast_unsigned();
    let signed = [
        (negative(-32_768), None, NOTHING),
        (2048, None, NOTHING),
        (4095, None, NOTHING),
        (negative(-2048), None, -2048..=-2048),
        (negative(-1), None, -1..=-1),
        (negative(-32_768), Some(negative(-2000)), -2048..=-2000),
        (negative(-3), Some(2), -3..=2),
    ];
    for (is_signed, cases) in [(false, unsigned), (true, signed)] {
        for (value, limit, padded) in cases {
            // The representation says what the pixels' does, or the other, or is the dictionary's.
            for (vr, syntax) in [(VR::US, dicom::EXPLICIT), (VR::SS, dicom::EXPLICIT), (VR::US, dicom::IMPLICIT)] {
                let (mut file, values) = deep(is_signed);
                let padding = |tag, word: u16| DataElement::new(Tag(0x0028, tag), vr, PrimitiveValue::from(word));
                file = file.with(padding(0x0120, value));
                if let Some(limit) = limit {
                    file = file.with(padding(0x0121, limit));
                }
                let read = read_bytes(&file.write(syntax), &Settings::default()).unwrap();
                let lowest = if is_signed { -2048.0 } else { 0.0 };
                let wanted = |index: usize| match i32::from(values[index]) {
                    value if padded.contains(&value) => -1.0,
                    // PS3.3 C.11.2.1.2: from the window's centre − 0.5, over its width − 1.
                    value => (((f64::from(value) - lowest) / 4095.0) * 2.0 - 1.0) as f32,
                };
                assert_shows(&read, wanted, &format!("{value} {limit:?} {vr:?} {syntax}"));
            }
        }
    }
}

#[test]
fn frames_left_open_are_one() {
    let frames = |vr, bytes: &[u8]| {
        let value = if vr == VR::UN { PrimitiveValue::from(bytes.to_vec()) } else { str::from_utf8(bytes).unwrap().into() };
        film().with(DataElement::new(Tag(0x0028, 0x0008), vr, value))
    };
    let plain = ingest(film());
    for (vr, bytes) in
        [(VR::IS, b"1 ".as_slice()), (VR::IS, b""), (VR::IS, b"0 "), (VR::UN, b"1 "), (VR::UN, b"0\0"), (VR::UN, b"")]
    {
        assert_eq!(ingest(frames(vr, bytes)), plain, "{vr:?} {bytes:?}");
    }
    for vr in [VR::IS, VR::UN] {
        let refused = refusal(&frames(vr, b"12").write(dicom::EXPLICIT), &Settings::default());
        assert_eq!((refused.rule, refused.value), (Rule::SeveralFrames, Value::Count(12)));
        for wrong in [b"-1".as_slice(), b"AB"] {
            let error = read_bytes(&frames(vr, wrong).write(dicom::EXPLICIT), &Settings::default()).unwrap_err();
            assert!(matches!(error, Error::Malformed { attribute: Some(attribute::NUMBER_OF_FRAMES), .. }), "{error}");
        }
    }
}

#[test]
fn pixels_that_are_not_square_are_resampled_by_their_size() {
    let placed = |file: File| {
        let report = ingest(file).report;
        assert_eq!(report.warnings, []);
        (report.placement.width, report.placement.height)
    };
    let with = |tag, vr, value: &str| film().text(tag, vr, value);
    // Rows first: 0.2 mm from row to row, 0.1 mm from column to column.
    for tag in [(0x0028, 0x0030), (0x0018, 0x1164), (0x0018, 0x2010)] {
        assert_eq!(placed(with(tag, VR::DS, "0.2\\0.1")), (128, 256));
        assert_eq!(placed(with(tag, VR::DS, "0.1\\0.2")), (256, 128));
        assert_eq!(placed(with(tag, VR::DS, "0.2\\0.19")), (243, 256));
    }
    // Vertical size first (PS3.3 C.7.6.3.1.7).
    assert_eq!(placed(with((0x0028, 0x0034), VR::IS, "4\\3")), (192, 256));
    assert_eq!(placed(with((0x0028, 0x0034), VR::IS, "1\\3")), (256, 85));
    let plain = ingest(film());
    for (tag, vr, value) in [
        ((0x0028, 0x0030), VR::DS, "0.143\\0.143"),
        ((0x0028, 0x0030), VR::DS, "0.1430\\0.1432"),
        ((0x0028, 0x0030), VR::DS, "0.143"),
        ((0x0028, 0x0030), VR::DS, ""),
        ((0x0028, 0x0034), VR::IS, "1\\1"),
    ] {
        assert_eq!(ingest(with(tag, vr, value)), plain, "{value}");
    }
}

#[test]
fn a_stretched_film_is_what_it_was_before() {
    // Every column twice, half as wide: resampled, the picture is nearly the first.
    let levels = picture(N, N);
    let twice: Vec<u8> = levels.iter().flat_map(|&level| [level, level]).collect();
    let wide = File::new(2 * N, N, 8, 8).pixels8(&twice).text((0x0028, 0x0034), VR::IS, "2\\1");
    let (read, plain) = (ingest(wide), ingest(film()));
    assert_eq!(read.report.placement, plain.report.placement);
    // The first two pixels of the first row are 0 and 255, whatever is beside them.
    let apart = |row: usize| {
        let row = row * N..(row + 1) * N;
        let pairs = read.image.values()[row.clone()].iter().zip(&plain.image.values()[row]);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    assert!((1..N).all(|row| apart(row) < 0.02), "{:?}", (1..N).map(apart).fold(0.0, f32::max));
}

#[test]
fn an_absurd_shape_is_refused_and_an_unreadable_one_passed_over() {
    let shape = |value| film().text((0x0028, 0x0030), VR::DS, value);
    for (value, ratio) in [("1\\0.1", 10.0), ("0.1\\1", 0.1)] {
        let refused = refusal(&shape(value).write(dicom::EXPLICIT), &Settings::default());
        assert_eq!((refused.rule, refused.attribute), (Rule::PixelShape, Some(attribute::PIXEL_SPACING)));
        let Value::Measure(found) = refused.value else { panic!("{refused:?}") };
        assert!((found - ratio).abs() < 1e-12);
    }
    let plain = ingest(film()).image;
    for value in ["0\\0", "-1\\1", "1\\0", "ABC\\1", "1e308\\1e-308", "NaN\\1"] {
        let read = ingest(shape(value));
        assert!(read.image == plain, "{value}");
        let [Warning::NotApplied { attribute: attribute::PIXEL_SPACING, .. }] = read.report.warnings[..] else {
            panic!("{value}")
        };
    }
    let against = shape("0.1\\0.1").text((0x0028, 0x0034), VR::IS, "1\\2");
    let read = ingest(against);
    assert!(read.image == plain);
    assert!(matches!(read.report.warnings[..], [Warning::Contradiction { attribute: attribute::PIXEL_ASPECT_RATIO, .. }]));
}

/// Every attribute that states something of the picture, each a text as far as the file goes.
const STATED: [(u16, u16); 27] = [
    (0x0008, 0x0008),
    (0x0008, 0x0016),
    (0x0008, 0x0068),
    (0x0008, 0x2111),
    (0x0010, 0x2210),
    (0x0018, 0x0015),
    (0x0018, 0x1164),
    (0x0018, 0x1460),
    (0x0018, 0x1491),
    (0x0018, 0x1600),
    (0x0018, 0x1602),
    (0x0018, 0x1604),
    (0x0018, 0x1606),
    (0x0018, 0x1608),
    (0x0018, 0x1610),
    (0x0018, 0x1612),
    (0x0018, 0x1620),
    (0x0018, 0x1622),
    (0x0018, 0x2010),
    (0x0018, 0x5101),
    (0x0020, 0x0020),
    (0x0028, 0x0008),
    (0x0028, 0x0030),
    (0x0028, 0x0034),
    (0x0028, 0x0120),
    (0x0028, 0x1041),
    (0x2050, 0x0020),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_stated_is_followed_or_answered(
        texts in prop::collection::vec((prop::sample::select(STATED.to_vec()), "[-0-9A-Z.\\\\ é]{0,24}"), 1..6),
        shape in prop::sample::select(vec!["RECTANGULAR", "CIRCULAR", "POLYGONAL", "POLYGONAL\\CIRCULAR\\RECTANGULAR"]),
        numbers in prop::collection::vec(prop::collection::vec(-1e9f64..1e9, 1..9), 7),
        vr in prop::sample::select(vec![VR::LO, VR::UN]),
    ) {
        let joined = |numbers: &[f64]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join("\\");
        let mut file = film().text((0x0018, 0x1600), VR::CS, shape);
        for (tag, numbers) in [0x1602, 0x1604, 0x1606, 0x1608, 0x1610, 0x1612, 0x1620].into_iter().zip(&numbers) {
            file = file.text((0x0018, tag), VR::LO, &joined(numbers));
        }
        for (tag, text) in texts {
            let value = PrimitiveValue::from(text.into_bytes());
            file = file.with(DataElement::new(Tag(tag.0, tag.1), vr, value));
        }
        if let Ok(read) = read_bytes(&file.write(dicom::EXPLICIT), &Settings::default()) {
            prop_assert!(read.image.values().iter().all(|value| (-1.0..=1.0).contains(value)));
        }
    }
}

#[test]
fn a_text_without_end_takes_no_memory_of_its_size() {
    // 8 MiB of values, which would be a text of their own each, in an element that may have them.
    let long = "A\\".repeat(4 << 20);
    for tag in [(0x0018, 0x5101), (0x0020, 0x0020), (0x0008, 0x0008), (0x0008, 0x2111), (0x0028, 0x0030), (0x0018, 0x1600)] {
        let bytes = film().with(DataElement::new(Tag(tag.0, tag.1), VR::UN, PrimitiveValue::from(long.clone().into_bytes())));
        let bytes = bytes.write(dicom::EXPLICIT);
        let info = allocation_counter::measure(|| {
            let _ = read_bytes(&bytes, &Settings::default());
        });
        assert!(info.bytes_max < 4 << 20, "{tag:?}: {} bytes", info.bytes_max);
    }
}
