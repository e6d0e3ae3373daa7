//! TIFF, BMP and WebP files of a drawn picture.

use super::picture::{SIDE, levels};

/// A TIFF file of one strip: grey, or RGB with opacity where there are four channels.
fn tiff(big: bool, depth: u16, channels: u16, data: &[u8]) -> Vec<u8> {
    let short = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let long = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let side = SIDE as u32;
    let colour = if channels == 1 { 1 } else { 2 };
    let mut entries: Vec<(u16, u32)> = vec![
        (256, side),
        (257, side),
        (258, depth.into()),
        (259, 1),
        (262, colour),
        (273, 8),
        (274, 1),
        (277, channels.into()),
        (278, side),
        (279, data.len() as u32),
    ];
    if channels == 4 {
        entries.push((338, 2));
    }
    let directory = 8 + data.len() as u32;
    let behind = directory + 2 + 12 * entries.len() as u32 + 4;
    let mut out = [if big { b"MM\0*" } else { b"II*\0" }, long(directory).as_slice(), data].concat();
    out.extend(short(entries.len() as u16));
    for (tag, value) in entries {
        // A depth for each channel stands behind the directory.
        let (count, value) = if tag == 258 && channels > 1 { (u32::from(channels), behind) } else { (1, value) };
        let is_short = matches!(tag, 258 | 259 | 262 | 274 | 277 | 338);
        out.extend([short(tag), short(if is_short { 3 } else { 4 })].concat());
        out.extend(long(count));
        if is_short && count == 1 { out.extend([short(value as u16), [0, 0]].concat()) } else { out.extend(long(value)) }
    }
    out.extend([0; 4]);
    (1..channels.max(2)).chain([0]).for_each(|_| out.extend(short(depth)));
    out
}

/// Grey and colour, without compression and with, in both byte orders.
pub(crate) fn tiffs() -> Vec<Vec<u8>> {
    let grey = levels(SIDE, SIDE);
    let each = |samples: &dyn Fn(u8) -> Vec<u8>| grey.iter().flat_map(|&level| samples(level)).collect::<Vec<u8>>();
    vec![
        tiff(false, 8, 1, &grey),
        tiff(true, 16, 1, &each(&|level| vec![level, 7])),
        tiff(false, 8, 4, &each(&|level| vec![level, level, level, 255])),
        include_bytes!("../../../../encoder/imaging/tests/vectors/lzw8.tif").to_vec(),
        include_bytes!("../../../../encoder/imaging/tests/vectors/deflate16.tif").to_vec(),
        include_bytes!("../../../../encoder/imaging/tests/vectors/packbits-rgb8.tif").to_vec(),
    ]
}

/// 24 bits from the bottom up, and a palette.
pub(crate) fn bmps() -> Vec<Vec<u8>> {
    let grey = levels(SIDE, SIDE);
    let side = (SIDE as u32).to_le_bytes();
    let size = (54 + 3 * grey.len() as u32).to_le_bytes();
    let header = [&b"BM"[..], &size, &[0; 4], &[54, 0, 0, 0, 40, 0, 0, 0], &side, &side, &[1, 0, 24, 0], &[0; 24]].concat();
    let rows = grey.chunks_exact(SIDE).rev().flatten().flat_map(|&level| [level; 3]);
    vec![header.into_iter().chain(rows).collect(), include_bytes!("../../../../encoder/imaging/tests/vectors/grey8.bmp").to_vec()]
}

/// Both codings.
pub(crate) fn webps() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../../../encoder/imaging/tests/vectors/lossless8.webp").to_vec(),
        include_bytes!("../../../../encoder/imaging/tests/vectors/lossy8.webp").to_vec(),
    ]
}
