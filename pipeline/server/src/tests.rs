#[path = "../../testing/command_line.rs"]
mod command_line;

use super::{Cli, EXIT_CODES};
use clap::CommandFactory;
use command_line::{expect_exit_codes, expect_help, expect_variables};

#[test]
fn help_is_the_committed_text() {
    expect_help(Cli::command());
}

#[test]
fn the_handbook_has_every_exit_code() {
    expect_exit_codes(EXIT_CODES, "daemon.md");
}

#[test]
fn the_handbook_has_every_variable_once() {
    expect_variables(&Cli::command(), &["VEILRAY_SIMD", veilray_base::release::WEIGHTS_VARIABLE], "daemon.md");
}
