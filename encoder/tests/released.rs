//! The released encoders: they open, have the latents that circuits expect, and keep what their model cards say.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

use std::path::{Path, PathBuf};
use veilray_encoder::evaluate::Evaluation;
use veilray_encoder::release::Released;
use veilray_imaging::ingest::{Settings, read_file};
use veilray_imaging::phantom::Phantom;

/// Name, latent, and the bars on PSNR (dB) and SSIM over test images.
const RELEASED: [(&str, [usize; 3], f64, f64); 3] =
    [("encoder-f4", [3, 64, 64], 34.0, 0.93), ("encoder-f8", [4, 32, 32], 30.0, 0.85), ("encoder-f16", [8, 16, 16], 26.0, 0.72)];

fn open(name: &str) -> Released {
    Released::open(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../weights").join(name)).unwrap()
}

#[test]
fn they_open_and_keep_a_phantom() {
    let image = Phantom::default().canonical().unwrap();
    for (name, latent, bar, _) in RELEASED {
        let encoder = open(name);
        assert_eq!((encoder.manifest().name.as_str(), encoder.manifest().latent), (name, latent));
        let compressed = encoder.compress(&image).unwrap();
        assert_eq!(compressed.latent.len(), latent.iter().product::<usize>());
        assert_eq!(compressed.warnings, [], "{name}");
        // A phantom is no image of training: three decibels less are allowed.
        let psnr = 10.0 * (4.0 / compressed.found.reconstruction_error).log10();
        assert!(psnr > bar - 3.0, "{name}: {psnr:.1} dB");
    }
}

/// The first test images of a data set, in the folder that `VEILRAY_DATA` names or beside the checkout.
fn test_images(set: &str, count: usize) -> Vec<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("VEILRAY_DATA").map_or_else(beside, PathBuf::from).join(set);
    let Ok(table) = std::fs::read_to_string(folder.join("labels.csv")) else {
        eprintln!("skipped: no {set}; set VEILRAY_DATA");
        return vec![];
    };
    let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let column = |name: &str| head.iter().position(|h| *h == name).unwrap();
    let (file, split) = (column("file"), column("split"));
    lines.filter(|line| line[split] == "test").take(count).map(|line| folder.join(line[file])).collect()
}

#[test]
fn they_meet_their_bars_on_real_test_images() {
    for set in ["nih_cxr14_256", "tb_nlm_cxr"] {
        let images: Vec<_> =
            test_images(set, 8).iter().map(|path| read_file(path, &Settings::default()).unwrap().image).collect();
        if images.is_empty() {
            continue;
        }
        for (name, _, psnr, ssim) in RELEASED {
            let encoder = open(name);
            let mut evaluation = Evaluation::new(&encoder);
            images.iter().for_each(|image| evaluation.add(image).unwrap());
            let found = evaluation.finish().unwrap();
            assert!(found.psnr >= psnr && found.ssim >= ssim, "{name} on {set}: {found:?}");
            assert!(found.psnr - found.psnr_quantised <= 3.0, "{name} on {set}: {found:?}");
        }
    }
}
