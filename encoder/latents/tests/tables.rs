//! Tables: what is written comes back, is compared before it gets its name, and damage is an error.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

use std::fs;
use std::path::{Path, PathBuf};
use veilray_latents::tables::{Attribute, Element, Error, Reader, Rows, Writer};

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.h5");
    (folder, path)
}

/// As many as a file can have.
fn attributes() -> [(&'static str, Attribute); 8] {
    [
        ("text", "Ödem\nof 2 lines".into()),
        ("empty", "".into()),
        ("long", Attribute::Text("long ".repeat(2000))),
        ("u8", Attribute::U8(255)),
        ("u32", Attribute::U32(0x0100_0001)),
        ("u64", Attribute::U64(u64::MAX - 1)),
        ("f64", Attribute::F64(-1.5e-300)),
        ("nan", Attribute::F64(f64::from_bits(0x7ff8_0000_0000_0123))),
    ]
}

const TEXTS: [&str; 4] = ["a", "", "zu tief, \"wirklich\" ö", "\u{1f9a0} \\ / \t"];

/// A file with everything in it.
fn write(path: &Path) {
    let mut writer = Writer::create(path).unwrap();
    for (name, value) in attributes() {
        writer.attribute(name, value).unwrap();
    }
    writer.texts("texts", &TEXTS).unwrap();
    writer.texts("only empty texts", &["", ""]).unwrap();
    writer.texts::<&str>("no texts", &[]).unwrap();
    writer.numbers("f64", &[3], &[0.7013, f64::NAN, -0.0]).unwrap();
    writer.numbers("u8", &[2, 3], &[1u8, 2, 3, 4, 5, 255]).unwrap();
    writer.numbers("i64", &[2], &[i64::MIN, -1]).unwrap();
    writer.numbers("u64", &[1], &[u64::MAX]).unwrap();
    writer.numbers("u32", &[1, 1, 2], &[7u32, u32::MAX]).unwrap();
    writer.numbers::<u8>("no numbers", &[0], &[]).unwrap();
    writer.numbers::<u8>("no columns", &[4, 0], &[]).unwrap();
    writer.rows::<f32>("rows", &Rows { count: 11, shape: &[2, 3], per_chunk: 4 }).unwrap();
    writer.rows::<f64>("no rows", &Rows { count: 0, shape: &[5], per_chunk: 2 }).unwrap();
    writer.rows::<u8>("plain rows", &Rows { count: 3, shape: &[], per_chunk: 2 }).unwrap();
    for (first, last) in [(0, 1), (1, 9), (9, 9), (9, 11)] {
        writer.append("rows", &rows()[6 * first..6 * last]).unwrap();
    }
    writer.append("plain rows", &[1u8, 2, 3]).unwrap();
    writer.finish().unwrap();
}

fn rows() -> Vec<f32> {
    (0..66).map(|i| f32::from_bits((i as u32).wrapping_mul(0x9e37_79b9) & 0x7f7f_ffff)).collect()
}

/// Reads everything there is.
fn read_all(path: &Path) -> Result<(), Error> {
    let reader = Reader::open(path)?;
    for (name, _) in attributes() {
        reader.attribute(name)?;
    }
    for name in ["texts", "only empty texts", "no texts"] {
        reader.texts(name)?;
    }
    reader.numbers::<f64>("f64")?;
    reader.numbers::<u8>("u8")?;
    reader.numbers::<i64>("i64")?;
    reader.numbers::<u32>("u32")?;
    reader.rows::<f32>("rows", 0..11)?;
    reader.rows::<f64>("no rows", 0..0)?;
    reader.numbers::<u8>("plain rows")?;
    Ok(())
}

#[test]
fn everything_comes_back_bit_for_bit() {
    let (folder, path) = folder();
    write(&path);
    let reader = Reader::open(&path).unwrap();
    for (name, written) in attributes() {
        match (reader.attribute(name).unwrap(), written) {
            (Attribute::F64(found), Attribute::F64(wanted)) => assert_eq!(found.to_bits(), wanted.to_bits(), "{name}"),
            (found, wanted) => assert_eq!(found, wanted, "{name}"),
        }
    }
    assert_eq!(reader.texts("texts").unwrap(), TEXTS);
    assert_eq!(reader.texts("only empty texts").unwrap(), ["", ""]);
    let values = reader.numbers::<f64>("f64").unwrap();
    assert!(values[0] == 0.7013 && values[1].is_nan() && values[2].to_bits() == (-0.0f64).to_bits());
    assert_eq!(reader.rows::<u8>("u8", 1..2).unwrap(), [4, 5, 255]);
    assert_eq!(reader.numbers::<i64>("i64").unwrap(), [i64::MIN, -1]);
    assert_eq!(reader.numbers::<u64>("u64").unwrap(), [u64::MAX]);
    assert_eq!(reader.numbers::<u32>("u32").unwrap(), [7, u32::MAX]);
    let layout = reader.layout("rows").unwrap();
    assert_eq!((layout.element, layout.shape, layout.chunk), (Element::F32, vec![11, 2, 3], Some(vec![4, 2, 3])));
    assert!(layout.compressed);
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&reader.numbers("rows").unwrap()), bits(&rows()));
    assert_eq!(bits(&reader.rows("rows", 3..10).unwrap()), bits(&rows()[18..60]));
    assert_eq!(reader.numbers::<u8>("plain rows").unwrap(), [1, 2, 3]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the file");
}

#[test]
fn data_sets_without_elements_keep_their_shape_and_type() {
    let (_folder, path) = folder();
    write(&path);
    let reader = Reader::open(&path).unwrap();
    let shape = |name: &str| reader.layout(name).unwrap().shape;
    assert_eq!((shape("no numbers"), shape("no columns"), shape("no rows")), (vec![0], vec![4, 0], vec![0, 5]));
    assert!(reader.numbers::<u8>("no numbers").unwrap().is_empty() && reader.rows::<f64>("no rows", 0..0).unwrap().is_empty());
    assert!(reader.texts("no texts").unwrap().is_empty());
    let texts = reader.layout("no texts").unwrap();
    // In chunks: a column of no texts in one piece is what netCDF4 and PyTables call corrupt.
    #[cfg(not(feature = "libhdf5"))]
    assert!(texts.chunk.is_some());
    assert_eq!((texts.element, texts.shape), (Element::Text, vec![0]));
}

#[test]
fn a_file_appears_whole_or_not_at_all() {
    let (folder, path) = folder();
    write(&path);
    let before = fs::read(&path).unwrap();
    // Dropped half-way, as by an error.
    let mut writer = Writer::create(&path).unwrap();
    writer.numbers("u8", &[1], &[1u8]).unwrap();
    assert!(path.with_extension("h5.partial").exists());
    drop(writer);
    // Finished with rows missing.
    let mut writer = Writer::create(&path).unwrap();
    writer.rows::<f32>("rows", &Rows { count: 2, shape: &[3], per_chunk: 1 }).unwrap();
    writer.append("rows", &[1f32; 3]).unwrap();
    assert!(matches!(writer.finish(), Err(Error::Input { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    // A torn leftover of a killed run is replaced.
    fs::write(path.with_extension("h5.partial"), &before[..before.len() / 2]).unwrap();
    write(&path);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    read_all(&path).unwrap();
}

#[test]
fn what_cannot_be_written_is_refused() {
    let (_folder, path) = folder();
    let mut writer = Writer::create(&path).unwrap();
    writer.numbers("taken", &[1], &[1u8]).unwrap();
    writer.rows::<f32>("rows", &Rows { count: 2, shape: &[3], per_chunk: 1 }).unwrap();
    writer.attribute("once", Attribute::U8(1)).unwrap();
    let refused = [
        writer.attribute("once", Attribute::U8(1)),
        writer.attribute("nul", "a\0b"),
        writer.texts("nul", &["a\0b"]),
        writer.texts("taken", &["a"]),
        writer.texts("a/b", &["a"]),
        writer.texts("", &["a"]),
        writer.numbers("short", &[2, 2], &[1u8; 3]),
        writer.numbers("huge", &[usize::MAX, 2], &[1u8; 3]),
        writer.numbers("scalar", &[], &[1u8]),
        writer.rows::<f32>("no side", &Rows { count: 2, shape: &[0], per_chunk: 1 }),
        writer.rows::<f32>("no chunk", &Rows { count: 2, shape: &[1], per_chunk: 0 }),
        writer.append("rows", &[1f32; 4]),
        writer.append("rows", &[1f32; 9]),
        writer.append("rows", &[1f64; 3]),
        writer.append("taken", &[1u8]),
        writer.append("unknown", &[1u8]),
    ];
    for (i, refused) in refused.iter().enumerate() {
        assert!(matches!(refused, Err(Error::Input { .. })), "{i}: {refused:?}");
    }
    for name in ["2", "3", "4", "5", "6", "7", "8"] {
        writer.attribute(name, Attribute::U8(1)).unwrap();
    }
    assert!(matches!(writer.attribute("9", Attribute::U8(1)), Err(Error::Input { .. })), "a ninth attribute");
    assert!(matches!(Writer::create(&path.join("no folder")), Err(Error::File(_))));
}

#[test]
fn what_is_not_there_or_of_another_type_is_refused() {
    let (_folder, path) = folder();
    assert!(matches!(Reader::open(&path), Err(Error::File(_))));
    write(&path);
    let reader = Reader::open(&path).unwrap();
    assert!(matches!(reader.attribute("x"), Err(Error::Missing { .. })));
    assert!(matches!(reader.numbers::<u8>("x"), Err(Error::Missing { .. })));
    assert!(matches!(reader.numbers::<f32>("f64"), Err(Error::Type { .. })));
    assert!(matches!(reader.numbers::<u64>("i64"), Err(Error::Type { .. })));
    assert!(matches!(reader.numbers::<u64>("f64"), Err(Error::Type { .. })));
    assert!(matches!(reader.texts("u8"), Err(Error::Type { .. })));
    assert!(matches!(reader.numbers::<u8>("texts"), Err(Error::Type { .. })));
    for (start, end) in [(0, 12), (12, 12), (usize::MAX - 1, usize::MAX)] {
        assert!(matches!(reader.rows::<f32>("rows", start..end), Err(Error::Rows { rows: 11, .. })));
    }
}

#[test]
fn torn_files_and_other_files_are_refused() {
    let (_folder, path) = folder();
    write(&path);
    let whole = fs::read(&path).unwrap();
    for length in [0, 1, 8, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(read_all(&path).is_err(), "the first {length} bytes");
    }
    fs::write(&path, b"no HDF5 file at all").unwrap();
    assert!(matches!(Reader::open(&path), Err(Error::NotHdf5 { .. })));
}

/// No byte that is wrong ends the program or holds it up. (The C library is not asked: some let it run for minutes.)
#[cfg(not(feature = "libhdf5"))]
#[test]
fn a_wrong_byte_is_an_error_or_another_value() {
    let (_folder, path) = folder();
    write(&path);
    let whole = fs::read(&path).unwrap();
    let wrong = path.with_file_name("wrong.h5");
    let mut errors = 0;
    for index in (0..whole.len()).step_by(17) {
        let mut bytes = whole.clone();
        bytes[index] ^= 1 << (index % 8);
        fs::write(&wrong, &bytes).unwrap();
        errors += usize::from(read_all(&wrong).is_err());
    }
    assert!(errors > 20, "{errors} of {}", whole.len() / 17);
}

#[test]
fn a_wrong_byte_in_deflated_rows_is_found_by_their_checksum() {
    let (_folder, path) = folder();
    let wrong = path.with_file_name("wrong.h5");
    let mut writer = Writer::create(&path).unwrap();
    writer.rows::<f32>("rows", &Rows { count: 64, shape: &[64], per_chunk: 64 }).unwrap();
    let values: Vec<f32> = (0..4096u32).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 9) as f32).collect();
    writer.append("rows", &values).unwrap();
    writer.finish().unwrap();
    let whole = fs::read(&path).unwrap();
    // The chunk is far longer than everything else.
    let middle = whole.len() / 2;
    for index in middle..middle + 16 {
        let mut bytes = whole.clone();
        bytes[index] ^= 0x10;
        fs::write(&wrong, &bytes).unwrap();
        let found = Reader::open(&wrong).unwrap().numbers::<f32>("rows");
        assert!(matches!(found, Err(Error::Damaged { .. })), "byte {index}");
    }
}

/// Chunks that are not there take memory in the library's index: 8 MB of texts that a short file announces took 0.4 GB and two seconds.
#[test]
#[cfg(not(feature = "libhdf5"))]
fn more_chunks_than_a_file_can_have_are_refused() {
    let (_folder, path) = folder();
    let mut bytes = include_bytes!("golden/latents-empty.h5").to_vec();
    fs::write(&path, &bytes).unwrap();
    assert_eq!(Reader::open(&path).unwrap().texts("label_names").unwrap(), Vec::<String>::new());
    // The third byte of the number of its texts.
    bytes[1354] = 122;
    fs::write(&path, &bytes).unwrap();
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.layout("label_names").unwrap().shape, [122 << 16]);
    let refused = reader.texts("label_names").unwrap_err();
    assert!(matches!(refused, Error::Damaged { .. }) && refused.to_string().contains("65536 can be in this file"), "{refused}");
}
