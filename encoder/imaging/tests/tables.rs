//! Lookup tables in every form: their first input, their entries, their descriptor (PS3.3 C.11.1, C.11.2). Each gives the image of the same
//! table written plainly, or the image that follows from the table's entries.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

#[path = "support/files.rs"]
mod support;

use support::elements::{As, Film, N, Tag, item, words};
use support::{grey_png16, levels_apart, picture, read};
use veilray_imaging::ingest::{Canonical, Error, Settings, attribute, read_bytes};

const VOI_LUT: Tag = (0x0028, 0x3010);
const MODALITY_LUT: Tag = (0x0028, 0x3000);

/// A table as it is written.
#[derive(Clone)]
struct Table {
    written: As,
    descriptor: (&'static str, [u16; 3]),
    data: (&'static str, Vec<u8>),
}

impl Table {
    fn new(first: i32, bits: u16, entries: &[u16]) -> Self {
        let written = As::Explicit;
        Self {
            written,
            // 65 536 entries are 0.
            descriptor: ("US", [entries.len() as u16, first as u16, bits]),
            data: ("OW", written.words(entries)),
        }
    }

    fn described(mut self, vr: &'static str) -> Self {
        self.descriptor.0 = vr;
        self
    }

    fn in_film(&self, tag: Tag, film: Film) -> Vec<u8> {
        let (vr, descriptor) = &self.descriptor;
        let order = if *vr == "UN" { As::Explicit } else { self.written };
        let descriptor = self.written.element((0x0028, 0x3002), vr, &order.words(descriptor));
        let data = self.written.element((0x0028, 0x3006), self.data.0, &self.data.1);
        film.without_window().with(tag, "SQ", &item(&[descriptor, data].concat())).file()
    }
}

/// Stored values 0 to 255, in 16 bits allocated and 8 stored.
fn film8(written: As) -> Film {
    let words: Vec<u16> = picture(N, N).into_iter().map(u16::from).collect();
    Film::new(written, N, N, 8, &words)
}

fn squares(full: u32) -> Vec<u16> {
    (0..256u32).map(|value| (value * value * full / 65_025) as u16).collect()
}

fn bytes(values: &[u16]) -> Vec<u8> {
    values.iter().map(|&value| value as u8).collect()
}

/// Pairs in the other order, as words of 16 bits have them in big endian.
fn swapped(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(2).flat_map(|pair| [pair[1], pair[0]]).collect()
}

/// The image of stored values that are shown as `grey`, 0 to 1, says.
fn shown(values: &[u16], grey: impl Fn(f64) -> f64) -> Canonical {
    let level = |&value: &u16| (65_535.0 * grey(f64::from(value)).clamp(0.0, 1.0)).round() as u16;
    read(&grey_png16(N, N, &values.iter().map(level).collect::<Vec<_>>()))
}

#[test]
fn tables_of_8_bits_are_read_in_every_byte_order_and_representation() {
    let packed = bytes(&squares(255));
    let stored: Vec<u16> = picture(N, N).into_iter().map(u16::from).collect();
    let wanted = shown(&stored, |value| f64::from(packed[value as usize]) / 255.0);
    let plain = Table::new(0, 8, &squares(255));
    let exact = read(&plain.in_film(VOI_LUT, film8(As::Explicit)));
    assert!(levels_apart(&exact, &wanted) <= 1);
    let form = |written: As, vr: &'static str, data: Vec<u8>| Table { written, data: (vr, data), ..plain.clone() };
    let mut forms = Vec::new();
    for vr in ["OW", "OB", "US", "UN"] {
        forms.push((vr, form(As::Explicit, vr, packed.clone())));
        forms.push((vr, form(As::Explicit, vr, As::Explicit.words(&squares(255)))));
        let as_words = if matches!(vr, "OB" | "UN") { packed.clone() } else { swapped(&packed) };
        forms.push((vr, form(As::Big, vr, as_words)));
        let order = if vr == "UN" { As::Explicit } else { As::Big };
        forms.push((vr, form(As::Big, vr, order.words(&squares(255)))));
    }
    forms.push(("implicit", form(As::Implicit, "", packed.clone())));
    forms.push(("implicit words", form(As::Implicit, "", As::Implicit.words(&squares(255)))));
    for (vr, form) in forms {
        for tag in [VOI_LUT, MODALITY_LUT] {
            assert!(
                read(&form.in_film(tag, film8(form.written))) == exact,
                "{:?}, {vr}, {} bytes",
                form.written,
                form.data.1.len()
            );
        }
    }
}

#[test]
fn an_odd_number_of_bytes_is_padded_in_its_byte_order() {
    let mut packed = bytes(&squares(255)[..255]);
    packed.push(0);
    let table = |written, data| Table { written, descriptor: ("US", [255, 0, 8]), data: ("OW", data) };
    // The last input has the entry of the one before.
    let last = |value: f64| f64::from(packed[value.min(254.0) as usize]) / 255.0;
    let wanted = shown(&picture(N, N).into_iter().map(u16::from).collect::<Vec<_>>(), last);
    for (written, data) in [(As::Explicit, packed.clone()), (As::Big, swapped(&packed))] {
        assert!(levels_apart(&read(&table(written, data).in_film(VOI_LUT, film8(written))), &wanted) <= 1, "{written:?}");
    }
}

#[test]
fn descriptors_of_other_representations_and_wrong_numbers_of_bits_are_read() {
    let exact = |full: u32, bits: u16| read(&Table::new(0, bits, &squares(full)).in_film(VOI_LUT, film8(As::Explicit)));
    for vr in ["SS", "OW", "UN"] {
        let file = Table::new(0, 16, &squares(65_535)).described(vr).in_film(VOI_LUT, film8(As::Explicit));
        assert!(read(&file) == exact(65_535, 16), "{vr}");
    }
    let big = Table { written: As::Big, ..Table::new(0, 16, &squares(65_535)).described("UN") };
    let big = Table { data: ("OW", As::Big.words(&squares(65_535))), ..big };
    assert!(read(&big.in_film(VOI_LUT, film8(As::Big))) == exact(65_535, 16), "UN in big endian");
    // No table has so many bits, or so few for what it holds: they are those of the largest entry.
    for (stated, bits) in [(0, 16), (1, 12), (32, 16), (8, 16), (8, 12), (12, 16), (7, 10)] {
        let full = (1 << bits) - 1;
        let file = Table::new(0, stated, &squares(full)).in_film(VOI_LUT, film8(As::Explicit));
        assert!(read(&file) == exact(full, bits), "{stated} stated, {bits} used");
    }
    // One that is used in part stays as it is, and so does one that is exceeded by a rounding.
    let part = read(&Table::new(0, 12, &squares(3000)).in_film(VOI_LUT, film8(As::Explicit)));
    let wanted = shown(&picture(N, N).into_iter().map(u16::from).collect::<Vec<_>>(), |value| {
        f64::from(squares(3000)[value as usize]) / 4095.0
    });
    assert!(levels_apart(&part, &wanted) <= 1);
    let rounded: Vec<u16> = squares(4096);
    let cut: Vec<u16> = rounded.iter().map(|&entry| entry.min(4095)).collect();
    let read = |entries: &[u16]| read(&Table::new(0, 12, entries).in_film(VOI_LUT, film8(As::Explicit)));
    assert!(read(&rounded) == read(&cut));
    // Bytes have eight.
    let packed = Table { data: ("OW", bytes(&squares(255))), ..Table::new(0, 16, &squares(255)) };
    assert!(support::read(&packed.in_film(VOI_LUT, film8(As::Explicit))) == exact(255, 8));
}

#[test]
fn palettes_are_read_in_every_byte_order() {
    let packed = bytes(&squares(255));
    let film = |written: As, vr: &str, descriptor: &[u8], data: &[u8]| {
        let film = film8(written).without_window().short((0x0028, 0x0100), 8).text((0x0028, 0x0004), "CS", "PALETTE COLOR");
        let film = film.with((0x7FE0, 0x0010), "OB", &picture(N, N));
        (1..=3).fold(film, |film, colour| {
            film.with((0x0028, 0x1100 + colour), vr, descriptor).with((0x0028, 0x1200 + colour), "OW", data)
        })
    };
    let told = [256, 0, 8];
    let image = |film: Film| read(&film.file());
    let wanted = image(film(As::Explicit, "US", &As::Explicit.words(&told), &packed));
    let stored: Vec<u16> = picture(N, N).into_iter().map(u16::from).collect();
    assert!(levels_apart(&wanted, &shown(&stored, |value| f64::from(packed[value as usize]) / 255.0)) <= 1);
    assert!(image(film(As::Explicit, "UN", &As::Explicit.words(&told), &packed)) == wanted);
    assert!(image(film(As::Big, "US", &As::Big.words(&told), &swapped(&packed))) == wanted);
    assert!(image(film(As::Big, "UN", &As::Explicit.words(&told), &As::Big.words(&squares(255)))) == wanted);
}

#[test]
fn the_number_of_entries_may_be_the_largest_or_wrong() {
    let root: Vec<u16> = (0..65_536u32).map(|value| (f64::from(value) * 65_535.0).sqrt() as u16).collect();
    let wide: Vec<u16> = words().iter().map(|&word| word * 16).collect();
    let film = Film::new(As::Explicit, N, N, 16, &wide);
    let file = Table::new(0, 16, &root).in_film(VOI_LUT, film);
    assert!(levels_apart(&read(&file), &shown(&wide, |value| (value / 65_535.0).sqrt())) <= 1);

    let squares = squares(65_535);
    let stored: Vec<u16> = picture(N, N).into_iter().map(u16::from).collect();
    let with = |count: u16| Table { descriptor: ("US", [count, 0, 16]), ..Table::new(0, 16, &squares) };
    let image = |count: u16| read(&with(count).in_film(VOI_LUT, film8(As::Explicit)));
    // More than there are: those that are there. Fewer: those that are described, the last one held.
    assert!(image(300) == image(256) && image(257) == image(256));
    let held = shown(&stored, |value| f64::from(squares[value.min(199.0) as usize]) / 65_535.0);
    assert!(levels_apart(&image(200), &held) <= 1);
    let refused = read_bytes(&with(600).in_film(VOI_LUT, film8(As::Explicit)), &Settings::default()).unwrap_err();
    assert!(matches!(refused, Error::Malformed { attribute: Some(at), .. } if at == attribute::LUT_DATA), "{refused}");
}

/// Stored values, whether they are signed, slope and intercept.
struct Rescaled {
    stored: Vec<u16>,
    bits: u16,
    signed: bool,
    slope: i32,
    intercept: i32,
}

impl Rescaled {
    /// The image of a table from `first` on, whose `entries` go from black to white.
    fn wanted(&self, first: i32, entries: i32) -> Canonical {
        shown(&self.stored, |stored| {
            let stored = if self.signed { i32::from((stored as u16).cast_signed()) } else { stored as i32 };
            f64::from((stored * self.slope + self.intercept - first).clamp(0, entries - 1)) / f64::from(entries - 1)
        })
    }

    fn film(&self, written: As, first: i32, entries: i32, vr: &'static str) -> Vec<u8> {
        let ramp: Vec<u16> = (0..entries).map(|entry| (entry * 65_535 / (entries - 1)) as u16).collect();
        let film = Film::new(written, N, N, self.bits, &self.stored)
            .short((0x0028, 0x0103), u16::from(self.signed))
            .text((0x0028, 0x1052), "DS", &self.intercept.to_string())
            .text((0x0028, 0x1053), "DS", &self.slope.to_string());
        Table { written, data: ("OW", written.words(&ramp)), ..Table::new(first, 16, &ramp).described(vr) }.in_film(VOI_LUT, film)
    }
}

#[test]
fn the_first_input_is_signed_where_the_inputs_are() {
    let twelve = |intercept, slope| Rescaled { stored: words(), bits: 12, signed: false, slope, intercept };
    let signed = |low: i32, intercept| Rescaled {
        stored: words().iter().map(|&word| (i32::from(word) * 6 + low) as u16).collect(),
        bits: 16,
        signed: true,
        slope: 1,
        intercept,
    };
    let cases = [
        // Unsigned pixels that a rescale makes negative; dcmtk 3.6.7 agrees.
        ("intercept −1024", twelve(-1024, 1), -1024, 4096),
        ("slope −1", twelve(0, -1), -4095, 4096),
        // Signed pixels that it makes positive; dcmtk and pydicom 3.0.2 agree.
        ("signed, intercept 32768", signed(1500, 32_768), 34_000, 25_000),
        ("signed", signed(-12_000, 0), -12_000, 25_000),
        ("signed, from 0", signed(-12_000, 0), 0, 13_000),
        // 16 bits from −1024 on: 34000 can be an input and −31536 not (pydicom agrees).
        (
            "16 bits, intercept −1024",
            Rescaled {
                stored: words().iter().map(|&word| word * 10 + 25_000).collect(),
                bits: 16,
                signed: false,
                slope: 1,
                intercept: -1024,
            },
            34_000,
            20_000,
        ),
        // A table that begins before the first input.
        ("before the inputs", twelve(0, 1), -100, 4196),
        ("long before the inputs", twelve(-1024, 1), -2000, 6000),
        (
            "behind 32767",
            Rescaled { stored: words().iter().map(|&word| word * 16).collect(), bits: 16, ..twelve(0, 1) },
            33_000,
            30_000,
        ),
    ];
    for (what, film, first, entries) in cases {
        let wanted = film.wanted(first, entries);
        for (written, vr) in [(As::Explicit, "US"), (As::Explicit, "SS"), (As::Big, "SS"), (As::Implicit, "")] {
            let apart = levels_apart(&read(&film.film(written, first, entries, vr)), &wanted);
            assert!(apart <= 1, "{what}, {written:?} {vr}: {apart} levels apart");
        }
    }
}

#[test]
fn the_first_input_of_a_modality_table_is_signed_as_the_pixels() {
    let ramp: Vec<u16> = (0..30_000u32).map(|entry| (entry * 65_535 / 29_999) as u16).collect();
    let signed: Vec<u16> = words().iter().map(|&word| (i32::from(word) * 6 - 12_000) as u16).collect();
    let unsigned: Vec<u16> = words().iter().map(|&word| word * 6 + 34_000).collect();
    for (pixels, representation, first) in [(signed, 1, -12_000), (unsigned, 0, 34_000)] {
        let wanted = shown(&words(), |word| word * 6.0 / 29_999.0);
        for (written, vr) in [(As::Explicit, "US"), (As::Explicit, "SS"), (As::Implicit, "")] {
            let film = Film::new(written, N, N, 16, &pixels).short((0x0028, 0x0103), representation);
            let table = Table { written, ..Table::new(first, 16, &ramp).described(vr) };
            assert!(levels_apart(&read(&table.in_film(MODALITY_LUT, film)), &wanted) <= 1, "{first} {written:?} {vr}");
        }
    }
}
