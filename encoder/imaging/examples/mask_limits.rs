//! Measures masks that people drew, from which the limits of `veilray_imaging::mask` come.
//!
//! `cargo run --release -p veilray-imaging --example mask_limits -- DATA train val`, where `DATA/labels.csv` has the columns `mask` (a PNG
//! file in grey, lung white; or empty) and `split`.
use clap::Parser;
use std::error::Error;
use std::fs::{File, read_to_string};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use veilray_imaging::ingest::{Placement, SIDE};
use veilray_imaging::mask::MaskShape;

/// Prints the extremes of the masks of a data set, and how many of them would be called implausible.
#[derive(Parser)]
struct Args {
    /// Folder of the data set.
    data: PathBuf,
    /// Splits to take.
    #[arg(required = true)]
    splits: Vec<String>,
}

/// One part of what was measured.
type Part = fn(&MaskShape) -> f64;

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let labels = read_to_string(args.data.join("labels.csv"))?;
    let mut lines = labels.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap_or_default();
    let column = |name: &str| head.iter().position(|column| *column == name).ok_or(format!("labels.csv has no column {name}"));
    let (mask, split) = (column("mask")?, column("split")?);
    let mut shapes = Vec::new();
    for line in lines {
        let cell = |at: usize| line.get(at).copied().unwrap_or_default();
        if !cell(mask).is_empty() && args.splits.iter().any(|wanted| wanted == cell(split)) {
            shapes.push(measured(&args.data.join(cell(mask)))?);
        }
    }
    println!("{} masks, {} implausible", shapes.len(), shapes.iter().filter(|shape| !shape.implausible().is_empty()).count());
    let parts: [(&str, Part); 6] = [
        ("area", |shape| shape.area),
        ("stray", |shape| shape.stray),
        ("row", |shape| shape.row),
        ("column", |shape| shape.column),
        ("left", |shape| shape.left),
        ("middle", |shape| shape.middle),
    ];
    for (name, part) in parts {
        let (low, high) = shapes.iter().map(part).fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
        let more = (high - low) / 20.0;
        println!("{name:<6} {low:.4} to {high:.4}, a twentieth wider {:.3} to {:.3}", low - more, high + more);
    }
    Ok(())
}

fn measured(path: &Path) -> Result<MaskShape, Box<dyn Error>> {
    let mut decoder = png::Decoder::new(BufReader::new(File::open(path)?));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info()?;
    let mut levels = vec![0; reader.output_buffer_size().ok_or("too large")?];
    let frame = reader.next_frame(&mut levels)?;
    let inside: Vec<bool> = levels.iter().step_by(frame.color_type.samples()).map(|level| *level > 127).collect();
    let whole = Placement { left: 0, top: 0, width: SIDE, height: SIDE };
    let shape = MaskShape::measure([frame.height as usize, frame.width as usize], &inside, &whole);
    shape.ok_or_else(|| "a mask without pixels".into())
}
