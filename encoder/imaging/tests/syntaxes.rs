//! Transfer syntaxes: each is read right, or refused by its name with the way out.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

#[path = "support/files.rs"]
mod support;

use support::dicom::{self, File};
use support::{grey_png, grey_png16, jpeg, levels_apart, picture, read};
use veilray_imaging::ingest::{Canonical, Error, Settings, read_bytes};

const W: usize = 144;
const H: usize = 128;

fn wanted() -> Canonical {
    read(&grey_png(W, H, &picture(W, H)))
}

/// The picture in 12 bits, as the vectors hold it.
fn twelve() -> Vec<u16> {
    picture(W, H).iter().map(|&v| (u32::from(v) * 4095 / 255) as u16).collect()
}

fn said(bytes: &[u8]) -> String {
    read_bytes(bytes, &Settings::default()).unwrap_err().to_string()
}

fn film(file: File, syntax: &str, stream: &[u8]) -> Vec<u8> {
    file.fragments(vec![stream.to_vec()]).write(syntax)
}

#[test]
fn high_throughput_jpeg_2000_reads_as_the_picture() {
    let (grey, signed): (&[u8], &[u8]) = (include_bytes!("vectors/ht12.j2c"), include_bytes!("vectors/ht-signed16.j2c"));
    // The very values: the same picture without compression gives the same bits.
    let exact = read(&File::new(W, H, 16, 12).pixels16(&twelve()).write(dicom::EXPLICIT));
    for syntax in ["1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203"] {
        assert_eq!(read(&film(File::new(W, H, 16, 12), syntax, grey)), exact, "{syntax}");
    }
    let file = || File::new(W, H, 16, 16).short((0x0028, 0x0103), 1);
    let values: Vec<u16> = picture(W, H).iter().map(|&v| (u16::from(v) * 257).wrapping_sub(0x8000)).collect();
    let exact = read(&file().pixels16(&values).write(dicom::EXPLICIT));
    assert_eq!(read(&film(file(), "1.2.840.10008.1.2.4.201", signed)), exact);
}

#[test]
fn lossy_high_throughput_jpeg_2000_reads_within_a_hundredth_of_the_range() {
    let stream = include_bytes!("vectors/ht-lossy8.j2c");
    assert!(levels_apart(&read(&film(File::new(W, H, 8, 8), "1.2.840.10008.1.2.4.203", stream)), &wanted()) <= 2);
}

#[test]
fn tiles_and_boxes_of_jpeg_2000_read_as_the_picture() {
    let exact = read(&File::new(W, H, 8, 8).pixels8(&picture(W, H)).write(dicom::EXPLICIT));
    assert_eq!(read(&film(File::new(W, H, 8, 8), dicom::JPEG_2000, include_bytes!("vectors/tiled8.j2k"))), exact);
    let exact = read(&File::new(W, H, 16, 12).pixels16(&twelve()).write(dicom::EXPLICIT));
    assert_eq!(read(&film(File::new(W, H, 16, 12), dicom::JPEG_2000, include_bytes!("vectors/boxed12.jp2"))), exact);
}

#[test]
fn lossless_jpeg_reads_to_the_very_values_at_every_precision() {
    for bits in [8u16, 10, 12, 14, 16] {
        let values: Vec<u16> = picture(W, H).iter().map(|&v| (u32::from(v) * ((1 << bits) - 1) / 255) as u16).collect();
        let file = || File::new(W, H, 16, bits);
        let exact = read(&file().pixels16(&values).write(dicom::EXPLICIT));
        for predictor in 1..=7 {
            let stream = jpeg::predicted(W, H, bits as u8, &values, predictor);
            assert_eq!(read(&film(file(), "1.2.840.10008.1.2.4.57", &stream)), exact, "{bits} bits, predictor {predictor}");
        }
    }
}

#[test]
fn lossless_jpeg_with_a_point_transform_is_refused_rather_than_misread() {
    // A transform of one: as if every value had been halved before it was predicted (T.81 A.4).
    let halves: Vec<u16> = twelve().iter().map(|v| v >> 1).collect();
    let mut stream = jpeg::lossless(W, H, 11, &halves);
    let scan = stream.windows(2).position(|w| w == [0xff, 0xda]).unwrap();
    let frame = stream.windows(2).position(|w| w == [0xff, 0xc3]).unwrap();
    stream[frame + 4] = 12;
    stream[scan + 9] = 1;
    let text = said(&film(File::new(W, H, 16, 12), "1.2.840.10008.1.2.4.57", &stream));
    assert!(text.contains("point transform") && text.contains("`dcmdjpeg in.dcm out.dcm`"), "{text}");
    assert!(said(&stream).contains("point transform") && !said(&stream).contains("dcmdjpeg"));
}

#[test]
fn extended_jpeg_of_twelve_bits_is_refused_with_the_way_out() {
    let mut stream = jpeg::baseline(W / 8, H / 8, &picture(W / 8, H / 8));
    let frame = stream.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    stream[frame + 1] = 0xc1;
    let eight = film(File::new(W, H, 8, 8), "1.2.840.10008.1.2.4.51", &stream);
    read_bytes(&eight, &Settings::default()).unwrap();
    stream[frame + 4] = 12;
    let text = said(&film(File::new(W, H, 16, 12), "1.2.840.10008.1.2.4.51", &stream));
    assert!(text.contains("more than 8 bits") && text.contains("`dcmdjpeg in.dcm out.dcm`"), "{text}");
}

#[test]
fn compressed_values_that_do_not_fit_the_attributes_are_refused() {
    let stream = jpeg::lossless(W, H, 12, &twelve());
    let lossless = |file: File| film(file, dicom::JPEG_LOSSLESS, &stream);
    // 12 bits in 16: the values are what they are.
    read_bytes(&lossless(File::new(W, H, 16, 16)), &Settings::default()).unwrap();
    assert!(said(&lossless(File::new(W, H, 16, 10))).contains("do not fit BitsStored"));
    // Twelve bits of a sign in sixteen: 4095 and −1 cannot be told apart.
    assert!(said(&lossless(File::new(W, H, 16, 16).short((0x0028, 0x0103), 1))).contains("do not fit BitsStored"));
    let high = said(&lossless(File::new(W, H, 16, 12).short((0x0028, 0x0102), 15)));
    assert!(high.contains("HighBit of compressed pixels 15") && high.contains("dcmdjpeg"), "{high}");
    let grey: &[u8] = include_bytes!("vectors/grey12.j2k");
    let text = said(&film(File::new(W, H, 16, 12).short((0x0028, 0x0103), 1), dicom::JPEG_2000, grey));
    assert!(text.contains("do not fit BitsStored"), "{text}");
    let signed: &[u8] = include_bytes!("vectors/signed16.j2k");
    assert!(said(&film(File::new(W, H, 16, 16), dicom::JPEG_2000, signed)).contains("do not fit BitsStored"));
}

#[test]
fn frames_in_several_fragments_and_without_compression_in_fragments_read_alike() {
    let levels = picture(W, H);
    let exact = read(&File::new(W, H, 8, 8).pixels8(&levels).write(dicom::EXPLICIT));
    let half = levels.len() / 2;
    let file = File::new(W, H, 8, 8).fragments(vec![levels[..half].to_vec(), levels[half..].to_vec()]);
    assert_eq!(read(&file.write("1.2.840.10008.1.2.1.98")), exact);
    let stream = dicom::rle(std::slice::from_ref(&levels));
    let file = File::new(W, H, 8, 8).fragments(vec![stream[..100].to_vec(), stream[100..].to_vec()]);
    assert_eq!(read(&file.write(dicom::RLE)), exact);
}

#[test]
fn what_is_not_read_is_refused_by_its_name_with_the_way_out() {
    let cases = [
        ("1.2.840.10008.1.2.4.80", "JPEG-LS Lossless", "`dcmdjpls in.dcm out.dcm`"),
        ("1.2.840.10008.1.2.4.81", "Near-Lossless", "`gdcmconv --raw in.dcm out.dcm`"),
        ("1.2.840.10008.1.2.4.94", "JPIP Referenced", "have the archive send the image itself"),
        ("1.2.840.10008.1.2.4.100", "MPEG2", "export one frame"),
        ("1.2.840.10008.1.2.4.102", "MPEG-4 AVC", "export one frame"),
        ("1.2.840.10008.1.2.4.107", "HEVC", "export one frame"),
        ("1.2.840.10008.1.2.4.110", "JPEG XL Lossless", "have the archive send the image uncompressed"),
        ("1.2.840.10008.1.2.4.55", "JPEG Full Progression", "`dcmdjpeg in.dcm out.dcm`"),
        ("1.2.840.10008.1.2.4.79", "unlisted text of 22 bytes", "have the archive send the image uncompressed"),
    ];
    for (uid, name, way) in cases {
        // The writer knows its UIDs; one that is in no table has the length of one that is.
        let written = if uid.ends_with(".79") || uid.ends_with(".55") { "1.2.840.10008.1.2.4.80" } else { uid };
        let mut file = File::new(W, H, 8, 8).fragments(vec![vec![0; 8]]).write(written);
        let at = file.windows(written.len()).position(|w| w == written.as_bytes()).unwrap();
        file[at..at + uid.len()].copy_from_slice(uid.as_bytes());
        let error = read_bytes(&file, &Settings::default()).unwrap_err();
        assert!(matches!(error, Error::TransferSyntax { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(name) && text.contains(way), "{text}");
    }
}

#[test]
fn sixteen_bits_in_the_stream_of_a_twelve_bit_film_are_what_the_stream_says() {
    // As `gdcmconv --j2k` writes them: 16 in the stream, 12 in the attributes.
    let stream = include_bytes!("vectors/ht12.j2c");
    assert_eq!(stream[42] & 0x7f, 15);
    let exact = read(&grey_png16(W, H, &twelve().iter().map(|v| v << 4 | v >> 8).collect::<Vec<_>>()));
    assert!(levels_apart(&read(&film(File::new(W, H, 16, 12), "1.2.840.10008.1.2.4.201", stream)), &exact) <= 1);
}
