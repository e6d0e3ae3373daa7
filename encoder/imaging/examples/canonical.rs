//! Reads an image file as a client does: prints what is known of it, and writes the canonical image that an encoder sees as PNG.
//!
//! ```text
//! cargo run --release -p veilray-imaging --example canonical -- film.dcm --out canonical.png
//! cargo run --release -p veilray-imaging --example canonical -- film.png --assume view=PA,modality=CR
//! ```

use clap::Parser;
use std::path::PathBuf;
use veilray_imaging::ingest::{Assume, SIDE, Settings, read_file};

#[derive(Parser)]
struct Arguments {
    /// A DICOM, PNG or JPEG file.
    image: PathBuf,
    /// What holds where the file does not say, such as photometric=MONOCHROME1,view=PA,modality=CR.
    #[arg(long, default_value = "")]
    assume: Assume,
    /// Where to write the canonical image.
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Arguments { image, assume, out } = Arguments::parse();
    let read = read_file(&image, &Settings { assume, ..Settings::default() })?;
    let report = &read.report;
    println!("{} of {} × {} pixels, {} bits", report.format, report.width, report.height, report.bits);
    println!("photometric interpretation: {}", report.photometric.term());
    println!("modality: {}", report.modality.map_or("not stated", |modality| modality.term()));
    println!("view: {}", report.view.map_or("not stated", |view| view.term()));
    report.warnings.iter().for_each(|warning| println!("warning: {warning}"));
    if let Some(path) = out {
        let mut encoder = png::Encoder::new(std::fs::File::create(&path)?, SIDE as u32, SIDE as u32);
        encoder.set_color(png::ColorType::Grayscale);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&read.image.to_levels())?;
        writer.finish()?;
        println!("canonical image of {SIDE} × {SIDE} pixels: {}", path.display());
    }
    Ok(())
}
