//! Files on disk to findings, over HTTP, beside the network in clear.

use crate::common::{MODEL, Ran, User, WEIGHTS, daemon, dicom};
use std::fs;
use std::path::Path;
use veilray::client::keyset::KeySet;
use veilray_classifier::reference;
use veilray_classifier::release::Model;
use veilray_classifier::served::Served;
use veilray_encoder::release::Released;
use veilray_imaging::ingest::{Settings, read_file};
use veilray_imaging::phantom::Phantom;
use veilray_protocol::ErrorCode;
use veilrayd::offline;

/// The logits of an image file in clear.
fn clear(path: &std::path::Path) -> Vec<f64> {
    let model = Model::open(&WEIGHTS.path().join(MODEL)).unwrap();
    let encoder = Released::open(&WEIGHTS.path().join("encoder-f8")).unwrap();
    let image = read_file(path, &Settings::default()).unwrap().image;
    let latent: Vec<f64> = encoder.compress(&image).unwrap().latent.iter().map(|v| f64::from(*v)).collect();
    reference::evaluate(model.spec(), model.weights(), &latent).unwrap()
}

/// Whether any file below a folder holds the text.
fn anywhere(folder: &std::path::Path, text: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            anywhere(&path, text)
        } else {
            fs::read(&path).unwrap().windows(text.len()).any(|w| w == text.as_bytes())
        }
    })
}

#[test]
fn images_become_the_findings_of_the_clear_network_and_nothing_of_them_leaves() {
    let data = tempfile::tempdir().unwrap();
    let server = daemon(&data.path().join("data"));
    let (url, user) = (server.url(), User::new());
    let run = |arguments: &[&str]| user.run(&[arguments, &["--server", &url]].concat());

    run(&["keygen", "--model", MODEL]).ends(0);
    let images: Vec<_> = (0..4).map(|i| user.chest(&format!("scans/doe_jane_{i}.png"), i)).collect();
    fs::write(user.path("scans/doe_john.png"), b"\x89PNG\r\n\x1a\nno image").unwrap();
    run(&["classify", "scans"]).ends(5).says(&["not_found"]);
    run(&["keys", "register"]).ends(0);
    assert!(run(&["keys", "register"]).ends(0).out.contains("already"));

    let rows = run(&["classify", "scans", "--json", "--out", "r.jsonl"]).ends(3);
    assert!(!rows.err.contains("doe_"), "{}", rows.err);
    let found = rows.json();
    assert_eq!(found.len(), 5);
    for (row, image) in found.iter().zip(&images) {
        assert_eq!(
            (row["path"].as_str(), row["status"].as_str()),
            (Some(format!("scans/{}", image.file_name().unwrap().display()).as_str()), Some("answered"))
        );
        for (label, wanted) in row["labels"].as_array().unwrap().iter().zip(clear(image)) {
            let logit = label["logit"].as_f64().unwrap();
            assert!((logit - wanted).abs() < 0.02 * (1.0 + wanted.abs()), "{logit} encrypted, {wanted} in clear");
            assert_eq!(label["positive"].as_bool().unwrap(), logit >= label["threshold"].as_f64().unwrap());
            let probability = 1.0 / (1.0 + (-logit / 1.5).exp());
            assert!((label["probability"].as_f64().unwrap() - probability).abs() < 1e-9);
        }
    }
    assert_eq!((found[4]["status"].as_str(), found[4]["labels"].as_array().unwrap().len()), (Some("failed"), 0));
    // Eight letters: four turn up in megabytes of keys by chance, once in some hundred runs.
    for name in ["doe_jane", "doe_john"] {
        assert!(!anywhere(&data.path().join("data"), name), "a file name reached the server");
    }

    // Answered ones are skipped, by path, content and model; the failed one is tried again.
    let again = run(&["classify", "scans", "--json", "--out", "r.jsonl"]).ends(3).says(&["4 answered before"]);
    assert_eq!(again.json().len(), 1);
    fs::copy(&images[0], &images[1]).unwrap();
    run(&["classify", "scans", "--json", "--out", "r.jsonl"]).ends(3).says(&["1 answered", "3 answered before"]);
    run(&["classify", "scans", "--out", "r.jsonl", "--force"]).ends(3).says(&["4 answered,", "0 answered before"]);
    assert_eq!(fs::read_to_string(user.path("r.jsonl")).unwrap().lines().count(), 5);

    let table = run(&["classify", "scans/doe_jane_2.png"]).ends(0).out;
    assert!(table.contains("probability") && table.contains("Pneumonia") && table.contains("not for diagnostic use"), "{table}");
    let csv = run(&["classify", "scans/*_2.png", "--csv"]).ends(0).out;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(reader.headers().unwrap().len(), 7 + 4 * 4);
    assert_eq!(reader.records().count(), 1);

    // The same chest as DICOM that names the patient.
    let film = Phantom { seed: 2, size: 256, ..Phantom::default() }.film().unwrap();
    fs::write(user.path("scan.dcm"), dicom(film.pixels(), 256, "DOE^JANE")).unwrap();
    let found = run(&["classify", "scan.dcm", "scans/doe_jane_2.png", "--json"]).ends(0);
    assert!(!found.out.contains("DOE^JANE") && !found.err.contains("DOE^JANE"));
    assert!(!anywhere(&data.path().join("data"), "DOE^JANE"));
    let rows = found.json();
    for (a, b) in rows[0]["labels"].as_array().unwrap().iter().zip(rows[1]["labels"].as_array().unwrap()) {
        let (a, b) = (a["logit"].as_f64().unwrap(), b["logit"].as_f64().unwrap());
        assert!((a - b).abs() < 0.05 * (1.0 + b.abs()), "{a} as DICOM, {b} as PNG");
    }

    // New keys: the old ones still have their place, and go at the server when revoked.
    let old = user.run(&["keys", "list", "--json"]).json().remove(0)[0]["set"].as_str().unwrap().to_owned();
    run(&["keys", "rotate"]).ends(0);
    run(&["classify", "scans/doe_jane_2.png"]).ends(0);
    run(&["keys", "revoke", &old]).ends(0);
    run(&["keys", "revoke"]).ends(0);
    run(&["classify", "scans/doe_jane_2.png"]).ends(6);
    let states = user.run(&["keys", "list", "--json"]).json().remove(0);
    assert_eq!(
        states.as_array().unwrap().iter().map(|s| s["state"].as_str().unwrap()).collect::<Vec<_>>(),
        ["revoked", "revoked"]
    );
    run(&["keys", "destroy", &old]).ends(2).says(&["--yes"]);
    run(&["keys", "destroy", &old, "--yes"]).ends(0);
    assert!(!user.keys().join(&old).join("secret.sealed").exists());
    server.stop().unwrap();
    run(&["keys", "register", "--patience", "0"]).ends(6);
}

#[test]
fn ciphertexts_travel_in_files_that_name_no_image() {
    let user = User::new();
    user.run(&["keygen", "--model", MODEL]).ends(0);
    user.chest("doe_a.png", 1);
    user.chest("doe_b.png", 2);
    let lines = user.run(&["encrypt", "doe_a.png", "doe_b.png", "--out", "out.vct", "--json"]).ends(0).json();
    assert_eq!(lines.iter().map(|l| l["number"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    assert!(!fs::read(user.path("out.vct")).unwrap().windows(4).any(|w| w == b"doe_"));
    let said = user.run(&["inspect", "out.vct", "--json"]).ends(0).json().remove(0);
    assert_eq!(
        (said["content"].as_str(), said["images"].as_u64(), said["params"].as_str()),
        (Some("request"), Some(2), Some("n13"))
    );
    user.run(&["decrypt", "out.vct"]).ends(1).says(&["images, not replies"]);

    // There and back by files, with the daemon's own offline command.
    user.run(&["encrypt", "doe_a.png", "doe_b.png", "--raw", "--out", "two.ct"]).ends(2).says(&["one image"]);
    user.run(&["encrypt", "doe_a.png", "--raw", "--out", "one.ct"]).ends(0);
    let served = Served::open(&WEIGHTS.path().join(MODEL)).unwrap();
    let set = KeySet::select(&user.keys(), None).unwrap();
    offline::infer(&served, &set.evaluation_keys(), &user.path("one.ct"), &user.path("reply.ct")).unwrap();
    let row = user.run(&["decrypt", "reply.ct", "--json"]).ends(0).json().remove(0);
    for (label, wanted) in row["labels"].as_array().unwrap().iter().zip(clear(&user.path("doe_a.png"))) {
        assert!((label["logit"].as_f64().unwrap() - wanted).abs() < 0.02 * (1.0 + wanted.abs()));
    }
    // Many images in one file, and what does not belong together.
    let batch = |keys: &Path, input: &str| offline::infer(&served, keys, &user.path(input), &user.path("replies.vct"));
    batch(&set.evaluation_keys(), "out.vct").unwrap();
    let rows = user.run(&["decrypt", "replies.vct", "--json"]).ends(0).json();
    assert_eq!(rows.len(), 2);
    for (row, image) in rows.iter().zip(["doe_a.png", "doe_b.png"]) {
        for (label, wanted) in row["labels"].as_array().unwrap().iter().zip(clear(&user.path(image))) {
            assert!((label["logit"].as_f64().unwrap() - wanted).abs() < 0.02 * (1.0 + wanted.abs()));
        }
    }
    assert_eq!(batch(&set.evaluation_keys(), "replies.vct").unwrap_err().code, ErrorCode::Malformed);
    let sent = fs::read(user.path("out.vct")).unwrap();
    fs::write(user.path("cut.vct"), &sent[..sent.len() - 1]).unwrap();
    assert_eq!(batch(&set.evaluation_keys(), "cut.vct").unwrap_err().code, ErrorCode::Malformed);
    // The answer to another user is not believed.
    let other = User::new();
    other.run(&["keygen", "--model", MODEL]).ends(0);
    fs::copy(user.path("reply.ct"), other.path("reply.ct")).unwrap();
    let others = KeySet::select(&other.keys(), None).unwrap().evaluation_keys();
    assert_eq!(batch(&others, "out.vct").unwrap_err().code, ErrorCode::NotConformant);
    let refused = other.run(&["decrypt", "reply.ct", "--json"]).ends(7).json().remove(0);
    assert_eq!((refused["status"].as_str(), refused["labels"].as_array().unwrap().len()), (Some("reply_refused"), 0));

    let folder = fs::read_dir(user.keys()).unwrap().next().unwrap().unwrap().path();
    for (file, word) in [
        ("secret.sealed", "sealed"),
        ("evaluation.keys", "evaluation keys"),
        ("key.toml", MODEL),
        ("interface.json", "encoder-f8"),
    ] {
        let said = user.run(&["inspect", folder.join(file).to_str().unwrap()]).ends(0).out;
        assert!(said.contains(word), "{file}: {said}");
    }
    user.run(&["inspect", "doe_a.png"]).ends(0);
    fs::write(user.path("x"), b"anything").unwrap();
    user.run(&["inspect", "x"]).ends(1);
}

#[test]
fn the_demo_agrees_with_clear_and_leaves_nothing_behind() {
    let user = User::new();
    let temporary = user.path("tmp");
    fs::create_dir(&temporary).unwrap();
    let demo = |arguments: &[&str]| Ran::of(user.command(arguments).env("TMPDIR", &temporary).output().unwrap());
    let shown = demo(&["demo", "--model", MODEL, "--json"]).ends(0).says(&["starting a daemon", "making keys", "in clear"]);
    let report = shown.json().remove(0);
    assert_eq!(demo(&["demo", "--model", MODEL, "--json", "--quiet"]).ends(0).err, "");
    assert_eq!(report["agree"].as_bool(), Some(true));
    assert!(report["max_abs_logit_error"].as_f64().unwrap() > 0.0);
    assert_eq!(report["labels"].as_array().unwrap().len(), 4);
    for time in ["keygen", "compress", "encrypt", "upload", "server", "download", "decrypt", "total"] {
        assert!(report["timings_ms"][time].as_f64().unwrap() >= 0.0, "{time}");
    }
    for size in ["upload", "reply", "evaluation_keys"] {
        assert!(report["bytes"][size].as_u64().unwrap() > 1000, "{size}");
    }
    let (client, server) = (&report["peak_rss_mb"]["client"], &report["peak_rss_mb"]["server"]);
    assert!(client.as_f64().unwrap() > 1.0 && server.as_f64().unwrap() > 1.0 && client != server);
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);

    fs::write(user.path("no.png"), b"no image").unwrap();
    demo(&["demo", "--model", MODEL, "--image", "no.png"]).ends(1).says(&["DICOM"]);
    demo(&["demo", "--model", "no-such-model"]).ends(1).says(&["VEILRAY_WEIGHTS"]);
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
}
