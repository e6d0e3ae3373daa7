#[path = "../../../testing/command_line.rs"]
mod command_line;

use super::Cli;
use crate::client::Exit;
use clap::CommandFactory;
use command_line::{expect_exit_codes, expect_help, expect_variables};

#[test]
#[cfg_attr(not(feature = "demo"), ignore = "the committed text has the command `demo`")]
fn help_is_the_committed_text() {
    expect_help(Cli::command());
}

#[test]
fn the_handbook_has_every_exit_code() {
    expect_exit_codes(Exit::HELP, "client.md");
}

#[test]
fn the_handbook_has_every_variable_once() {
    let others = ["VEILRAY_PASSPHRASE", "VEILRAY_SIMD", "VEILRAY_TOKEN", veilray_base::release::WEIGHTS_VARIABLE];
    expect_variables(&Cli::command(), &others, "client.md");
}
