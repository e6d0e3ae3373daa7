//! Whole runs on made-up data.

use super::*;
use crate::metrics::{Evaluation, UNKNOWN};
use crate::trainer::{beta, mix};
use candle_core::Tensor;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use veilray_base::Rng;

/// Images of 8 x 8 noise: label "bright" has a brighter right half; "noise" is a coin; every third "bright" is unknown.
fn samples(count: usize, seed: u64) -> Samples {
    let mut rng = Rng::new(seed, "samples");
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for index in 0..count {
        let bright = rng.below(2);
        for at in 0..64 {
            let lift = if bright == 1 && at % 8 >= 4 { 60.0 } else { 0.0 };
            pixels.push((90.0 + lift + 25.0 * rng.normal()).clamp(0.0, 255.0) as u8);
        }
        labels.extend([if index % 3 == 2 { UNKNOWN } else { bright as u8 }, rng.below(2) as u8]);
    }
    let names = vec!["bright".to_string(), "noise".to_string()];
    let patients = (0..count).map(|i| format!("p{i}")).collect();
    Samples::new(Inputs::Images(pixels), [1, 8, 8], labels, names, patients, vec![String::new(); count]).unwrap()
}

fn architecture() -> ResNetConfig {
    ResNetConfig { input: [1, 8, 8], unshuffle: 1, stem: 4, widths: vec![6], blocks: vec![1], dropout: 0.1, labels: 2 }
}

fn config() -> TrainConfig {
    let images = ImageAugmentation { shift: 0.1, contrast: 0.1, ..ImageAugmentation::default() };
    let range = RangePenalty { weight: 0.1, ..RangePenalty::default() };
    TrainConfig {
        epochs: 6,
        batch: 8,
        average: Some(0.9),
        mixup: 0.2,
        checkpoint_every: 7,
        images,
        range,
        ..TrainConfig::default()
    }
}

fn data<'a>(train: &'a Samples, validation: &'a Samples) -> TrainingData<'a> {
    TrainingData { train, validation, reported: 1, teacher: None, start: None }
}

fn bits(tensors: &BTreeMap<String, Tensor>) -> Vec<(String, Vec<u32>)> {
    let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().map(|v| v.to_bits()).collect();
    tensors.iter().map(|(name, tensor)| (name.clone(), values(tensor))).collect()
}

#[test]
fn a_run_learns_is_resumed_to_the_same_bits_and_keeps_its_best_weights() {
    let (training, validation) = (samples(96, 1), samples(60, 2));
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let run = |folder: &std::path::Path, stop: bool| {
        let stop = AtomicBool::new(stop);
        train(&architecture(), &config(), data(&training, &validation), folder, Some(&stop)).unwrap()
    };
    let trained = run(whole.path(), false);
    let network = frozen(&architecture(), &trained.tensors).unwrap();
    let logits = predict(network.as_ref(), &validation, 7, false).unwrap();
    let auc = Evaluation::of(&reported(&validation, &logits, 1).unwrap()).roc_auc.macro_mean.unwrap().value;
    assert!(auc > 0.9, "{auc}");
    let text = std::fs::read_to_string(whole.path().join("evaluate.csv")).unwrap();
    let best = text.lines().skip(1).map(|row| row.split(',').nth(2).unwrap().parse::<f64>().unwrap()).fold(0.0, f64::max);
    assert_eq!(auc, best, "the weights returned are those of the best evaluation");
    for step in 1..=3 {
        assert_eq!(run(parts.path(), true).outcome.steps, step);
    }
    let resumed = run(parts.path(), false);
    assert_eq!(resumed.outcome.resumed_at, Some(3));
    assert_eq!(bits(&resumed.tensors), bits(&trained.tensors));
    let other = TrainConfig { mixup: 0.3, ..config() };
    let refused = train(&architecture(), &other, data(&training, &validation), parts.path(), None).unwrap_err();
    assert!(matches!(refused, Error::Network(veilray_nn::Error::OtherRun { .. })), "{refused}");
    // As many samples of the same shape, and a teacher, are another run too.
    let (others, taught) = (samples(training.len(), 9), vec![0.5; training.labels().len()]);
    for other in [data(&others, &validation), TrainingData { teacher: Some(&taught), ..data(&training, &validation) }] {
        let refused = train(&architecture(), &config(), other, parts.path(), None).unwrap_err();
        assert!(matches!(refused, Error::Network(veilray_nn::Error::OtherRun { .. })), "{refused}");
    }
}

#[test]
fn a_teacher_replaces_labels_that_are_not_known() {
    // No label is known in training; only the teacher knows.
    let (truth, validation) = (samples(96, 1), samples(60, 2));
    let bright: Vec<f32> = (0..96).flat_map(|i| [f32::from(truth.labels_of(i)[0] == 1), 0.5]).collect();
    let known: Vec<usize> = (0..96).filter(|i| truth.labels_of(*i)[0] != UNKNOWN).collect();
    let teacher: Vec<f32> = known.iter().flat_map(|i| bright[2 * i..2 * i + 2].to_vec()).collect();
    let picked = truth.select(&known).unwrap();
    let blind = Samples::new(
        picked.inputs().clone(),
        [1, 8, 8],
        vec![UNKNOWN; picked.labels().len()],
        picked.names().to_vec(),
        picked.patients().to_vec(),
        picked.views().to_vec(),
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let data = TrainingData { teacher: Some(&teacher), ..data(&blind, &validation) };
    let config = TrainConfig { mixup: 0.0, ..config() };
    let trained = train(&architecture(), &config, data, folder.path(), None).unwrap();
    let network = frozen(&architecture(), &trained.tensors).unwrap();
    let logits = predict(network.as_ref(), &validation, 16, true).unwrap();
    let auc = Evaluation::of(&reported(&validation, &logits, 1).unwrap()).roc_auc.macro_mean.unwrap().value;
    assert!(auc > 0.9, "{auc}");
    let short = TrainingData { teacher: Some(&teacher[1..]), ..data };
    assert!(matches!(train(&architecture(), &config, short, folder.path(), None), Err(Error::Setting { .. })));
}

#[test]
fn given_weights_are_where_a_run_starts() {
    let (training, validation) = (samples(32, 1), samples(20, 2));
    let folder = tempfile::tempdir().unwrap();
    let first = train(&architecture(), &config(), data(&training, &validation), folder.path(), None).unwrap();
    // One epoch at a rate of nothing: what comes out is what went in, but for the running statistics.
    let mut still = TrainConfig { epochs: 1, average: None, ..config() };
    still.optimiser.learning_rate = 0.0;
    let folder = tempfile::tempdir().unwrap();
    let second = TrainingData { start: Some(&first.tensors), ..data(&training, &validation) };
    let second = train(&architecture(), &still, second, folder.path(), None).unwrap();
    let weights = |tensors: &BTreeMap<String, Tensor>| {
        bits(tensors).into_iter().filter(|(name, _)| name.ends_with("weight") || name.ends_with("bias")).collect::<Vec<_>>()
    };
    assert_eq!(weights(&first.tensors), weights(&second.tensors));
    // A network that has other layers too takes what it finds, and the rest from its seed.
    let wider = ResNetConfig { widths: vec![7], ..architecture() };
    let folder = tempfile::tempdir().unwrap();
    let third = TrainingData { start: Some(&first.tensors), ..data(&training, &validation) };
    let third = train(&wider, &still, third, folder.path(), None).unwrap();
    let stem = |tensors: &BTreeMap<String, Tensor>| {
        weights(tensors).into_iter().filter(|(name, _)| name.starts_with("stem")).collect::<Vec<_>>()
    };
    assert_eq!(stem(&first.tensors), stem(&third.tensors));
    assert_ne!(weights(&first.tensors).len(), stem(&third.tensors).len());
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let (training, validation) = (samples(32, 1), samples(20, 2));
    let folder = tempfile::tempdir().unwrap();
    let run = |architecture: &ResNetConfig, config: &TrainConfig, data: TrainingData<'_>| {
        train(architecture, config, data, folder.path(), None).unwrap_err().to_string()
    };
    let good = data(&training, &validation);
    let wide = ResNetConfig { input: [1, 16, 16], ..architecture() };
    assert!(run(&wide, &config(), good).contains("[1, 16, 16]"));
    assert!(run(&ResNetConfig { labels: 3, ..architecture() }, &config(), good).contains("3 labels"));
    assert!(run(&architecture(), &TrainConfig { epochs: 0, ..config() }, good).contains("epochs"));
    assert!(run(&architecture(), &TrainConfig { batch: 33, ..config() }, good).contains("33 of 32"));
    assert!(run(&architecture(), &config(), TrainingData { reported: 3, ..good }).contains("reported"));
    let renamed = validation.clone().with_labels(&["bright".into(), "other".into()]).unwrap();
    assert!(run(&architecture(), &config(), TrainingData { validation: &renamed, ..good }).contains("other"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(toml::from_str::<TrainConfig>("epochs = 3\nepoch = 4").is_err());
}

#[test]
fn mixing_blends_each_row_with_the_next() {
    let mut rows = vec![0.0f32, 10.0, 1.0, 20.0, 2.0, 30.0];
    mix(&mut rows, &[0.0, 0.5, 1.0], |a, b, share| (1.0 - share) * a + share * b);
    assert_eq!(rows, [0.0, 10.0, 1.5, 25.0, 0.0, 10.0]);
}

#[test]
fn shares_follow_the_beta_distribution() {
    let mut rng = Rng::new(1, "beta");
    for a in [0.05, 0.4, 1.0] {
        let draws: Vec<f64> = (0..20_000).map(|_| beta(a, &mut rng)).collect();
        let mean = draws.iter().sum::<f64>() / 2e4;
        let variance = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 2e4;
        // Mean 1/2 and variance 1 / (4 (2 a + 1)), within five standard errors.
        assert!((mean - 0.5).abs() < 0.018, "{a}: {mean}");
        assert!((variance - 0.25 / (2.0 * a + 1.0)).abs() < 0.01, "{a}: {variance}");
    }
}
