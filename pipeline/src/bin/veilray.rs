//! `veilray`: the client.
//!
//! Exit codes: 0 done; 1 the run failed, or encrypted and clear results disagree; 2 the command line was not understood.
#![forbid(unsafe_code)]

use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// Chest X-rays classified by a server that never sees them. Not for diagnostic use.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the encryption engine on this machine: keys, encryption, a small network on the ciphertext, decryption, comparison with clear.
    Demo {
        /// Prints one JSON object instead of a table.
        #[arg(long, env = "VEILRAY_JSON")]
        json: bool,
    },
}

fn main() -> ExitCode {
    let Command::Demo { json } = Cli::parse().command;
    let report = match veilray_pipeline::demo::run() {
        Ok(report) => report,
        Err(error) => {
            eprintln!("veilray: {error}");
            return ExitCode::from(1);
        }
    };
    let text = if json { serde_json::to_string(&report) } else { Ok(report.to_string()) };
    let printed = text.map_err(std::io::Error::from).and_then(|text| writeln!(std::io::stdout(), "{text}"));
    match printed {
        Ok(()) if report.agree => ExitCode::SUCCESS,
        // Whoever closed the pipe has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(1),
        Err(error) => {
            eprintln!("veilray: {error}");
            ExitCode::from(1)
        }
    }
}
