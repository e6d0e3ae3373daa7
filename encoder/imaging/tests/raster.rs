//! Raster files of every format give the picture that a grey PNG of it gives, or are refused by what their headers say.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

#[path = "support/files.rs"]
mod support;

use support::raster::{Tiff, bmp};
use support::{grey_png, grey_png16, levels_apart, picture, read, refusal, rule};
use veilray_imaging::ingest::{Canonical, Error, Format, Limits, Rule, Settings, Turn, Value, detect, read_bytes};

const W: usize = 144;
const H: usize = 128;

macro_rules! vector {
    ($name:literal) => {
        include_bytes!(concat!("vectors/", $name)).as_slice()
    };
}

fn levels() -> Vec<u8> {
    picture(W, H)
}

fn grey() -> Canonical {
    read(&grey_png(W, H, &levels()))
}

fn wide() -> Vec<u16> {
    levels().iter().map(|&v| u16::from(v) * 257).collect()
}

fn words(big: bool) -> Vec<u8> {
    wide().iter().flat_map(|v| if big { v.to_be_bytes() } else { v.to_le_bytes() }).collect()
}

fn said(bytes: &[u8]) -> String {
    read_bytes(bytes, &Settings::default()).unwrap_err().to_string()
}

#[test]
fn formats_are_known_by_their_first_bytes() {
    let cases = [
        (vector!("lzw8.tif"), Format::Tiff),
        (vector!("lossy8.webp"), Format::WebP),
        (vector!("grey8.bmp"), Format::Bmp),
        (b"MM\0*", Format::Tiff),
    ];
    for (bytes, format) in cases {
        assert_eq!(detect(bytes), Some(format));
    }
    for other in [b"BM is a text".as_slice(), b"RIFF....WAVE", b"II of a book", b"BMBMBMBMBMBMBMBMBMBM"] {
        assert_eq!(detect(other), None);
        assert_eq!(read_bytes(other, &Settings::default()), Err(Error::UnknownFormat));
    }
}

#[test]
fn files_of_other_programs_read_as_the_picture() {
    let exact16 = read(&grey_png16(W, H, &wide()));
    for (name, bytes, wanted) in [
        ("LZW", vector!("lzw8.tif"), grey()),
        ("deflate, 16 bits", vector!("deflate16.tif"), exact16),
        ("PackBits, RGB", vector!("packbits-rgb8.tif"), grey()),
        ("lossless WebP", vector!("lossless8.webp"), grey()),
        ("BMP with a palette", vector!("grey8.bmp"), grey()),
    ] {
        assert_eq!(read(bytes), wanted, "{name}");
    }
    assert!(levels_apart(&read(vector!("lossy8.webp")), &read(vector!("lossy8-webp.png"))) <= 1);
    let report = read_bytes(vector!("deflate16.tif"), &Settings::default()).unwrap().report;
    assert_eq!((report.format, report.width, report.height, report.bits), (Format::Tiff, W, H, 16));
}

#[test]
fn tiff_of_each_depth_and_byte_order_reads_to_the_very_values() {
    assert_eq!(read(&Tiff::new(W, H, 8, levels()).write()), grey());
    let exact16 = read(&grey_png16(W, H, &wide()));
    assert_eq!(read(&Tiff::new(W, H, 16, words(false)).write()), exact16);
    assert_eq!(read(&Tiff::new(W, H, 16, words(true)).big().write()), exact16);
    // WhiteIsZero: the file holds the negative.
    let negative: Vec<u8> = levels().iter().map(|v| 255 - v).collect();
    assert_eq!(read(&Tiff::new(W, H, 8, negative).with(262, 3, &[0]).write()), grey());
    let negative: Vec<u8> = words(false).iter().map(|v| 255 - v).collect();
    assert_eq!(read(&Tiff::new(W, H, 16, negative).with(262, 3, &[0]).write()), exact16);
    // Bits: a square wave, as a PNG of the same.
    let bits: Vec<u8> = (0..W * H / 8).map(|i| if i / (W / 8) % 9 < 5 { 0xf0 } else { 0x3c }).collect();
    let drawn: Vec<u8> =
        bits.iter().flat_map(|byte| (0..8).map(move |i| if byte >> (7 - i) & 1 == 1 { 255 } else { 0 })).collect();
    let settings = |max_saturated| Settings {
        checks: veilray_imaging::ingest::AdmissibilityLimits { max_saturated, ..Default::default() },
        ..Settings::default()
    };
    let one = |bytes: &[u8]| read_bytes(bytes, &settings(1.0)).unwrap().image;
    assert_eq!(one(&Tiff::new(W, H, 1, bits).write()), one(&grey_png(W, H, &drawn)));
}

#[test]
fn opacity_of_a_tiff_is_applied_once() {
    let rgba = |opacity: u8| levels().into_iter().flat_map(|v| [v, v, v, opacity]).collect::<Vec<u8>>();
    let file = |opacity, extra: u32| {
        let file = Tiff::new(W, H, 8, rgba(opacity)).with(258, 3, &[8; 4]).with(262, 3, &[2]).with(277, 3, &[4]);
        file.with(338, 3, &[extra]).write()
    };
    assert_eq!(read(&file(255, 2)), grey());
    // Multiplied with its opacity already: over black it is what it is.
    assert_eq!(read(&file(100, 1)), grey());
    let half: Vec<u8> = levels().iter().map(|&v| (f64::from(v) * 102.0 / 255.0).round() as u8).collect();
    assert!(levels_apart(&read(&file(102, 2)), &read(&grey_png(W, H, &half))) <= 1);
    assert!(said(&file(255, 0)).contains("another kind of colour or of channels"));
}

#[test]
fn an_orientation_in_a_tiff_is_followed() {
    let report = read_bytes(&Tiff::new(W, H, 8, levels()).with(274, 3, &[6]).write(), &Settings::default()).unwrap().report;
    assert_eq!((report.geometry.turn, report.width, report.height), (Turn::Clockwise, W, H));
}

#[test]
fn bitmaps_in_colour_read_as_grey_or_are_refused() {
    let grey_levels = levels();
    assert_eq!(read(&bmp(W, H, |i| [grey_levels[i]; 3])), grey());
    assert_eq!(rule(&bmp(W, H, |i| [grey_levels[i], 40, 255 - grey_levels[i]])), Rule::Colour);
}

#[test]
fn several_pictures_in_one_file_are_refused() {
    for file in [vector!("two.tif"), vector!("two.webp")] {
        let found = refusal(file, &Settings::default());
        assert_eq!((found.rule, found.value), (Rule::SeveralFrames, Value::Count(2)));
    }
}

#[test]
fn kinds_of_tiff_that_are_not_read_are_refused_by_their_name() {
    let grey8 = || Tiff::new(W, H, 8, levels());
    let cases = [
        (Tiff::new(W, H, 12, vec![0; W * H * 3 / 2]), "other bits than 1, 8 or 16"),
        (Tiff::new(W, H, 32, vec![0; W * H * 4]).with(339, 3, &[3]), "signed numbers or fractions"),
        (Tiff::new(W, H, 16, words(false)).with(339, 3, &[2]), "signed numbers or fractions"),
        (grey8().with(266, 3, &[2]), "bits of its bytes in reverse"),
        (grey8().with(259, 3, &[7]), "compression other than"),
        (grey8().with(262, 3, &[3]), "a palette"),
        (grey8().with(262, 3, &[5]), "inks of print"),
        (grey8().with(262, 3, &[6]), "luma and chroma"),
        (grey8().with(277, 3, &[2]), "another kind of colour or of channels"),
        (grey8().with(254, 4, &[1]), "a smaller copy or a mask"),
    ];
    for (file, wanted) in cases {
        let error = read_bytes(&file.write(), &Settings::default()).unwrap_err();
        assert!(matches!(error, Error::Unsupported { format: Format::Tiff, .. }), "{wanted}: {error}");
        assert!(error.to_string().contains(wanted), "{error}");
    }
    // 277 in the place of 278: the samples of a pixel stand twice.
    let mut twice = grey8().write();
    let at = twice.windows(4).rposition(|w| w == [0x16, 1, 4, 0]).unwrap();
    twice[at] = 0x15;
    assert!(said(&twice).contains("a tag stands twice"), "{}", said(&twice));
    let mut big = grey8().write();
    big[2] = 43;
    assert!(said(&big).contains("BigTIFF"));
}

/// What reading says, and the most bytes that this thread held at once.
fn measured(bytes: &[u8], limits: Limits) -> (Result<(), Error>, u64) {
    let settings = Settings { limits, ..Settings::default() };
    let mut result = Ok(());
    let most = allocation_counter::measure(|| result = read_bytes(bytes, &settings).map(drop)).bytes_max;
    (result, most)
}

#[test]
fn what_a_file_costs_is_refused_by_its_headers() {
    let large = Tiff::new(60_000, 60_000, 8, vec![0; 64]).write();
    let strips = Tiff::new(W, 1 << 20, 8, vec![0; 64]).with(278, 4, &[1]).write();
    let tiles = Tiff::new(W, H, 8, vec![0; 64]).with(322, 4, &[1 << 31]).with(323, 4, &[16]).with(324, 4, &[8]).write();
    let mut circle = Tiff::new(W, H, 8, levels()).write();
    let (start, end) = (8 + W * H, 8 + W * H + 2 + 12 * 9);
    circle[end..end + 4].copy_from_slice(&(start as u32).to_le_bytes());
    let mut bitmap = bmp(W, H, |_| [9; 3]);
    bitmap[18..26].copy_from_slice(&[0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0]);
    let chunks = [&b"RIFF\0\0\0\0WEBP"[..], &b"XXXX\0\0\0\0".repeat(70_000)].concat();
    for (what, file) in [
        ("the picture's pixel count", large),
        ("the TIFF file's strips or tiles", strips),
        ("pixels of the TIFF file's tiles", tiles),
        ("the TIFF file's pictures", circle),
        ("the picture's pixel count", bitmap),
        ("the WebP file's chunks", chunks),
    ] {
        let (result, most) = measured(&file, Limits::default());
        assert!(matches!(result, Err(Error::TooLarge { what: found, .. }) if found == what), "{what}: {result:?}");
        assert!(most < 256 << 10, "{what}: {most} bytes were allocated");
    }
}

#[test]
fn memory_is_never_more_than_foretold() {
    const N: usize = 640;
    let levels = picture(N, N);
    let encoded = |format| {
        let mut out = std::io::Cursor::new(Vec::new());
        image::GrayImage::from_raw(N as u32, N as u32, levels.clone()).unwrap().write_to(&mut out, format).unwrap();
        out.into_inner()
    };
    let coloured = |format| {
        let mut out = std::io::Cursor::new(Vec::new());
        let rgb = levels.iter().flat_map(|&v| [v; 3]).collect();
        image::RgbImage::from_raw(N as u32, N as u32, rgb).unwrap().write_to(&mut out, format).unwrap();
        out.into_inner()
    };
    let files = [
        ("TIFF", encoded(image::ImageFormat::Tiff)),
        ("TIFF in colour", coloured(image::ImageFormat::Tiff)),
        ("BMP", coloured(image::ImageFormat::Bmp)),
        ("BMP with a palette", encoded(image::ImageFormat::Bmp)),
        ("WebP", coloured(image::ImageFormat::WebP)),
        ("small lossy WebP", vector!("lossy8.webp").to_vec()),
        ("small TIFF in LZW", vector!("lzw8.tif").to_vec()),
    ];
    for (what, file) in files {
        let limit = match measured(&file, Limits { memory_bytes: 1, ..Limits::default() }) {
            (Err(Error::TooLarge { found, limit: 1, .. }), most) if most < 512 << 10 => found,
            other => panic!("{what}: {other:?}"),
        };
        let (result, most) = measured(&file, Limits { memory_bytes: limit, ..Limits::default() });
        result.unwrap_or_else(|error| panic!("{what}: {error}"));
        // The canonical image and tables are beside it.
        assert!(most + file.len() as u64 <= limit + (2 << 20), "{what}: {most} bytes at once, {limit} foretold");
    }
}

#[test]
fn cut_and_bent_files_are_errors_and_never_break_a_decoder() {
    for file in [
        vector!("lzw8.tif"),
        vector!("deflate16.tif"),
        vector!("packbits-rgb8.tif"),
        vector!("lossless8.webp"),
        vector!("lossy8.webp"),
        vector!("grey8.bmp"),
    ] {
        let calm = |bytes: &[u8]| {
            let (result, most) = measured(bytes, Limits { pixels: 1 << 16, ..Limits::default() });
            assert!(!format!("{result:?}").contains("broke its decoder"), "{result:?}");
            assert!(most < 4 << 20, "{most} bytes at once: {result:?}");
        };
        for end in (0..file.len()).step_by(397) {
            calm(&file[..end]);
        }
        for at in (0..120).chain(file.len() - 160..file.len()) {
            for value in [0xff, file[at] ^ 0x55] {
                let mut bent = file.to_vec();
                bent[at] = value;
                calm(&bent);
            }
        }
    }
}
