//! `kill -9` at random moments of the client: what it printed is in the results file, keys are whole or not there, and the next run goes on.

use crate::common::{Ran, User};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use veilray::client::keyset::KeySet;
use veilray_base::Rng;
use veilray_classifier::networks;
use veilray_classifier::release::{Manifest, Model};
use veilray_classifier::spec::Shape;
use veilray_classifier::weights::Weights;
use veilray_imaging::pixels::Pixels;
use veilrayd::config::ModelPath;
use veilrayd::{Config, Handle};

const MODEL: &str = "tiny-pixels";
const IMAGES: usize = 12;

/// A classifier of 32 × 32 pixels: without an encoder an image takes milliseconds.
fn write_model(path: &Path) {
    let spec = networks::named("veilnet-xs", Shape::new(1, 32, 32), 3).unwrap();
    let pixels = Pixels::new(32).unwrap();
    let manifest = format!(
        "format = 1\nname = '{MODEL}'\nencoder = '{}'\nencoder_sha256 = '{}'\nparams = 'n13'\nnetwork_sha256 = ''\n\
         weights_sha256 = ''\n[data]\nnone = 0\n[operating_point]\ntemperature = 1.0\n\
         [operating_point.thresholds]\nlabels = ['a', 'b', 'c']\nvalues = [0.5, 0.5, 0.5]\n[range]\nimages = 1\nlayers = []\nlogits = 16.0\n",
        pixels.name(),
        pixels.digest()
    );
    let manifest: Manifest = toml::from_str(&manifest).unwrap();
    Model::write(path, manifest, &spec, &Weights::random(&spec, 1).unwrap()).unwrap();
}

struct Stage {
    user: User,
    server: Handle,
    weights: tempfile::TempDir,
    _data: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let (weights, data, user) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), User::new());
        write_model(&weights.path().join(MODEL));
        let mut config = Config { models: vec![ModelPath { path: weights.path().join(MODEL) }], ..Config::default() };
        config.server.bind = "127.0.0.1:0".parse().unwrap();
        config.server.data_dir = data.path().join("data");
        let server = veilrayd::spawn(config).unwrap();
        assert!(server.wait_ready(Duration::from_secs(60)));
        (0..IMAGES).for_each(|i| drop(user.chest(&format!("scans/{i:02}.png"), i as u64)));
        Self { user, server, weights, _data: data }
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let url = self.server.url();
        let mut command = self.user.command(&[arguments, &["--server", &url]].concat());
        command.env("VEILRAY_WEIGHTS", self.weights.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// Starts the program, kills it after so long, and gives what it had printed.
    fn killed(&self, arguments: &[&str], after: Duration) -> String {
        let mut child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(after);
        let _ = child.kill();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    }

    fn set(&self) -> KeySet {
        KeySet::select(&self.user.keys(), Some(MODEL)).unwrap()
    }

    /// Takes the evaluation keys from the server.
    fn forget_keys(&self) {
        use std::io::{Read, Write};
        let path = format!("/v1/keys/{}", self.set().record().evaluation_keys_sha256);
        let mut stream = std::net::TcpStream::connect(self.server.addr()).unwrap();
        write!(stream, "DELETE {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    }
}

/// Rows on standard output or in a results file: images with findings, by path, with how many rows each has. Half a row at the end counts not.
fn answered(text: &str) -> BTreeMap<String, usize> {
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let mut found = BTreeMap::new();
    for line in whole {
        let row: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        assert_eq!((row["status"].as_str(), row["labels"].as_array().unwrap().len()), (Some("answered"), 3), "{row}");
        *found.entry(row["path"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    found
}

/// The same of a file of either form.
fn kept(path: &Path) -> BTreeMap<String, usize> {
    let text = fs::read_to_string(path).unwrap_or_default();
    if path.extension().is_some_and(|extension| extension == "jsonl") {
        return answered(&text);
    }
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let mut found = BTreeMap::new();
    for record in csv::Reader::from_reader(whole.as_bytes()).records() {
        let record = record.unwrap();
        assert_eq!((record.len(), record.get(4)), (7 + 3 * 4, Some("answered")), "{record:?}");
        *found.entry(record.get(0).unwrap().to_owned()).or_default() += 1;
    }
    found
}

/// A run over all images that is killed; what it printed, and what earlier runs printed, is in the file.
fn classify(stage: &Stage, file: &Path, printed: &mut BTreeSet<String>, after: Duration) {
    let out = file.to_str().unwrap();
    let said = stage.killed(&["classify", "scans", "--json", "--out", out], after);
    printed.extend(answered(&said).into_keys());
    let found = kept(file);
    for path in printed.iter() {
        assert_eq!(found.get(path), Some(&1), "{path} was printed and is not one line of the results file");
    }
}

/// The next run ends well and answers each image once.
fn finish(stage: &Stage, file: &Path, printed: &mut BTreeSet<String>) {
    stage.run(&["classify", "scans", "--json", "--out", file.to_str().unwrap()]).ends(0);
    let found = kept(file);
    assert!(found.len() == IMAGES && found.values().all(|rows| *rows == 1), "{found:?}");
    fs::remove_file(file).unwrap();
    printed.clear();
}

fn killed(kills: u64, seed: u64) {
    let (stage, mut rng) = (Stage::new(), Rng::new(seed, "kills"));
    stage.run(&["keygen", "--model", MODEL]).ends(0);
    stage.run(&["keys", "register"]).ends(0);
    let files: Vec<PathBuf> = ["r.csv", "r.jsonl"].map(|name| stage.user.path(name)).into();
    let mut printed = [BTreeSet::new(), BTreeSet::new()];
    let (mut rows, mut uploads, mut sets) = (0, 0, 0);
    for round in 0..kills {
        let after = Duration::from_secs_f64(1.2 * rng.uniform());
        match round % 8 {
            // Keys go to the server again.
            6 => {
                stage.forget_keys();
                stage.killed(&["keys", "register"], after / 3);
                stage.run(&["keys", "register"]).ends(0);
                assert!(stage.run(&["keys", "register"]).ends(0).out.contains("already"));
                uploads += 1;
            }
            // Keys are made: whole sets alone are in the folder.
            7 => {
                let folder = stage.user.path("more");
                stage.killed(&["keygen", "--model", MODEL, "--out", folder.to_str().unwrap()], after);
                for set in KeySet::list(&folder).unwrap() {
                    set.secret(crate::common::PASSPHRASE.as_bytes()).unwrap();
                    let bytes = fs::metadata(set.evaluation_keys()).unwrap().len();
                    assert_eq!(bytes, set.record().evaluation_keys_bytes, "half a key set");
                    sets += 1;
                }
                let _ = fs::remove_dir_all(folder);
            }
            _ => {
                let which = (round % 2) as usize;
                let before = printed[which].len();
                classify(&stage, &files[which], &mut printed[which], after);
                rows += printed[which].len() - before;
                if kept(&files[which]).len() == IMAGES || rng.below(6) == 0 {
                    finish(&stage, &files[which], &mut printed[which]);
                }
            }
        }
    }
    println!("{kills} kills of the client (seed {seed}): {rows} rows, {uploads} uploads, {sets} key sets acknowledged and whole");
    assert!(rows > 0 && (kills < 16 || uploads > 0 && sets > 0));
    stage.server.stop().unwrap();
}

/// A number in the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
#[ignore = "minutes: .ci/tier kill"]
fn what_was_printed_survives_kills_at_random_moments() {
    killed(number("VEILRAY_KILLS", 20), number("VEILRAY_KILL_SEED", 1));
}
