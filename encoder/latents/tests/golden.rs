//! Files of the former writer, over the C library, are read: latents of layout versions 1 and 2, and a table of results.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

use std::path::PathBuf;
use veilray_latents::tables::{self, Element};
use veilray_latents::{Error, Info, Reader, Row, Split, UNKNOWN, Writer};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn info() -> Info {
    Info {
        encoder: "encoder-f8".into(),
        encoder_digest: "5f".repeat(32),
        dataset: "phantoms".into(),
        dataset_digest: "0a".repeat(32),
        shape: [2, 3, 4],
        label_names: vec!["Effusion".into(), "Ödem".into()],
        extra_names: vec!["view".into(), "age".into()],
        flips: true,
        variant: String::new(),
    }
}

fn row(i: usize) -> Row {
    Row {
        file: format!("images/{:04}.png", i / 2),
        split: Split::ALL[i % 3],
        patient_id: format!("patient {}", i / 7),
        labels: vec![(i % 2) as u8, if i.is_multiple_of(5) { UNKNOWN } else { 0 }],
        extra: vec![["PA", "AP", ""][i % 3].into(), format!("{} yéars", i % 90)],
        flipped: i % 2 == 1,
    }
}

/// The bits of the latents of rows 0 to `count`: every exponent, both zeros, subnormal numbers.
fn bits(count: usize) -> Vec<u32> {
    let value = |j: usize| f32::from_bits((j as u32).wrapping_mul(0x9e37_79b9));
    (0..24 * count).map(|j| Some(value(j)).filter(|value| value.is_finite()).unwrap_or(-0.0).to_bits()).collect()
}

fn read(reader: &Reader) -> Vec<u32> {
    reader.read(0..reader.len()).unwrap().into_iter().map(f32::to_bits).collect()
}

#[test]
fn version_1_is_read_and_joined_to_a_file_of_today() {
    let reader = Reader::open(&golden("latents-v1.h5")).unwrap();
    assert_eq!((reader.info(), read(&reader)), (&info(), bits(9)));
    assert_eq!(reader.rows(), (0..9).map(row).collect::<Vec<_>>());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latents.h5");
    std::fs::copy(golden("latents-v1.h5"), &path).unwrap();
    let mut writer = Writer::open(&path, &info()).unwrap();
    let latents: Vec<f32> = bits(10)[9 * 24..].iter().map(|&bits| f32::from_bits(bits)).collect();
    writer.append(&[row(9)], &latents).unwrap();
    assert_eq!(writer.finish().unwrap(), 10);
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.rows(), (0..10).map(row).collect::<Vec<_>>());
    assert_eq!((reader.info(), read(&reader)), (&info(), bits(10)));
}

#[test]
fn version_2_is_read_with_what_images_went_through() {
    let reader = Reader::open(&golden("latents-v2.h5")).unwrap();
    assert_eq!(reader.info(), &Info { variant: "3:flip,shift=0.06".into(), ..info() });
    assert_eq!((reader.rows(), read(&reader)), (&(0..4).map(row).collect::<Vec<_>>()[..], bits(4)));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latents.h5");
    std::fs::copy(golden("latents-v2.h5"), &path).unwrap();
    let refused = Writer::open(&path, &info()).unwrap_err();
    assert!(matches!(refused, Error::OtherRun { what: "the images' variant", .. }), "{refused}");
}

#[test]
fn files_without_rows_labels_or_columns_are_read() {
    let bare = Info { label_names: vec![], extra_names: vec![], flips: false, ..info() };
    let empty = Reader::open(&golden("latents-empty.h5")).unwrap();
    assert!(empty.is_empty() && empty.info() == &bare);
    let reader = Reader::open(&golden("latents-bare.h5")).unwrap();
    let files: Vec<&str> = reader.rows().iter().map(|row| row.file.as_str()).collect();
    assert_eq!((reader.info(), files, read(&reader)), (&bare, vec!["0.png", "1.png", "2.png"], bits(3)));
}

#[test]
fn a_table_of_results_is_read() {
    let ledger = tables::Reader::open(&golden("ledger.h5")).unwrap();
    assert_eq!(ledger.texts("reason").unwrap(), ["a", "", "zu tief, \"wirklich\" ö"]);
    let values = ledger.numbers::<f64>("auc_encrypted_value").unwrap();
    assert!(values[0] == 0.7013 && values[1].is_nan() && values[2] == -1.5e300);
    let empty = tables::Reader::open(&golden("ledger-empty.h5")).unwrap();
    let layout = empty.layout("reason").unwrap();
    assert_eq!((layout.element, layout.shape, empty.texts("reason").unwrap()), (Element::Text, vec![0], vec![]));
}
