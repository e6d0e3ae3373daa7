//! Lists what an HDF5 file holds, or writes a small table of results and lists that.
//!
//! ```text
//! cargo run --release -p veilray-latents --example table -- results.h5
//! ```

use clap::Parser;
use std::path::{Path, PathBuf};
use veilray_latents::tables::{Attribute, Element, Reader, Writer};

#[derive(Parser)]
struct Arguments {
    /// The file to list; without one, a table is written to a temporary folder.
    file: Option<PathBuf>,
}

fn list(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let reader = Reader::open(path)?;
    let mut names = reader.names();
    names.sort();
    for name in names {
        let layout = reader.layout(&name)?;
        print!("{name}: {} of shape {:?}", layout.element, layout.shape);
        if let Some(chunk) = &layout.chunk {
            print!(", in chunks of {chunk:?}");
        }
        match layout.element {
            Element::Text => println!(", first {:?}", reader.texts(&name)?.first()),
            Element::F64 => println!(", first {:?}", reader.numbers::<f64>(&name)?.first()),
            _ => println!(),
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(path) = Arguments::parse().file {
        return list(&path);
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("results.h5");
    let mut writer = Writer::create(&path)?;
    writer.attribute("format_version", Attribute::U32(1))?;
    writer.texts("network", &["lenet5", "vgg5", "hefnet"])?;
    writer.numbers("auc", &[3], &[0.69, 0.71, f64::NAN])?; // Not a number: not measured.
    writer.finish()?;
    list(&path)
}
