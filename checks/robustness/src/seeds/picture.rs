//! A drawn picture, and PNG files of it.

use crate::target::SeedError;

/// Grey levels with structure at several scales, every level from 0 to 255 in it, row by row.
pub(crate) fn levels(width: usize, height: usize) -> Vec<u8> {
    let level = |i: usize| {
        let (x, y) = ((i % width) as f64 / width as f64, (i / width) as f64 / height as f64);
        let wave = (x * 11.0).sin() * (y * 7.0).cos();
        (127.5 + 90.0 * wave + 37.5 * (2.0 * x - 1.0) * (2.0 * y - 1.0)).round().clamp(0.0, 255.0) as u8
    };
    let mut levels: Vec<u8> = (0..width * height).map(level).collect();
    levels.iter_mut().zip([0, 255]).for_each(|(to, from)| *to = from);
    levels
}

/// The smallest side that is let in, pixels.
pub(crate) const SIDE: usize = 128;

/// PNG files of each colour type and depth that a film may come in.
pub(crate) fn pngs() -> Result<Vec<Vec<u8>>, SeedError> {
    use png::{BitDepth, ColorType};
    let grey = levels(SIDE, SIDE);
    let each = |samples: &dyn Fn(u8) -> Vec<u8>| grey.iter().flat_map(|&level| samples(level)).collect::<Vec<u8>>();
    let nibbles: Vec<u8> = grey.as_chunks::<2>().0.iter().map(|[a, b]| (a & 0xf0) | b >> 4).collect();
    Ok(vec![
        png(ColorType::Grayscale, BitDepth::Eight, &grey)?,
        png(ColorType::Grayscale, BitDepth::Four, &nibbles)?,
        png(ColorType::Grayscale, BitDepth::Sixteen, &each(&|level| vec![level, 7]))?,
        png(ColorType::GrayscaleAlpha, BitDepth::Eight, &each(&|level| vec![level, 255]))?,
        png(ColorType::Rgb, BitDepth::Eight, &each(&|level| vec![level; 3]))?,
        png(ColorType::Rgba, BitDepth::Sixteen, &each(&|level| vec![level, 7, level, 7, level, 7, 255, 255]))?,
        png(ColorType::Indexed, BitDepth::Eight, &grey)?,
    ])
}

fn png(colour: png::ColorType, depth: png::BitDepth, bytes: &[u8]) -> Result<Vec<u8>, SeedError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, SIDE as u32, SIDE as u32);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if colour == png::ColorType::Indexed {
        encoder.set_palette((0..=255).flat_map(|level| [level; 3]).collect::<Vec<u8>>());
    }
    encoder.add_text_chunk("Comment".into(), "drawn".into())?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(bytes)?;
    writer.finish()?;
    Ok(file)
}

/// Sums of a PNG file's chunks that fit them.
pub(crate) fn mend_png(bytes: &mut [u8]) {
    let mut at = 8;
    while let Some(length) = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()).map(|b| u32::from_be_bytes(*b) as usize) {
        let Some(end) = (at + 8).checked_add(length) else { return };
        let Some(covered) = bytes.get(at + 4..end) else { return };
        let sum = crc32(covered).to_be_bytes();
        let Some(place) = bytes.get_mut(end..end + 4) else { return };
        place.copy_from_slice(&sum);
        at = end + 4;
    }
}

/// CRC-32 of PNG and zip (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, &byte: &u8| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 })
    };
    !bytes.iter().fold(!0, step)
}
