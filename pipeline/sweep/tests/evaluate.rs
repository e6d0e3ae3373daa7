//! From images over latents to a released classifier and its figures, in clear and encrypted, as a researcher goes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

mod support;

use std::fs;
use std::path::Path;
use veilray_classifier::release::{MANIFEST, Manifest, Model};
use veilray_classifier::weights::{Tensor, Weights};
use veilray_sweep::command::arguments::{Common, Training};
use veilray_sweep::command::error::Error;
use veilray_sweep::data::Split;
use veilray_sweep::{encode, evaluate, reply_bits, train_classifier};

/// The encoder that is released with this source.
fn encoder() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights/encoder-f16").to_str().unwrap().into()
}

/// 24 small images; label `a` is known of all, `b` of none.
fn images() -> tempfile::TempDir {
    let mut table = String::from("file,split,patient_id,a,b\n");
    for i in 0..24 {
        table += &format!("images/{i}.png,{},p{i},{},\n", Split::ALL[i % 3], u8::from(i % 2 == 0));
    }
    let folder = support::folder(&table);
    let labels = "name = 'small'\nlabels = [{ name = 'a' }, { name = 'b' }]";
    fs::write(folder.path().join("dataset.toml"), labels).unwrap();
    folder
}

fn experiment(folder: &Path) -> train_classifier::Args {
    let network = r#"
        name = "small"
        labels = 2
        input = { channels = 8, height = 16, width = 16 }
        layers = [
            { kind = "conv", out = 4, kernel = 4, stride = 4 },
            { kind = "activation", form = "hermite" },
            { kind = "flatten" },
            { kind = "linear", out = 2 },
        ]
    "#;
    fs::write(folder.join("network.toml"), network).unwrap();
    let config = folder.join("experiment.toml");
    let text = "labels = ['a', 'b']\ndata = [{ latents = 'small.h5' }]\nnetwork.specification = 'network.toml'\n\
                stages = [{ name = 'hermite', train = { epochs = 2, batch = 4, range = { shift_weight = 1.0 } } }]";
    fs::write(&config, text).unwrap();
    train_classifier::Args {
        latents: folder.into(),
        until: None,
        teach: None,
        params: "n13".into(),
        key_budget: None,
        training: Training {
            config,
            out: folder.join("run"),
            test: false,
            release: Some(folder.join("small-f16")),
            common: Common::default(),
        },
    }
}

fn arguments(model: &Path, set: &Path) -> evaluate::Args {
    evaluate::Args {
        model: model.to_str().unwrap().into(),
        data: set.to_str().unwrap().into(),
        split: Split::Test,
        encrypted: 5,
        limit: None,
        record: None,
        common: Common { data_root: None, json: true },
    }
}

/// The classifier in `release` with a first logit of 10 for every image, where its range allows 1 and the client's bound is 8.
fn loud(release: &Path, folder: &Path) {
    let model = Model::open(release).unwrap();
    let mut tensors = model.weights().tensors().clone();
    for (end, value) in [("weight", 1e-3), ("bias", 10.0)] {
        let (name, tensor) = tensors.iter_mut().rev().find(|(name, _)| name.ends_with(end)).unwrap();
        let mut values: Vec<f32> = tensor.values().iter().map(|v| 1e-3 * v).collect();
        values[0] = value;
        *tensor = Tensor::new(name, tensor.shape().to_vec(), values).unwrap();
    }
    let mut manifest = model.manifest().clone();
    manifest.range.logits = 1.0;
    Model::write(folder, manifest, model.spec(), &Weights::new(tensors)).unwrap();
}

#[test]
fn a_released_classifier_gives_the_same_in_clear_and_encrypted() {
    let (set, folder) = (images(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    encode::run(&encode::Args {
        data: set.path().to_str().unwrap().into(),
        model: encoder(),
        out: folder.join("small.h5"),
        splits: Split::ALL.to_vec(),
        flips: false,
        augment: None,
        seed: 1,
        batch: 8,
        flush: 100,
        common: Common::default(),
    })
    .unwrap();
    train_classifier::run(&experiment(folder)).unwrap();
    let release = folder.join("small-f16");
    let manifest = Model::open(&release).unwrap().manifest().clone();
    assert_eq!((manifest.name.as_str(), manifest.encoder.as_str(), manifest.data["small"]), ("small-f16", "encoder-f16", 8));

    // The manifest names the encoder; where the release lies it is not found, in `weights` of the source tree it is.
    let report = evaluate::run(&arguments(&release, set.path())).unwrap();
    assert_eq!((report.n, report.n_encrypted, report.skipped.len()), (8, 5, 0));
    assert_eq!(report.auc.keys().collect::<Vec<_>>(), ["a"], "of b nothing is known");
    let agreement = report.agreement.as_ref().unwrap();
    assert!(agreement.max_abs_logit_error < 0.02 && agreement.max_abs_logit_error > 0.0);
    assert_eq!(agreement.label_flips, 0);

    // Its release states the bits that the noise model leaves; measured on other images they may be one more or one less.
    let stated = manifest.reply_bits.unwrap();
    let asked = reply_bits::Args {
        model: release.to_str().unwrap().into(),
        data: Some(set.path().to_str().unwrap().into()),
        images: 2.try_into().unwrap(),
        runs: 8.try_into().unwrap(),
        write: false,
        common: Common::default(),
    };
    let found = reply_bits::run(&asked).unwrap();
    assert!(found.stated == Some(stated) && found.reply_bits.abs_diff(stated) <= 1 && found.images == 2, "{found}");
    let ratio = found.measured_deviation / found.predicted_deviation;
    assert!((0.25..4.0).contains(&ratio), "{found}");
    assert_eq!(Model::open(&release).unwrap().manifest(), &manifest, "nothing was asked to be written");
    let copy = folder.join("copy-f16");
    let model = Model::open(&release).unwrap();
    Model::write(&copy, Manifest { reply_bits: Some(5), ..manifest.clone() }, model.spec(), model.weights()).unwrap();
    let written = reply_bits::Args { model: copy.to_str().unwrap().into(), write: true, ..asked };
    let found = reply_bits::run(&written).unwrap();
    assert!(found.written && found.stated == Some(5));
    assert_eq!(Model::open(&copy).unwrap().manifest().reply_bits, Some(found.reply_bits));
    assert!(agreement.upload_bytes > 10_000 && agreement.key_bytes > agreement.upload_bytes);
    assert!(report.to_string().contains("labels decided otherwise 0"));
    assert_eq!((report.range.beyond_bounds, agreement.refused_replies), (0, 0));
    assert!(report.range.encrypted_leaves_range.is_some_and(|count| count <= 5));
    let line = serde_json::to_value(&report).unwrap();
    for name in [
        "model",
        "dataset",
        "split",
        "n",
        "n_encrypted",
        "auc_macro",
        "auc_macro_ci",
        "auc",
        "auc_macro_clear_same",
        "auc_macro_encrypted",
        "auc_macro_encrypted_ci",
        "max_abs_logit_error",
        "label_flips",
        "server_ms",
        "beyond_bounds",
        "encrypted_leaves_range",
        "refused_replies",
    ] {
        assert!(!line[name].is_null(), "{name}");
    }
    assert!(line["server_ms"]["median"].as_f64().unwrap() <= line["server_ms"]["p95"].as_f64().unwrap());

    let none = evaluate::run(&evaluate::Args { encrypted: 0, limit: Some(3), ..arguments(&release, set.path()) }).unwrap();
    assert_eq!((none.n, none.n_encrypted, none.agreement.is_none()), (3, 0, true));
    assert_eq!(none.range, evaluate::OutOfRange::default());

    // Replies that the client refuses are counted and do not end the run.
    loud(&release, &folder.join("loud"));
    let refused = evaluate::run(&arguments(&folder.join("loud"), set.path())).unwrap();
    assert_eq!((refused.range.beyond_bounds, refused.range.encrypted_leaves_range), (8, Some(5)));
    let agreement = refused.agreement.as_ref().unwrap();
    assert_eq!((refused.n, refused.n_encrypted, agreement.refused_replies), (8, 0, 5));
    assert!(refused.to_string().contains("replies refused       5; 5 of these images leave"), "{refused}");

    // An encoder of another release, a data set of other labels.
    let text = fs::read_to_string(release.join(MANIFEST)).unwrap();
    fs::write(release.join(MANIFEST), text.replace(&manifest.encoder_sha256, &"0a".repeat(32))).unwrap();
    assert!(matches!(evaluate::run(&arguments(&release, set.path())), Err(Error::OtherEncoder { .. })));
    fs::write(release.join(MANIFEST), text).unwrap();
    let renamed = fs::read_to_string(set.path().join("dataset.toml")).unwrap().replace("'a'", "'c', column = 'a'");
    fs::write(set.path().join("dataset.toml"), renamed.replace("'b'", "'d', column = 'b'")).unwrap();
    let refused = evaluate::run(&arguments(&release, set.path())).unwrap_err();
    assert!(matches!(refused, Error::Labels { .. }), "{refused}");
}
