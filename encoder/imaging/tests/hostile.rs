//! Bytes from outside: whatever they are, an answer comes back, and memory stays within the limits.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

#[path = "support/files.rs"]
mod support;

use dicom_core::VR;
use proptest::prelude::*;
use std::sync::OnceLock;
use support::dicom::{self, File};
use support::{grey_png, jpeg, picture};
use veilray_imaging::ingest::{Error, Limits, Settings, read_bytes};

const N: usize = 160;

/// Reads hostile bytes; panics if it holds more memory at once than limits of 64 Kipixel allow (the canonical resampler's included).
fn survive(bytes: &[u8]) {
    let settings =
        Settings { limits: Limits { file_bytes: 1 << 20, pixels: 1 << 16, ..Limits::default() }, ..Settings::default() };
    let mut result = None;
    let most = allocation_counter::measure(|| result = Some(read_bytes(bytes, &settings))).bytes_max;
    let result = result.unwrap();
    assert!(most <= 2 << 20, "{most} bytes at once for {} bytes of input: {result:?}", bytes.len());
    // A foreign decoder that panicked was caught, but it should not have.
    assert!(!format!("{result:?}").contains("broke its decoder"), "{result:?}");
}

/// Good files of every encoding.
fn seeds() -> &'static [Vec<u8>] {
    static SEEDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let levels = picture(N, N);
        let words: Vec<u16> = levels.iter().map(|&v| u16::from(v) * 16).collect();
        let rich = |syntax| {
            File::new(N, N, 16, 12)
                .text((0x0028, 0x1050), VR::DS, "2048")
                .text((0x0028, 0x1051), VR::DS, "4096")
                .sequence((0x0028, 0x3000), dicom::lut(0, 12, &(0..4096).collect::<Vec<u16>>()))
                .sequence((0x0054, 0x0220), vec![dicom::text((0x0008, 0x0100), VR::SH, "R-10214")])
                .pixels16(&words)
                .write(syntax)
        };
        let encapsulated =
            |stream, allocated, syntax| File::new(N, N, allocated, allocated.min(12)).fragments(vec![stream]).write(syntax);
        let mut seeds = vec![
            rich(dicom::EXPLICIT),
            rich(dicom::IMPLICIT),
            rich(dicom::BIG),
            encapsulated(dicom::rle(std::slice::from_ref(&levels)), 8, dicom::RLE),
            encapsulated(jpeg::lossless(N, N, 12, &words), 16, dicom::JPEG_LOSSLESS),
            encapsulated(jpeg::baseline(20, 20, &picture(20, 20)), 8, dicom::JPEG_BASELINE),
            grey_png(N, N, &levels),
            jpeg::baseline(20, 20, &picture(20, 20)),
            jpeg::lossless(N, N, 12, &words),
        ];
        for stream in [include_bytes!("vectors/grey12.j2k").as_slice(), include_bytes!("vectors/lossy8.j2k").as_slice()] {
            seeds.push(File::new(144, 128, 16, 12).fragments(vec![stream.to_vec()]).write(dicom::JPEG_2000));
        }
        seeds
    })
}

#[test]
fn the_seeds_are_good_files() {
    for seed in seeds() {
        read_bytes(seed, &Settings::default()).unwrap();
        survive(seed);
    }
}

#[test]
fn every_truncation_of_the_headers_is_survived() {
    for seed in seeds() {
        for end in (0..seed.len().min(1200)).chain((1200..seed.len()).step_by(997)) {
            survive(&seed[..end]);
        }
    }
}

#[test]
fn lengths_of_four_gigabytes_are_not_believed() {
    for vr in [b"OB", b"OW", b"UN", b"UT"] {
        for tag in [[0x02, 0, 0x02, 0x01], [0xe0, 0x7f, 0x10, 0], [0x28, 0, 0x06, 0x30], [0x09, 0, 0x10, 0x10]] {
            let mut bytes = seeds()[0].clone();
            // The first element of the data set, group 0008.
            let at = bytes.windows(6).position(|w| w == [8, 0, 0x16, 0, b'U', b'I']).unwrap();
            let mut element = tag.to_vec();
            element.extend(vr);
            element.extend([0, 0, 0xf0, 0xff, 0xff, 0xff]);
            bytes.splice(at..at, element);
            survive(&bytes);
        }
    }
}

#[test]
fn a_hundred_thousand_nested_sequences_are_refused_without_recursion() {
    let mut bytes = seeds()[0].clone();
    let at = bytes.windows(6).position(|w| w == [8, 0, 0x16, 0, b'U', b'I']).unwrap();
    let level = [8, 0, 0x40, 0x11, b'S', b'Q', 0, 0, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0x00, 0xe0, 0xff, 0xff, 0xff, 0xff];
    bytes.splice(at..at, level.repeat(40_000));
    survive(&bytes);
    assert!(matches!(read_bytes(&bytes, &Settings::default()), Err(Error::Malformed { .. })));
}

#[test]
fn delimiters_without_a_start_are_refused() {
    let at = |bytes: &[u8]| bytes.windows(6).position(|w| w == [8, 0, 0x16, 0, b'U', b'I']).unwrap();
    let item = [0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0];
    let item_end = [0xfe, 0xff, 0x0d, 0xe0, 0, 0, 0, 0];
    let sequence_end = [0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0];
    let sequence = [8, 0, 0x40, 0x11, b'S', b'Q', 0, 0, 0xff, 0xff, 0xff, 0xff];
    let orders: [&[&[u8]]; 6] = [
        &[&item_end, &item],
        &[&sequence_end, &item],
        &[&sequence, &item_end, &item, &item],
        &[&item],
        &[&sequence, &sequence_end, &sequence_end, &item_end],
        &[&sequence, &item_end, &item_end, &item],
    ];
    for order in orders {
        let mut bytes = seeds()[0].clone();
        let at = at(&bytes);
        bytes.splice(at..at, order.concat());
        survive(&bytes);
    }
}

#[test]
fn announced_sizes_beyond_the_limit_are_refused_by_their_header() {
    let mut png = grey_png(N, N, &picture(N, N));
    png[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    survive(&png);
    for mut stream in [jpeg::baseline(20, 20, &picture(20, 20)), jpeg::lossless(N, N, 12, &[7; N * N])] {
        let frame = stream.windows(2).position(|w| w == [0xff, 0xc0] || w == [0xff, 0xc3]).unwrap();
        stream[frame + 5..frame + 9].fill(0xff);
        survive(&stream);
        survive(&File::new(N, N, 8, 8).fragments(vec![stream]).write(dicom::JPEG_LOSSLESS));
    }
    survive(&File::new(65_535, 65_535, 16, 16).pixels16(&[0; 64]).write(dicom::EXPLICIT));
    survive(&File::new(65_535, 65_535, 16, 16).fragments(vec![vec![0; 64]]).write(dicom::RLE));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    #[test]
    fn random_bytes_behind_any_signature_are_survived(kind in 0..4usize, tail in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut bytes = match kind {
            0 => [vec![0; 128], b"DICM".to_vec()].concat(),
            1 => b"\x89PNG\r\n\x1a\n".to_vec(),
            2 => b"\xff\xd8\xff".to_vec(),
            _ => seeds()[0][..400].to_vec(),
        };
        bytes.extend(tail);
        survive(&bytes);
    }

    #[test]
    fn flipped_bytes_are_survived(
        which in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        early in any::<bool>(),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let mut bytes = seeds()[which.index(seeds().len())].clone();
        let reach = if early { bytes.len().min(1500) } else { bytes.len() };
        for (at, value) in flips {
            bytes[at.index(reach)] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        survive(&bytes);
    }
}

#[test]
fn the_measure_of_memory_sees_an_allocation() {
    let most = allocation_counter::measure(|| drop(std::hint::black_box(vec![1u8; 3 << 20]))).bytes_max;
    assert!(most >= 3 << 20, "{most}");
}
