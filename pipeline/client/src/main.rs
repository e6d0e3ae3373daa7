//! `veilray`: the client.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    veilray::cli::main()
}
