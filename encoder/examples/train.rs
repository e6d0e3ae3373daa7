//! Trains a very small encoder on synthetic X-rays for a minute or two, and releases it to a folder.
//!
//! ```text
//! cargo run --release -p veilray-encoder --example train -- out/encoder-small --steps 60
//! ```

use clap::Parser;
use std::path::PathBuf;
use std::time::Instant;
use veilray_encoder::release::Released;
use veilray_encoder::train::{Images, TrainConfig, Training, release};
use veilray_encoder::vqgan::Config;
use veilray_imaging::ingest::Canonical;
use veilray_imaging::phantom::{Error, Phantom};
use veilray_nn::training::{LoopConfig, run};

const SHAPES: &str = r#"
image_channels = 1
unshuffle = 4
latent_channels = 4
norm = "none"
encoder = { channels = [16, 24], blocks = [1, 1], attention = false, early = true }
decoder = { channels = [16, 24], blocks = [1, 1], attention = false, early = true }
codebook = { size = 64 }
"#;

const TRAINING: &str = r#"
seed = 1
average = 0.9
checkpoint_every = 50
evaluate_every = 20
evaluate_images = 2
data = [{ name = "phantoms", weight = 1.0 }]
phases = [{ steps = 1000, side = 64, batch = 4 }]
reconstruction = { absolute = 1.0, squared = 10.0 }
optimiser = { learning_rate = 2e-3, clip_norm = 1.0 }
schedule = { kind = "cosine", warm_up = 5, steps = 1000 }
codebook = { from = 10, share = 0.5, commitment = 0.25, decay = 0.9, revive_every = 5 }
"#;

#[derive(Parser)]
struct Arguments {
    /// Folder for the released encoder; its checkpoints go to `checkpoints` in it.
    folder: PathBuf,
    /// Optimiser steps in all; a run that is continued counts those it has made.
    #[arg(long, default_value_t = 60)]
    steps: u64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Arguments { folder, steps } = Arguments::parse();
    let draw = |seed| Phantom { seed, ..Phantom::default() }.canonical();
    let images = (0..10).map(draw).collect::<Result<Vec<Canonical>, Error>>()?;
    let (train, validation) = images.split_at(8);
    let set = |images: &[Canonical]| {
        let mut set = Images::new();
        set.add("phantoms", 1.0, images.iter().flat_map(Canonical::to_levels).collect()).map(|()| set)
    };
    let config = TrainConfig::from_toml(TRAINING)?;
    let mut task = Training::new(&Config::from_toml(SHAPES)?, &config, set(train)?, &set(validation)?)?;
    println!("{} parameters", task.parameters());
    let plan = LoopConfig { steps, seed: 1, log_every: 10, evaluate_every: 20, checkpoint_every: 50, best: None };
    let start = Instant::now();
    let outcome = run(&mut task, &plan, &folder.join("checkpoints"), None)?;
    println!("PSNR of the validation images: {:.1} dB", outcome.evaluation.get("psnr").unwrap_or(f64::NAN));
    release(&task, "encoder-small", start.elapsed().as_secs_f64(), steps, validation, &folder)?;
    println!("released: {:?}", Released::open(&folder)?.manifest().latent);
    Ok(())
}
