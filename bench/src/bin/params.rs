//! Prints the named parameter sets as a Markdown table: `cargo run --release -p veilray-bench --bin params`.

use clap::Parser;
use std::process::ExitCode;
use veilray_bench::{Result, exit};
use veilray_he::wire::{ciphertext_bytes, galois_key_bytes};
use veilray_he::{ParamsLiteral, max_log_qp};

/// The named parameter sets as a Markdown table: slots, levels, bits, sizes of what is sent.
#[derive(Parser)]
struct Args {}

fn main() -> ExitCode {
    let Args {} = Args::parse();
    exit(run())
}

fn run() -> Result<()> {
    println!(
        "| set | slots | levels | scale, bits | log2(QP) of allowed | limbs + special | digits | upload, MB | reply, MB | Galois key, MB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for name in ParamsLiteral::names() {
        let params = ParamsLiteral::named(name)?.check()?;
        let (top, mb) = (params.max_level(), |bytes: usize| bytes as f64 / 1e6);
        println!(
            "| `{name}` | {} | {top} | {} | {:.1} of {} | {} + {} | {} | {:.2} | {:.2} | {:.2} |",
            params.slots(),
            params.scale().log2(),
            params.log_qp(),
            max_log_qp(params.log_n()).unwrap_or(0),
            params.limbs(top),
            params.special().len(),
            params.digits(top),
            mb(ciphertext_bytes(&params, top, true)?),
            mb(ciphertext_bytes(&params, 0, false)?),
            mb(galois_key_bytes(&params, top)?),
        );
    }
    Ok(())
}
