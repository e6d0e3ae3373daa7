//! The display shutter: what lies outside of it is covered, and does not count.

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
use support::picture;
use veilray_imaging::ingest::{Ingested, Rect, Settings, Warning, attribute, read_bytes, read_picture};

/// The side of the canonical image: a film of this size keeps its values.
const N: usize = 256;

fn film() -> File {
    File::new(N, N, 8, 8).pixels8(&picture(N, N))
}

fn ingest(file: File) -> Ingested {
    read_bytes(&file.write(dicom::EXPLICIT), &Settings::default()).unwrap()
}

fn shaped(file: File, shape: &str) -> File {
    file.text((0x0018, 0x1600), VR::CS, shape)
}

/// A rectangle of edges left, right, upper, lower.
fn rectangle(file: File, edges: [&str; 4]) -> File {
    [0x1602, 0x1604, 0x1606, 0x1608].into_iter().zip(edges).fold(file, |file, (tag, edge)| file.text((0x0018, tag), VR::IS, edge))
}

/// Holds a film against one that shows the places, counted from 1, for which `shown` is true, and grey `outside` elsewhere, as far as that is
/// not cut off as its border.
fn assert_shown(file: File, shown: impl Fn(i32, i32) -> bool, outside: f32, what: &str) {
    let bytes = file.write(dicom::EXPLICIT);
    let (image, read) = read_picture(&bytes, &Settings::default()).unwrap();
    assert_eq!(read.report.warnings, [], "{what}");
    let Rect { left, top, width, height } = read.report.geometry.crop;
    let shown_grey = image.grey();
    // A row of hardly anything, as at the top of a circle, counts as border.
    let mut lost = 0;
    for (index, level) in picture(N, N).into_iter().enumerate() {
        let (x, y) = (index % N, index / N);
        let is_shown = shown(x as i32 + 1, y as i32 + 1);
        let Some((x, y)) = x.checked_sub(left).zip(y.checked_sub(top)).filter(|(x, y)| *x < width && *y < height) else {
            lost += usize::from(is_shown);
            continue;
        };
        let (grey, wanted) = (shown_grey[y * width + x], if is_shown { f32::from(level) / 255.0 } else { outside });
        assert!((grey - wanted).abs() < 1e-4, "{what}: {grey} for {wanted} at column {x}, row {y} of what was kept");
    }
    assert!(lost <= N * N / 100, "{what}: {lost} pixels that are shown were cut off");
}

#[test]
fn what_lies_outside_of_a_rectangle_is_black() {
    let edges = ["31", "200", "11", "220"];
    let inside = |column, row| (31..=200).contains(&column) && (11..=220).contains(&row);
    assert_shown(rectangle(shaped(film(), "RECTANGULAR"), edges), inside, 0.0, "rectangle");
    // Beyond the picture is at its edge.
    let beyond = rectangle(shaped(film(), "RECTANGULAR"), ["-5", "9999", "11", "220"]);
    assert_shown(beyond, |_, row| (11..=220).contains(&row), 0.0, "beyond the picture");
    // A MONOCHROME1 film is covered in black, not in white: what is not cut off with the border, beside the arc.
    let disc = shaped(film(), "CIRCULAR").text((0x0018, 0x1610), VR::IS, "128\\128").text((0x0018, 0x1612), VR::IS, "100");
    let file = disc.text((0x0028, 0x0004), VR::CS, "MONOCHROME1").write(dicom::EXPLICIT);
    let (image, _) = read_picture(&file, &Settings::default()).unwrap();
    let (middle, width) = (image.height() / 2 * image.width() + image.width() / 2, image.width());
    let level = picture(N, N)[127 * N + 127];
    assert_eq!([0, width - 1].map(|corner| image.grey()[corner]), [0.0, 0.0]);
    assert!((image.grey()[middle] - (1.0 - f32::from(level) / 255.0)).abs() < 0.05);
}

#[test]
fn the_grey_outside_is_the_one_that_the_file_gives() {
    let edges = ["31", "200", "11", "220"];
    let inside = |column, row| (31..=200).contains(&column) && (11..=220).contains(&row);
    for (value, outside) in [(0, 0.0), (65_535, 1.0), (32_768, 0.5)] {
        let file = rectangle(shaped(film(), "RECTANGULAR"), edges).short((0x0018, 0x1622), value);
        assert_shown(file, inside, outside, &format!("presentation value {value}"));
    }
}

#[test]
fn circles_polygons_and_what_lies_in_all_of_them() {
    // Row first, then column; the radius is along a row.
    let circle = |file: File| file.text((0x0018, 0x1610), VR::IS, "120\\130").text((0x0018, 0x1612), VR::IS, "90");
    let in_circle = |column: i32, row: i32| (column - 130).pow(2) + (row - 120).pow(2) <= 90 * 90;
    assert_shown(circle(shaped(film(), "CIRCULAR")), in_circle, 0.0, "circle");

    // A triangle with a right angle, and an arrow whose notch is a corner that points inwards.
    let polygon = |file: File, corners| file.text((0x0018, 0x1620), VR::IS, corners);
    let triangle = polygon(shaped(film(), "POLYGONAL"), "20\\20\\220\\20\\220\\220");
    assert_shown(triangle, |column, row| column >= 20 && row <= 220 && column <= row, 0.0, "triangle");
    let arrow = polygon(shaped(film(), "POLYGONAL"), "21\\21\\21\\221\\221\\221\\121\\121\\221\\21");
    let in_arrow = |column: i32, row: i32| {
        (21..=221).contains(&column) && row >= 21 && if column <= 121 { row <= 242 - column } else { row <= column }
    };
    assert_shown(arrow, in_arrow, 0.0, "arrow");

    let both = rectangle(circle(shaped(film(), "RECTANGULAR\\CIRCULAR")), ["31", "140", "11", "220"]);
    let in_both = |column, row| (31..=140).contains(&column) && (11..=220).contains(&row) && in_circle(column, row);
    assert_shown(both, in_both, 0.0, "rectangle and circle");
}

#[test]
fn what_is_covered_sways_neither_the_range_nor_the_checks() {
    // 12 bits in 16, no window: the picture is stretched to its values. A border of 65 535 would leave nothing of it.
    let inside = |index: usize| (64..192).contains(&(index % N)) && (64..192).contains(&(index / N));
    let words = |border: u16| -> Vec<u16> {
        picture(N, N)
            .iter()
            .enumerate()
            .map(|(index, &level)| if inside(index) { u16::from(level) * 16 } else { border })
            .collect()
    };
    let deep = |border| {
        let file = File::new(N, N, 16, 16).pixels16(&words(border));
        ingest(rectangle(shaped(file, "RECTANGULAR"), ["65", "192", "65", "192"]))
    };
    let (white, black) = (deep(65_535), deep(0));
    assert_eq!(white, black);
    // Three quarters of the picture are covered, and it is not refused as mostly black.
    let Rect { left, top, width, height } = white.report.geometry.crop;
    assert!(left <= 64 && top <= 64 && left + width >= 192 && top + height >= 192);
    assert!(
        matches!(white.report.warnings[..], [Warning::Stretched { high, .. }] if high <= 4080.0),
        "{:?}",
        white.report.warnings
    );
}

#[test]
fn a_shutter_that_cannot_be_read_or_shows_nothing_is_told_and_not_applied() {
    let plain = ingest(film()).image;
    let polygon = |corners| shaped(film(), "POLYGONAL").text((0x0018, 0x1620), VR::IS, corners);
    let circle =
        |radius| shaped(film(), "CIRCULAR").text((0x0018, 0x1610), VR::IS, "120\\130").text((0x0018, 0x1612), VR::IS, radius);
    for (what, file) in [
        ("no edges", shaped(film(), "RECTANGULAR")),
        ("an unknown shape", shaped(film(), "HEART")),
        ("edges that are no numbers", rectangle(shaped(film(), "RECTANGULAR"), ["A", "200", "11", "220"])),
        ("left and right exchanged", rectangle(shaped(film(), "RECTANGULAR"), ["200", "31", "11", "220"])),
        ("beside the picture", rectangle(shaped(film(), "RECTANGULAR"), ["300", "400", "11", "220"])),
        ("two corners", polygon("20\\20\\220\\20")),
        ("half a corner", polygon("20\\20\\220\\20\\220")),
        ("no radius", circle("0")),
        ("a radius below nothing", circle("-9")),
    ] {
        let read = ingest(file);
        assert!(read.image == plain, "{what}");
        let [Warning::NotApplied { attribute: attribute::SHUTTER_SHAPE, .. }] = read.report.warnings[..] else {
            panic!("{what}: {:?}", read.report.warnings)
        };
    }
}
