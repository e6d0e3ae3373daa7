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
use veilray_latents::{Info, Row, Writer};
use veilray_sweep::command::arguments::{Common, Training};
use veilray_sweep::command::error::Error;
use veilray_sweep::data::Split;
use veilray_sweep::train_classifier::{Args, Experiment, Probabilities, Roots, Teacher, load, run};
use veilray_sweep::{encode, teach};

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
        variant: String::new(),
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
    let latents = folder.into();
    Args {
        latents,
        until: None,
        teach: None,
        params: "n14".into(),
        key_budget: None,
        training: Training { config, out: folder.join(name), test: false, release: None, common: Common::default() },
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
    let mut args = arguments(folder, "student", &text);
    args.training.test = true;
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
    args.training.test = false;
    run(&args).unwrap();
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
    let text = fs::read_to_string(&other.training.config).unwrap();
    fs::write(&other.training.config, format!("teachers = [{probabilities:?}]\n{text}")).unwrap();
    other.training.out = folder.join("second");
    assert!(matches!(run(&other).unwrap_err(), Error::Untaught { .. }));
}

/// Amounts of a change, as both commands take them.
const CHANGE: &str = "{ flip = true, shift = 0.2, rotate = 20.0, contrast = 0.3 }";

fn encoded(folder: &Path, set: &Path, augment: Option<&str>, out: &str) {
    let splits = if augment.is_some() { vec![Split::Train] } else { Split::ALL.to_vec() };
    let args = encode::Args {
        data: set.to_str().unwrap().into(),
        model: "pixels-8".into(),
        out: folder.join(out),
        splits,
        flips: false,
        augment: augment.map(Into::into),
        seed: 7,
        batch: 8,
        flush: 100,
        common: Common::default(),
    };
    encode::run(&args).unwrap();
}

#[test]
fn a_teacher_is_shown_the_changed_images_that_its_student_sees() {
    let (set, folder) = (images(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let (args, _) = teacher(folder, set.path());
    run(&args).unwrap();
    let taught = folder.join("taught.safetensors");
    let ask = teach::Args {
        model: args.training.out.clone(),
        data: vec![],
        augment: Some(CHANGE.into()),
        seeds: vec![7],
        out: taught.clone(),
        common: Common::default(),
    };
    let summary = teach::run(&ask).unwrap();
    assert_eq!(
        (summary.samples, summary.labels, summary.variants.len()),
        (IMAGES, 3, 1),
        "half of the images are for training, twice"
    );
    encoded(folder, set.path(), None, "plain.h5");
    encoded(folder, set.path(), Some(CHANGE), "changed.h5");
    let text = |files: &str| {
        format!(
            "data = [{files}]\nteachers = [{taught:?}]\nnetwork.specification = 'tiny.toml'\n\
         stages = [{{ name = 'hermite', train = {TRAIN} }}]"
        )
    };
    let args = arguments(folder, "student", &text("{ latents = 'plain.h5' }, { latents = 'changed.h5' }"));
    // Latents of `pixels-8` are what the teacher sees: it gives them the same probabilities by the same names.
    let experiment = Experiment::read(&args.training.config).unwrap();
    let named = load(&experiment, &Roots { data: None, latents: folder.into() }, Split::Train, 0).unwrap();
    assert_eq!((named.names.len(), named.sets["small"]), (IMAGES, IMAGES / 2), "an image counts once");
    let again = folder.join("again.safetensors");
    Teacher::open(&ask.model).unwrap().teach(&named).unwrap().save(&again).unwrap();
    let values = |path: &Path| Probabilities::average(&[path.into()], &named).unwrap().unwrap();
    let (found, wanted) = (values(&taught), values(&again));
    assert!(found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-5));
    let (plain, changed) = wanted.split_at(wanted.len() / 2);
    assert!(plain.iter().zip(changed).any(|(a, b)| (a - b).abs() > 1e-4), "the change is seen");
    fs::write(folder.join("tiny.toml"), STUDENT.replace("height = 2, width = 2", "height = 8, width = 8")).unwrap();
    let summary = run(&args).unwrap();
    assert_eq!(summary.report.images["small"], IMAGES / 2);
    assert_eq!(summary.report.steps["hermite"], 12 * IMAGES as u64 / 8);
    // Changed otherwise, they are other images.
    fs::remove_file(folder.join("changed.h5")).unwrap();
    encoded(folder, set.path(), Some("{ shift = 0.1 }"), "changed.h5");
    let mut other = args;
    other.training.out = folder.join("other");
    let refused = run(&other).unwrap_err().to_string();
    assert!(refused.contains("@7:shift=0.1") && refused.contains("veilray-sweep teach"), "{refused}");
    // A student's run teaches nobody; amounts and labels are checked.
    assert!(
        teach::run(&teach::Args { model: folder.join("student"), ..ask.clone() })
            .unwrap_err()
            .to_string()
            .contains("network.teacher")
    );
    let wrong = teach::run(&teach::Args { augment: Some("{ shift = 3.0 }".into()), ..ask.clone() }).unwrap_err().to_string();
    assert!(wrong.contains("shift"), "{wrong}");
    let twice = teach::run(&teach::Args { seeds: vec![7, 8, 7], ..ask }).unwrap_err().to_string();
    assert!(twice.contains("seed 7 is there twice"), "{twice}");
}

#[test]
fn a_set_without_the_teachers_labels_is_taught_all_the_same() {
    let (set, other, folder) = (images(), images(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let (args, _) = teacher(folder, set.path());
    run(&args).unwrap();
    for file in ["labels.csv", "dataset.toml"] {
        let path = other.path().join(file);
        let text =
            fs::read_to_string(&path).unwrap().replace("'small'", "'other'").replace("tb", "cough").replace(",age", ",years");
        fs::write(path, text).unwrap();
    }
    let taught = folder.join("other.safetensors");
    let set = other.path().to_str().unwrap().to_string();
    let ask = teach::Args {
        model: args.training.out,
        data: vec![set],
        augment: None,
        seeds: vec![],
        out: taught,
        common: Common::default(),
    };
    let summary = teach::run(&ask).unwrap();
    assert_eq!((summary.samples, summary.labels), (IMAGES / 2, 3));
    fs::remove_dir_all(other.path().join("images")).unwrap();
    assert!(matches!(teach::run(&ask), Err(Error::EmptySplit { .. })), "nothing could be read");
}

#[test]
fn the_teacher_that_is_kept_can_be_asked() {
    let (set, folder) = (images(), tempfile::tempdir().unwrap());
    let ask = teach::Args {
        model: Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights/teacher-nih14"),
        data: vec![set.path().to_str().unwrap().into()],
        augment: None,
        seeds: vec![],
        out: folder.path().join("new/taught.safetensors"),
        common: Common::default(),
    };
    let summary = teach::run(&ask).unwrap();
    assert_eq!((summary.samples, summary.labels), (IMAGES / 2, 20));
    assert!(ask.out.is_file());
}
