//! Compresses an image to a latent, decodes it again, and says how much is lost.
//!
//! ```text
//! cargo run --release -p veilray-encoder --example decode -- --image film.dcm --model encoder-f8
//! ```

use clap::Parser;
use std::path::PathBuf;
use veilray_base::release::find;
use veilray_encoder::metrics::{Pair, Range};
use veilray_encoder::release::Released;
use veilray_imaging::ingest::{SIDE, Settings, read_file};
use veilray_imaging::phantom::Phantom;

#[derive(Parser)]
struct Arguments {
    /// A DICOM, PNG or JPEG file; without one, a synthetic X-ray.
    #[arg(long)]
    image: Option<PathBuf>,
    /// Name or folder of a released encoder.
    #[arg(long, default_value = "encoder-f8")]
    model: String,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Arguments { image, model } = Arguments::parse();
    let image = match image {
        Some(path) => read_file(&path, &Settings::default())?.image,
        None => Phantom::default().canonical()?,
    };
    let encoder = Released::open(&find(&model)?)?;
    let compressed = encoder.compress(&image)?;
    let decoded = encoder.decode(&compressed.latent)?;
    let pair = Pair::new(SIDE, SIDE, image.values(), decoded.values(), Range::Symmetric)?;
    let [channels, height, width] = encoder.manifest().latent;
    println!("{}: {SIDE} × {SIDE} pixels to {channels} × {height} × {width} values", encoder.manifest().name);
    println!("PSNR {:.2} dB, SSIM {:.4}, MS-SSIM {:.4}", pair.psnr(), pair.ssim()?, pair.ms_ssim()?);
    compressed.warnings.iter().for_each(|warning| println!("warning: {warning}"));
    Ok(())
}
