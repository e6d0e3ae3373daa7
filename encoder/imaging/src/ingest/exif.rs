//! The EXIF orientation of a raster file: how a camera or a scanner says that its picture lies (EXIF 2.32, tag 0x0112).
//!
//! Nothing but this one number is read of the EXIF data, which also name places, times and people.

use crate::image::Turn;

/// Orientation, a number from 1 to 8.
const ORIENTATION: u16 = 0x0112;
/// The type of 16-bit numbers.
const SHORT: u16 = 3;
/// Length of an entry in a TIFF directory.
const ENTRY: usize = 12;

/// The turn that brings the picture of a JPEG, PNG, TIFF or WebP file upright; none where the file says nothing of it, or no number from 1
/// to 8.
pub(super) fn turn(file: &[u8]) -> Turn {
    let tiff = match file {
        [0xff, 0xd8, rest @ ..] => in_jpeg(rest),
        [0x89, b'P', b'N', b'G', _, _, _, _, rest @ ..] => in_png(rest),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', rest @ ..] => in_webp(rest),
        _ => Some(file),
    };
    tiff.and_then(orientation).and_then(Turn::from_exif).unwrap_or_default()
}

/// The TIFF data of the first `APP1` segment of EXIF, before any scan.
fn in_jpeg(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        match *rest {
            // Fill bytes.
            [0xff, 0xff, ..] => rest = rest.get(1..)?,
            // Start of a scan, end of the image.
            [0xff, 0xda | 0xd9, ..] => return None,
            [0xff, marker, high, low, ..] => {
                let length = usize::from(u16::from_be_bytes([high, low]));
                let body = rest.get(4..2 + length)?;
                if marker == 0xe1
                    && let Some(tiff) = body.strip_prefix(b"Exif\0\0")
                {
                    return Some(tiff);
                }
                rest = rest.get(2 + length..)?;
            }
            _ => return None,
        }
    }
}

/// The data of the first `eXIf` chunk.
fn in_png(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (kind, body) = after.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length) as usize;
        if kind == b"eXIf" {
            return body.get(..length);
        }
        // A checksum follows.
        rest = body.get(length.checked_add(4)?..)?;
    }
}

/// The data of the first `EXIF` chunk; some writers keep JPEG's prefix in it.
fn in_webp(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (kind, after) = rest.split_first_chunk::<4>()?;
        let (length, body) = after.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        if kind == b"EXIF" {
            let data = body.get(..length)?;
            return Some(data.strip_prefix(b"Exif\0\0").unwrap_or(data));
        }
        // Chunks have an even length.
        rest = body.get(length.checked_next_multiple_of(2)?..)?;
    }
}

/// The orientation in the first directory of TIFF data.
fn orientation(tiff: &[u8]) -> Option<u16> {
    let big = match tiff.first_chunk::<4>()? {
        b"MM\0*" => true,
        b"II*\0" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let &two = tiff.get(at..)?.first_chunk::<2>()?;
        Some(if big { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) })
    };
    let long = |at: usize| {
        let &four = tiff.get(at..)?.first_chunk::<4>()?;
        Some(if big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) })
    };
    let directory = long(4)? as usize;
    let entries = directory.checked_add(2)?;
    let entry = (0..usize::from(short(directory)?))
        .map(|index| entries.saturating_add(index * ENTRY))
        .find(|&entry| short(entry) == Some(ORIENTATION))?;
    // Tag, type, count, and the number itself in the first bytes of the value.
    if (short(entry + 2)?, long(entry + 4)?) == (SHORT, 1) { short(entry + 8) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// TIFF data with a directory of a width and an orientation.
    fn tiff(orientation: u16, big: bool) -> Vec<u8> {
        let short = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let long = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let mut out = if big { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
        out.extend(long(8));
        out.extend(short(2));
        for (tag, value) in [(0x0100, 640), (ORIENTATION, orientation)] {
            out.extend([short(tag), short(SHORT)].concat());
            out.extend(long(1));
            out.extend([short(value), [0, 0]].concat());
        }
        out.extend(long(0));
        out
    }

    fn files(orientation: u16, big: bool) -> [Vec<u8>; 5] {
        let tiff = tiff(orientation, big);
        let exif = [b"Exif\0\0".as_slice(), &tiff].concat();
        let segment = |marker: u8, body: &[u8]| [&[0xff, marker], &(body.len() as u16 + 2).to_be_bytes()[..], body].concat();
        let jpeg = [
            vec![0xff, 0xd8],
            segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
            segment(0xe1, b"http://ns.adobe.com/xap/1.0/\0"),
            vec![0xff],
            segment(0xe1, &exif),
            segment(0xda, &[1, 1, 0, 0, 63, 0]),
        ]
        .concat();
        let chunk = |kind: &[u8], body: &[u8]| [&(body.len() as u32).to_be_bytes()[..], kind, body, &[0; 4]].concat();
        let png = [
            b"\x89PNG\r\n\x1a\n".to_vec(),
            chunk(b"IHDR", &[0; 13]),
            chunk(b"IDAT", &[0; 7]),
            chunk(b"eXIf", &tiff),
            chunk(b"IEND", b""),
        ]
        .concat();
        let riff =
            |kind: &[u8], body: &[u8]| [kind, &(body.len() as u32).to_le_bytes()[..], body, &vec![0; body.len() % 2]].concat();
        let webp = |exif: &[u8]| [b"RIFF\0\0\0\0WEBP".to_vec(), riff(b"VP8X", &[0; 11]), riff(b"EXIF", exif)].concat();
        [jpeg, png, webp(&tiff), webp(&exif), tiff]
    }

    #[test]
    fn the_orientation_is_found_in_every_format_and_byte_order() {
        for big in [false, true] {
            for (number, wanted) in (1..).zip(Turn::ALL) {
                for (index, file) in files(number, big).iter().enumerate() {
                    assert_eq!(turn(file), wanted, "orientation {number} in file {index}");
                }
            }
            for number in [0, 9, u16::MAX] {
                assert!(files(number, big).iter().all(|file| turn(file) == Turn::None), "{number}");
            }
        }
    }

    #[test]
    fn what_comes_after_the_start_of_a_scan_is_no_segment() {
        let [jpeg, ..] = files(6, true);
        let scan_first = [&jpeg[..2], &[0xff, 0xda, 0, 2], &jpeg[2..]].concat();
        assert_eq!((turn(&jpeg), turn(&scan_first)), (Turn::Clockwise, Turn::None));
    }

    proptest! {
        #[test]
        fn a_damaged_file_says_nothing_or_something(which in 0usize..5, cut in 0usize..200, at in 0usize..200, byte: u8) {
            let mut file = files(6, true)[which].clone();
            if let Some(hit) = file.get_mut(at) {
                *hit = byte;
            }
            file.truncate(cut);
            turn(&file);
        }
    }
}
