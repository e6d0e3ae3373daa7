//! Writes a small file of latents, in two runs as if the first had been stopped, and reads it by split.
//!
//! ```text
//! cargo run --release -p veilray-latents --example latents
//! ```

use veilray_latents::{Info, Reader, Row, Split, UNKNOWN, Writer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("latents.h5");
    let info = Info {
        encoder: "encoder-f8".into(),
        encoder_digest: "5f".repeat(32),
        dataset: "example".into(),
        dataset_digest: "0a".repeat(32),
        shape: [4, 32, 32],
        label_names: vec!["Effusion".into(), "Cardiomegaly".into()],
        extra_names: vec!["view".into()],
        flips: false,
        variant: String::new(),
    };
    let row = |i: usize| Row {
        file: format!("images/{i:04}.png"),
        split: if i.is_multiple_of(4) { Split::Val } else { Split::Train },
        patient_id: format!("patient {}", i / 2),
        labels: vec![u8::from(i.is_multiple_of(3)), UNKNOWN],
        extra: vec!["PA".into()],
        flipped: false,
    };
    for (run, rows) in [(1, 0..6), (2, 6..12)] {
        let mut writer = Writer::open(&path, &info)?;
        println!("run {run}: finds {} rows", writer.len());
        for i in rows {
            writer.append(&[row(i)], &vec![i as f32 / 12.0; info.values()])?;
        }
        writer.flush()?; // What was appended before is now safe from a stop.
        if run == 2 {
            println!("run {run}: finished with {} rows", writer.finish()?);
        }
    }
    let reader = Reader::open(&path)?;
    for split in Split::ALL {
        let (rows, latents) = reader.read_split(split)?;
        let effusions = rows.iter().filter(|row| row.labels.first() == Some(&1)).count();
        println!("{split}: {} rows, {effusions} with an effusion, {} values", rows.len(), latents.len());
    }
    Ok(())
}
