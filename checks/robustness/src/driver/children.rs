//! A process for each target: one that dies of an input takes no other with it.

use super::{HUNG, Report};
use crate::target::Target;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Times that a target is taken up again after an input killed its process.
const DEATHS: usize = 20;

/// What is run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// This program.
    pub program: PathBuf,
    /// Where the corpus is, and where inputs that fail are written.
    pub folder: PathBuf,
    /// Inputs of all targets together, in the parts that the targets' shares say.
    pub inputs: u64,
    /// From what they are drawn.
    pub seed: u64,
    /// The most address space of a process, KiB; 0: no limit.
    pub address_space_kib: u64,
}

impl Plan {
    /// Inputs of one of `targets`.
    pub fn share(&self, target: &Target, targets: &[Target]) -> u64 {
        let all: u64 = targets.iter().map(|target| u64::from(target.share)).sum();
        (u128::from(self.inputs) * u128::from(target.share)).div_ceil(u128::from(all.max(1))) as u64
    }
}

/// Runs a target's inputs `0..count` in processes of their own.
///
/// # Errors
/// A process that cannot be started.
pub fn run(plan: &Plan, target: &Target, count: u64) -> std::io::Result<Report> {
    let mut report = Report::new(target.name);
    let mut from = 0;
    for _ in 0..DEATHS {
        if from >= count {
            break;
        }
        let output = child(plan, target.name, from, count).output()?;
        let part =
            String::from_utf8_lossy(&output.stdout).lines().last().and_then(|line| serde_json::from_str::<Report>(line).ok());
        if let Some(part) = part.filter(|_| output.status.success()) {
            report.join(part);
            return Ok(report);
        }
        // What it counted before it died is lost but for the inputs that failed, which are on the disk; that it went so far is known.
        let at = died_at(&plan.folder, target.name).unwrap_or(from);
        let why =
            if output.status.code() == Some(HUNG) { "time: without end".into() } else { format!("died: {}", output.status) };
        report.inputs += at + 1 - from;
        failed_before(&plan.folder, target.name, from..at).into_iter().for_each(|index| report.failed(index, "failed before"));
        report.failed(at, &why);
        from = at + 1;
    }
    Ok(report)
}

/// The process that runs the inputs from `from` up to `count`.
fn child(plan: &Plan, name: &str, from: u64, count: u64) -> Command {
    let limit = if plan.address_space_kib == 0 { "unlimited".into() } else { plan.address_space_kib.to_string() };
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v \"$0\"; exec \"$@\"", &limit]).arg(&plan.program).arg("inputs").arg(name);
    command.args(["--seed", &plan.seed.to_string(), "--from", &from.to_string(), "--to", &count.to_string()]);
    command.arg("--folder").arg(&plan.folder).env("RAYON_NUM_THREADS", "1").stderr(Stdio::inherit()).stdin(Stdio::null());
    command
}

/// The input that was under way.
fn died_at(folder: &Path, name: &str) -> Option<u64> {
    let bytes = std::fs::read(folder.join("failures").join(format!("{name}.at"))).ok()?;
    bytes.first_chunk().map(|index| u64::from_le_bytes(*index))
}

/// The inputs of a range that were written as failures.
fn failed_before(folder: &Path, name: &str, range: std::ops::Range<u64>) -> Vec<u64> {
    let Ok(files) = std::fs::read_dir(folder.join("failures")) else { return Vec::new() };
    let number = |file: std::ffi::OsString| {
        let rest = file.to_str()?.strip_prefix(name)?.strip_prefix('-')?.strip_suffix(".bin")?;
        rest.parse::<u64>().ok().filter(|index| range.contains(index))
    };
    let mut found: Vec<u64> = files.filter_map(|file| number(file.ok()?.file_name())).collect();
    found.sort_unstable();
    found
}
