//! `encode` as a user calls it. In a process of its own: a child that is started while HDF5 has a file open inherits its lock, and another test
//! would then find the file locked.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use support::set;
use veilray_encoder::release::{FORMAT, Manifest, Provenance, Released};
use veilray_encoder::vqgan::{Codebook, Config, Levels, Norm, Vqgan};
use veilray_imaging::ingest::PREPROCESSING;
use veilray_imaging::ingest::checks::TrainingLimits;
use veilray_latents::Reader;
use veilray_nn::ParamStore;
use veilray_sweep::data::Dataset;

/// A release of an encoder as it is before training.
fn release(folder: &Path) {
    let levels = || Levels { channels: vec![4, 4], blocks: vec![0, 1], attention: false, early: true };
    let shapes = Config {
        image_channels: 1,
        unshuffle: 8,
        latent_channels: 2,
        norm: Norm::None,
        encoder: levels(),
        decoder: levels(),
        codebook: Codebook { size: 4, projection: None },
    };
    let params = ParamStore::seeded(1, &candle_core::Device::Cpu);
    Vqgan::new(&params, &shapes).unwrap();
    let manifest = Manifest {
        format: FORMAT,
        name: "tiny".into(),
        preprocessing: PREPROCESSING.into(),
        factor: 16,
        latent: [2, 16, 16],
        weights_sha256: String::new(),
        limits: TrainingLimits { reconstruction_error: 1.0, latent_min: -1.0, latent_max: 1.0 },
        training: Provenance { data: [].into(), steps: 0, seconds: 0.0, threads: 1, parameters: 0 },
        shapes,
    };
    Released::write(folder, manifest, &params.tensors()).unwrap();
}

fn command(folder: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_veilray-sweep"));
    command.current_dir(folder).args(["encode", "--data", ".", "--model", "tiny", "--out", "tiny.h5"]).args(more);
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_command_encodes_with_a_released_encoder() {
    let (folder, _) = set();
    let folder = folder.path();
    fs::write(folder.join("dataset.toml"), "name = 'small'\nlabels = [{ name = 'tb' }]").unwrap();
    release(&folder.join("tiny"));
    let (code, stdout, stderr) = command(folder, &["--json", "--flips", "--batch", "3"]);
    assert_eq!((code, &*stderr), (Some(0), ""), "{stdout}");
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["rows"], serde_json::json!({ "train": 14, "val": 6, "test": 5 }));
    assert_eq!(report["refused"].as_array().unwrap().len(), 2);
    let (encoder, reader) = (Released::open(&folder.join("tiny")).unwrap(), Reader::open(&folder.join("tiny.h5")).unwrap());
    assert_eq!(reader.info().encoder_digest, encoder.digest());
    let set = Dataset::folder(folder).unwrap();
    let row = reader.rows().iter().position(|row| row.file == "images/7.png").unwrap();
    let wanted = encoder.encode(&[set.image(7).unwrap().image]).unwrap();
    let found = reader.read(row..row + 1).unwrap();
    assert!(found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-5));
    // Without --flips it would be another file; the reason is one line on stderr.
    let (code, stdout, stderr) = command(folder, &[]);
    assert_eq!((code, &*stdout, stderr.lines().count()), (Some(1), "", 1));
    assert!(stderr.starts_with("veilray-sweep: tiny.h5: flips was true, is now false"), "{stderr}");
    assert_eq!(command(folder, &["--batch", "0"]).0, Some(2));
    assert_eq!(command(folder, &["--splits", "holdout"]).0, Some(2));
}
