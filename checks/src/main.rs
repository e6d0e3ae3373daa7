//! Renders measured figures into pages.

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use veilray_checks::figures::{Error, Figures, Pages};
use veilray_checks::tree::Tree;

/// Checks and renders what stands in several places of the repository.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes the figures of docs/results/*.json into every page that has a marker for them.
    Render {
        /// Write nothing; exit code 1 where a page differs.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let Command::Render { check } = Args::parse().command;
    match render(check) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn render(check: bool) -> Result<ExitCode, Error> {
    let io = |file: &str| {
        let file = file.to_owned();
        move |source| Error::Io { file, source }
    };
    let tree = Tree::here().map_err(io("."))?;
    let pages = Pages::of(&tree, &Figures::read(&tree)?)?;
    for (file, text) in &pages.differing {
        if check {
            println!("differs: {file}");
        } else {
            std::fs::write(tree.root().join(file), text).map_err(io(file))?;
            println!("rendered: {file}");
        }
    }
    println!("{} blocks, {} pages changed", pages.blocks, pages.differing.len());
    Ok(if check && !pages.differing.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
