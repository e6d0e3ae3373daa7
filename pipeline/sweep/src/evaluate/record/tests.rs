use super::*;
use crate::evaluate::{Agreement, MaskAgreement, OutOfRange};
use crate::train_segmenter;
use std::path::PathBuf;
use veilray_classifier::operating_point::{OperatingPoint, Temperature, Thresholds};
use veilray_training::metrics::{Bootstrap, Scored, SplitReport};

const TEXT: &str = r#"{
 "format": 1,
 "machine": "two cores",
 "models": {
  "b": {"data": "set", "auc_val": {"value": 0.5}, "server_ms": {"median": 1, "note": "early"}, "command_time": "x", "memory_mb": 7},
  "a": {"accuracy": {"test": 0.1}},
  "m": {"data": "set", "encrypted": {"auc_clear": 0.9}}
 }
}"#;

fn file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("models.json");
    std::fs::write(&path, TEXT).unwrap();
    (folder, path)
}

fn origin() -> Origin {
    Origin { command: "evaluate".into(), date: "2026-11-30".into(), commit: Some("abc".into()) }
}

fn labels(model: &str, split: Split, encrypted: bool) -> Evaluation {
    let scored = Scored::new(vec![0.9, 0.1, 0.8, 0.2], vec![1, 0, 1, 0], vec!["x".into()]).unwrap();
    let names: Vec<String> = (0..4).map(|i| i.to_string()).collect();
    let thresholds = Thresholds { labels: vec!["x".into()], values: vec![0.5] };
    let point = OperatingPoint { temperature: Temperature::ONE, thresholds };
    let figures = SplitReport::of(split.name(), &scored, &names, &names, &point, &Bootstrap::default()).unwrap();
    let agreement = Agreement {
        images: 3,
        refused_replies: 1,
        accuracy_clear_same: Some(1.0),
        accuracy_encrypted: Some(0.75),
        auc_macro_clear_same: Some(0.123_456_78),
        auc_macro_clear_same_ci: None,
        auc_macro_encrypted: None,
        auc_macro_encrypted_ci: None,
        max_abs_logit_error: 0.000_434,
        label_flips: 0,
        label_flips_near: 2,
        server_ms: Times { median: 238.4, p95: 16.44 },
        upload_bytes: 645_120,
        reply_bytes: 3_152,
        key_bytes: 62_512_345,
    };
    let report = Report::new(model, "set", split, figures, encrypted.then_some(agreement), Vec::new());
    Evaluation::Labels(Box::new(Report {
        auc_macro: Some(0.708_123_4),
        auc_macro_ci: Some([0.6, 0.8]),
        accuracy: Some(0.5),
        peak_rss_mb: encrypted.then_some(980.4),
        threads: 2,
        ..report
    }))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_test_split_gives_all_figures_and_the_rest_stays() {
    let (_folder, path) = file();
    record(&path, &labels("b", Split::Test, true), false, &origin()).unwrap();
    let found = json(&path);
    let wanted = serde_json::json!({
        "data": "set", "auc_val": { "value": 0.5 }, "memory_mb": 980,
        "images": { "test": 4 }, "auc_test": { "value": 0.708123, "low": 0.6, "high": 0.8 },
        "encrypted": {
            "images": 3, "auc_clear": 0.123457, "largest_logit_difference": 0.00043, "labels_far": 0, "labels_near": 2,
        },
        "server_ms": { "median": 238, "p95": 16.4, "images": 4, "threads": 2 },
        "upload_mb": 0.645, "reply_mb": 0.00315, "keys_mb": 62.5,
        "command": "evaluate", "date": "2026-11-30", "commit": "abc",
    });
    assert_eq!(found["models"]["b"], wanted);
    let before: Value = serde_json::from_str(TEXT).unwrap();
    assert_eq!((&found["models"]["a"], &found["machine"]), (&before["models"]["a"], &before["machine"]));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.find("\"b\"") < text.find("\"a\"") && text.find("\"data\"") < text.find("\"auc_val\""), "{text}");
    // The same figures again change nothing.
    record(&path, &labels("b", Split::Test, true), false, &origin()).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn another_split_gives_its_own_figures_alone() {
    let (_folder, path) = file();
    record(&path, &labels("a", Split::Val, true), false, &Origin { commit: None, ..origin() }).unwrap();
    let wanted = serde_json::json!({
        "accuracy": { "test": 0.1, "val": 0.5 }, "images": { "val": 4 },
        "auc_val": { "value": 0.708123, "low": 0.6, "high": 0.8 },
        "command_val": "evaluate", "date_val": "2026-11-30",
    });
    assert_eq!(json(&path)["models"]["a"], wanted);
    record(&path, &labels("a", Split::Test, true), false, &origin()).unwrap();
    assert_eq!(json(&path)["models"]["a"]["accuracy"], serde_json::json!({ "test": 0.5, "val": 0.5, "encrypted": 0.75 }));
}

#[test]
fn some_images_of_a_split_give_times_alone() {
    let (_folder, path) = file();
    record(&path, &labels("b", Split::Test, false), true, &origin()).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), TEXT, "nothing was measured that counts");
    record(&path, &labels("b", Split::Test, true), true, &origin()).unwrap();
    let found = json(&path);
    let model = &found["models"]["b"];
    assert_eq!((&model["server_ms"]["median"], &model["command_time"]), (&238.into(), &"evaluate".into()));
    for absent in ["auc_test", "images", "encrypted", "command"] {
        assert!(model[absent].is_null(), "{absent}: {model}");
    }
}

#[test]
fn masks_give_dice() {
    let (_folder, path) = file();
    let figures = train_segmenter::Figures {
        split: "test".into(),
        images: 106,
        dice: 0.953_31,
        iou: 0.9132,
        dice_fifth_percentile: 0.91,
        dice_least: f64::NAN,
    };
    let agreement = MaskAgreement {
        images: 12,
        refused_replies: 0,
        dice_clear_same: 0.95051,
        dice_encrypted: 0.95051,
        iou_encrypted: 0.9,
        dice_difference: 0.0,
        max_abs_dice_difference: 0.0,
        max_abs_logit_error: 0.0011,
        pixels_flipped: 0,
        pixels: 196_608,
        server_ms: Times { median: 938.0, p95: 1965.0 },
        upload_bytes: 2_270_000,
        reply_bytes: 370_000,
        key_bytes: 325_000_000,
    };
    let report = MaskReport {
        model: "m".into(),
        dataset: "set".into(),
        split: Split::Test,
        n: 106,
        n_encrypted: 12,
        range: OutOfRange::default(),
        dice: figures.dice,
        iou: figures.iou,
        implausible: 0,
        agreement: Some(agreement),
        peak_rss_mb: None,
        threads: 2,
        params: "n15".into(),
        figures,
        without_mask: 0,
        refused: Vec::new(),
    };
    record(&path, &Evaluation::Masks(Box::new(report)), false, &origin()).unwrap();
    let found = json(&path);
    let model = &found["models"]["m"];
    assert_eq!(model["dice"], serde_json::json!({ "test": 0.95331, "p5_test": 0.91 }));
    let encrypted = serde_json::json!({
        "auc_clear": 0.9, "images": 12, "dice_clear": 0.95051, "dice_encrypted": 0.95051, "largest_dice_change": 0,
        "largest_logit_difference": 0.0011, "pixels": 196_608, "pixels_differ": 0,
    });
    assert_eq!(model["encrypted"], encrypted);
    assert_eq!(model["server_ms"], serde_json::json!({ "median": 938, "p95": 1965, "images": 12, "threads": 2 }));
}

#[test]
fn figures_of_other_models_and_data_are_refused() {
    let (_folder, path) = file();
    let refused = record(&path, &labels("c", Split::Test, true), false, &origin()).unwrap_err();
    assert!(matches!(refused, Error::NoFigures { .. }), "{refused}");
    std::fs::write(&path, TEXT.replace("\"set\"", "\"other\"")).unwrap();
    let refused = record(&path, &labels("b", Split::Test, true), false, &origin()).unwrap_err();
    assert!(matches!(&refused, Error::OtherFigures { wanted, .. } if wanted == "other"), "{refused}");
    std::fs::write(&path, "{}").unwrap();
    let refused = record(&path, &labels("b", Split::Test, true), false, &origin()).unwrap_err();
    assert!(matches!(refused, Error::Figures(veilray_base::figures::FiguresError::Format { .. })), "{refused}");
}

#[test]
fn the_command_names_no_folder_of_this_machine() {
    let args = Args {
        model: "/somewhere/b".into(),
        data: "/somewhere/set".into(),
        split: Split::Test,
        encrypted: 20,
        limit: Some(200),
        record: None,
        common: crate::command::arguments::Common::default(),
    };
    let origin = Origin::of(&args, "b", "set", true);
    let wanted = "cargo run --release -p veilray-sweep --features tfhe -- evaluate --model b --data set --split test --limit 200 \
                  --encrypted 20";
    assert_eq!(origin.command, wanted);
    assert_eq!((origin.date.len(), origin.date.split('-').count()), (10, 3));
}
