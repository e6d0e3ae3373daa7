//! Reads many image files, for comparison with other software: what became of each as one JSON line, and its pictures as raw values.
//!
//! ```text
//! cargo run --release -p veilray-imaging --example render -- --out FOLDER a.dcm b.png
//! ls | cargo run --release -p veilray-imaging --example render -- --out FOLDER --unchecked -
//! ```
//!
//! The picture of the N-th file, from 0, is `N.picture`: upright, at full size, `[height, width]`, 0 (black) to 1 (white). `N.canonical` is
//! what an encoder sees, `[256, 256]`, −1 to 1. Both are little-endian `f32`.

use clap::Parser;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use veilray_imaging::fitness;
use veilray_imaging::ingest::{AdmissibilityLimits, Assume, Error, Ingested, Picture, Settings, read_picture};

#[derive(Parser)]
struct Arguments {
    /// The files; `-` reads their names from stdin, one a line.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// What holds where a file does not say, such as view=PA,modality=CR.
    #[arg(long, default_value = "")]
    assume: Assume,
    /// Leaves out the checks that measure: of size, contrast and saturation.
    #[arg(long)]
    unchecked: bool,
    /// An existing folder for the pictures.
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Arguments { files, assume, unchecked, out } = Arguments::parse();
    let mut settings = Settings { assume, ..Settings::default() };
    if unchecked {
        settings.checks = AdmissibilityLimits { min_side: 1, min_deviation: 0.0, max_saturated: 1.0, ..settings.checks };
    }
    let files = if files == [Path::new("-")] {
        std::io::stdin().lines().map(|line| line.map(PathBuf::from)).collect()
    } else {
        Ok(files)
    };
    for (number, file) in files?.iter().enumerate() {
        let read = std::fs::read(file).map_err(|error| Error::Io { kind: error.kind() });
        let line = match read.and_then(|bytes| read_picture(&bytes, &settings)) {
            Ok(read) => {
                if let Some(folder) = &out {
                    write(&folder.join(format!("{number}.picture")), &read.0.grey())?;
                    write(&folder.join(format!("{number}.canonical")), read.1.image.values())?;
                }
                said(&read)
            }
            Err(error) => refused(&error),
        };
        println!("{line}");
    }
    Ok(())
}

fn said((picture, Ingested { report, image }): &(Picture, Ingested)) -> Value {
    // As a client warns: of the file, then of what the pixels show.
    let warnings = report.warnings.iter().copied().chain(fitness::warnings(image));
    let warnings: Vec<Value> = warnings.map(|warning| json!({ "is": warning, "text": warning.to_string() })).collect();
    json!({ "read": true, "width": picture.width(), "height": picture.height(), "report": report, "warnings": warnings })
}

fn refused(error: &Error) -> Value {
    let (kind, rule) = match error {
        Error::Io { .. } => ("io", None),
        Error::TooLarge { .. } => ("too_large", None),
        Error::UnknownFormat => ("unknown_format", None),
        Error::Unsupported { .. } => ("unsupported", None),
        Error::TransferSyntax { .. } => ("transfer_syntax", None),
        Error::Malformed { .. } => ("malformed", None),
        Error::Missing { .. } => ("missing", None),
        Error::Refused(refusal) => ("refused", Some(refusal)),
        _ => ("other", None),
    };
    json!({ "read": false, "kind": kind, "refusal": rule, "text": error.to_string() })
}

fn write(path: &Path, values: &[f32]) -> std::io::Result<()> {
    std::fs::write(path, values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}
