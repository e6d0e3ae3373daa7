//! Data sets from outside in unusual structures, cut and changed: whatever they are, an answer comes back, soon and in little memory.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

#[path = "support/files.rs"]
mod support;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;
use std::io::Write;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use support::elements::{As, Film, Tag, UNDEFINED, end_of_sequence, item, meta, preamble, undefined_item};
use support::picture;
use veilray_imaging::ingest::{Error, Limits, Result, Settings, read_bytes};

const SIDE: usize = 130;
const PRIVATE: Tag = (0x0009, 0x1002);
const VOI_LUT: Tag = (0x0028, 0x3010);

/// Reads hostile bytes; panics if it holds more memory at once than limits of 64 Kipixel allow (the canonical resampler's included).
fn survive(bytes: &[u8]) -> Result<()> {
    let limits = Limits { file_bytes: 1 << 20, pixels: 1 << 16, ..Limits::default() };
    let mut result = None;
    let settings = Settings { limits, ..Settings::default() };
    let most = allocation_counter::measure(|| result = Some(read_bytes(bytes, &settings).map(drop))).bytes_max;
    let result = result.unwrap();
    assert!(most <= 3 << 20, "{most} bytes at once for {} bytes of input: {result:?}", bytes.len());
    // A foreign decoder that panicked was caught, but it should not have.
    assert!(!format!("{result:?}").contains("broke its decoder"), "{result:?}");
    result
}

fn film(written: As) -> Film {
    let words: Vec<u16> = picture(SIDE, SIDE).into_iter().map(|level| u16::from(level) * 16).collect();
    let value = As::Implicit.element((9, 0x1001), "", b"AB");
    let nested = As::Implicit.undefined((9, 0x1003), "", &[undefined_item(&value), item(&value)].concat());
    let table = [
        As::Implicit.element((0x0028, 0x3002), "", &As::Implicit.words(&[4096, 0, 12])),
        As::Implicit.element((0x0028, 0x3006), "", &As::Implicit.words(&(0..4096).collect::<Vec<u16>>())),
    ];
    Film::new(written, SIDE, SIDE, 12, &words)
        .raw(PRIVATE, written.undefined(PRIVATE, "UN", &[item(&nested), undefined_item(&value)].concat()))
        .raw((9, 0x1009), written.undefined((9, 0x1009), "UN", b"not made of items"))
        .raw(VOI_LUT, written.element(VOI_LUT, "UN", &item(&table.concat())))
}

fn seeds() -> &'static [Vec<u8>] {
    static SEEDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::default());
        deflated.write_all(&film(As::Explicit).data_set()).unwrap();
        let deflated = deflated.finish().unwrap();
        vec![
            film(As::Explicit).file(),
            film(As::Big).file(),
            film(As::Implicit).data_set(),
            film(As::Explicit).data_set(),
            [meta("1.2.840.10008.1.2.1"), film(As::Explicit).data_set()].concat(),
            [preamble(), meta("1.2.840.10008.1.2.1.99"), deflated].concat(),
        ]
    })
}

#[test]
fn the_seeds_are_good_files() {
    for seed in seeds() {
        survive(seed).unwrap();
    }
}

#[test]
fn every_truncation_of_the_headers_is_survived() {
    for seed in seeds() {
        for end in (0..seed.len().min(1000)).chain((1000..seed.len()).step_by(797)) {
            assert!(survive(&seed[..end]).is_err(), "{end} of {} bytes", seed.len());
        }
    }
}

#[test]
fn sequences_as_un_are_bounded_in_depth_and_number() {
    let file = |bytes: Vec<u8>| film(As::Explicit).raw(PRIVATE, bytes).file();
    // Nested in UN, and in what is implicit inside it.
    let first = As::Explicit.header(PRIVATE, "UN", UNDEFINED, &As::Implicit.header((0xFFFE, 0xE000), "", UNDEFINED, &[]));
    let level = As::Implicit.header(PRIVATE, "", UNDEFINED, &As::Implicit.header((0xFFFE, 0xE000), "", UNDEFINED, &[]));
    let refused = survive(&file([first, level.repeat(40_000)].concat())).unwrap_err();
    assert!(refused.to_string().contains("nested too deeply"), "{refused}");
    // Defined lengths within each other, each too long for the one around it.
    let first = As::Implicit.header((0xFFFE, 0xE000), "", 900_000, &[]);
    let level = [As::Explicit.header(VOI_LUT, "UN", 900_000, &[]), first].concat();
    survive(&film(As::Explicit).raw(VOI_LUT, level.repeat(20_000)).file()).unwrap_err();
    let items = As::Explicit.undefined(PRIVATE, "UN", &item(&[]).repeat(100_000));
    survive(&file(items)).unwrap();
    let limits = Limits { file_bytes: 16 << 20, ..Limits::default() };
    let many = file(As::Explicit.undefined(PRIVATE, "UN", &item(&[]).repeat(300_000)));
    let refused = read_bytes(&many, &Settings { limits, ..Settings::default() }).unwrap_err();
    assert!(matches!(refused, Error::TooLarge { what: "the DICOM file's elements and items", .. }), "{refused}");
}

#[test]
fn values_of_undefined_length_cost_one_pass() {
    // Each is looked through for its end; together that must not be a pass for each.
    let value = [As::Explicit.header(PRIVATE, "OB", UNDEFINED, b"12345678"), end_of_sequence()].concat();
    let started = Instant::now();
    survive(&film(As::Explicit).raw(PRIVATE, value.repeat(30_000)).file()).unwrap();
    let open = As::Explicit.header(PRIVATE, "OB", UNDEFINED, b"12345678");
    survive(&film(As::Explicit).without(&[(9, 0x1009)]).raw(PRIVATE, open.repeat(40_000)).file()).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    #[test]
    fn flipped_bytes_are_survived(
        which in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        early in any::<bool>(),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let mut bytes = seeds()[which.index(seeds().len())].clone();
        let reach = if early { bytes.len().min(1000) } else { bytes.len() };
        for (at, value) in flips {
            bytes[at.index(reach)] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = survive(&bytes);
    }

    #[test]
    fn random_bytes_behind_a_data_set_s_beginning_are_survived(
        written in prop::sample::select(vec![As::Implicit, As::Explicit, As::Big]),
        keep in 0..300usize,
        tail in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let data = film(written).data_set();
        let _ = survive(&[&data[..keep], &tail[..]].concat());
    }
}
