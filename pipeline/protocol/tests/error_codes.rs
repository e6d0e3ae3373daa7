//! The codes of errors against the committed table, which programs of other people rely on, and against the handbook's page.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fmt::Write;
use std::fs;
use std::path::Path;
use veilray_protocol::ErrorCode;

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The part of the page that a heading begins, up to the next one.
fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let rest = page.split_once(&format!("\n{heading}\n")).unwrap().1;
    rest.split("\n## ").next().unwrap()
}

#[test]
fn codes_and_their_statuses_are_the_committed_table() {
    let mut found = String::new();
    for code in ErrorCode::ALL {
        writeln!(found, "{:<18} {}", code.as_str(), code.status()).unwrap();
    }
    let wanted = file("tests/snapshots/error_codes.txt");
    assert_eq!(found, wanted, "a new code is a new line of tests/snapshots/error_codes.txt; the others stay as they are");
}

#[test]
fn the_handbook_has_every_code_once_with_its_status_and_what_to_do() {
    let page = file("../../docs/src/protocol.md");
    let section = section(&page, "## Errors");
    let codes = |start: &str| -> Vec<String> {
        let rest = section.lines().filter_map(|line| line.strip_prefix(start));
        rest.map(|rest| rest.split('`').next().unwrap().to_owned()).collect()
    };
    let all: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(codes("| `"), all, "rows of the table");
    assert_eq!(codes("- `"), all, "what to do");
    for code in ErrorCode::ALL {
        let row = format!("| `{}` | {} | ", code.as_str(), code.status());
        assert!(section.contains(&row), "{row}");
    }
}
