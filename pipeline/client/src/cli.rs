//! The command line of `veilray`: what is asked, where settings come from, how it ends.
//!
//! Data goes to standard output, progress and reasons to standard error. Settings: flags before environment variables before
//! `~/.veilray/config.toml` before defaults.

mod check;
mod classify;
mod keys;
mod offline;
mod output;
mod plan;
mod segment;
mod settings;
#[cfg(test)]
mod tests;

use crate::client::Exit;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Chest X-rays classified by a server that never sees them. Not for diagnostic use.
#[derive(Parser)]
#[command(version, after_help = Exit::HELP)]
struct Cli {
    #[command(flatten)]
    global: settings::Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs every step on this machine, with a daemon of its own, and compares with the result in clear.
    #[cfg(feature = "demo")]
    Demo(crate::demo::Args),
    /// What a model costs before any key exists: levels, security, sizes.
    Plan(plan::Args),
    /// Makes keys for a model: the secret one sealed by a passphrase, the evaluation keys for the server.
    Keygen(keys::Keygen),
    /// Compresses and encrypts images into a file that can be carried to the server.
    Encrypt(offline::Encrypt),
    /// Findings of images, from a server that sees ciphertexts only.
    Classify(classify::Args),
    /// A mask of one image, from a server that sees ciphertexts only.
    Segment(segment::Args),
    /// Decrypts a file of replies to findings.
    Decrypt(offline::Decrypt),
    /// Says what a file is: ciphertexts, keys, a key set, an image; never a secret.
    Inspect(offline::Inspect),
    /// The key sets of this machine, and their evaluation keys at the server.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Checks engine, vault, encoders and models on this machine.
    Selftest(check::Args),
    /// The daemon of `demo`, in a process of its own.
    #[cfg(feature = "demo")]
    #[command(hide = true)]
    ServeDemo(crate::demo::ServeArgs),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let settings = match settings::Settings::load(cli.global) {
        Ok(settings) => settings,
        Err(error) => return output::failed(&error).into(),
    };
    let result = match cli.command {
        #[cfg(feature = "demo")]
        Command::Demo(args) => crate::demo::command(&args, settings.quiet),
        Command::Plan(args) => plan::run(&args, &settings),
        Command::Keygen(args) => keys::keygen(&args, &settings),
        Command::Encrypt(args) => offline::encrypt(&args, &settings),
        Command::Classify(args) => classify::run(&args, &settings),
        Command::Segment(args) => segment::run(&args, &settings),
        Command::Decrypt(args) => offline::decrypt(&args, &settings),
        Command::Inspect(args) => offline::inspect(&args),
        Command::Keys(command) => keys::run(&command, &settings),
        Command::Selftest(args) => check::run(&args),
        #[cfg(feature = "demo")]
        Command::ServeDemo(args) => crate::demo::serve(&args),
    };
    match result {
        Ok(exit) => exit.into(),
        // A closed pipe is not an error.
        Err(crate::client::Error::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Done.into(),
        Err(error) => output::failed(&error).into(),
    }
}
