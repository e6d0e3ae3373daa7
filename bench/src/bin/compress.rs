//! Compresses one image with a released encoder and says what that costs.
//!
//! ```text
//! cargo run --release -p veilray-bench --bin compress -- --json
//! ```
//!
//! Without an image it takes the phantom. `compress_ms` covers encoding, reconstruction and the comparison that warnings come from;
//! `encode_ms` the encoding alone. Threads: `RAYON_NUM_THREADS`.

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use veilray_bench::{Result, exit};
use veilray_encoder::evaluate::Times;
use veilray_encoder::release::Released;
use veilray_imaging::ingest::{Settings, read_file};
use veilray_imaging::phantom::Phantom;

/// Compresses an image with a released encoder and says what that costs.
#[derive(Parser)]
struct Args {
    /// One JSON object in place of the table.
    #[arg(long)]
    json: bool,
    /// The released encoder's folder.
    #[arg(long, value_name = "FOLDER", default_value = "weights/encoder-f8")]
    model: PathBuf,
    /// A PNG, JPEG or DICOM file, in place of the synthetic radiograph.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Runs that are timed.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

fn main() -> ExitCode {
    exit(run(&Args::parse()))
}

fn run(args: &Args) -> Result<()> {
    let image = match &args.image {
        Some(path) => read_file(path, &Settings::default())?.image,
        None => Phantom::default().canonical()?,
    };
    let start = Instant::now();
    let encoder = Released::open(&args.model)?;
    let load_ms = start.elapsed().as_secs_f64() * 1e3;
    let start = Instant::now();
    let compressed = encoder.compress(&image)?;
    let first_ms = start.elapsed().as_secs_f64() * 1e3;
    let timed = |work: &dyn Fn() -> veilray_encoder::vqgan::Result<()>| {
        let once = |_| {
            let start = Instant::now();
            work()?;
            Ok(start.elapsed().as_secs_f64() * 1e3)
        };
        (0..args.rounds).map(once).collect::<veilray_encoder::vqgan::Result<Vec<f64>>>().map(Times::of)
    };
    let compress_ms = timed(&|| encoder.compress(&image).map(drop))?;
    let encode_ms = timed(&|| encoder.encode(std::slice::from_ref(&image)).map(drop))?;
    let peak_mb = veilray_nn::memory::peak_resident_bytes().map(|bytes| bytes as f64 / 1e6);
    let threads = std::env::var("RAYON_NUM_THREADS").ok();
    let (name, latent) = (&encoder.manifest().name, encoder.manifest().latent);
    if args.json {
        let line = serde_json::json!({
            "model": name, "latent": latent, "threads": threads, "load_ms": load_ms, "first_ms": first_ms,
            "compress_ms": compress_ms, "encode_ms": encode_ms, "peak_rss_mb": peak_mb,
            "reconstruction_error": compressed.found.reconstruction_error, "warnings": compressed.warnings.len(),
        });
        println!("{line}");
    } else {
        let [c, h, w] = latent;
        println!("{name}: 1 × 256 × 256 to {c} × {h} × {w}");
        println!("  loading      {load_ms:8.1} ms");
        println!("  first image  {first_ms:8.1} ms");
        println!("  compressing  {:8.1} ms median, {:.1} ms 95th percentile", compress_ms.median, compress_ms.p95);
        println!("  encoding     {:8.1} ms median, {:.1} ms 95th percentile", encode_ms.median, encode_ms.p95);
        println!("  peak memory  {:8.1} MB", peak_mb.unwrap_or(f64::NAN));
        compressed.warnings.iter().for_each(|warning| println!("  {warning}"));
    }
    Ok(())
}
