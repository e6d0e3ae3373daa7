//! Draws synthetic chest X-rays, healthy and with findings, as PNG files of 16 bits.
//!
//! ```text
//! cargo run --release -p veilray-imaging --example phantoms -- DIR --seeds 2
//! ```

use clap::Parser;
use std::path::PathBuf;
use veilray_imaging::phantom::{Finding, Phantom, Side};

#[derive(Parser)]
struct Arguments {
    /// Folder for the files; it is made where it is missing.
    folder: PathBuf,
    /// Number of chests to draw, of seeds 0 and up.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Arguments { folder, seeds } = Arguments::parse();
    std::fs::create_dir_all(&folder)?;
    for seed in 0..seeds {
        let healthy = Phantom { seed, ..Phantom::default() };
        let kinds = [
            ("healthy", healthy),
            ("opacity", Phantom { opacity: Some(Finding { side: Side::Right, amount: 0.8 }), ..healthy }),
            ("effusion", Phantom { effusion: Some(Finding { side: Side::Left, amount: 0.5 }), ..healthy }),
            ("cardiomegaly", Phantom { cardiomegaly: 0.9, ..healthy }),
        ];
        for (name, phantom) in kinds {
            let path = folder.join(format!("{seed:03}-{name}.png"));
            std::fs::write(&path, phantom.film()?.to_png()?)?;
            println!("{}", path.display());
        }
    }
    Ok(())
}
