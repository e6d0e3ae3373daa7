//! JPEG 2000 in DICOM, against streams of another implementation (see `vectors/README.md`).
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
use support::{grey_png, levels_apart, picture, read};
use veilray_imaging::ingest::{Error, Limits, Settings, read_bytes};

const W: usize = 144;
const H: usize = 128;
const GREY: &[u8] = include_bytes!("vectors/grey12.j2k");
const SIGNED: &[u8] = include_bytes!("vectors/signed16.j2k");
const LOSSY: &[u8] = include_bytes!("vectors/lossy8.j2k");

fn file(file: File, stream: &[u8]) -> Vec<u8> {
    file.fragments(vec![stream.to_vec()]).write(dicom::JPEG_2000)
}

#[test]
fn reversible_streams_read_as_the_picture() {
    let wanted = read(&grey_png(W, H, &picture(W, H)));
    assert!(levels_apart(&read(&file(File::new(W, H, 16, 12), GREY)), &wanted) <= 1);
    let signed = File::new(W, H, 16, 16).short((0x0028, 0x0103), 1);
    assert!(levels_apart(&read(&file(signed, SIGNED)), &wanted) <= 1);
}

#[test]
fn an_irreversible_stream_reads_nearly_as_the_picture() {
    let wanted = read(&grey_png(W, H, &picture(W, H)));
    let found = read(&file(File::new(W, H, 8, 8), LOSSY));
    let square = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
    let error = found.values().iter().zip(wanted.values()).map(square).sum::<f64>() / 65_536.0;
    assert!(error < 1e-3, "{error}");
}

#[test]
fn damaged_streams_are_errors() {
    for stream in [GREY, SIGNED, LOSSY] {
        for end in (0..stream.len()).step_by(37) {
            let _ = read_bytes(&file(File::new(W, H, 16, 12), &stream[..end]), &Settings::default());
        }
        for at in 0..stream.len().min(300) {
            let mut damaged = stream.to_vec();
            damaged[at] ^= 0x55;
            let result = read_bytes(&file(File::new(W, H, 16, 12), &damaged), &Settings::default());
            assert!(!format!("{result:?}").contains("broke its decoder"), "byte {at}: {result:?}");
        }
    }
    // Tiles of one pixel each, refused before the decoder sets one up.
    let mut tiles = GREY.to_vec();
    tiles[24..32].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
    let error = read_bytes(&file(File::new(W, H, 16, 12), &tiles), &Settings::default()).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    let error = read_bytes(&file(File::new(W, H + 1, 16, 12), GREY), &Settings::default()).unwrap_err();
    assert!(error.to_string().contains("another size"), "{error}");
}

#[test]
fn what_a_stream_costs_is_counted_from_its_headers() {
    let refused = |stream: &[u8]| read_bytes(&file(File::new(W, H, 16, 12), stream), &Settings::default()).unwrap_err();
    // Behind the marker and the length: style, progression, layers, transform of components, levels, block width and height.
    let style = GREY.windows(2).position(|w| w == [0xff, 0x52]).unwrap() + 4;
    let mut layers = GREY.to_vec();
    layers[style + 2..style + 4].fill(0xff);
    assert!(matches!(refused(&layers), Error::TooLarge { found, limit: 0x20_0000, .. } if found > 0x20_0000));
    // Tiles of two pixels.
    let mut tiles = GREY.to_vec();
    tiles[24..32].copy_from_slice(&[0, 0, 0, 2, 0, 0, 0, 1]);
    assert!(matches!(refused(&tiles), Error::TooLarge { .. }), "{}", refused(&tiles));
    // A coding style of one component, which could set anything anew.
    let partial = [&GREY[..style - 4], &[0xff, 0x53, 0, 9, 0, 0, 5, 4, 4, 0, 1], &GREY[style - 4..]].concat();
    assert!(matches!(refused(&partial), Error::Unsupported { .. }));
}

#[test]
fn memory_of_both_decoders_is_never_more_than_foretold() {
    use dicom_toolkit_jpeg2000::{EncodeOptions, encode};
    const N: usize = 640;
    let levels = picture(N, N);
    let options = EncodeOptions::default();
    let colour = || File::new(N, N, 8, 8).short((0x0028, 0x0002), 3).text((0x0028, 0x0004), VR::CS, "YBR_RCT");
    let wanted = read(&File::new(N, N, 8, 8).pixels8(&levels).write(dicom::EXPLICIT));
    let side = N as u32;
    for (what, film, stream) in [
        ("grey", File::new(N, N, 8, 8), encode(&levels, side, side, 1, 8, false, &options).unwrap()),
        ("grey, HTJ2K", File::new(N, N, 8, 8), include_bytes!("vectors/ht-wide8.j2c").to_vec()),
        ("colour", colour(), include_bytes!("vectors/wide-rgb8.j2k").to_vec()),
        ("colour, HTJ2K", colour(), include_bytes!("vectors/ht-rgb8.j2c").to_vec()),
    ] {
        let mut stream = stream;
        // The encoder says that the coding style has a byte more than it writes.
        if let Some(style) = stream.windows(4).position(|w| w == [0xff, 0x52, 0, 13]) {
            stream[style + 3] = 12;
        }
        let bytes = file(film, &stream);
        let with = |memory_bytes| {
            let settings = Settings { limits: Limits { memory_bytes, ..Limits::default() }, ..Settings::default() };
            let mut result = None;
            let most = allocation_counter::measure(|| result = Some(read_bytes(&bytes, &settings))).bytes_max;
            (result.unwrap(), most)
        };
        let (refused, most) = with(1);
        assert!(most < 512 << 10, "{what}: {most} bytes were allocated before the refusal");
        let Err(Error::TooLarge { found: limit, limit: 1, .. }) = refused else { panic!("{what}: {refused:?}") };
        let (read, most) = with(limit);
        // Nor is it quite without loss: OpenJPEG finds 5 levels too. The vectors are lossy.
        assert!(levels_apart(&read.unwrap_or_else(|error| panic!("{what}: {error}")).image, &wanted) <= 8, "{what}");
        assert!(most + bytes.len() as u64 <= limit + (2 << 20), "{what}: {most} bytes at once, {limit} foretold");
    }
}
