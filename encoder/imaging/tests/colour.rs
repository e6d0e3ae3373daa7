//! Grey films that are filed in colour are read as the grey ones; coloured pictures are refused.

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
use support::{jpeg, picture, read, refusal, rule};
use veilray_imaging::ingest::{Canonical, Photometric, Rule, Settings, Value, read_bytes};

const W: usize = 144;
const H: usize = 128;

const PHOTOMETRIC: (u16, u16) = (0x0028, 0x0004);
const PLANAR: (u16, u16) = (0x0028, 0x0006);

fn levels() -> Vec<u8> {
    picture(W, H)
}

fn grey() -> Canonical {
    read(&File::new(W, H, 8, 8).pixels8(&levels()).write(dicom::EXPLICIT))
}

fn film(allocated: u16, term: &str) -> File {
    File::new(W, H, allocated, allocated).short((0x0028, 0x0002), 3).text(PHOTOMETRIC, VR::CS, term)
}

fn in_three(level: impl Fn(u8) -> [u8; 3]) -> Vec<u8> {
    levels().into_iter().flat_map(level).collect()
}

#[test]
fn rgb_that_is_grey_reads_as_grey_by_pixel_and_by_plane_in_8_and_16_bits() {
    let rgb = film(8, "RGB").short(PLANAR, 0).pixels8(&in_three(|v| [v; 3])).write(dicom::EXPLICIT);
    assert_eq!(read(&rgb), grey());
    let report = read_bytes(&rgb, &Settings::default()).unwrap().report;
    assert_eq!((report.photometric, report.bits, report.warnings), (Photometric::Monochrome2, 8, vec![]));
    assert_eq!(read(&film(8, "RGB").short(PLANAR, 1).pixels8(&levels().repeat(3)).write(dicom::IMPLICIT)), grey());
    let wide: Vec<u16> = levels().iter().map(|&v| u16::from(v) * 257).collect();
    let exact = read(&File::new(W, H, 16, 16).pixels16(&wide).write(dicom::EXPLICIT));
    for syntax in [dicom::EXPLICIT, dicom::BIG] {
        let threes: Vec<u16> = wide.iter().flat_map(|&v| [v; 3]).collect();
        assert_eq!(read(&film(16, "RGB").pixels16(&threes).write(syntax)), exact, "{syntax}");
        assert_eq!(read(&film(16, "RGB").short(PLANAR, 1).pixels16(&wide.repeat(3)).write(syntax)), exact, "{syntax}");
    }
}

#[test]
fn luma_is_that_of_bt_601_where_channels_hardly_differ() {
    let tinted = film(8, "RGB").pixels8(&in_three(|v| [v, v.saturating_add(4), v])).write(dicom::EXPLICIT);
    let luma = |v: u8| {
        let green = f64::from(v.saturating_add(4));
        (0.299 * f64::from(v) + 0.587 * green + 0.114 * f64::from(v)).round() as u8
    };
    let wanted: Vec<u8> = levels().into_iter().map(luma).collect();
    assert_eq!(read(&tinted), read(&File::new(W, H, 8, 8).pixels8(&wanted).write(dicom::EXPLICIT)));
}

#[test]
fn luma_and_differences_read_as_grey() {
    let full = film(8, "YBR_FULL").pixels8(&in_three(|v| [v, 128, 128])).write(dicom::EXPLICIT);
    assert_eq!(read(&full), grey());
    let planes = [levels(), vec![128; 2 * W * H]].concat();
    assert_eq!(read(&film(8, "YBR_FULL").short(PLANAR, 1).pixels8(&planes).write(dicom::EXPLICIT)), grey());
    let pairs: Vec<u8> = levels().chunks(2).flat_map(|pair| [pair[0], pair[1], 128, 128]).collect();
    assert_eq!(read(&film(8, "YBR_FULL_422").pixels8(&pairs).write(dicom::EXPLICIT)), grey());
}

#[test]
fn run_length_encoded_colour_reads_as_grey() {
    let planes = [levels(), levels(), levels()];
    assert_eq!(read(&film(8, "RGB").fragments(vec![dicom::rle(&planes)]).write(dicom::RLE)), grey());
    let planes = [levels(), vec![128; W * H], vec![128; W * H]];
    assert_eq!(read(&film(8, "YBR_FULL").fragments(vec![dicom::rle(&planes)]).write(dicom::RLE)), grey());
}

#[test]
fn jpeg_in_colour_follows_its_adobe_segment_and_then_the_attribute() {
    let small = picture(W / 8, H / 8);
    let whole: Vec<u8> = (0..W * H).map(|i| small[i / W / 8 * (W / 8) + i % W / 8]).collect();
    let wanted = read(&File::new(W, H, 8, 8).pixels8(&whole).write(dicom::EXPLICIT));
    let stream = |luma: bool, adobe| {
        let blocks: Vec<[u8; 3]> = small.iter().map(|&v| if luma { [v, 128, 128] } else { [v; 3] }).collect();
        jpeg::three_channels(W / 8, H / 8, &blocks, adobe)
    };
    let read = |term, stream: Vec<u8>| read(&film(8, term).fragments(vec![stream]).write(dicom::JPEG_BASELINE));
    assert_eq!(read("YBR_FULL_422", stream(true, None)), wanted);
    assert_eq!(read("YBR_FULL", stream(true, Some(1))), wanted);
    assert_eq!(read("RGB", stream(false, None)), wanted);
    assert_eq!(read("RGB", stream(true, Some(1))), wanted, "the attribute was left as it was before compression");
    assert_eq!(read("YBR_FULL_422", stream(false, Some(0))), wanted);
}

#[test]
fn jpeg_2000_in_colour_reads_as_grey() {
    let stream = include_bytes!("vectors/rgb8.j2k").to_vec();
    for term in ["YBR_RCT", "RGB", "YBR_FULL"] {
        assert_eq!(read(&film(8, term).fragments(vec![stream.clone()]).write(dicom::JPEG_2000)), grey(), "{term}");
    }
}

/// A film whose pixels are indices into a grey ramp of `count` entries, from `first` on.
fn palette(count: u16, first: u16, bits: u16, entry: impl Fn(u16) -> [u16; 3]) -> File {
    let mut file = File::new(W, H, 8, 8).text(PHOTOMETRIC, VR::CS, "PALETTE COLOR");
    for channel in 0..3u16 {
        let entries: Vec<u16> = (0..count).map(|i| entry(i)[usize::from(channel)]).collect();
        file = file.words((0x0028, 0x1101 + channel), VR::US, &[count, first, bits]).words(
            (0x0028, 0x1201 + channel),
            VR::OW,
            &entries,
        );
    }
    file
}

#[test]
fn palettes_that_are_grey_read_as_grey() {
    let ramp = |bits: u16| palette(256, 0, bits, move |i| [if bits == 16 { i * 257 } else { i }; 3]);
    let exact = read(
        &File::new(W, H, 16, 16)
            .pixels16(&levels().iter().map(|&v| u16::from(v) * 257).collect::<Vec<_>>())
            .write(dicom::EXPLICIT),
    );
    for syntax in [dicom::EXPLICIT, dicom::BIG] {
        assert_eq!(read(&ramp(8).pixels8(&levels()).write(syntax)), grey(), "{syntax}");
        assert_eq!(read(&ramp(16).pixels8(&levels()).write(syntax)), exact, "{syntax}");
    }
    // Entries of eight bits, two in each word; the table is upside down.
    let bytes: Vec<u8> = (0..=255u8).rev().collect();
    let mut file = palette(256, 0, 8, |i| [i; 3]);
    for channel in 0..3 {
        file = file.bytes((0x0028, 0x1201 + channel), VR::OW, &bytes);
    }
    let negative: Vec<u8> = levels().iter().map(|v| 255 - v).collect();
    assert_eq!(read(&file.pixels8(&negative).write(dicom::EXPLICIT)), grey());
    // Values beside the table have its ends.
    let short = palette(100, 50, 8, |i| [i + 50; 3]).pixels8(&levels()).write(dicom::EXPLICIT);
    let clamped: Vec<u8> = levels().iter().map(|v| (*v).clamp(50, 149)).collect();
    assert_eq!(read(&short), read(&File::new(W, H, 8, 8).pixels8(&clamped).write(dicom::EXPLICIT)));
}

#[test]
fn coloured_pictures_are_refused_by_their_chroma() {
    let hue = |v: u8| [v, v / 2 + 40, 255 - v];
    let by_pixels = |file: &[u8]| {
        let found = refusal(file, &Settings::default());
        assert!(found.rule == Rule::Colour && matches!(found.value, Value::Measure(chroma) if chroma > 0.02), "{found:?}");
    };
    by_pixels(&film(8, "RGB").pixels8(&in_three(hue)).write(dicom::EXPLICIT));
    by_pixels(&film(8, "YBR_FULL").pixels8(&in_three(hue)).write(dicom::EXPLICIT));
    by_pixels(&palette(256, 0, 8, |i| hue(i as u8).map(u16::from)).pixels8(&levels()).write(dicom::EXPLICIT));
    // Grey channels that the file calls luma and differences, and the other way round, are no grey picture.
    by_pixels(&film(8, "YBR_FULL").pixels8(&in_three(|v| [v; 3])).write(dicom::EXPLICIT));
    by_pixels(&film(8, "RGB").pixels8(&in_three(|v| [v, 128, 128])).write(dicom::EXPLICIT));
    for term in ["YBR_PARTIAL_420", "HSV", "CMYK", "YBR_RCT"] {
        assert_eq!(rule(&film(8, term).pixels8(&in_three(|v| [v; 3])).write(dicom::EXPLICIT)), Rule::Colour, "{term}");
    }
}

#[test]
fn colour_that_contradicts_itself_is_an_error() {
    let said = |file: Vec<u8>| read_bytes(&file, &Settings::default()).unwrap_err().to_string();
    assert!(said(film(8, "RGB").pixels8(&levels()).write(dicom::EXPLICIT)).contains("fewer pixels"));
    let three = || in_three(|v| [v; 3]);
    assert!(said(film(8, "RGB").short(PLANAR, 2).pixels8(&three()).write(dicom::EXPLICIT)).contains("PlanarConfiguration"));
    assert!(said(film(8, "RGB").short((0x0028, 0x0103), 1).pixels8(&three()).write(dicom::EXPLICIT)).contains("unsigned"));
    let one = jpeg::baseline(W / 8, H / 8, &picture(W / 8, H / 8));
    assert!(said(film(8, "RGB").fragments(vec![one]).write(dicom::JPEG_BASELINE)).contains("SamplesPerPixel"));
    let segmented = palette(256, 0, 8, |i| [i; 3]).words((0x0028, 0x1221), VR::OW, &[0, 1, 2]);
    assert!(said(segmented.pixels8(&levels()).write(dicom::EXPLICIT)).contains("the palette in segments"));
    let uneven = palette(256, 0, 8, |i| [i; 3]).words((0x0028, 0x1102), VR::US, &[255, 0, 8]);
    assert!(said(uneven.pixels8(&levels()).write(dicom::EXPLICIT)).contains("differ in their form"));
}
