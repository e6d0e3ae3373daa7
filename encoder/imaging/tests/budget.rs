//! Small files that would cost much: refused by what they announce, before anything is decoded, and memory as it was foretold.

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
use support::{grey_png, grey_png16, jpeg, picture, png};
use veilray_imaging::ingest::{
    Error, Limits, MemoryBudget, Result, Rule, Settings, read_bytes, read_bytes_within, read_file_within,
};

const SIDE: usize = 6144;

/// What reading says, and the most bytes that this thread held at once.
fn measured(bytes: &[u8], limits: Limits) -> (Result<()>, u64) {
    let settings = Settings { limits, ..Settings::default() };
    let mut result = Ok(());
    let most = allocation_counter::measure(|| result = read_bytes(bytes, &settings).map(drop)).bytes_max;
    (result, most)
}

/// The quantity, its value and its limit, of a file that is refused with hardly a byte allocated.
fn too_large(bytes: &[u8]) -> (&'static str, u64, u64) {
    let (result, most) = measured(bytes, Limits::default());
    assert!(most < 256 << 10, "{most} bytes were allocated: {result:?}");
    match result {
        Err(Error::TooLarge { what, found, limit }) => (what, found, limit),
        other => panic!("wanted a refusal by a limit, got {other:?}"),
    }
}

#[test]
fn a_progressive_jpeg_with_very_many_scans_is_refused_by_their_number() {
    let greys = picture(20, 20);
    let with = |scans: usize| jpeg::progressive(20, 20, &greys, scans - 1);
    let (what, found, limit) = too_large(&with(2000));
    assert_eq!((what, found, limit), ("the JPEG stream's scans", 65, 64));
    assert_eq!(too_large(&File::new(160, 160, 8, 8).fragments(vec![with(65)]).write(dicom::JPEG_BASELINE)).1, 65);
    // As many as are allowed, on a small picture, give the picture that one scan gives.
    let one = read_bytes(&jpeg::baseline(20, 20, &greys), &Settings::default()).unwrap();
    for scans in [1, 10, 64] {
        assert_eq!(read_bytes(&with(scans), &Settings::default()).unwrap().image, one.image, "{scans} scans");
    }
}

#[test]
fn scans_of_a_large_picture_are_refused_by_their_work() {
    // 6144 × 6144 pixels in a kilobyte: three passes over all coefficients are let in, four are not.
    let with = |scans| jpeg::progressive(SIDE / 8, SIDE / 8, &[], scans);
    let (what, found, limit) = too_large(&with(4));
    let block = 9 + 4 * 71;
    assert_eq!((what, found), ("coefficients in all of the JPEG stream's scans", block * (SIDE as u64 / 8).pow(2)));
    assert_eq!(limit, 4 * Limits::default().pixels);
}

#[test]
fn sequential_and_lossless_streams_have_one_scan_for_each_component() {
    let (what, found, limit) = too_large(&jpeg::empty(0xc0, 512, 512, &[1], &[&[1][..]; 3]));
    assert_eq!((what, found, limit), ("the JPEG stream's scans", 3, 1));
    assert_eq!(too_large(&jpeg::empty(0xc3, 512, 512, &[1], &[&[1][..]; 50])).1, 50);
    assert_eq!(too_large(&jpeg::empty(0xc0, 512, 512, &[1, 2, 3], &[&[1], &[2], &[3], &[1]])).2, 3);
}

#[test]
fn huffman_tables_and_segments_without_end_are_refused() {
    let good = jpeg::baseline(20, 20, &picture(20, 20));
    let before = |segment: &[u8], times: usize| [&good[..2], &segment.repeat(times), &good[2..]].concat();
    assert_eq!(too_large(&before(&[0xff, 0xfe, 0, 2], 9000)).0, "the JPEG stream's marker segments");
    let table = [&[0u8, 1][..], &[0; 15], &[0]].concat();
    let tables = [&[0xff, 0xc4][..], &(2 + 18 * 3600u16).to_be_bytes(), &table.repeat(3600)].concat();
    assert_eq!(too_large(&before(&tables, 5)).0, "the JPEG stream's bytes of Huffman tables");
}

#[test]
fn cmyk_is_refused_by_its_header() {
    let (result, most) = measured(&jpeg::empty(0xc0, 4096, 4096, &[1, 2, 3, 4], &[&[1, 2, 3, 4]]), Limits::default());
    assert!(matches!(result, Err(Error::Refused(refusal)) if refusal.rule == Rule::Colour), "{result:?}");
    assert!(most < 256 << 10, "{most} bytes were allocated");
    let colour = jpeg::empty(0xc0, 4096, 4096, &[1, 2, 3], &[&[1, 2, 3]]);
    let (result, most) =
        measured(&File::new(4096, 4096, 8, 8).fragments(vec![colour]).write(dicom::JPEG_BASELINE), Limits::default());
    assert!(result.unwrap_err().to_string().contains("several channels"));
    assert!(most < 256 << 10, "{most} bytes were allocated");
}

/// What the header foretells, found by allowing next to nothing.
fn foretold(bytes: &[u8]) -> u64 {
    let (result, most) = measured(bytes, Limits { memory_bytes: 1, ..Limits::default() });
    assert!(most < 512 << 10, "{most} bytes were allocated before the refusal");
    match result {
        Err(Error::TooLarge { what: "bytes of memory to read the image", found, limit: 1 }) => found,
        other => panic!("wanted a refusal by memory, got {other:?}"),
    }
}

#[test]
fn memory_is_refused_before_decoding_and_is_never_more_than_foretold() {
    const N: usize = 640;
    let levels = picture(N, N);
    let words: Vec<u16> = levels.iter().map(|&v| u16::from(v) * 257).collect();
    let bytes = |values: &[u16]| values.iter().flat_map(|v| v.to_be_bytes()).collect::<Vec<u8>>();
    let opaque: Vec<u16> = words.iter().flat_map(|&v| [v, v, v, 65_535]).collect();
    let files = [
        ("grey PNG", grey_png(N, N, &levels)),
        ("grey PNG of 16 bits", grey_png16(N, N, &words)),
        ("RGBA PNG of 16 bits", png(N, N, png::ColorType::Rgba, png::BitDepth::Sixteen, &bytes(&opaque))),
        ("baseline JPEG", jpeg::baseline(N / 8, N / 8, &picture(N / 8, N / 8))),
        ("progressive JPEG", jpeg::progressive(N / 8, N / 8, &picture(N / 8, N / 8), 3)),
        ("lossless JPEG", jpeg::lossless(N, N, 16, &words)),
        ("DICOM", File::new(N, N, 16, 16).pixels16(&words).write(dicom::EXPLICIT)),
        ("DICOM, RLE", File::new(N, N, 8, 8).fragments(vec![dicom::rle(std::slice::from_ref(&levels))]).write(dicom::RLE)),
        (
            "DICOM, lossless",
            File::new(N, N, 16, 16).fragments(vec![jpeg::lossless(N, N, 16, &words)]).write(dicom::JPEG_LOSSLESS),
        ),
    ];
    for (what, file) in files {
        let limit = foretold(&file);
        let (result, most) = measured(&file, Limits { memory_bytes: limit, ..Limits::default() });
        result.unwrap_or_else(|error| panic!("{what}: {error}"));
        // The canonical image and tables are beside it.
        assert!(most + file.len() as u64 <= limit + (2 << 20), "{what}: {most} bytes at once, {limit} foretold");
        assert!(measured(&file, Limits { memory_bytes: limit - 1, ..Limits::default() }).0.is_err(), "{what}");
    }
}

#[test]
fn colour_of_sixteen_bits_is_counted_by_its_bytes() {
    // By its pixels it is as large as the largest grey one; the stream has not one of them.
    let mut file = png(1, 1, png::ColorType::Rgba, png::BitDepth::Sixteen, &[0; 8]);
    file[16..20].copy_from_slice(&9000u32.to_be_bytes());
    file[20..24].copy_from_slice(&4000u32.to_be_bytes());
    // The decoder believes a header only with its checksum.
    let sum = crc(&file[12..29]);
    file[29..33].copy_from_slice(&sum.to_be_bytes());
    let limits = Limits { memory_bytes: 256 << 20, ..Limits::default() };
    let (result, most) = measured(&file, limits);
    let wanted = 9000 * 4000 * 12 + file.len() as u64;
    assert_eq!(result, Err(Error::TooLarge { what: "bytes of memory to read the image", found: wanted, limit: 256 << 20 }),);
    assert!(most < 256 << 10, "{most} bytes were allocated");
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[test]
fn threads_share_a_budget() {
    let file = grey_png(640, 640, &picture(640, 640));
    let need = foretold(&file) - file.len() as u64;
    // Two thirds are for decoding: room for one picture at a time, and for none.
    let (one, none) = (MemoryBudget::new(3 * need / 2 + 3), MemoryBudget::new(need));
    let settings = Settings::default();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let held = one.reserve_file(file.len() as u64).unwrap();
                read_bytes_within(&file, &settings, &one).unwrap();
                drop(held);
            });
        }
    });
    assert_eq!(one.used(), 0);
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), &file).unwrap();
    let (from_file, refused) =
        (read_file_within(path.path(), &settings, &one), read_file_within(path.path(), &settings, &MemoryBudget::new(1000)));
    assert_eq!(from_file.unwrap().image, read_bytes(&file, &settings).unwrap().image);
    assert!(matches!(refused, Err(Error::TooLarge { found, limit: 333, .. }) if found == file.len() as u64), "{refused:?}");
    assert_eq!(one.used(), 0);
    assert!(matches!(read_bytes_within(&file, &settings, &none), Err(Error::TooLarge { .. })));
    assert_eq!(none.used(), 0);
}

#[test]
fn chunks_fragments_and_elements_are_counted() {
    let file = grey_png(160, 160, &picture(160, 160));
    let data = file.windows(4).position(|w| w == b"IDAT").unwrap() - 4;
    let empty = [&[0; 4][..], b"IDAT", &crc(b"IDAT").to_be_bytes()].concat();
    let chunked = |times| [&file[..data], &empty.repeat(times), &file[data..]].concat();
    assert_eq!(too_large(&chunked(70_000)).0, "the PNG file's chunks");
    read_bytes(&chunked(1000), &Settings::default()).unwrap();

    // As it is written to the file: an empty item is eight bytes.
    let encapsulated = File::new(160, 160, 8, 8).fragments(vec![dicom::rle(&[picture(160, 160)])]).write(dicom::RLE);
    let end = encapsulated.len() - 8;
    let item = [0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0];
    let fragmented = |times| [&encapsulated[..end], &item.repeat(times), &encapsulated[end..]].concat();
    let refused = read_bytes(&fragmented(100_000), &Settings::default()).unwrap_err();
    assert!(matches!(refused, Error::TooLarge { what: "the pixel data's fragments", .. }), "{refused}");
    read_bytes(&fragmented(1000), &Settings::default()).unwrap();

    let native = File::new(160, 160, 8, 8).text((0x0009, 0x0010), VR::LO, "X").pixels8(&picture(160, 160)).write(dicom::EXPLICIT);
    let at = native.windows(6).position(|w| w == [9, 0, 0x10, 0, b'L', b'O']).unwrap();
    let element = [9, 0, 0x01, 0x10, b'L', b'O', 0, 0];
    let with = |times| [&native[..at], &element.repeat(times), &native[at..]].concat();
    assert_eq!(too_large(&with(300_000)).0, "the DICOM file's elements and items");
    read_bytes(&with(1000), &Settings::default()).unwrap();
}
