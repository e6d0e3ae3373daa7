//! Exchange with other HDF5 software; `tests/interop.py` is the other side.
//!
//! ```text
//! cargo run --release -p veilray-latents --example interop -- write DIR   # then: interop.py read DIR
//! cargo run --release -p veilray-latents --example interop -- read DIR    # after: interop.py write DIR
//! ```

use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use veilray_latents::tables::{self, Attribute};
use veilray_latents::{Info, Reader, Row, Split, UNKNOWN, Writer};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Writes files for the other side to the folder.
    Write { folder: PathBuf },
    /// Reads the other side's files in the folder and compares them.
    Read { folder: PathBuf },
}

fn info(bare: bool) -> Info {
    let names = |names: &[&str]| if bare { vec![] } else { names.iter().map(ToString::to_string).collect() };
    Info {
        encoder: "encoder-f8".into(),
        encoder_digest: "5f".repeat(32),
        dataset: "phantoms".into(),
        dataset_digest: "0a".repeat(32),
        shape: [2, 3, 4],
        label_names: names(&["Effusion", "Ödem"]),
        extra_names: names(&["view", "age"]),
        flips: !bare,
        variant: if bare { String::new() } else { "3:flip".into() },
    }
}

fn row(i: usize) -> Row {
    Row {
        file: format!("images/{:04}.png", i / 2),
        split: Split::ALL.into_iter().cycle().nth(i).unwrap_or_default(),
        patient_id: format!("patient {}", i / 7),
        labels: vec![(i % 2) as u8, if i.is_multiple_of(5) { UNKNOWN } else { 0 }],
        extra: vec![["PA", "AP", ""].into_iter().cycle().nth(i).unwrap_or_default().into(), format!("{i} yéars")],
        flipped: i % 2 == 1,
    }
}

/// Multiples of 1/64, exact in any floating-point number.
fn latents(rows: usize) -> Vec<f32> {
    (0..24 * rows).map(|k| ((k * 7919 % 10_007) as f32 - 5000.0) / 64.0).collect()
}

const ROWS: usize = 70;
const TEXTS: [&str; 3] = ["a", "", "zu tief, \"wirklich\" ö"];
const VALUES: [f64; 3] = [0.7013, f64::NAN, -1.5e300];

fn write(folder: &Path) -> Result<()> {
    for (name, bare, rows) in [("latents.h5", false, ROWS), ("bare.h5", true, 3), ("empty.h5", true, 0)] {
        let path = folder.join(name);
        let mut writer = Writer::open(&path, &info(bare))?;
        let plain = |i| Row { labels: vec![], extra: vec![], flipped: false, file: format!("{i}.png"), ..row(i) };
        let all: Vec<Row> = (0..rows).map(|i| if bare { plain(i) } else { row(i) }).collect();
        writer.append(&all, &latents(rows))?;
        writer.finish()?;
    }
    let mut ledger = tables::Writer::create(&folder.join("ledger.h5"))?;
    ledger.attribute("format_version", Attribute::U32(1))?;
    ledger.attribute("seconds", Attribute::F64(1.5))?;
    ledger.texts("reason", &TEXTS)?;
    ledger.texts("only_empty_texts", &["", "", ""])?;
    ledger.texts::<&str>("no_texts", &[])?;
    ledger.numbers("auc", &[3], &VALUES)?;
    ledger.numbers::<f64>("no_numbers", &[0], &[])?;
    ledger.numbers("counts", &[3], &[i64::MIN, 0, i64::MAX])?;
    Ok(ledger.finish()?)
}

fn check(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(format!("{what} is not what the other side should have written").into()) }
}

fn read(folder: &Path) -> Result<()> {
    for name in ["h5py.h5", "h5py-latest.h5"] {
        let reader = Reader::open(&folder.join(name))?;
        check(reader.info() == &info(false), "the description")?;
        check(reader.rows() == (0..ROWS).map(row).collect::<Vec<_>>(), "the rows")?;
        check(reader.read(0..ROWS)? == latents(ROWS), "the latents")?;
        println!("{name}: {ROWS} rows as expected");
    }
    for name in ["h5py-ledger.h5", "h5py-ledger-latest.h5"] {
        let ledger = tables::Reader::open(&folder.join(name))?;
        check(ledger.texts("reason")? == TEXTS && ledger.texts("fixed")? == TEXTS, "a column of text")?;
        check(ledger.texts("no_texts")?.is_empty(), "an empty column")?;
        let values = ledger.numbers::<f64>("auc")?;
        check(values.iter().map(|v| v.to_bits()).eq(VALUES.map(f64::to_bits)), "a column of numbers")?;
        check(ledger.numbers::<i64>("counts")? == [i64::MIN, 0, i64::MAX], "a column of whole numbers")?;
        println!("{name}: as expected");
    }
    Ok(())
}

fn main() -> Result<()> {
    match Arguments::parse().action {
        Action::Write { folder } => write(&folder),
        Action::Read { folder } => read(&folder),
    }
}
