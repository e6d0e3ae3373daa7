//! Data sets: what the tables and archives say is what comes out, and anything else is refused by its place.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

mod support;

use std::fs;
use support::{folder, npy, npz, refused, spec};
use veilray_imaging::ingest::{Picture, SIDE};
use veilray_sweep::data::{Dataset, Error, Kind, Spec, Split, UNKNOWN};

const KERMANY: &str = "file,split,patient_id,label3,pneumonia,original_split
images/a.png,train,g1,bacterial,1,train
images/b.png,val,g2,normal,0,train
images/c.png,test,g3,viral,1,test
images/d.png,test,g3,,,test
";

fn known(name: &str) -> Spec {
    Spec::known().unwrap().into_iter().find(|spec| spec.name == name).unwrap()
}

#[test]
fn class_names_become_one_label_each_and_derived_ones() {
    let folder = folder(KERMANY);
    let set = Dataset::open(folder.path(), &known("kermany_pneumonia")).unwrap();
    assert_eq!(set.label_names, ["pneumonia", "normal", "bacterial", "viral"]);
    assert_eq!(set.extra_names, ["label3", "pneumonia", "original_split"]);
    let labels: Vec<&[u8]> = set.items.iter().map(|item| &item.labels[..]).collect();
    assert_eq!(labels, [[1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 1], [UNKNOWN; 4]]);
    let first = &set.items[0];
    assert_eq!((&*first.file, first.split, &*first.patient_id), ("images/a.png", Split::Train, "g1"));
    assert_eq!(first.extra, ["bacterial", "1", "train"]);
    assert_eq!(first.place, "kermany_pneumonia/labels.csv line 2");
    assert_eq!(set.split(Split::Test).map(|(index, _)| index).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn columns_of_0_and_1_are_labels_and_the_rest_texts() {
    let set = spec("name = 'x'\nlabels = [{ name = 'b' }, { name = 'A', column = 'a' }]");
    let folder = folder("a,view,split,b,file,patient_id\n1,PA,val,0,images/1.png,p\n, AP ,val,1,images/2.png,p\n");
    let set = Dataset::open(folder.path(), &set).unwrap();
    assert_eq!((&set.label_names[..], &set.extra_names[..]), (&["b".into(), "A".into()][..], &["view".into()][..]));
    assert_eq!(set.items[0].labels, [0, 1]);
    assert_eq!(set.items[1].labels, [1, UNKNOWN]);
    assert_eq!(set.items[1].extra, ["AP"]);
}

#[test]
fn images_are_read_to_canonical_form() {
    let folder = folder(KERMANY);
    let set = Dataset::open(folder.path(), &known("kermany_pneumonia")).unwrap();
    let loaded = set.image(2).unwrap();
    assert_eq!((loaded.image.values().len(), &loaded.warnings[..]), (SIDE * SIDE, &[][..]));
    assert_ne!(loaded.image, set.image(1).unwrap().image);
    assert!(matches!(set.image(4), Err(Error::NoSuchImage { index: 4, count: 4 })));
    fs::remove_file(folder.path().join("images/a.png")).unwrap();
    assert!(matches!(set.image(0), Err(Error::Ingest(_))));
}

#[test]
fn a_folder_is_known_by_its_columns_or_by_its_own_description() {
    let folder = folder(KERMANY);
    assert_eq!(Dataset::folder(folder.path()).unwrap().label_names[0], "pneumonia");
    fs::write(folder.path().join("dataset.toml"), "name = 'mine'\nlabels = [{ name = 'pneumonia' }]").unwrap();
    let own = Dataset::find(folder.path().to_str().unwrap(), None).unwrap();
    assert_eq!((&*own.name, own.label_names.len()), ("mine", 1));
    fs::write(folder.path().join("dataset.toml"), "name = 'nih'\nlike = 'nih_cxr14_256'").unwrap();
    assert!(matches!(Dataset::folder(folder.path()), Err(Error::Column { column, .. }) if column == "Atelectasis"));
    let other = support::folder("file,split,patient_id,wheeze\n");
    assert!(matches!(Dataset::folder(other.path()), Err(Error::NoSpec { .. })));
    let error = Dataset::find("no such set", None).unwrap_err();
    assert!(error.to_string().contains("nih14"), "{error}");
}

#[test]
fn a_table_that_cannot_be_read_is_refused_by_line_and_column_and_shows_no_cell() {
    let spec = known("kermany_pneumonia");
    let table = |line: &str| format!("file,split,patient_id,label3\nimages/a.png,train,Doe,normal\n{line}\n");
    let cell = |line: &str, wanted_column: &str| {
        let error = refused(&table(line), &spec);
        assert!(matches!(&error, Error::Cell { line: 3, column, .. } if column == wanted_column), "{error}");
        assert!(!error.to_string().contains("Roe"), "{error}");
    };
    cell("images/b.png,holdout,Roe,normal", "split");
    cell("images/b.png,train,Roe,bacteria", "label3");
    cell("/images/Roe.png,train,Roe,normal", "file");
    cell("../Roe.png,train,Roe,normal", "file");
    cell(",train,Roe,normal", "file");
    let error = refused(&table("images/b.png,train,Roe"), &spec);
    assert!(error.to_string().ends_with("line 3 has 3 cells, the header has 4"), "{error}");
    let error = refused(&table("images/a.png,train,Roe,normal"), &spec);
    assert!(
        matches!(&error, Error::Twice { place, before } if place.ends_with("line 3") && before.ends_with("line 2")),
        "{error}"
    );
    let error = refused(&table("images/b.png,test,Doe,normal"), &spec);
    assert!(matches!(&error, Error::Leak { .. }) && !error.to_string().contains("Doe"), "{error}");
    assert!(matches!(refused("file,split,label3\n", &spec), Error::Column { column, .. } if column == "patient_id"));
    assert!(matches!(Dataset::open("no such folder".as_ref(), &spec), Err(Error::Io { .. })));
}

#[test]
fn a_description_that_cannot_be_used_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dataset.toml");
    for text in [
        "labels = []",
        "name = 'x'\nlabel = []",
        "name = '../x'",
        "name = 'x'\nlabels = [{ name = 'a' }, { name = 'a' }]",
        "name = 'x'\nlabels = [{ name = '' }]",
        "name = 'x'\nlike = 'nothing'",
        "name = 'x'\nunion = ['nih_cxr14_256']\nlabels = [{ name = 'a' }]",
        "name = 'x'\nassume = 'view=SIDEWAYS'",
    ] {
        fs::write(&path, text).unwrap();
        assert!(Spec::read(&path).is_err(), "{text}");
    }
}

/// A table with NIH's columns: (file, split, patient, in_other).
fn nih(lines: &[(&str, &str, &str, u8)]) -> String {
    let labels = known("nih_cxr14_256").label_names();
    let mut table = format!("file,split,patient_id,view,{},in_other\n", labels.join(","));
    for (file, split, patient, in_other) in lines {
        table += &format!("images/{file}.png,{split},{patient},PA,{}{in_other}\n", "0,".repeat(labels.len()));
    }
    table
}

#[test]
fn the_nih_union_counts_a_radiograph_once_and_keeps_the_larger_one() {
    let root = tempfile::tempdir().unwrap();
    support::fill(&root.path().join("nih_cxr14_256"), &nih(&[("a", "train", "1", 1), ("b", "val", "2", 0)]));
    support::fill(
        &root.path().join("nih_cxr14_128"),
        &nih(&[("a", "train", "1", 1), ("c", "train", "1", 0), ("b", "test", "3", 0)]),
    );
    let set = Dataset::find("nih14", Some(root.path())).unwrap();
    let files: Vec<&str> = set.items.iter().map(|item| &*item.file).collect();
    let wanted =
        ["nih_cxr14_256/images/a.png", "nih_cxr14_256/images/b.png", "nih_cxr14_128/images/c.png", "nih_cxr14_128/images/b.png"];
    assert_eq!(files, wanted);
    assert_eq!((&*set.name, set.label_names.len(), &set.extra_names[..]), ("nih14", 14, &["view".into(), "in_other".into()][..]));
    assert_eq!(set.items[2].place, "nih_cxr14_128/labels.csv line 3");
    set.image(3).unwrap();
    // A patient who is in one split here and in another there.
    support::fill(&root.path().join("nih_cxr14_128"), &nih(&[("c", "test", "1", 0)]));
    assert!(matches!(Dataset::find("nih14", Some(root.path())), Err(Error::Leak { .. })));
    // Other columns.
    fs::write(root.path().join("nih_cxr14_128/labels.csv"), nih(&[]).replace("view,", "")).unwrap();
    assert!(matches!(Dataset::find("nih14", Some(root.path())), Err(Error::Union { .. })));
}

#[test]
fn an_archive_of_arrays_is_a_data_set() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pneumoniamnist.npz");
    let images =
        |n: usize, first: usize| npy(&[n, 28, 28], &(0..n * 784).map(|i| ((first + i) * 37 % 251) as u8).collect::<Vec<_>>());
    let arrays = |labels: Vec<u8>| {
        vec![
            ("train_images", images(2, 0)),
            ("train_labels", labels),
            ("val_images", images(1, 5)),
            ("val_labels", npy(&[1, 1], &[1])),
            ("test_images", images(1, 9)),
            ("test_labels", npy(&[1, 1], &[0])),
        ]
    };
    npz(&path, &arrays(npy(&[2, 1], &[0, 1])));
    let set = Dataset::open(folder.path(), &known("pneumoniamnist")).unwrap();
    assert_eq!(set.label_names, ["pneumonia"]);
    let items: Vec<_> = set.items.iter().map(|item| (&*item.file, item.split, item.labels[0])).collect();
    let wanted = [
        ("train/000000", Split::Train, 0),
        ("train/000001", Split::Train, 1),
        ("val/000000", Split::Val, 1),
        ("test/000000", Split::Test, 0),
    ];
    assert_eq!(items, wanted);
    assert!(matches!(&set.kind, Kind::Pixels(pixels) if (pixels.width, pixels.height) == (28, 28)));
    let levels: Vec<u8> = (0..784).map(|i| ((784 + i) * 37 % 251) as u8).collect();
    assert_eq!(set.levels(1), Some(&levels[..]));
    assert_eq!(set.levels(4), None);
    // Scaled up as the ingest of a file of these pixels would be.
    let picture = Picture::new(28, 28, levels.iter().map(|&level| f32::from(level) / 255.0).collect()).unwrap();
    assert_eq!(set.image(1).unwrap().image, veilray_imaging::ingest::Canonical::from_picture(&picture).unwrap().0);
    assert!(matches!(set.image(4), Err(Error::NoSuchImage { .. })));

    let cases = [
        (npy(&[2, 1], &[0, 7]), "row 1 must be 0, 1"),
        (npy(&[3, 1], &[0, 1, 1]), "3 rows"),
        (npy(&[2], &[0, 1]), "[n, labels] is wanted"),
        (npy(&[2, 1], &[0]), "needs 2 bytes, 1 came"),
        (npy(&[1 << 40, 1 << 40], &[0]), "above the limit"),
        (npy(&[1 << 31, 1], &[0]), "needs 2147483648 bytes, 1 came"),
        (b"\x93NUMPY\x01\x00\xff\xff{}".to_vec(), "failed to fill"),
        (b"PK".to_vec(), "failed to fill"),
        (b"not an array".to_vec(), "no NumPy array"),
    ];
    for (labels, why) in cases {
        npz(&path, &arrays(labels));
        let error = Dataset::open(folder.path(), &known("pneumoniamnist")).unwrap_err();
        assert!(matches!(&error, Error::Npz { array, .. } if array == "train_labels"), "{error}");
        assert!(error.to_string().contains(why), "{error}, wanted {why}");
    }
    fs::write(&path, b"no archive").unwrap();
    assert!(matches!(Dataset::open(folder.path(), &known("pneumoniamnist")), Err(Error::Npz { .. })));
}

#[test]
fn the_digest_changes_with_every_part_of_a_table() {
    let digest = |table: &str| Dataset::open(folder(table).path(), &known("kermany_pneumonia")).unwrap().digest();
    let first = digest(KERMANY);
    assert_eq!(first, digest(KERMANY));
    for (from, to) in [("g1", "g4"), ("bacterial", "viral"), (",val,", ",test,"), ("a.png", "z.png"), (",1,train", ",0,train")] {
        assert_ne!(first, digest(&KERMANY.replacen(from, to, 1)), "{from}");
    }
}

#[test]
fn the_real_data_are_what_their_origins_say() {
    let Some(root) = support::real_data() else { return };
    // Images by split, and those with the first label; from the ORIGIN.md of each set and, for the union, docs/src/data.md.
    let sets = [
        ("nih_cxr14_256", [958, 163, 243], 118 + 20 + 30),
        ("nih_cxr14_128", [5983, 999, 1502], 534 + 89 + 134),
        ("nih14", [6574, 1097, 1647], 0),
        ("kermany_pneumonia", [3510, 587, 878], 1667 + 894 + 278 + 150 + 417 + 224),
        ("tb_nlm_cxr", [477, 81, 121], 234 + 40 + 60),
        ("kidney_ct", [1433, 249, 393], 399 + 72 + 108),
        ("pneumoniamnist", [4708, 524, 624], 3494 + 389 + 390),
    ];
    for (name, counts, positives) in sets {
        let set = match Dataset::find(name, Some(&root)) {
            Ok(set) => set,
            Err(Error::Io { .. }) => {
                eprintln!("skipped: no {name}");
                continue;
            }
            Err(error) => panic!("{name}: {error}"),
        };
        assert_eq!(Split::ALL.map(|split| set.split(split).count()), counts, "{name}");
        let with_first = set.items.iter().filter(|item| item.labels[0] == 1).count();
        assert!(name == "nih14" || with_first == positives, "{name}: {with_first}");
        assert!(set.items.iter().all(|item| !item.labels.contains(&UNKNOWN)), "{name}");
        set.image(set.len() - 1).unwrap();
        let by_folder =
            if set.kind == Kind::Files && name != "nih14" { Dataset::folder(&root.join(name)).unwrap() } else { set.clone() };
        assert_eq!(by_folder.digest(), set.digest(), "{name}");
    }
}
