//! Draws synthetic chest X-rays: `cargo run --release -p veilray-encoder --example phantom -- DIR [SEEDS]` writes 16-bit PNG files.

use std::path::PathBuf;
use veilray_encoder::phantom::{Finding, Phantom, Side};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder: PathBuf = arguments.next().ok_or("usage: phantom DIR [SEEDS]")?.into();
    let seeds: u64 = arguments.next().map_or(Ok(1), |text| text.parse())?;
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
