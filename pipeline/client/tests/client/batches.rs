//! Folders, patterns and exports: every path that a command line means is accounted for.

use crate::common::{MASK_MODEL, MODEL, User, WEIGHTS, daemon, daemon_of, dicom};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use veilray_classifier::release::Model;
use veilray_imaging::phantom::Phantom;

/// A chest as DICOM.
fn film(seed: u64) -> Vec<u8> {
    let film = Phantom { seed, size: 256, ..Phantom::default() }.film().unwrap();
    dicom(film.pixels(), 256, "DOE^JANE")
}

/// The same under another SOP class of its file meta group.
fn object(class: &str) -> Vec<u8> {
    let (whole, film) = (film(1), b"1.2.840.10008.5.1.4.1.1.1.1\0");
    let class = if class.len() % 2 == 1 { format!("{class}\0") } else { class.into() };
    let at = whole.windows(film.len()).position(|window| window == film).unwrap();
    let length = (class.len() as u16).to_le_bytes();
    [&whole[..at - 2], &length, class.as_bytes(), &whole[at + film.len()..]].concat()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// An export as it comes on a medium, with what goes wrong on the way.
fn export(root: &Path) {
    for name in ["export/DICOM", "export/EMPTY", "other"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    for (name, bytes) in [
        ("DICOM/IM1", film(1)),
        ("DICOM/IM2.DCM.GZ", packed(&film(2))),
        ("DICOM/IM3", vec![]),
        ("DICOM/IM4", film(3)[..4000].to_vec()),
        ("DICOM/KO1", object("1.2.840.10008.5.1.4.1.1.88.59")),
        ("DICOM/PR1", object("1.2.840.10008.5.1.4.1.1.11.10")),
        ("DICOM/SR1", object("1.2.840.10008.5.1.4.1.1.88.11")),
        ("DICOMDIR", object("1.2.840.10008.1.3.10")),
        ("README.TXT", b"Films of Jane Doe\n".to_vec()),
        ("film.heic", b"\0\0\0\x18ftypheic\0\0\0\0".to_vec()),
        ("viewer.exe", b"MZ\x90\0\x03\0".to_vec()),
    ] {
        fs::write(root.join("export").join(name), bytes).unwrap();
    }
    symlink("../other", root.join("export/link")).unwrap();
    symlink("gone", root.join("export/link_dead")).unwrap();
}

/// Status of each path below `export/`, in order.
fn statuses(rows: &[serde_json::Value]) -> Vec<(&str, &str)> {
    rows.iter()
        .map(|row| (row["path"].as_str().unwrap().trim_start_matches("export/"), row["status"].as_str().unwrap()))
        .collect()
}

/// What becomes of the [`export`], where `done` is the word for an image that went through.
fn wanted(done: &str) -> [(&str, &str); 14] {
    [
        ("DICOM/IM1", done),
        ("DICOM/IM2.DCM.GZ", done),
        ("DICOM/IM3", "failed"),
        ("DICOM/IM4", "failed"),
        ("DICOM/KO1", "skipped"),
        ("DICOM/PR1", "skipped"),
        ("DICOM/SR1", "skipped"),
        ("DICOMDIR", "skipped"),
        ("EMPTY", "skipped"),
        ("README.TXT", "skipped"),
        ("film.heic", "failed"),
        ("link", "failed"),
        ("link_dead", "failed"),
        ("viewer.exe", "skipped"),
    ]
}

const COUNTS: &str = "7 skipped (DICOMDIR: 1, Key Object Selection: 1, Presentation State: 1, Structured Report: 1, \
                      empty folder: 1, not an image: 2), 4 not read (empty file: 1, link to a folder: 1, link to nothing: 1, \
                      unknown format: 1)";

#[test]
fn a_folder_run_gives_every_path_a_row_in_every_form_and_in_the_results_file() {
    let data = tempfile::tempdir().unwrap();
    let server = daemon(&data.path().join("data"));
    let (url, user) = (server.url(), User::new());
    let run = |arguments: &[&str]| user.run(&[arguments, &["--server", &url]].concat());
    export(&user.path(""));
    run(&["keygen", "--model", MODEL]).ends(0);
    run(&["keys", "register"]).ends(0);

    let ran =
        run(&["classify", "export", "--json", "--out", "r.jsonl"]).ends(3).says(&["2 answered, 0 refused, 1 failed", COUNTS]);
    assert!(!ran.err.contains("IM3") && !ran.err.contains("Jane"), "{}", ran.err);
    let rows = ran.json();
    assert_eq!(statuses(&rows), wanted("answered"));
    for row in &rows {
        let (status, reason) = (row["status"].as_str().unwrap(), row["reason"].as_str().unwrap());
        assert_eq!(reason.is_empty(), status == "answered", "{row}");
    }
    let reason = |path: &str| {
        let row = rows.iter().find(|row| row["path"].as_str() == Some(&format!("export/{path}"))).unwrap();
        row["reason"].as_str().unwrap()
    };
    for (path, words) in [
        ("DICOM/SR1", "Structured Report"),
        ("DICOM/PR1", "Presentation State"),
        ("DICOM/KO1", "Key Object Selection"),
        ("DICOMDIR", "name the medium's folder"),
        ("DICOM/IM3", "empty"),
        ("film.heic", "HEIC is not read"),
        ("link", "not followed"),
        ("link_dead", "link to nothing"),
    ] {
        assert!(reason(path).contains(words), "{path}: {}", reason(path));
    }
    // The digest of what gzip compresses, so that it is the same image with and without.
    fs::write(user.path("unpacked.dcm"), film(2)).unwrap();
    let plain = run(&["classify", "unpacked.dcm", "--json"]).ends(0).json().remove(0);
    assert_eq!(plain["sha256"], rows[1]["sha256"]);

    // What is answered stays; the others are looked at again, each with one line.
    let again = run(&["classify", "export", "--json", "--out", "r.jsonl"]).ends(3).says(&["0 answered,", "2 answered before"]);
    assert_eq!(statuses(&again.json()), wanted("answered")[2..]);
    let kept = fs::read_to_string(user.path("r.jsonl")).unwrap();
    assert_eq!(kept.lines().count(), 14);
    assert_eq!(kept.matches("\"skipped\"").count(), 7);
    // Of a medium on which nothing went wrong, reports and texts are no failures.
    for name in ["DICOM/IM3", "DICOM/IM4", "film.heic", "link", "link_dead"] {
        fs::remove_file(user.path("export").join(name)).unwrap();
    }
    run(&["classify", "export", "--out", "r.jsonl"]).ends(0).says(&["2 answered before, 7 skipped"]);
    let csv = run(&["classify", "EXPORT*", "--csv"]).ends(0).out;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let found: Vec<(&str, &str)> = rows.iter().map(|row| (row[0].trim_start_matches("export/"), &row[4])).collect();
    assert_eq!(found, wanted("answered").into_iter().filter(|(_, status)| *status != "failed").collect::<Vec<_>>());
    let table = run(&["classify", "export"]).ends(0).out;
    let said = "export/DICOM/SR1\n  skipped: a DICOM object without an image: Structured Report\n";
    assert!(table.contains(said) && table.contains("export/README.TXT\n  skipped: not an image: text\n"), "{table}");
    server.stop().unwrap();
}

#[test]
fn encrypt_accounts_for_every_path_too_and_replaces_no_input() {
    let user = User::new();
    export(&user.path(""));
    user.run(&["keygen", "--model", MODEL]).ends(0);
    let ran = user.run(&["encrypt", "export", "--out", "out.vct", "--json"]).ends(3);
    let ran = ran.says(&["2 encrypted, 0 refused, 1 failed", COUNTS]);
    let lines = ran.json();
    assert_eq!(statuses(&lines), wanted("encrypted"));
    assert_eq!(lines.iter().map(|line| line["number"].as_u64()).collect::<Vec<_>>()[..3], [Some(1), Some(2), None]);
    assert_eq!(user.run(&["inspect", "out.vct", "--json"]).ends(0).json()[0]["images"].as_u64(), Some(2));
    let text = user.run(&["encrypt", "export", "--out", "out.vct", "--quiet"]).ends(3);
    assert!(
        text.out.contains("skipped  export/DICOM/SR1: a DICOM object") && text.out.contains("left out  export/link: "),
        "{}",
        text.out
    );
    assert_eq!(text.err, "");
    // One image among what is skipped is one image.
    let names = ["export/DICOM/IM1", "export/DICOM/SR1", "export/READ*"];
    user.run(&[&["encrypt"], &names[..], &["--raw", "--out", "one.ct"]].concat()).ends(0);
    user.run(&[&["encrypt"], &names[1..], &["--out", "none.vct"]].concat())
        .ends(2)
        .says(&["no image was encrypted", "2 skipped"]);
    assert!(!user.path("none.vct").exists());
    // One file under two names is one image.
    fs::copy(user.path("export/DICOM/IM1"), user.path("a.dcm")).unwrap();
    symlink("a.dcm", user.path("b.dcm")).unwrap();
    let twice = user.run(&["encrypt", "a.dcm", "./a.dcm", "*.dcm", "--out", "out.vct", "--json"]).ends(0).json();
    let said: Vec<(&str, &str)> = statuses(&twice);
    assert_eq!(said, [("a.dcm", "encrypted"), ("./a.dcm", "skipped"), ("b.dcm", "skipped")]);
    assert!(twice[1]["reason"].as_str().unwrap().contains("the same file as a.dcm"));

    let before = fs::read(user.path("a.dcm")).unwrap();
    for out in ["a.dcm", "./a.dcm"] {
        user.run(&["encrypt", "a.dcm", "--out", out]).ends(2).says(&["--out", "a.dcm: that file is an input"]);
    }
    assert_eq!(fs::read(user.path("a.dcm")).unwrap(), before);
    for (out, why) in [("none/x", "there is no such folder to put it in"), ("export", "it is a folder")] {
        let wanted = format!("cannot write {out}");
        let file = |end: &str| if out == "export" { out.to_string() } else { format!("{out}{end}") };
        user.run(&["encrypt", "a.dcm", "--out", &file(".vct")]).ends(1).says(&[&wanted, why]);
        user.run(&["segment", "a.dcm", "--out", &file(".png")]).ends(1).says(&[&wanted, why]);
    }
    let nowhere = ["classify", "a.dcm", "--out", "none/r.csv", "--server", "http://127.0.0.1:9", "--retry-for", "0"];
    user.run(&nowhere).ends(1).says(&["cannot write none/r.csv: there is no such folder to put it in"]);
    user.run(&["segment", "a.dcm", "--out", "o.png", "--mask", "o.png"]).ends(2).says(&["--mask o.png: another output"]);
}

#[test]
fn what_others_may_not_see_is_a_failure_and_not_silence() {
    let user = User::new();
    user.run(&["keygen", "--model", MODEL]).ends(0);
    fs::create_dir_all(user.path("scans/locked")).unwrap();
    for name in ["a.dcm", "b.dcm", "locked/c.dcm"] {
        fs::write(user.path("scans").join(name), film(1)).unwrap();
    }
    for name in ["b.dcm", "locked"] {
        fs::set_permissions(user.path("scans").join(name), fs::Permissions::from_mode(0o000)).unwrap();
    }
    if fs::read_dir(user.path("scans/locked")).is_ok() {
        eprintln!("skipped: nothing is locked for root");
        return;
    }
    for argument in ["scans", "scans/*", "sc*"] {
        let ran = user.run(&["encrypt", argument, "--out", "out.vct"]).ends(3);
        let ran = ran.says(&["1 encrypted, 0 refused, 0 failed, 2 not read (locked folder: 1, unreadable file: 1)"]);
        assert!(ran.out.contains("scans/b.dcm: the file cannot be read: "), "{}", ran.out);
        assert!(ran.out.contains("scans/locked: the folder cannot be opened: "), "{}", ran.out);
    }
    fs::set_permissions(user.path("scans/locked"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn inspect_and_segment_say_what_a_path_is() {
    let user = User::new();
    export(&user.path(""));
    user.run(&["keygen", "--model", MODEL]).ends(0);
    let set = fs::read_dir(user.keys()).unwrap().next().unwrap().unwrap().path();
    let said = user.run(&["inspect", set.to_str().unwrap()]).ends(0).out;
    assert!(said.starts_with(&format!("a key set for {MODEL}")), "{said}");
    for (path, words) in [
        ("export/DICOM/IM1", "an image: DICOM\n"),
        ("export/DICOM/IM2.DCM.GZ", "an image: DICOM, compressed by gzip\n"),
        ("export/DICOM/SR1", "a DICOM object without an image: Structured Report\n"),
    ] {
        let said = user.run(&["inspect", path]).ends(0).out;
        assert!(said.starts_with(words), "{said}");
    }
    user.run(&["inspect", "export"]).ends(1).says(&["it is a folder and no key set"]);
    let keygen = ["keygen", "--model", MASK_MODEL];
    user.run(&keygen).ends(0);
    let segment = |path: &str| user.run(&["segment", path, "--model", MASK_MODEL, "--out", "o.png"]);
    segment("export/DICOM/SR1").ends(1).says(&["Structured Report"]);
    segment("export/DICOM").ends(2).says(&["export/DICOM: a folder, where one image is wanted"]);
    assert!(!user.path("o.png").exists());
}

#[test]
fn a_mask_that_cannot_be_lungs_is_marked_and_an_empty_one_is_not_archived() {
    // The mask model with a threshold that no logit reaches.
    let weights = tempfile::tempdir().unwrap();
    let model = Model::open(&WEIGHTS.path().join(MASK_MODEL)).unwrap();
    let mut manifest = model.manifest().clone();
    manifest.operating_point.thresholds.values = vec![15.9];
    let empty = weights.path().join(MASK_MODEL);
    Model::write(&empty, manifest, model.spec(), model.weights()).unwrap();
    for (folder, area) in [(WEIGHTS.path().join(MASK_MODEL), 0.5), (empty, 0.0)] {
        let data = tempfile::tempdir().unwrap();
        let server = daemon_of(folder.to_str().unwrap(), &data.path().join("data"));
        let (url, user) = (server.url(), User::new());
        let run = |arguments: &[&str]| user.run(&[arguments, &["--server", &url]].concat());
        run(&["keygen", "--model", MASK_MODEL]).ends(0);
        run(&["keys", "register"]).ends(0);
        fs::write(user.path("film.dcm.gz"), packed(&film(3))).unwrap();
        let outputs = ["segment", "film.dcm.gz", "--out", "o.png", "--mask", "m.png", "--seg", "s.dcm", "--json"];
        let ran = run(&outputs).ends(if area > 0.0 { 0 } else { 3 });
        let line = ran.json().remove(0);
        assert_eq!((line["plausible"].as_bool(), line["name"].as_str()), (Some(false), Some("lung")));
        assert!((line["fraction"].as_f64().unwrap() - area).abs() < 0.02, "{line}");
        let warnings = line["warnings"].to_string();
        assert!(user.path("o.png").exists() && user.path("m.png").exists());
        if area > 0.0 {
            let seg = fs::read(user.path("s.dcm")).unwrap();
            assert!(seg.windows(17).filter(|window| *window == b"Implausible mask.").count() == 2);
            assert!(warnings.contains("implausible: the mask ") && ran.err.contains("implausible: the mask "), "{warnings}");
        } else {
            assert!(warnings.contains("implausible: the mask is empty: no lung was found"), "{warnings}");
            assert!(
                ran.err.contains("--seg: no DICOM Segmentation was written of an empty mask") && !user.path("s.dcm").exists()
            );
        }
        server.stop().unwrap();
    }
}
