//! Files of latents: what is written comes back bit for bit, a killed run goes on, and nothing else is taken for such a file.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

#[path = "contents/file.rs"]
mod contents;

use contents::Contents;
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use veilray_latents::tables::{self, Attribute};
use veilray_latents::{Error, Info, Reader, Row, Split, UNKNOWN, Writer};

fn info() -> Info {
    Info {
        encoder: "encoder-f8".into(),
        encoder_digest: "5f".repeat(32),
        dataset: "phantoms".into(),
        dataset_digest: "0a".repeat(32),
        shape: [3, 4, 5],
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

/// Values of row `i`, told apart by their bits: every exponent, both zeros, subnormal numbers.
fn latent(i: usize, values: usize) -> Vec<f32> {
    let bits = |j: usize| ((i * values + j) as u32).wrapping_mul(0x9e37_79b9);
    (0..values).map(|j| Some(f32::from_bits(bits(j))).filter(|value| value.is_finite()).unwrap_or(-0.0)).collect()
}

fn latents(rows: std::ops::Range<usize>) -> Vec<f32> {
    rows.flat_map(|i| latent(i, 60)).collect()
}

fn rows(range: std::ops::Range<usize>) -> Vec<Row> {
    range.map(row).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latents.h5");
    (folder, path)
}

/// A finished file of `count` rows.
fn written(path: &Path, count: usize) {
    let mut writer = Writer::open(path, &info()).unwrap();
    writer.append(&rows(0..count), &latents(0..count)).unwrap();
    assert_eq!(writer.finish().unwrap(), count);
}

fn assert_holds(path: &Path, count: usize) {
    let reader = Reader::open(path).unwrap();
    assert_eq!(reader.info(), &info());
    assert_eq!(reader.rows(), rows(0..count));
    assert_eq!(bits(&reader.read(0..count).unwrap()), bits(&latents(0..count)));
}

#[test]
fn rows_and_latents_come_back_bit_for_bit() {
    let (_folder, path) = folder();
    written(&path, 150);
    assert_holds(&path, 150);
    assert!(!path.with_file_name("latents.h5.parts").exists());
}

#[test]
fn latents_are_read_by_range_by_index_and_by_split() {
    let (_folder, path) = folder();
    written(&path, 30);
    let reader = Reader::open(&path).unwrap();
    assert_eq!(bits(&reader.read(7..11).unwrap()), bits(&latents(7..11)));
    assert!(reader.read(30..30).unwrap().is_empty());
    let indices = [29, 3, 4, 5, 5, 0];
    let wanted: Vec<f32> = indices.iter().flat_map(|&i| latent(i, 60)).collect();
    assert_eq!(bits(&reader.read_rows(&indices).unwrap()), bits(&wanted));
    let val: Vec<usize> = (0..30).filter(|i| i % 3 == 1).collect();
    assert_eq!(reader.split(Split::Val), val);
    let (known, values) = reader.read_split(Split::Val).unwrap();
    assert_eq!(known, val.iter().map(|&i| &reader.rows()[i]).collect::<Vec<_>>());
    assert_eq!(bits(&values), bits(&reader.read_rows(&val).unwrap()));
    for refused in [reader.read(29..31), reader.read_rows(&[30]), reader.read_rows(&[usize::MAX])] {
        assert!(matches!(refused, Err(Error::NoSuchRow { rows: 30, .. })), "{refused:?}");
    }
}

#[test]
fn a_file_without_rows_labels_and_columns_is_a_file() {
    let (_folder, path) = folder();
    let bare = Info { label_names: vec![], extra_names: vec![], ..info() };
    Writer::open(&path, &bare).unwrap().finish().unwrap();
    let reader = Reader::open(&path).unwrap();
    assert!(reader.is_empty() && reader.info() == &bare);
    let mut writer = Writer::open(&path, &bare).unwrap();
    writer.append(&[Row { file: "a".into(), ..Row::default() }], &latent(1, 60)).unwrap();
    writer.finish().unwrap();
    assert_eq!(bits(&Reader::open(&path).unwrap().read(0..1).unwrap()), bits(&latent(1, 60)));
}

#[test]
fn a_killed_run_keeps_what_was_flushed_and_nothing_else() {
    let (_folder, path) = folder();
    let mut writer = Writer::open(&path, &info()).unwrap();
    for first in [0, 10, 20] {
        writer.append(&rows(first..first + 10), &latents(first..first + 10)).unwrap();
        if first < 20 {
            writer.flush().unwrap();
        }
    }
    assert_eq!((writer.len(), writer.pending()), (20, 10));
    drop(writer);
    assert!(!path.exists());
    // Killed in the middle of a flush: a torn file under its temporary name.
    let parts = path.with_file_name("latents.h5.parts");
    let whole = fs::read(parts.join("0000000010.h5")).unwrap();
    fs::write(parts.join("0000000020.h5.partial"), &whole[..whole.len() / 2]).unwrap();
    let mut writer = Writer::open(&path, &info()).unwrap();
    assert_eq!(writer.rows(), rows(0..20));
    assert!(writer.contains(&row(19).file, true) && !writer.contains(&row(20).file, false));
    writer.append(&rows(20..35), &latents(20..35)).unwrap();
    assert_eq!(writer.finish().unwrap(), 35);
    assert_holds(&path, 35);
}

#[test]
fn a_run_killed_before_it_tidied_up_does_not_count_rows_twice() {
    let (_folder, path) = folder();
    let parts = path.with_file_name("latents.h5.parts");
    let mut writer = Writer::open(&path, &info()).unwrap();
    writer.append(&rows(0..12), &latents(0..12)).unwrap();
    writer.flush().unwrap();
    let part = fs::read(parts.join("0000000000.h5")).unwrap();
    writer.finish().unwrap();
    fs::create_dir(&parts).unwrap();
    fs::write(parts.join("0000000000.h5"), part).unwrap();
    assert_eq!(Writer::open(&path, &info()).unwrap().finish().unwrap(), 12);
    assert_holds(&path, 12);
}

#[test]
fn a_finished_file_takes_further_rows() {
    let (_folder, path) = folder();
    written(&path, 70);
    let mut writer = Writer::open(&path, &info()).unwrap();
    assert_eq!(writer.len(), 70);
    writer.append(&rows(70..75), &latents(70..75)).unwrap();
    writer.finish().unwrap();
    assert_holds(&path, 75);
}

#[test]
fn a_run_with_other_settings_is_refused_and_says_what_differs() {
    let (_folder, path) = folder();
    written(&path, 3);
    let cases = [
        (Info { encoder: "encoder-f4".into(), ..info() }, "the encoder"),
        (Info { encoder_digest: "aa".repeat(32), ..info() }, "the encoder's digest"),
        (Info { dataset: "nih14".into(), ..info() }, "the data set"),
        (Info { dataset_digest: "bb".repeat(32), ..info() }, "the data set's digest"),
        (Info { shape: [3, 5, 4], ..info() }, "the latent's shape"),
        (Info { label_names: vec!["Effusion".into()], ..info() }, "the labels"),
        (Info { extra_names: vec![], ..info() }, "the further columns"),
        (Info { flips: false, ..info() }, "flips"),
        (Info { variant: "1:flip".into(), ..info() }, "the images' variant"),
    ];
    for (other, difference) in cases {
        let error = Writer::open(&path, &other).unwrap_err();
        assert!(matches!(error, Error::OtherRun { what, .. } if what == difference), "{error}");
        assert!(!path.with_file_name("latents.h5.parts").exists());
    }
    assert_holds(&path, 3);
}

#[test]
fn what_images_went_through_is_kept_and_older_readers_refuse_it() {
    let (_folder, path) = folder();
    written(&path, 2);
    let version = |path: &Path| tables::Reader::open(path).unwrap().attribute("format_version").unwrap();
    assert_eq!((version(&path), Reader::open(&path).unwrap().info().variant.as_str()), (Attribute::U32(3), ""));
    let changed = path.with_file_name("changed.h5");
    let info = Info { variant: "3:flip,shift=0.06".into(), ..info() };
    let mut writer = Writer::open(&changed, &info).unwrap();
    writer.append(&rows(0..2), &latents(0..2)).unwrap();
    writer.finish().unwrap();
    assert_eq!((version(&changed), Reader::open(&changed).unwrap().info()), (Attribute::U32(3), &info));
    let refused = Writer::open(&changed, &Info { variant: String::new(), ..info }).unwrap_err().to_string();
    assert!(refused.contains("variant was 3:flip,shift=0.06, is now none"), "{refused}");
}

#[test]
fn two_writers_do_not_meet() {
    let (_folder, path) = folder();
    let first = Writer::open(&path, &info()).unwrap();
    assert!(matches!(Writer::open(&path, &info()), Err(Error::Busy { .. })));
    drop(first);
    Writer::open(&path, &info()).unwrap();
}

#[test]
fn rows_that_do_not_fit_are_refused_and_leave_nothing_behind() {
    let (_folder, path) = folder();
    let mut writer = Writer::open(&path, &info()).unwrap();
    writer.append(&rows(0..2), &latents(0..2)).unwrap();
    let mut not_finite = latents(4..5);
    not_finite[59] = f32::NAN;
    let cases = [
        (vec![row(4)], latents(4..6), "latents"),
        (vec![row(4)], not_finite, "latents"),
        (vec![Row { labels: vec![1], ..row(4) }], latents(4..5), "columns"),
        (vec![Row { extra: vec![], ..row(4) }], latents(4..5), "columns"),
        (vec![Row { labels: vec![1, 2], ..row(4) }], latents(4..5), "labels"),
        (vec![Row { file: "a\0b".into(), ..row(4) }], latents(4..5), "texts"),
        (vec![row(1)], latents(4..5), "files"),
        (vec![row(4), row(4)], latents(4..6), "files"),
    ];
    for (rows, values, wrong) in cases {
        let error = writer.append(&rows, &values).unwrap_err();
        assert!(matches!(error, Error::Row { what, .. } if what == wrong), "{error}");
    }
    writer.append(&rows(2..5), &latents(2..5)).unwrap();
    writer.finish().unwrap();
    assert_holds(&path, 5);
    let without = path.with_file_name("without.h5");
    let mut writer = Writer::open(&without, &Info { flips: false, ..info() }).unwrap();
    assert!(matches!(writer.append(&[row(1)], &latents(1..2)), Err(Error::Row { what: "flipped", .. })));
}

#[test]
fn settings_that_no_file_can_hold_are_refused() {
    let (_folder, path) = folder();
    let cases = [
        (Info { encoder_digest: "5F".repeat(32), ..info() }, "encoder_digest"),
        (Info { dataset_digest: "0a".repeat(31), ..info() }, "dataset_digest"),
        (Info { shape: [0, 4, 5], ..info() }, "shape"),
        (Info { shape: [usize::MAX, 2, 1], ..info() }, "shape"),
        (Info { label_names: vec!["a".into(), "a".into()], ..info() }, "label_names"),
        (Info { extra_names: vec![String::new()], ..info() }, "extra_names"),
        (Info { dataset: "a\0".into(), ..info() }, "a name"),
    ];
    for (bad, field) in cases {
        let error = Writer::open(&path, &bad).unwrap_err();
        assert!(matches!(error, Error::Info { what, .. } if what == field), "{error}");
    }
}

#[test]
fn other_files_are_refused() {
    let (folder, path) = folder();
    assert!(matches!(Reader::open(&path), Err(Error::Io { .. })));
    written(&path, 20);
    let whole = fs::read(&path).unwrap();
    let other = folder.path().join("other.h5");
    for bytes in [&b""[..], &b"no HDF5 file at all"[..], &whole[..whole.len() / 2], &whole[..100]] {
        fs::write(&other, bytes).unwrap();
        let error = Reader::open(&other).unwrap_err();
        assert!(matches!(error, Error::NotLatents { .. }), "{error}");
        assert!(matches!(Writer::open(&other, &info()), Err(Error::NotLatents { .. })));
        assert_eq!(fs::read(&other).unwrap(), bytes, "a file that is not ours was changed");
    }
    // HDF5, but something else.
    type Spoil = fn(&mut Contents);
    let spoils: [(&str, Spoil); 9] = [
        ("format", |contents| contents.attribute("format", Some("pictures".into()))),
        ("version", |contents| contents.attribute("format_version", Some("1".into()))),
        ("digest", |contents| contents.attribute("encoder_digest", None)),
        ("labels", |contents| contents.bytes.retain(|(name, ..)| name != "labels")),
        ("latents", |contents| contents.latents = None),
        ("label", |contents| contents.bytes.iter_mut().filter(|set| set.0 == "labels").for_each(|set| set.2 = vec![7; 40])),
        ("rows", |contents| contents.latents = Some(latents(0..19))),
        ("column", |contents| contents.texts.retain(|(name, _)| name != "extra_1")),
        ("split", |contents| {
            contents.texts.iter_mut().filter(|set| set.0 == "split").for_each(|set| set.1 = vec!["x".into(); 20])
        }),
    ];
    Contents::of(&path).write(&other);
    assert_holds(&other, 20);
    for (what, spoil) in spoils {
        let mut contents = Contents::of(&path);
        spoil(&mut contents);
        contents.write(&other);
        let error = Reader::open(&other).unwrap_err();
        assert!(matches!(error, Error::NotLatents { .. }), "{what}: {error}");
    }
    let mut contents = Contents::of(&path);
    contents.attribute("format_version", Some(Attribute::U32(4)));
    contents.write(&other);
    assert!(matches!(Reader::open(&other), Err(Error::Version { found: 4, wanted: 3, .. })));
}

#[test]
fn latents_are_compressed_in_chunks_of_whole_rows() {
    let (_folder, path) = folder();
    let info = Info { shape: [4, 32, 32], ..info() };
    let mut writer = Writer::open(&path, &info).unwrap();
    writer.append(&rows(0..64), &vec![0.25; 64 * 4096]).unwrap();
    writer.finish().unwrap();
    let latents = tables::Reader::open(&path).unwrap().layout("latents").unwrap();
    assert_eq!((latents.chunk, latents.compressed), (Some(vec![1, 4, 32, 32]), true));
    assert!(fs::metadata(&path).unwrap().len() < 64 * 4096 * 4 / 10);
}

#[test]
fn a_split_has_three_names() {
    for split in Split::ALL {
        assert_eq!(split.to_string().parse::<Split>().unwrap(), split);
    }
    assert!(matches!("Train".parse::<Split>(), Err(Error::Split { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// However the rows are cut into appends, flushes and runs, the file is the same.
    #[test]
    fn the_file_does_not_depend_on_how_it_was_written(steps in prop::collection::vec((1usize..20, 0u8..4), 1..8)) {
        let (_folder, path) = folder();
        let mut writer = Writer::open(&path, &info()).unwrap();
        let mut count = 0;
        for (more, then) in steps {
            writer.append(&rows(count..count + more), &latents(count..count + more)).unwrap();
            count += more;
            match then {
                0 => writer.flush().unwrap(),
                1 => {
                    writer.flush().unwrap();
                    drop(writer);
                    writer = Writer::open(&path, &info()).unwrap();
                }
                2 => {
                    writer.finish().unwrap();
                    writer = Writer::open(&path, &info()).unwrap();
                }
                _ => {}
            }
        }
        writer.finish().unwrap();
        assert_holds(&path, count);
    }
}
