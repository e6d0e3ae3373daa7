//! Random numbers named by a seed and a purpose, continued from a saved state, and a file that is whole or not there:
//! `cargo run --release -p veilray-base --example seeded_numbers`.

use std::error::Error;
use veilray_base::digest::sha256_hex;
use veilray_base::{Rng, RngState, file};

fn main() -> Result<(), Box<dyn Error>> {
    // The same seed and purpose give the same stream on every machine; another purpose gives an independent one.
    let mut shuffling = Rng::new(7, "shuffling");
    let mut order: Vec<usize> = (0..8).collect();
    shuffling.shuffle(&mut order);
    println!("order of the first epoch: {order:?}");
    println!("another purpose: {:.6} and {:.6}", Rng::new(7, "noise").normal(), Rng::new(7, "crops").normal());

    // The state fits in a checkpoint. It is written to a file of its own, then renamed: a crash leaves the old file or the new one.
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("state.json");
    file::write_atomically(&path, &serde_json::to_vec(&shuffling.state())?)?;
    let bytes = std::fs::read(&path)?;
    println!("state: {} bytes, SHA-256 {}", bytes.len(), sha256_hex(&bytes));

    // Who reads it continues where the stream stood.
    let state: RngState = serde_json::from_slice(&bytes)?;
    let mut resumed = Rng::from_state(&state)?;
    let (going_on, taken_up): (Vec<usize>, Vec<usize>) = (0..5).map(|_| (shuffling.below(1000), resumed.below(1000))).unzip();
    println!("going on {going_on:?}, taken up {taken_up:?}: equal {}", going_on == taken_up);

    // A folder that is not there: the error says what was done and where.
    if let Err(why) = file::write_atomically(&folder.path().join("missing").join("a"), b"") {
        println!("refused with {} at {}", why.doing, why.path.file_name().unwrap_or_default().to_string_lossy());
    }
    Ok(())
}
