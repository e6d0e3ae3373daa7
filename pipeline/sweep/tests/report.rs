//! The reports in `docs/results` are what the command writes from the ledgers beside them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

/// Writes the report of `docs/results/NAME` to another folder and compares every file.
fn is_reproduced(name: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = format!("docs/results/{name}");
    let (committed, written) = (root.join(&folder), tempfile::tempdir().unwrap());
    let mut report = Command::new(env!("CARGO_BIN_EXE_veilray-sweep"));
    let output = report.current_dir(&root).args(["report", &folder, "--out"]).arg(written.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let copy = written.path();
    let names = |folder: &Path| {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(copy), names(&committed));
    // HDF5 files hold the version of what wrote them, and ledger.csv has the same table; rows of an earlier version are copied with new fields.
    let compared = |file: &&std::ffi::OsString| *file != "ledger.h5" && *file != "ledger.jsonl";
    for file in names(&committed).iter().filter(compared) {
        let (found, wanted) = (fs::read_to_string(copy.join(file)).unwrap(), fs::read_to_string(committed.join(file)).unwrap());
        let differing = found.lines().zip(wanted.lines()).find(|(found, wanted)| found != wanted);
        assert!(found == wanted, "{name}/{}: {differing:?}", file.display());
    }
    let page = fs::read_to_string(copy.join("README.md")).unwrap();
    assert!(page.lines().all(|line| line.chars().count() <= 120));
}

#[test]
fn the_report_of_the_sweep_is_what_its_ledger_gives() {
    is_reproduced("sweep");
}

#[test]
fn the_report_of_the_seeds_is_what_their_ledger_gives() {
    is_reproduced("seeds");
}
