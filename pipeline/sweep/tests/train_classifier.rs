//! From a folder of images over a teacher and latents to a student, as the command does it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use veilray_classifier::spec::NetworkSpec;
use veilray_classifier::weights::Weights;
use veilray_encoder::latents::{Info, Row, Writer};
use veilray_sweep::data::Split;
use veilray_sweep::train_classifier::{Args, Error, run};

const IMAGES: usize = 48;

fn split(image: usize) -> Split {
    Split::ALL[[0, 0, 1, 2][image % 4]]
}

/// A table of 48 images; label `tb` is 1 for every third, the view turns, the age grows.
fn images() -> tempfile::TempDir {
    let mut table = String::from("file,split,patient_id,tb,view,age\n");
    for i in 0..IMAGES {
        let age = if i == 0 { String::new() } else { (i * 2).to_string() };
        table += &format!("images/{i}.png,{},p{i},{},{},{age}\n", split(i), u8::from(i % 3 == 0), ["PA", "AP"][i / 2 % 2]);
    }
    let folder = support::folder(&table);
    fs::write(folder.path().join("dataset.toml"), "name = 'small'\nlabels = [{ name = 'tb' }]").unwrap();
    folder
}

/// Latents of the same images, those of the training split also mirrored; the first value tells the label.
fn latents(path: &Path) {
    let info = Info {
        encoder: "none".into(),
        encoder_digest: "5f".repeat(32),
        dataset: "small".into(),
        dataset_digest: "0a".repeat(32),
        shape: [1, 2, 2],
        label_names: vec!["tb".into()],
        extra_names: vec!["view".into(), "age".into()],
        flips: true,
    };
    let mut writer = Writer::open(path, &info).unwrap();
    for i in 0..IMAGES {
        for flipped in [false, true] {
            if flipped && split(i) != Split::Train {
                continue;
            }
            let row = Row {
                file: format!("images/{i}.png"),
                split: split(i),
                patient_id: format!("p{i}"),
                labels: vec![u8::from(i % 3 == 0)],
                extra: vec![["PA", "AP"][i / 2 % 2].into(), (i * 2).to_string()],
                flipped,
            };
            let sign = if i % 3 == 0 { 1.0 } else { -1.0 };
            writer.append(&[row], &[sign, (i % 5) as f32 / 5.0, 0.1, -0.3]).unwrap();
        }
    }
    writer.finish().unwrap();
}

const TRAIN: &str = "{ epochs = 12, batch = 8, optimiser = { learning_rate = 0.02 }, average = 0.9 }";
const LABELS: &str = r#"
    labels = ["tb"]
    auxiliary = ["ap", "old"]
    derived = [{ label = "ap", column = "view", any_of = ["AP"] }, { label = "old", column = "age", at_least = 50 }]
"#;

fn arguments(folder: &Path, name: &str, experiment: &str) -> Args {
    let config = folder.join(format!("{name}.toml"));
    fs::write(&config, format!("{LABELS}\n{experiment}")).unwrap();
    let (data_root, latents) = (None, folder.into());
    Args {
        config,
        out: folder.join(name),
        data_root,
        latents,
        until: None,
        teach: None,
        test: false,
        release: None,
        params: "n14".into(),
        key_budget: None,
        json: false,
    }
}

fn teacher(folder: &Path, set: &Path) -> (Args, PathBuf) {
    let text = format!(
        "data = [{{ images = {set:?} }}]\nmirror = true\nstages = [{{ name = 'relu', train = {{ epochs = 1, batch = 8 }} }}]\n\
         [network.teacher]\ninput = [1, 8, 8]\nunshuffle = 1\nstem = 2\nwidths = [3]\nblocks = [1]\ndropout = 0.1\nlabels = 3"
    );
    let probabilities = folder.join("probabilities.safetensors");
    (Args { teach: Some(probabilities.clone()), ..arguments(folder, "teacher", &text) }, probabilities)
}

const STUDENT: &str = r#"
    name = "tiny"
    labels = 1
    input = { channels = 1, height = 2, width = 2 }
    layers = [
        { kind = "flatten" },
        { kind = "linear", out = 6 },
        { kind = "activation", form = "hermite" },
        { kind = "linear", out = 1 },
    ]
"#;

#[test]
fn a_teacher_teaches_a_student_that_is_released_without_auxiliary_labels() {
    let (set, folder) = (images(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let (args, probabilities) = teacher(folder, set.path());
    let taught = run(&args).unwrap();
    assert_eq!(taught.report.validation.ranking.images, IMAGES / 4);
    assert!(taught.test.is_none() && !folder.join("teacher/test.json").exists());
    latents(&folder.join("small.h5"));
    fs::write(folder.join("tiny.toml"), STUDENT).unwrap();
    let text = format!(
        "data = [{{ latents = 'small.h5' }}]\nteachers = [{probabilities:?}]\nnetwork.specification = 'tiny.toml'\n\
         stages = [{{ name = 'relu', activation = 'relu', train = {TRAIN} }}, {{ name = 'hermite', train = {TRAIN} }}]"
    );
    let args = Args { test: true, ..arguments(folder, "student", &text) };
    // The reference first: what it leaves stands beside its checkpoints, and the whole run goes on from there.
    let reference = run(&Args { until: Some("relu".into()), ..args.clone() }).unwrap();
    assert_eq!(reference.report.steps.keys().collect::<Vec<_>>(), ["relu"]);
    assert!(folder.join("student/relu/test.json").is_file() && !folder.join("student/report.json").exists());
    let missing = run(&Args { until: Some("square".into()), ..args.clone() }).unwrap_err().to_string();
    assert!(missing.contains("its stages are relu, hermite"), "{missing}");
    let kept = fs::read(folder.join("student/relu/best.safetensors")).unwrap();
    let summary = run(&args).unwrap();
    assert_eq!(fs::read(folder.join("student/relu/best.safetensors")).unwrap(), kept);
    let figures = &summary.report.validation.ranking;
    assert_eq!((figures.images, figures.labels.len(), figures.labels[0].label.as_str()), (IMAGES / 4, 1, "tb"));
    assert_eq!(figures.roc_auc.macro_mean.unwrap().value, 1.0, "the first value of a latent is the label");
    assert_eq!(summary.report.range.layers.len(), 1);
    assert_eq!(summary.report.steps.values().collect::<Vec<_>>(), [&(12 * 48 / 8), &(12 * 48 / 8)]);
    let spec = NetworkSpec::read(&folder.join("student/network.toml")).unwrap();
    assert_eq!(spec.labels, 1);
    let model = folder.join("student/model.safetensors");
    Weights::read(&model).unwrap().check(&spec).unwrap();
    let test: serde_json::Value = serde_json::from_str(&fs::read_to_string(folder.join("student/test.json")).unwrap()).unwrap();
    assert_eq!(test["ranking"]["images"], IMAGES / 4);
    assert!(summary.to_string().contains("within AP"));
    // A finished run stays as it is.
    let before = fs::read(&model).unwrap();
    run(&Args { test: false, ..args }).unwrap();
    assert_eq!(fs::read(&model).unwrap(), before);
}

#[test]
fn a_student_whose_samples_no_teacher_saw_is_refused() {
    let (set, folder) = (images(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let (args, probabilities) = teacher(folder, set.path());
    run(&args).unwrap();
    let renamed = folder.join("other");
    fs::create_dir(&renamed).unwrap();
    for file in ["labels.csv", "dataset.toml"] {
        let text = fs::read_to_string(set.path().join(file)).unwrap().replace("'small'", "'other'");
        fs::write(renamed.join(file), text).unwrap();
    }
    std::os::unix::fs::symlink(set.path().join("images"), renamed.join("images")).unwrap();
    let (mut other, _) = teacher(folder, &renamed);
    let text = fs::read_to_string(&other.config).unwrap();
    fs::write(&other.config, format!("teachers = [{probabilities:?}]\n{text}")).unwrap();
    other.out = folder.join("second");
    assert!(matches!(run(&other).unwrap_err(), Error::Untaught { .. }));
}
