//! One film in every structure that other software reads gives one canonical image: sequences and representations.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

#[path = "support/files.rs"]
mod support;

use support::elements::{As, Film, N, Tag, UNDEFINED, assert_same, end_of_sequence, film, item, text, undefined_item, words};
use support::read;
use veilray_imaging::ingest::{Error, Rule, Settings, attribute, read_bytes};

const CODE_VALUE: Tag = (0x0008, 0x0100);
const REFERENCED: Tag = (0x0008, 0x1140);
const VIEW_CODE: Tag = (0x0054, 0x0220);
const VOI_LUT: Tag = (0x0028, 0x3010);
const MODALITY_LUT: Tag = (0x0028, 0x3000);
const PRIVATE: Tag = (0x0009, 0x1002);
const PIXELS: Tag = (0x7FE0, 0x0010);

/// The film with an element more, as it stands.
fn with(tag: Tag, bytes: Vec<u8>) -> Vec<u8> {
    film(As::Explicit).raw(tag, bytes).file()
}

#[test]
fn sequences_written_as_un_of_undefined_length_are_implicit_inside() {
    let value = As::Implicit.element((9, 0x1001), "", b"AB");
    let un = |items: &[u8]| As::Explicit.undefined(PRIVATE, "UN", items);
    let nested = As::Implicit.undefined((9, 0x1003), "", &undefined_item(&As::Implicit.undefined((9, 4), "", &item(&value))));
    let listed = As::Explicit.undefined(REFERENCED, "SQ", &undefined_item(&un(&item(&value))));
    let implicit = film(As::Implicit).raw(PRIVATE, As::Implicit.undefined(PRIVATE, "", &item(&value)));
    let big = |end: Vec<u8>| film(As::Big).raw(PRIVATE, [As::Big.header(PRIVATE, "UN", UNDEFINED, &item(&value)), end].concat());
    assert_same(&[
        ("an item", with(PRIVATE, un(&item(&value)))),
        ("items of both lengths", with(PRIVATE, un(&[item(&value), undefined_item(&value)].concat()))),
        ("nested", with(PRIVATE, un(&[item(&[nested, value.clone()].concat()), undefined_item(&[])].concat()))),
        ("no item", with(PRIVATE, un(&[]))),
        ("within a sequence", with(REFERENCED, listed)),
        ("explicit inside", with(PRIVATE, un(&undefined_item(&As::Explicit.element((8, 0x1150), "UI", b"1.2."))))),
        ("not items", with(PRIVATE, un(b"twelve bytes"))),
        ("in an implicit data set", implicit.file()),
        ("in a big endian one", big(end_of_sequence()).file()),
        ("ended in big endian", big(As::Big.element((0xFFFE, 0xE0DD), "", &[])).file()),
    ]);
}

#[test]
fn sequences_of_every_form_are_stepped_over() {
    let inside = As::Explicit.element((8, 0x1150), "UI", b"1.2.");
    let implicit = As::Implicit.element((8, 0x1150), "", b"1.2.");
    let defined = |items: &[u8]| with(REFERENCED, As::Explicit.element(REFERENCED, "SQ", items));
    let undefined = |items: &[u8]| with(REFERENCED, As::Explicit.undefined(REFERENCED, "SQ", items));
    let stray = [As::Explicit.element(REFERENCED, "SQ", &item(&inside)), end_of_sequence()].concat();
    assert_same(&[
        ("defined", defined(&item(&inside))),
        ("empty", defined(&[])),
        ("empty, undefined", undefined(&[])),
        ("empty items", undefined(&[item(&[]), undefined_item(&[])].concat())),
        ("defined, of an undefined item", defined(&undefined_item(&inside))),
        ("undefined, of both", undefined(&[undefined_item(&inside), item(&inside)].concat())),
        ("implicit inside", defined(&item(&implicit))),
        ("implicit inside an undefined item", undefined(&undefined_item(&implicit))),
        ("defined, and ended all the same", with(REFERENCED, stray)),
        ("ended before its length", defined(&[item(&inside), end_of_sequence(), vec![7; 6]].concat())),
    ]);
    // The end of an item that is missing is a damage: what follows could be the item's or not.
    let cut = [As::Implicit.header((0xFFFE, 0xE000), "", UNDEFINED, &inside), end_of_sequence()].concat();
    let refused = read_bytes(&with(REFERENCED, As::Explicit.header(REFERENCED, "SQ", UNDEFINED, &cut)), &Settings::default());
    assert!(matches!(refused, Err(Error::Malformed { .. })), "{refused:?}");
}

#[test]
fn pixel_data_of_icons_and_of_vendors_is_not_the_image_s() {
    let small = [
        As::Explicit.element((0x0028, 0x0010), "US", &[2, 0]),
        As::Explicit.element((0x0028, 0x0011), "US", &[2, 0]),
        As::Explicit.element((0x0028, 0x0103), "US", &[1, 0]),
    ]
    .concat();
    let fragments = [item(&[]), item(b"\xff\xd8AB")].concat();
    let icon =
        |pixels: Vec<u8>| As::Explicit.undefined((0x0088, 0x0200), "SQ", &undefined_item(&[small.clone(), pixels].concat()));
    assert_same(&[
        ("native icon", with((0x0088, 0x0200), icon(As::Explicit.element(PIXELS, "OW", b"12345678")))),
        ("encapsulated icon", with((0x0088, 0x0200), icon(As::Explicit.undefined(PIXELS, "OB", &fragments)))),
        ("private fragments", with(PRIVATE, As::Explicit.undefined(PRIVATE, "OB", &fragments))),
        ("private pixels", with((0x7FE1, 0x1010), As::Explicit.element((0x7FE1, 0x1010), "OW", b"1234"))),
    ]);
}

#[test]
fn representations_are_read_as_they_are_miswritten() {
    let odd = |bytes: &[u8]| with(PRIVATE, [&[9, 0, 2, 0x10], bytes].concat());
    assert_same(&[
        ("one of later, short", odd(b"ZZ\x04\0ABCD")),
        ("one of later, long", odd(b"ZZ\0\0\x04\0\0\0ABCD")),
        ("none", odd(b"\x04\0\0\0ABCD")),
        ("unknown to its writer", odd(b"??\x04\0ABCD")),
        ("an odd length", odd(b"LO\x03\0ABC")),
        ("lengths of groups", film(As::Explicit).with((8, 0), "UL", &[9; 4]).with((0x28, 0), "UL", &[1, 0, 0, 0]).file()),
    ]);
}

#[test]
fn attributes_written_as_un_have_the_dictionary_s_representation() {
    let un = |film: &Film, tags: &[Tag]| {
        let put = |other: Film, &tag: &Tag| {
            let element = As::Explicit.element(tag, "UN", &film.value(tag));
            other.raw(tag, element)
        };
        tags.iter().fold(film.clone(), put).file()
    };
    let base = film(As::Explicit).text((0x0028, 0x0008), "IS", "1").text((0x0028, 0x1052), "DS", "0");
    let tags: Vec<Tag> = base.tags().into_iter().filter(|&tag| tag != PIXELS).collect();
    let names: Vec<String> = tags.iter().map(|tag| format!("{tag:x?}")).collect();
    let mut files: Vec<(&str, Vec<u8>)> =
        tags.iter().zip(&names).map(|(&tag, name)| (name.as_str(), un(&base, &[tag]))).collect();
    files.push(("all", un(&base, &tags)));
    let pixels = As::Explicit.element(PIXELS, "UN", &As::Explicit.words(&words()));
    files.push(("the pixels", film(As::Explicit).raw(PIXELS, pixels).file()));
    // Whatever the byte order around it, UN is little endian.
    let rows = As::Big.element((0x0028, 0x0010), "UN", &(N as u16).to_le_bytes());
    files.push(("in big endian", film(As::Big).raw((0x0028, 0x0010), rows).file()));
    assert_same(&files);
    // Each counts: a wrong value is found out.
    let un = As::Explicit.element((0x0018, 0x5101), "UN", b"LL");
    assert_eq!(support::rule(&film(As::Explicit).raw((0x0018, 0x5101), un).file()), Rule::NotFrontal);
}

#[test]
fn sizes_in_text_are_numbers_too() {
    let rows = |vr: &str, value: &[u8]| film(As::Explicit).with((0x0028, 0x0010), vr, value).file();
    assert_same(&[
        ("IS", rows("IS", b"144 ")),
        ("DS", rows("DS", b"144.00")),
        ("an exponent", rows("DS", b"1.44e2")),
        ("UL", rows("UL", &144u32.to_le_bytes())),
        ("SL", rows("SL", &144i32.to_le_bytes())),
    ]);
    for (vr, value) in [("DS", b"144.5 "), ("DS", b"nan   "), ("IS", b"1e99  "), ("LO", b"film  ")] {
        let refused = read_bytes(&rows(vr, value), &Settings::default()).unwrap_err();
        assert!(matches!(refused, Error::Malformed { attribute: Some(at), .. } if at == attribute::ROWS), "{refused}");
    }
}

#[test]
fn binary_windows_are_numbers_too() {
    let window = |vr: &str, centre: &[u8], width: &[u8]| {
        film(As::Explicit).with((0x0028, 0x1050), vr, centre).with((0x0028, 0x1051), vr, width).file()
    };
    assert_same(&[
        ("FD", window("FD", &2048f64.to_le_bytes(), &4096f64.to_le_bytes())),
        ("FL", window("FL", &2048f32.to_le_bytes(), &4096f32.to_le_bytes())),
        ("US", window("US", &2048u16.to_le_bytes(), &4096u16.to_le_bytes())),
        ("the first of several", window("DS", &text("2048\\7"), &text("4096\\9"))),
    ]);
}

/// The elements of a table's item: the square of a stored value.
fn table(written: As) -> Vec<u8> {
    let entries: Vec<u16> = (0..4096u32).map(|value| (value * value / 256) as u16).collect();
    let descriptor = written.element((0x0028, 0x3002), "US", &written.words(&[4096, 0, 16]));
    [descriptor, written.element((0x0028, 0x3006), "OW", &written.words(&entries))].concat()
}

#[test]
fn tables_are_read_of_sequences_in_every_form() {
    let (implicit, explicit) = (table(As::Implicit), table(As::Explicit));
    let squared: Vec<u16> = words().iter().map(|&word| (u32::from(word).pow(2) / 256) as u16).collect();
    let squared = read(&support::grey_png16(N, N, &squared));
    let other = [
        As::Explicit.element((0x0028, 0x3002), "US", &As::Explicit.words(&[2, 0, 16])),
        As::Explicit.element((0x0028, 0x3006), "OW", &As::Explicit.words(&[65_535, 0])),
    ];
    for tag in [VOI_LUT, MODALITY_LUT] {
        let sequence = |bytes: Vec<u8>| film(As::Explicit).without_window().raw(tag, bytes).file();
        let big = film(As::Big).without_window();
        let wanted = read(&sequence(As::Explicit.element(tag, "SQ", &item(&explicit))));
        assert!(support::levels_apart(&wanted, &squared) <= 1);
        let files = [
            ("undefined", sequence(As::Explicit.undefined(tag, "SQ", &undefined_item(&explicit)))),
            ("implicit inside", sequence(As::Explicit.element(tag, "SQ", &item(&implicit)))),
            ("UN, undefined", sequence(As::Explicit.undefined(tag, "UN", &undefined_item(&implicit)))),
            ("UN, undefined, of a defined item", sequence(As::Explicit.undefined(tag, "UN", &item(&implicit)))),
            ("UN", sequence(As::Explicit.element(tag, "UN", &item(&implicit)))),
            ("UN of an undefined item", sequence(As::Explicit.element(tag, "UN", &undefined_item(&implicit)))),
            ("UN, explicit inside", sequence(As::Explicit.element(tag, "UN", &item(&explicit)))),
            ("OW", sequence(As::Explicit.element(tag, "OW", &item(&explicit)))),
            ("two items", sequence(As::Explicit.element(tag, "SQ", &[item(&explicit), item(&other.concat())].concat()))),
            (
                "two, undefined",
                sequence(As::Explicit.undefined(
                    tag,
                    "SQ",
                    &[undefined_item(&explicit), undefined_item(&other.concat())].concat(),
                )),
            ),
            ("implicit", film(As::Implicit).without_window().with(tag, "", &item(&implicit)).file()),
            ("UN in big endian", big.clone().raw(tag, As::Big.undefined(tag, "UN", &item(&implicit))).file()),
            ("big endian", big.raw(tag, As::Big.element(tag, "SQ", &item(&table(As::Big)))).file()),
        ];
        for (what, file) in files {
            assert!(read(&file) == wanted, "{tag:x?}: {what}");
        }
    }
}

#[test]
fn views_are_read_of_sequences_in_every_form() {
    for (code, frontal) in [("R-10214", true), ("R-10236", false)] {
        let code = |written: As| item(&written.element(CODE_VALUE, "SH", &text(code)));
        let forms = [
            As::Explicit.element(VIEW_CODE, "SQ", &code(As::Explicit)),
            As::Explicit.element(VIEW_CODE, "UN", &code(As::Implicit)),
            As::Explicit.undefined(VIEW_CODE, "UN", &code(As::Implicit)),
        ];
        for form in forms {
            let file = film(As::Explicit).without(&[(0x0018, 0x5101)]).raw(VIEW_CODE, form).file();
            if frontal {
                assert_eq!(read_bytes(&file, &Settings::default()).unwrap().report.warnings, []);
            } else {
                assert_eq!(support::rule(&file), Rule::NotFrontal);
            }
        }
    }
}
