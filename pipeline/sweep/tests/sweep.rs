//! A sweep from films to a report: the quick one whole, killed on its way, and run twice.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use veilray_sweep::ledger::{FILE, Ledger, Outcome, Row};
use veilray_sweep::report;
use veilray_sweep::run::{Args, Choices, ResumeArgs, resume, run};

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/sweep")
}

/// The quick sweep with fewer films and epochs, and a network that cannot run: for what needs several runs.
fn smaller(folder: &Path) -> PathBuf {
    for file in ["tiny-f8.toml", "tiny-f16.toml"] {
        fs::copy(configs().join(file), folder.join(file)).unwrap();
    }
    let training = fs::read_to_string(configs().join("tiny-train.toml")).unwrap().replace("steps = 200", "steps = 20");
    fs::write(folder.join("tiny-train.toml"), training.replace("from = 100", "from = 10")).unwrap();
    let text = fs::read_to_string(configs().join("quick.toml")).unwrap();
    let mut small = text.clone();
    for (old, new) in [
        ("train = 120, val = 40, test = 60", "train = 24, val = 12, test = 12"),
        ("epochs = 12", "epochs = 2"),
        ("network = [\"veilnet-xs\"]", "network = [\"veilnet-xs\", \"hefnet\"]"),
        ("at_most = 40", "at_most = 4"),
        ("rounds = 3", "rounds = 1"),
    ] {
        assert!(small.contains(old), "{old}");
        small = small.replace(old, new);
    }
    let path = folder.join("small.toml");
    fs::write(&path, small).unwrap();
    path
}

fn arguments(config: &Path, out: &Path) -> Args {
    Args { config: config.into(), out: out.into(), choices: Choices::default() }
}

fn by_id(folder: &Path) -> BTreeMap<String, Row> {
    let rows = Ledger::read(folder).unwrap();
    let count = rows.len();
    let map: BTreeMap<String, Row> = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
    assert_eq!(map.len(), count, "no experiment has two rows");
    map
}

/// `text` with one space in place of each line break.
fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_quick_sweep_goes_from_films_to_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("quick");
    let summary = run(&arguments(&configs().join("quick.toml"), &out)).unwrap();
    assert_eq!((summary.experiments, summary.measured, summary.refused), (2, 2, 0));
    let rows = by_id(&out);
    for row in rows.values() {
        assert_eq!(row.outcome, Outcome::Measured);
        let (relu, clear) = (row.auc_relu.unwrap().value, row.auc_polynomial.unwrap().value);
        assert!(relu > 0.6 && clear > 0.6, "the phantom's findings can be learned: {relu} {clear}");
        let moved = row.auc_encrypted.unwrap().value - row.auc_same.unwrap().value;
        assert!(moved.abs() < 0.01 && row.max_abs_logit_error.unwrap() < 0.05, "{moved}");
        assert_eq!(row.server.iter().map(|time| (time.threads, time.runs)).collect::<Vec<_>>(), [(1, 3), (2, 3)]);
        assert!(row.server.iter().all(|time| time.median_ms > 0.0 && time.median_ms <= time.p95_ms));
        assert!(row.key_bytes > row.upload_bytes && row.levels == Some(5) && row.layers.len() > 5);
        assert!(row.encoder_seconds.is_some() && row.train_seconds.unwrap() > 0.0 && row.memory_mb.is_some());
    }
    let results = out.join("results");
    let page = fs::read_to_string(results.join("README.md")).unwrap();
    let answer = folded(page.split("\n\n").nth(1).unwrap());
    for part in ["On phantom, take f = ", "ROC-AUC", " ms on 1 thread", "MB", "f = 8"] {
        assert!(answer.contains(part), "{part}: {answer}");
    }
    let html = fs::read_to_string(results.join("index.html")).unwrap();
    for figure in ["pareto-phantom", "factor-phantom", "layer-time-phantom", "layer-error-phantom", "bytes", "scatter"] {
        let svg = fs::read_to_string(results.join(format!("{figure}.svg"))).unwrap();
        assert!(page.contains(&format!("({figure}.svg)")) && html.contains(&svg) && !svg.contains("NaN"), "{figure}");
    }
    assert!(out.join("ledger.csv").is_file() && out.join("ledger.h5").is_file());
    for row in rows.values() {
        assert!(
            row.auc_resampled.len() == 1000 && row.test_sha256.is_some() && row.train_commit.is_some() && row.relu_normalised
        );
        assert!(row.encrypted_images <= row.encrypted_wanted && row.auc_moved.unwrap().low.is_some());
    }
    assert!(answer.contains("against itself with ReLU in clear, ") && page.contains("## f = 8 against the others"));
    // The report's folder is all that another report needs.
    let copy = folder.path().join("copy");
    let again = report::run(&report::Args { sweep: results.clone(), out: copy.clone(), json: false }).unwrap();
    assert!(again.rows == 2 && answer == again.answer);
    for file in ["pareto-phantom.svg", "factor-phantom.svg", "sweep.json", "sweep.toml"] {
        assert_eq!(fs::read(copy.join(file)).unwrap(), fs::read(results.join(file)).unwrap(), "{file}");
    }
    assert!(!fs::read_to_string(results.join("sweep.json")).unwrap().contains(&*folder.path().to_string_lossy()));
    // Finished, it is left as it is.
    let before = fs::read(out.join(FILE)).unwrap();
    let again = resume(&ResumeArgs { out: out.clone(), choices: Choices::default() }).unwrap();
    assert_eq!((again.rows_before, again.measured, again.refused), (2, 0, 0));
    assert_eq!(fs::read(out.join(FILE)).unwrap(), before);
}

#[test]
fn pixels_are_a_row_without_an_encoder() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(smaller(folder.path())).unwrap();
    let mut pixels = text.clone();
    for (old, new) in [
        ("factor = [8, 16]", "factor = [1]"),
        ("network = [\"veilnet-xs\", \"hefnet\"]", "network = [\"pixel-resnet\"]"),
        ("params = [\"n13\"]", "params = [\"auto\"]"),
    ] {
        assert!(pixels.contains(old), "{old}");
        pixels = pixels.replace(old, new);
    }
    let config = folder.path().join("pixels.toml");
    fs::write(&config, pixels).unwrap();
    let out = folder.path().join("pixels");
    // Measuring takes gigabytes: what is released is what would be measured.
    let summary = run(&Args { choices: Choices { train_only: true, ..Choices::default() }, ..arguments(&config, &out) }).unwrap();
    assert_eq!((summary.experiments, summary.trained, summary.refused), (1, 1, 0));
    assert!(!out.join("encoders").exists());
    let experiment = fs::read_dir(out.join("experiments")).unwrap().next().unwrap().unwrap().path();
    let released = fs::read_dir(&experiment).unwrap().map(|entry| entry.unwrap().path().join("manifest.toml"));
    let manifests: Vec<String> = released.filter(|path| path.is_file()).map(|path| fs::read_to_string(path).unwrap()).collect();
    assert_eq!(manifests.len(), 1);
    assert!(manifests[0].contains("encoder = \"pixels-256\"") && manifests[0].contains("params = \"n15\""), "{}", manifests[0]);
}

/// The file `small.toml` with some of its text replaced.
fn changed(config: &Path, changes: &[(&str, &str)]) {
    let mut text = fs::read_to_string(config).unwrap();
    for (old, new) in changes {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    fs::write(config, text).unwrap();
}

#[test]
fn a_label_that_no_film_has_is_refused_before_anything_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let config = smaller(folder.path());
    changed(&config, &[("\"opacity\"", "\"opacitty\"")]);
    let out = folder.path().join("out");
    let refused = run(&arguments(&config, &out)).unwrap_err().to_string();
    assert!(refused.contains("opacitty") && refused.contains("cardiomegaly, effusion, opacity"), "{refused}");
    assert!(!out.join("encoders").exists() && !out.join("data").exists());
}

#[test]
fn what_a_machine_could_not_hold_is_tried_again_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let config = smaller(folder.path());
    let one = ("network = [\"veilnet-xs\", \"hefnet\"]", "network = [\"veilnet-xs\"]");
    changed(&config, &[one, ("factor = [8, 16]", "factor = [16]"), ("[measure]", "[measure]\nmemory_mb = 1")]);
    let out = folder.path().join("out");
    let first = run(&arguments(&config, &out)).unwrap();
    assert_eq!((first.measured, first.refused), (0, 1));
    changed(&config, &[("memory_mb = 1", "memory_mb = 100000")]);
    let second = run(&arguments(&config, &out)).unwrap();
    assert_eq!((second.rows_before, second.measured, second.refused), (1, 0, 0), "a row is a row");
    let choices = Choices { retry_refused: true, ..Choices::default() };
    let third = run(&Args { choices, ..arguments(&config, &out) }).unwrap();
    assert_eq!((third.rows_before, third.measured, third.refused), (0, 1, 0));
    let rows = by_id(&out);
    assert_eq!(rows.values().map(|row| row.outcome).collect::<Vec<_>>(), [Outcome::Measured]);
    // Trained otherwise, it is another experiment: the row of before counts no more.
    changed(&config, &[("epochs = 2", "epochs = 1")]);
    let fourth = run(&arguments(&config, &out)).unwrap();
    assert_eq!((fourth.rows_before, fourth.measured), (0, 1));
    let page = fs::read_to_string(out.join("results").join("README.md")).unwrap();
    assert!(folded(&page).contains("1 rows of the ledger are of an earlier configuration"), "{page}");
}

#[test]
fn killed_anywhere_and_resumed_it_repeats_no_row_and_gives_the_same_figures() {
    let folder = tempfile::tempdir().unwrap();
    let config = smaller(folder.path());
    let whole = folder.path().join("whole");
    let summary = run(&arguments(&config, &whole)).unwrap();
    assert_eq!((summary.experiments, summary.measured, summary.refused), (4, 2, 2));
    let wanted = by_id(&whole);
    let refused: Vec<&Row> = wanted.values().filter(|row| row.outcome == Outcome::Refused).collect();
    assert!(refused.iter().any(|row| row.reason.as_ref().unwrap().contains("levels")), "{refused:?}");

    // The program itself is killed, each time a little later, until it ends by itself.
    let out = folder.path().join("killed");
    let (mut kills, mut seen, mut wait) = (0, BTreeMap::new(), Duration::from_millis(300));
    loop {
        let mut child = Command::new(env!("CARGO_BIN_EXE_veilray-sweep"))
            .args(["run".as_ref(), config.as_os_str(), "--out".as_ref(), out.as_os_str()])
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(wait);
        let ended = child.try_wait().unwrap();
        if ended.is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        }
        if out.join(FILE).is_file() {
            let now = by_id(&out);
            assert!(seen.iter().all(|(id, row)| now.get(id) == Some(row)), "no finished row is lost or written anew");
            seen = now;
        }
        if let Some(status) = ended {
            assert!(status.success());
            break;
        }
        wait += wait / 2;
    }
    assert!(kills > 2, "{kills}");
    assert_eq!(seen.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    for (found, wanted) in seen.values().zip(wanted.values()) {
        assert_eq!((found.outcome, &found.reason), (wanted.outcome, &wanted.reason));
        for (found, wanted) in [(found.auc_relu, wanted.auc_relu), (found.auc_polynomial, wanted.auc_polynomial)] {
            let apart = found.zip(wanted).map_or(0.0, |(found, wanted)| (found.value - wanted.value).abs());
            assert!(found.is_some() == wanted.is_some() && apart < 1e-6, "one seed, one figure: {found:?} {wanted:?}");
        }
    }
}
