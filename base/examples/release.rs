//! A released folder: written, found by its path, read, and refused once a file has changed:
//! `cargo run --release -p veilray-base --example release`.

use serde::{Deserialize, Serialize};
use std::error::Error;
use veilray_base::digest::sha256_hex;
use veilray_base::release::{self, FolderError};

/// What this release says of itself; the digest binds the file beside it.
#[derive(Serialize, Deserialize)]
struct Manifest {
    labels: Vec<String>,
    weights_sha256: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let place = tempfile::tempdir()?;
    let folder = place.path().join("two-labels");

    // Files first, the manifest last: whoever finds a manifest finds the whole release.
    let weights: Vec<u8> = (0..100).collect();
    let labels = vec!["effusion".to_string(), "nodule".to_string()];
    release::write(&folder, &[("weights.bin", &weights)], &Manifest { labels, weights_sha256: sha256_hex(&weights) })?;

    // A path is taken as it is; a plain name would be searched in `release::folders()`.
    let found = release::find(&folder.to_string_lossy())?;
    let (manifest, digest): (Manifest, String) = release::manifest(&found)?;
    let read = release::checked(&found, "weights.bin", &manifest.weights_sha256)?;
    println!("{}: {} labels, {} bytes of weights", release::name_of(&found)?, manifest.labels.len(), read.len());
    println!("SHA-256 of the manifest: {digest}");

    // One changed byte, and the file is refused with both digests.
    std::fs::write(folder.join("weights.bin"), [1; 100])?;
    match release::checked(&found, "weights.bin", &manifest.weights_sha256) {
        Err(refused @ FolderError::Digest { .. }) => println!("refused: {refused}"),
        other => return Err(format!("a changed file was not refused: {other:?}").into()),
    }
    Ok(())
}
