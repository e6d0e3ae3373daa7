//! One film in every file that other software reads gives one canonical image: with meta information, without, deflated.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

#[path = "support/files.rs"]
mod support;

use flate2::Compression;
use flate2::write::{DeflateEncoder, ZlibEncoder};
use std::io::Write;
use support::elements::{As, Film, N, Tag, assert_same, film, item, meta, preamble, text, words};
use veilray_imaging::ingest::{Error, Limits, MemoryBudget, Settings, attribute, detect, read_bytes, read_bytes_within};
use veilray_imaging::seg;

const PRIVATE: Tag = (0x0009, 0x1002);
const PIXELS: Tag = (0x7FE0, 0x0010);

#[test]
fn meta_information_is_read_as_it_is_miswritten() {
    let data = film(As::Explicit).data_set();
    let uid = |written: As, uid: &str| written.element((2, 0x10), "UI", &text(uid));
    let file = |meta: Vec<u8>| [preamble(), meta, data.clone()].concat();
    let length = |length: u32| {
        [As::Explicit.element((2, 0), "UL", &length.to_le_bytes()), meta("1.2.840.10008.1.2.1")[12..].to_vec()].concat()
    };
    let other = |written: As, syntax: &str| [preamble(), meta(syntax), film(written).data_set()].concat();
    let big = [preamble(), uid(As::Big, "1.2.840.10008.1.2.2\0"), film(As::Big).data_set()].concat();
    assert_same(&[
        ("without its length", file(uid(As::Explicit, "1.2.840.10008.1.2.1\0"))),
        ("padded with a blank", file(uid(As::Explicit, "1.2.840.10008.1.2.1 "))),
        ("longer", file(length(9999))),
        ("shorter", file(length(10))),
        ("none", file(length(0))),
        ("implicit", file(uid(As::Implicit, "1.2.840.10008.1.2.1\0"))),
        ("big endian", big),
        ("explicit for implicit", other(As::Implicit, "1.2.840.10008.1.2.1")),
        ("implicit for explicit", other(As::Explicit, "1.2.840.10008.1.2")),
    ]);
}

#[test]
fn files_without_preamble_meta_information_or_transfer_syntax_are_read() {
    let mut files = vec![
        ("no preamble", [b"DICM".to_vec(), meta("1.2.840.10008.1.2.1"), film(As::Explicit).data_set()].concat()),
        ("no preamble and no DICM", [meta("1.2.840.10008.1.2.1"), film(As::Explicit).data_set()].concat()),
    ];
    for written in [As::Implicit, As::Explicit, As::Big] {
        let data = film(written).data_set();
        files.push(("a data set", data.clone()));
        files.push(("with a group's length", film(written).with((8, 0), "UL", &written.long(90)).data_set()));
        files.push(("behind a preamble", [preamble(), data.clone()].concat()));
        let meta = As::Explicit.element((2, 1), "OB", &[0, 1]);
        files.push(("without a transfer syntax", [preamble(), meta, data].concat()));
    }
    assert_same(&files);
    // What is compressed does not show how.
    let fragments = [item(&[]), item(b"\xff\xd8\xff\xd9")].concat();
    let file = film(As::Explicit).raw(PIXELS, As::Explicit.undefined(PIXELS, "OB", &fragments)).data_set();
    let refused = read_bytes(&file, &Settings::default()).unwrap_err();
    assert_eq!(refused, Error::Missing { attribute: attribute::TRANSFER_SYNTAX_UID });
}

#[test]
fn a_vendor_s_transfer_syntax_has_big_endian_pixels_alone() {
    let pixels = As::Implicit.element(PIXELS, "", &As::Big.words(&words()));
    let data = film(As::Implicit).raw(PIXELS, pixels).data_set();
    assert_same(&[("1.2.840.113619.5.2", [preamble(), meta("1.2.840.113619.5.2"), data].concat())]);
}

#[test]
fn texts_and_rubbish_are_not_taken_for_data_sets() {
    let mut files: Vec<Vec<u8>> = vec![
        vec![],
        vec![0; 4000],
        b"Report of the examination\n".repeat(60),
        b"DICM is four letters, and no file".to_vec(),
        [8, 0].repeat(2000),
        [0, 8].repeat(2000),
        [2, 0, 0, 0].repeat(1000),
        b"GIF89a\x90\0\x90\0".repeat(100),
        b"PK\x03\x04".repeat(500),
    ];
    // A good beginning, and then rubbish.
    let data = film(As::Explicit).data_set();
    for keep in [2, 4, 6, 8, 18, 22, 26] {
        files.push([&data[..keep], &[0xA5; 2000][..]].concat());
        files.push([&data[..keep], &b"just a text ".repeat(200)[..]].concat());
    }
    // Elements that go down, and one that nobody knows.
    files.push([As::Explicit.element((8, 0x18), "UI", b"1."), data.clone()].concat());
    files.push([As::Explicit.element((8, 0x03), "UI", b"1."), data].concat());
    for file in files {
        assert_eq!(detect(&file), None, "{:?}", &file[..file.len().min(40)]);
        assert_eq!(read_bytes(&file, &Settings::default()).unwrap_err(), Error::UnknownFormat);
    }
}

fn deflated(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn deflated_file(stream: &[u8]) -> Vec<u8> {
    [preamble(), meta("1.2.840.10008.1.2.1.99"), stream.to_vec()].concat()
}

#[test]
fn deflated_data_sets_are_inflated() {
    let data = film(As::Explicit).data_set();
    let stream = deflated(&data);
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(&data).unwrap();
    let un = film(As::Explicit).raw(PRIVATE, As::Explicit.undefined(PRIVATE, "UN", &item(&[]))).data_set();
    assert_same(&[
        ("deflated", deflated_file(&stream)),
        ("padded", deflated_file(&[&stream[..], &[0; 9]].concat())),
        ("with zlib's header", deflated_file(&zlib.finish().unwrap())),
        ("with a sequence as UN", deflated_file(&deflated(&un))),
        (
            "stored",
            deflated_file(&{
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::none());
                encoder.write_all(&data).unwrap();
                encoder.finish().unwrap()
            }),
        ),
    ]);
    for damaged in [&stream[..stream.len() - 40], &stream[..10], &[7; 500], &[]] {
        let refused = read_bytes(&deflated_file(damaged), &Settings::default());
        assert!(matches!(refused, Err(Error::Malformed { .. })), "{refused:?}");
    }
}

#[test]
fn a_segmentation_s_film_is_read_of_every_kind_of_file() {
    let film = film(As::Explicit).text((0x0010, 0x0020), "LO", "ID-1").text((0x0020, 0x000D), "UI", "1.2.3.5\0").text(
        (0x0020, 0x000E),
        "UI",
        "1.2.3.6\0",
    );
    let report = read_bytes(&film.file(), &Settings::default()).unwrap().report;
    let wanted = seg::Film::read(&film.file(), &report).unwrap();
    for file in [film.data_set(), deflated_file(&deflated(&film.data_set()))] {
        assert!(seg::Film::read(&file, &report).unwrap() == wanted);
    }
}

#[test]
fn what_would_inflate_without_end_is_refused_before_memory_is_taken() {
    let bomb = deflated_file(&deflated(&vec![0; 300 << 20]));
    assert!(bomb.len() < 1 << 20);
    let mut result = None;
    let most = allocation_counter::measure(|| result = Some(read_bytes(&bomb, &Settings::default()))).bytes_max;
    let refused = result.unwrap().unwrap_err();
    let limit = Limits::default().file_bytes;
    assert!(
        matches!(refused, Error::TooLarge { what: "bytes of the inflated DICOM file", limit: l, .. } if l == limit),
        "{refused}"
    );
    assert!(most < 1 << 20, "{most} bytes");
}

#[test]
fn memory_for_inflating_is_foretold() {
    let data = film(As::Explicit).data_set();
    let file = deflated_file(&deflated(&data));
    let with = |memory_bytes| {
        let limits = Limits { memory_bytes, ..Limits::default() };
        read_bytes(&file, &Settings { limits, ..Settings::default() })
    };
    let needed = (file.len() + data.len() + 8 * N * N) as u64;
    assert!(with(needed).is_ok());
    let refused = with(needed - 1).unwrap_err();
    assert!(matches!(refused, Error::TooLarge { found, .. } if found == needed), "{refused}");
    // Of a budget for all, it is taken at once and given back.
    let budget = MemoryBudget::new(3 << 20);
    read_bytes_within(&file, &Settings::default(), &budget).unwrap();
    assert_eq!(budget.used(), 0);
    let small = MemoryBudget::new(300_000);
    let refused = read_bytes_within(&file, &Settings::default(), &small).unwrap_err();
    assert!(matches!(refused, Error::TooLarge { limit: 200_000, .. }), "{refused}");
}

#[test]
fn what_stands_behind_the_pixels_does_no_harm() {
    let behind = |bytes: &[u8]| [film(As::Explicit).file(), bytes.to_vec()].concat();
    let late = |film: Film, tags: &[Tag]| {
        let late: Vec<u8> = tags.iter().flat_map(|&tag| As::Explicit.element(tag, "US", &film.value(tag))).collect();
        [film.without(tags).file(), late].concat()
    };
    assert_same(&[
        ("padding", behind(&As::Explicit.element((0xFFFC, 0xFFFC), "OB", &[0; 128]))),
        ("zeros", behind(&[0; 5])),
        ("ones", behind(&[0xff; 999])),
        ("text", behind(&b"and this is rubbish ".repeat(50))),
        ("another file", behind(&film(As::Implicit).short((0x0028, 0x0010), 1).file())),
        ("elements out of order", late(film(As::Explicit), &[(0x0028, 0x0010), (0x0028, 0x0103)])),
    ]);
}

#[test]
fn floating_point_pixels_are_refused_by_name() {
    for (tag, vr, name) in [((0x7FE0, 8), "OF", "FloatPixelData"), ((0x7FE0, 9), "OD", "DoubleFloatPixelData")] {
        let file = film(As::Explicit).without(&[PIXELS]).with(tag, vr, &[0; 64]).file();
        let refused = read_bytes(&file, &Settings::default()).unwrap_err();
        assert!(matches!(refused, Error::Unsupported { .. }) && refused.to_string().contains(name), "{refused}");
    }
}
