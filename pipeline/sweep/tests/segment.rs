//! From images with masks to a released network and its figures, in clear and encrypted, as a researcher goes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

mod support;

use std::fs;
use std::path::Path;
use veilray_classifier::release::Model;
use veilray_imaging::phantom::Phantom;
use veilray_imaging::pixels::Pixels;
use veilray_sweep::command::arguments::{Common, Training};
use veilray_sweep::command::error::Error;
use veilray_sweep::data::{Dataset, Error as DataError, Masked, Split};
use veilray_sweep::evaluate::{self, Evaluation};
use veilray_sweep::train_segmenter::{self, Args};

const SIDE: usize = 256;

/// A grey PNG of 256 × 256.
fn png(levels: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, SIDE as u32, SIDE as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(levels).unwrap();
    writer.finish().unwrap();
    file
}

/// Drawn chests whose lungs are ellipses of a size of their own; every eighth has no mask.
fn chests() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for part in ["images", "masks"] {
        fs::create_dir_all(folder.path().join(part)).unwrap();
    }
    let mut table = String::from("file,mask,split,patient_id,tb\n");
    for i in 0..24u32 {
        let (wide, high) = (34.0 + f64::from(i % 5) * 4.0, 60.0 + f64::from(i % 7) * 4.0);
        let inside = |index: usize| {
            let (x, y) = ((index % SIDE) as f64, (index / SIDE) as f64 - 128.0);
            [72.0, 184.0].iter().any(|centre| ((x - centre) / wide).powi(2) + (y / high).powi(2) < 1.0)
        };
        let film = Phantom { seed: u64::from(i), size: SIDE, ..Phantom::default() }.canonical().unwrap().to_levels();
        let image: Vec<u8> = film.iter().enumerate().map(|(at, v)| if inside(at) { v / 3 } else { v / 2 + 100 }).collect();
        let mask: Vec<u8> = (0..SIDE * SIDE).map(|at| if inside(at) { 255 } else { 0 }).collect();
        fs::write(folder.path().join(format!("images/{i}.png")), png(&image)).unwrap();
        fs::write(folder.path().join(format!("masks/{i}.png")), png(&mask)).unwrap();
        let file = if i % 8 == 7 { String::new() } else { format!("masks/{i}.png") };
        table += &format!("images/{i}.png,{file},{},p{i},0\n", Split::ALL[[0, 0, 1, 2][i as usize % 4]]);
    }
    fs::write(folder.path().join("labels.csv"), table).unwrap();
    fs::write(folder.path().join("dataset.toml"), "name = 'chests'\nlabels = [{ name = 'tb' }]").unwrap();
    folder
}

const NETWORK: &str = r#"
name = "tiny"
labels = 256
input = { channels = 1, height = 16, width = 16 }
layers = [
    { kind = "conv", out = 3, kernel = 2, stride = 2, bias = false },
    { kind = "batch_norm" },
    { kind = "activation", form = "square" },
    { kind = "conv", out = 3, kernel = 3, padding = 1, bias = false },
    { kind = "batch_norm" },
    { kind = "activation", form = "square" },
    { kind = "conv_transpose", out = 1, kernel = 2, stride = 2 },
    { kind = "flatten" },
]
"#;

fn arguments(folder: &Path, set: &Path) -> Args {
    fs::write(folder.join("tiny.toml"), NETWORK).unwrap();
    let text = format!(
        "mask = 'lung'\ndata = '{}'\nnetwork = 'tiny.toml'\n[train]\nepochs = 40\nbatch = 4\nimages = {{ flip = true }}\n\
         optimiser = {{ learning_rate = 2e-2 }}\nrange = {{ weight = 0.01, target = 4.0, relative = false }}\n",
        set.display()
    );
    fs::write(folder.join("config.toml"), text).unwrap();
    Args {
        limit: None,
        params: "n14".into(),
        training: Training {
            config: folder.join("config.toml"),
            out: folder.join("run"),
            test: true,
            release: Some(folder.join("tiny-16")),
            common: Common::default(),
        },
    }
}

#[test]
fn a_network_for_masks_is_trained_released_and_gives_the_same_encrypted() {
    let (set, folder) = (chests(), tempfile::tempdir().unwrap());
    let args = arguments(folder.path(), set.path());
    let report = train_segmenter::run(&args).unwrap();
    let test = report.test.clone().unwrap();
    assert!(report.validation.dice > 0.8 && test.dice > 0.8, "{report}");
    assert_eq!((report.images, test.images, report.range.layers.len()), (12, 3, 2));
    for file in ["model.safetensors", "network.toml", "report.json", "test.json"] {
        assert!(folder.path().join("run").join(file).is_file(), "{file}");
    }
    let model = Model::open(&folder.path().join("tiny-16")).unwrap();
    let manifest = model.manifest();
    assert_eq!((manifest.encoder.as_str(), model.labels()), ("pixels-16", &["lung".to_string()][..]));
    assert_eq!(manifest.mask.map(|mask| (mask.height, mask.width)), Some((16, 16)));

    let asked = evaluate::Args {
        model: folder.path().join("tiny-16").to_str().unwrap().into(),
        data: set.path().to_str().unwrap().into(),
        split: Split::Test,
        encrypted: 2,
        limit: None,
        record: None,
        common: Common { data_root: None, json: true },
    };
    let Evaluation::Masks(found) = evaluate::command(&asked).unwrap() else { panic!("a report of labels") };
    assert_eq!((found.n, found.n_encrypted, found.without_mask), (3, 2, 3));
    assert!((found.dice - test.dice).abs() < 1e-9, "{} evaluated, {} trained", found.dice, test.dice);
    let agreement = found.agreement.as_ref().unwrap();
    assert!(agreement.max_abs_logit_error < 0.02 && agreement.dice_difference.abs() < 0.02, "{found}");
    assert_eq!(agreement.pixels, 2 * 256);
    assert_eq!((found.range.beyond_bounds, agreement.refused_replies), (0, 0));
    assert!(found.range.encrypted_leaves_range.is_some());
    let json = serde_json::to_value(Evaluation::Masks(found)).unwrap();
    for key in ["model", "dataset", "split", "n", "n_encrypted", "dice", "dice_encrypted", "peak_rss_mb"] {
        assert!(json.get(key).is_some_and(|value| !value.is_null()), "{key}");
    }
    assert!(json["server_ms"]["median"].as_f64().unwrap() > 0.0 && json["server_ms"]["p95"].as_f64().unwrap() > 0.0);
}

#[test]
fn masks_are_brought_to_the_side_by_area_and_what_is_none_is_refused_by_its_place() {
    let set = chests();
    let pixels = Pixels::new(16).unwrap();
    let read = |split| Masked::read(&Dataset::folder(set.path()).unwrap(), split, &pixels, "lung", None);
    let masked = read(Split::Train).unwrap();
    assert_eq!((masked.samples.len(), masked.without, masked.refused.len()), (12, 0, 0));
    // The first mask: ellipses of 34 x 60 about (72, 128) and (184, 128).
    for (index, found) in masked.samples.mask(0).iter().enumerate() {
        let inside = |at: usize| {
            let (x, y) = ((index % 16 * 16 + at % 16) as f64, (index / 16 * 16 + at / 16) as f64 - 128.0);
            [72.0, 184.0].iter().any(|centre| ((x - centre) / 34.0).powi(2) + (y / 60.0).powi(2) < 1.0)
        };
        let area = (0..256).filter(|at| inside(*at)).count();
        assert!(area == 128 || usize::from(*found) == usize::from(area > 128), "pixel {index}: {area} of 256 inside");
    }

    fs::write(set.path().join("masks/0.png"), b"no picture").unwrap();
    let refused = read(Split::Train).unwrap_err();
    assert!(matches!(&refused, DataError::Mask { place, .. } if place.ends_with("labels.csv line 2")), "{refused}");
    let table = fs::read_to_string(set.path().join("labels.csv")).unwrap();
    fs::write(set.path().join("labels.csv"), table.replace("masks/0.png", "../masks/0.png")).unwrap();
    assert!(read(Split::Train).unwrap_err().to_string().contains("without . and .."));
    let blank: Vec<String> = table
        .lines()
        .map(|line| {
            let mut cells: Vec<&str> = line.split(',').collect();
            if cells[2] == "val" {
                cells[1] = "";
            }
            cells.join(",")
        })
        .collect();
    fs::write(set.path().join("labels.csv"), blank.join("\n")).unwrap();
    assert!(matches!(read(Split::Val), Err(DataError::NoMasks { split: Split::Val })));
}

#[test]
fn configurations_that_fit_no_mask_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let args = arguments(folder.path(), Path::new("nowhere"));
    let refused = train_segmenter::run(&args).unwrap_err();
    assert!(matches!(refused, Error::Data(DataError::UnknownSet { .. })), "{refused}");
    let text = fs::read_to_string(&args.training.config).unwrap();
    for (old, new, word) in [
        ("tiny.toml", "veilnet-s", "as many logits"),
        ("tiny.toml", "unet-lung-65", "no network is called"),
        ("epochs", "epoch", "unknown field"),
    ] {
        fs::write(&args.training.config, text.replacen(old, new, 1)).unwrap();
        let refused = train_segmenter::run(&args).unwrap_err().to_string();
        assert!(refused.contains(word), "{refused}");
    }
}
