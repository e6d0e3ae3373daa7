//! `veilray`: the client.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    veilray_pipeline::cli::main()
}
