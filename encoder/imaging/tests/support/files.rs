//! Files for the tests, written by the tests: DICOM through dicom-object, PNG through `png`, JPEG by hand.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod dicom;
pub(crate) mod elements;
pub(crate) mod jpeg;
pub(crate) mod raster;

use veilray_imaging::ingest::{Canonical, Error, Refusal, Rule, Settings, read_bytes};

/// A grey test picture of 8 bits with structure at several scales, every level from 0 to 255 in it.
pub(crate) fn picture(width: usize, height: usize) -> Vec<u8> {
    (0..width * height)
        .map(|i| {
            let (x, y) = ((i % width) as f64 / width as f64, (i / width) as f64 / height as f64);
            let wave = (x * 11.0).sin() * (y * 7.0).cos();
            (127.5 + 90.0 * wave + 37.5 * (2.0 * x - 1.0) * (2.0 * y - 1.0)).round().clamp(0.0, 255.0) as u8
        })
        .enumerate()
        .map(|(i, level)| match i {
            0 => 0,
            1 => 255,
            _ => level,
        })
        .collect()
}

pub(crate) fn png(width: usize, height: usize, colour: png::ColorType, depth: png::BitDepth, bytes: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(bytes).unwrap();
    writer.finish().unwrap();
    file
}

pub(crate) fn grey_png(width: usize, height: usize, levels: &[u8]) -> Vec<u8> {
    png(width, height, png::ColorType::Grayscale, png::BitDepth::Eight, levels)
}

pub(crate) fn grey_png16(width: usize, height: usize, levels: &[u16]) -> Vec<u8> {
    let bytes: Vec<u8> = levels.iter().flat_map(|level| level.to_be_bytes()).collect();
    png(width, height, png::ColorType::Grayscale, png::BitDepth::Sixteen, &bytes)
}

pub(crate) fn read(bytes: &[u8]) -> Canonical {
    read_bytes(bytes, &Settings::default()).unwrap().image
}

pub(crate) fn refusal(bytes: &[u8], settings: &Settings) -> Refusal {
    match read_bytes(bytes, settings) {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("wanted a refusal, got {other:?}"),
    }
}

pub(crate) fn rule(bytes: &[u8]) -> Rule {
    refusal(bytes, &Settings::default()).rule
}

/// Largest difference in 8-bit grey levels.
pub(crate) fn levels_apart(a: &Canonical, b: &Canonical) -> u8 {
    a.to_levels().iter().zip(b.to_levels()).map(|(&a, b)| a.abs_diff(b)).max().unwrap()
}
