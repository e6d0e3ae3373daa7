//! `robustness`: bends inputs, gives them to every reader, and says what it cost.
#![forbid(unsafe_code)]

use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use veilray_robustness::driver::{self, Plan, Report};
use veilray_robustness::{SeedError, Target, mutate, targets};

/// Bent bytes for every reader of Veilray.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the targets and their parts of a run.
    List,
    /// Writes the seeds to FOLDER/corpus/TARGET/NUMBER, as `cargo fuzz` reads them.
    Corpus {
        /// Where to.
        folder: PathBuf,
    },
    /// Runs all targets, or those named, each in a process of its own; prints a table.
    Run {
        /// The targets; without any, all of them.
        targets: Vec<String>,
        /// Inputs of all targets together.
        #[arg(long, default_value_t = 100_000)]
        inputs: u64,
        /// From what they are drawn.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Where the corpus and inputs that fail are written; made where it is missing.
        #[arg(long, default_value = "robustness")]
        folder: PathBuf,
        /// The most address space of a process, MiB; 0: no limit.
        #[arg(long, default_value_t = 16_384)]
        address_space: u64,
        /// Writes the reports there, as JSON.
        #[arg(long)]
        json: Option<PathBuf>,
    },
    /// Runs some inputs of one target in this process; prints its report as JSON.
    Inputs {
        /// The target.
        target: String,
        /// From what they are drawn.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The first input.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Behind the last input.
        #[arg(long, default_value_t = 1000)]
        to: u64,
        /// Where the corpus is.
        #[arg(long, default_value = "robustness")]
        folder: PathBuf,
    },
    /// Gives files to a target, or one input by its number, and says what each came to.
    One {
        /// The target.
        target: String,
        /// Files of bytes.
        files: Vec<PathBuf>,
        /// The number of an input.
        #[arg(long)]
        index: Option<u64>,
        /// From what it is drawn.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Where the corpus is.
        #[arg(long, default_value = "robustness")]
        folder: PathBuf,
    },
}

fn main() -> ExitCode {
    match command(Args::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("robustness: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing failed.
fn command(command: Command) -> Result<bool, SeedError> {
    match command {
        Command::List => {
            targets::all().iter().for_each(|target| println!("{:<22} {:>4}", target.name, target.share));
            Ok(true)
        }
        Command::Corpus { folder } => {
            targets::all().iter().try_for_each(|target| write_corpus(target, &folder))?;
            Ok(true)
        }
        Command::Run { targets, inputs, seed, folder, address_space, json } => {
            let plan = Plan { program: std::env::current_exe()?, folder, inputs, seed, address_space_kib: address_space << 10 };
            let reports = run(&plan, &targets)?;
            if let Some(json) = json {
                std::fs::write(json, serde_json::to_vec_pretty(&reports)?)?;
            }
            print!("{}", driver::table(&reports));
            let failures = reports.iter().flat_map(|r| r.failures.iter().map(move |(index, why)| (&r.target, index, why)));
            failures.clone().for_each(|(target, index, why)| println!("{target} --index {index}: {why}"));
            Ok(failures.count() == 0)
        }
        Command::Inputs { target, seed, from, to, folder } => {
            let target = named(&target)?;
            let report = driver::inputs(&target, &corpus(&target, &folder)?, seed, from..to, &folder.join("failures"))?;
            println!("{}", serde_json::to_string(&report)?);
            Ok(true)
        }
        Command::One { target, files, index, seed, folder } => {
            let target = named(&target)?;
            driver::keep_panics();
            let mut inputs: Vec<(String, Vec<u8>)> = Vec::new();
            for file in files {
                inputs.push((file.display().to_string(), std::fs::read(&file)?));
            }
            if let Some(index) = index {
                inputs.push((format!("input {index}"), mutate::input(&target, &corpus(&target, &folder)?, seed, index)));
            }
            let mut well = true;
            for (name, bytes) in inputs {
                let measured = driver::measure(&target, &bytes);
                println!("{name}: {} bytes: {measured:?}", bytes.len());
                well &= measured.failure().is_none();
            }
            Ok(well)
        }
    }
}

fn named(name: &str) -> Result<Target, SeedError> {
    let known = || targets::all().iter().map(|target| target.name).collect::<Vec<_>>().join(", ");
    targets::named(name).ok_or_else(|| format!("there is no target {name}; there are {}", known()).into())
}

fn run(plan: &Plan, names: &[String]) -> Result<Vec<Report>, SeedError> {
    let chosen: Vec<Target> =
        if names.is_empty() { targets::all() } else { names.iter().map(|name| named(name)).collect::<Result<_, _>>()? };
    let mut reports = Vec::new();
    for target in &chosen {
        write_corpus(target, &plan.folder)?;
        let report = driver::run(plan, target, plan.share(target, &chosen))?;
        eprintln!("{}: {} inputs in {:.0} s, {} failed", report.target, report.inputs, report.seconds, report.failures.len());
        reports.push(report);
    }
    Ok(reports)
}

/// Writes a target's seeds where there are none.
fn write_corpus(target: &Target, folder: &Path) -> Result<(), SeedError> {
    let folder = folder.join("corpus").join(target.name);
    if folder.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(&folder)?;
    for (number, seed) in (target.seeds)()?.into_iter().enumerate() {
        std::fs::write(folder.join(format!("{number:02}")), seed)?;
    }
    Ok(())
}

/// A target's seeds, from the disk: the same in every process of a run.
fn corpus(target: &Target, folder: &Path) -> Result<Vec<Vec<u8>>, SeedError> {
    write_corpus(target, folder)?;
    let folder = folder.join("corpus").join(target.name);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    paths.iter().map(|path| Ok(std::fs::read(path)?)).collect()
}
