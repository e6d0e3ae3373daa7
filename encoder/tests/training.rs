//! Training, killing, resuming, releasing and opening, on phantoms.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use veilray_base::release::MANIFEST;
use veilray_encoder::evaluate::Evaluation;
use veilray_encoder::release::{Released, WEIGHTS};
use veilray_encoder::train::{Images, TrainConfig, Training, release};
use veilray_encoder::vqgan::{Config, Error};
use veilray_imaging::ingest::{Canonical, Warning};
use veilray_imaging::phantom::Phantom;
use veilray_nn::training::{LoopConfig, Outcome, run};

const SHAPES: &str = r#"
image_channels = 1
unshuffle = 4
latent_channels = 3
norm = "none"
encoder = { channels = [16, 24], blocks = [1, 1], attention = false, early = true }
decoder = { channels = [16, 24], blocks = [1, 1], attention = false, early = true }
codebook = { size = 64 }
"#;

const TRAINING: &str = r#"
seed = 1
average = 0.9
checkpoint_every = 4
evaluate_every = 6
evaluate_images = 2
data = [{ name = "a", weight = 2.0 }, { name = "b", weight = 1.0 }]
phases = [{ steps = 8, side = 32, batch = 4 }, { steps = 6, side = 64, batch = 2 }]
reconstruction = { absolute = 1.0, squared = 10.0 }
optimiser = { learning_rate = 2e-3, clip_norm = 1.0 }
schedule = { kind = "cosine", warm_up = 2, steps = 14 }
codebook = { from = 3, share = 0.5, commitment = 0.25, decay = 0.9, revive_every = 2 }
[adversarial]
from = 7
weight = 0.5
matching = 0.1
discriminator = { channels = 4, layers = 2 }
optimiser = { rule = "adam", learning_rate = 1e-3 }
"#;

fn phantoms() -> &'static [Canonical] {
    static IMAGES: OnceLock<Vec<Canonical>> = OnceLock::new();
    IMAGES.get_or_init(|| (0..6).map(|seed| Phantom { seed, size: 256, ..Phantom::default() }.canonical().unwrap()).collect())
}

fn levels(images: &[Canonical]) -> Vec<u8> {
    images.iter().flat_map(Canonical::to_levels).collect()
}

fn task() -> Training {
    let (mut train, mut validation) = (Images::new(), Images::new());
    train.add("a", 2.0, levels(&phantoms()[..3])).unwrap();
    train.add("b", 1.0, levels(&phantoms()[3..5])).unwrap();
    validation.add("a", 1.0, levels(&phantoms()[4..])).unwrap();
    let config = TrainConfig::from_toml(TRAINING).unwrap();
    Training::new(&Config::from_toml(SHAPES).unwrap(), &config, train, &validation).unwrap()
}

fn train(folder: &Path, steps: u64) -> (Training, Outcome) {
    let config = LoopConfig { steps, seed: 1, log_every: 2, evaluate_every: 6, checkpoint_every: 4, best: None };
    let mut task = task();
    let outcome = run(&mut task, &config, folder, None).unwrap();
    (task, outcome)
}

#[test]
fn a_killed_run_resumes_to_the_same_weights_and_the_release_opens() {
    let root = tempfile::tempdir().unwrap();
    let (whole, parts) = (root.path().join("whole"), root.path().join("parts"));
    let (finished, outcome) = train(&whole, 14);
    assert!(outcome.evaluation.get("psnr").unwrap() > 10.0, "{outcome:?}");
    assert!(outcome.evaluation.get("codebook_use").is_some());
    // Killed in the phase of crops before the codebook starts, within it, and with the discriminator: what was on the disk goes on.
    for steps in [2, 6, 9, 14] {
        train(&parts, steps);
    }
    let bytes = |folder: &Path| std::fs::read(folder.join("last.safetensors")).unwrap();
    let tensors = |bytes: &[u8]| {
        let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
        let mut all: Vec<(String, Vec<u8>)> =
            file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect();
        all.sort();
        all
    };
    assert_eq!(tensors(&bytes(&whole)), tensors(&bytes(&parts)));

    let folder = root.path().join("encoder-test");
    release(&finished, "encoder-test", 1.0, 14, &phantoms()[4..], &folder).unwrap();
    let encoder = Released::open(&folder).unwrap();
    assert_eq!(encoder.manifest().latent, [3, 32, 32]);
    assert_eq!(encoder.manifest().training.data, [("a".to_string(), 3), ("b".to_string(), 2)].into());

    // The latents that leave it are standard, over images like those of training.
    let latents = encoder.encode(phantoms()).unwrap();
    let plane = 32 * 32;
    for channel in 0..3 {
        let of: Vec<f64> = (0..phantoms().len())
            .flat_map(|i| latents[(3 * i + channel) * plane..][..plane].iter().map(|&v| f64::from(v)))
            .collect();
        let mean = of.iter().sum::<f64>() / of.len() as f64;
        let variance = of.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / of.len() as f64;
        assert!(mean.abs() < 0.3 && (0.5..2.0).contains(&variance), "{mean} {variance}");
    }

    // An image like those of training passes; noise does not.
    let compressed = encoder.compress(&phantoms()[5]).unwrap();
    assert_eq!((compressed.latent.len(), compressed.warnings.len()), (3 * plane, 0));
    let mut rng = veilray_base::Rng::new(9, "noise");
    let noise = Canonical::from_values((0..256 * 256).map(|_| if rng.below(2) == 0 { -1.0 } else { 1.0 }).collect()).unwrap();
    let warnings = encoder.compress(&noise).unwrap().warnings;
    assert!(warnings.iter().any(|w| matches!(w, Warning::FarFromTraining { .. })), "{warnings:?}");

    let mut evaluation = Evaluation::new(&encoder);
    phantoms().iter().for_each(|image| evaluation.add(image).unwrap());
    let quality = evaluation.finish().unwrap();
    assert_eq!(quality.n, 6);
    assert!(quality.psnr > 10.0 && quality.psnr_quantised > 8.0 && quality.codebook_use > 0.3, "{quality:?}");
    assert!(matches!(Evaluation::new(&encoder).finish(), Err(Error::Data { .. })));

    altered_releases_are_refused(&folder);
}

fn altered_releases_are_refused(folder: &Path) {
    let (weights, manifest): (PathBuf, PathBuf) = (folder.join(WEIGHTS), folder.join(MANIFEST));
    let (bytes, text) = (std::fs::read(&weights).unwrap(), std::fs::read_to_string(&manifest).unwrap());
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, flipped).unwrap();
    let refused = Released::open(folder).unwrap_err();
    assert!(refused.to_string().contains("SHA-256"), "{refused}");
    std::fs::write(&weights, bytes).unwrap();
    for (from, to) in [
        ("format = 1", "format = 2"),
        ("canonical-1", "canonical-0"),
        ("factor = 8", "factor = 4"),
        ("size = 64", "size = 65"),
        ("size = 64", "size = 64\nsurprise = 1"),
    ] {
        assert!(text.contains(from), "{from} in {text}");
        std::fs::write(&manifest, text.replacen(from, to, 1)).unwrap();
        assert!(Released::open(folder).is_err(), "{to}");
    }
    std::fs::write(&manifest, text).unwrap();
    assert!(Released::open(folder).is_ok());
    assert!(matches!(Released::open(&folder.join("nowhere")), Err(Error::Io { .. })));
}

#[test]
fn settings_and_images_out_of_range_are_refused() {
    for (from, to) in [
        ("steps = 8", "steps = 0"),
        ("share = 0.5", "share = 1.5"),
        ("weight = 2.0", "weight = -2.0"),
        ("average = 0.9", "averages = 0.9"),
    ] {
        assert!(TRAINING.contains(from));
        assert!(matches!(TrainConfig::from_toml(&TRAINING.replacen(from, to, 1)), Err(Error::Config { .. })), "{to}");
    }
    let mut images = Images::new();
    assert!(matches!(images.add("x", 1.0, vec![]), Err(Error::Data { .. })));
    assert!(matches!(images.add("x", 1.0, vec![0; 100]), Err(Error::Data { .. })));
    assert!(matches!(images.crops(1, 32, 1, &mut veilray_base::Rng::new(0, "")), Err(Error::Data { .. })));
    images.add("x", 1.0, levels(&phantoms()[..1])).unwrap();
    assert!(matches!(images.crops(1, 257, 1, &mut veilray_base::Rng::new(0, "")), Err(Error::Data { .. })));
}
