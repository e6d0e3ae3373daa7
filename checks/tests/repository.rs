//! What every commit keeps: sizes of files, prose, links, figures, longer tests, findings.

#![allow(clippy::unwrap_used, reason = "a test ends where the repository cannot be read")]

use std::collections::BTreeMap;
use veilray_checks::figures::{Figures, Pages};
use veilray_checks::links;
use veilray_checks::rust::tokens;
use veilray_checks::tree::Tree;

const MAX_RUST_LINES: usize = 400;
const MAX_MARKDOWN_COLUMNS: usize = 120;
const MAX_README_WORDS: usize = 1200;

fn tree() -> Tree {
    Tree::here().unwrap()
}

/// Fails with every line of `found`.
fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}: {}\n{}", found.len(), found.join("\n"));
}

#[test]
fn no_rust_file_is_too_long() {
    let tree = tree();
    let texts = tree.texts(".rs").unwrap();
    assert!(texts.len() > 100, "{} Rust files found", texts.len());
    let lines = texts.iter().map(|(file, text)| (file, text.lines().count()));
    let long: Vec<String> =
        lines.filter(|(_, lines)| *lines > MAX_RUST_LINES).map(|(file, lines)| format!("{file}: {lines}")).collect();
    none("Rust files over 400 lines", &long);
}

#[test]
fn no_markdown_line_is_too_wide() {
    let tree = tree();
    let mut wide = Vec::new();
    for (file, text) in tree.texts(".md").unwrap() {
        let columns = text.lines().enumerate().map(|(i, line)| (i + 1, line.chars().count()));
        wide.extend(
            columns
                .filter(|(_, columns)| *columns > MAX_MARKDOWN_COLUMNS)
                .map(|(line, columns)| format!("{file}:{line}: {columns}")),
        );
    }
    none("Markdown lines over 120 columns", &wide);
}

#[test]
fn the_readme_is_short() {
    let words = tree().text("README.md").unwrap().unwrap().split_whitespace().count();
    assert!(words <= MAX_README_WORDS, "README.md has {words} words; at most {MAX_README_WORDS}");
}

#[test]
fn modules_are_files_beside_their_folder() {
    let tree = tree();
    let found: Vec<String> = tree.ending("/mod.rs").filter(|file| file.contains("/src/")).map(str::to_owned).collect();
    none("mod.rs in src; name the file after the module", &found);
}

#[test]
fn every_relative_link_leads_somewhere() {
    none("broken links", &links::broken(&tree()).unwrap());
}

#[test]
fn no_tracked_file_names_a_folder_of_one_machine() {
    let tree = tree();
    // Written apart, so that this file has none of them.
    let words: Vec<String> = [
        ("sha", "red/"),
        ("/wo", "rk/"),
        (".lib", "rary/"),
        ("/ro", "ot/"),
        ("/ho", "me/"),
        ("farm-", "bench"),
        ("farm-", "studio"),
    ]
    .map(|(a, b)| format!("{a}{b}"))
    .to_vec();
    // In tests alone, real data may lie in this folder beside the checkout; one place of a package says so.
    let default = format!("../{}data\"", words.first().unwrap());
    let mut places = BTreeMap::new();
    let mut found = Vec::new();
    for file in tree.files() {
        let Some(text) = tree.text(file).unwrap() else { continue };
        for (i, line) in text.lines().enumerate() {
            let package = file.split_once("/tests/").map(|(package, _)| package).filter(|_| file.ends_with(".rs"));
            let is_default = line.contains("env!(\"CARGO_MANIFEST_DIR\")") && line.matches(&default).count() == 1;
            let rest = match package.filter(|_| is_default) {
                Some(package) => {
                    *places.entry(package).or_insert(0) += 1;
                    line.replace(&default, "")
                }
                None => line.to_owned(),
            };
            if let Some(word) = words.iter().find(|word| rest.contains(word.as_str())) {
                found.push(format!("{file}:{}: {word}", i + 1));
            }
        }
    }
    found.extend(places.iter().filter(|(_, count)| **count > 1).map(|(package, count)| format!("{package}: {count} defaults")));
    none("words of one workplace in tracked files", &found);
}

#[test]
fn no_image_is_tracked() {
    let endings = [".jpg", ".jpeg", ".dcm", ".npz", ".npy"];
    let images: Vec<String> =
        tree().files().filter(|file| endings.iter().any(|e| file.to_lowercase().ends_with(e))).map(str::to_owned).collect();
    none("image data in the repository", &images);
}

#[test]
fn figures_in_pages_are_those_that_were_measured() {
    let tree = tree();
    let pages = Pages::of(&tree, &Figures::read(&tree).unwrap()).unwrap();
    assert!(pages.blocks > 0, "no page has a marker for figures");
    let differing: Vec<String> = pages.differing.into_iter().map(|(file, _)| file).collect();
    none("pages that differ from docs/results/*.json; run `cargo run -p veilray-checks -- render`", &differing);
}

#[test]
fn every_released_model_has_figures() {
    let tree = tree();
    let figures = Figures::read(&tree).unwrap();
    let with_figures = figures.models();
    let strip = |file: &str| Some(file.strip_prefix("weights/")?.strip_suffix("/manifest.toml")?.to_owned());
    let released: Vec<String> = tree.files().filter_map(strip).collect();
    let models = released.iter().filter(|name| !name.starts_with("encoder-"));
    none(
        "released models without figures",
        &models.filter(|name| !with_figures.contains(&name.as_str())).cloned().collect::<Vec<_>>(),
    );
    let unknown = with_figures.iter().filter(|name| !released.iter().any(|other| other == *name));
    none("figures of models that are not released", &unknown.map(ToString::to_string).collect::<Vec<_>>());
}

/// The tiers' header lines, by name.
fn tiers(tree: &Tree) -> Vec<(String, String)> {
    let name = |file: &str| file.strip_prefix(".ci/tiers/").map(str::to_owned);
    tree.files().filter_map(|file| Some((name(file)?, tree.text(file).unwrap()?))).collect()
}

#[test]
fn every_tier_says_what_it_does_and_needs() {
    let tiers = tiers(&tree());
    assert!(tiers.len() > 10, "{} tiers found", tiers.len());
    let mut wrong = Vec::new();
    for (name, text) in tiers {
        let field = |field: &str| text.lines().find_map(|line| line.strip_prefix(&format!("# {field}: "))).unwrap_or("");
        if field("what").is_empty() || field("needs").is_empty() {
            wrong.push(format!("{name}: `# what:` and `# needs:` say nothing"));
        }
        if field("minutes").parse::<u32>().is_err() {
            wrong.push(format!("{name}: `# minutes:` is no number"));
        }
        if !["yes", "no"].contains(&field("ci")) {
            wrong.push(format!("{name}: `# ci:` is neither yes nor no"));
        }
    }
    none("tiers with wrong headers", &wrong);
}

#[test]
fn every_ignored_test_names_its_tier_or_what_starts_it() {
    let tree = tree();
    let tiers = tiers(&tree);
    let mark = format!("#[{}", "ignore");
    let mut wrong = Vec::new();
    for (file, text) in tree.texts(".rs").unwrap() {
        for (i, line) in text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with(&mark)) {
            let reason = line.split('"').nth(1).unwrap_or("");
            let tier =
                reason.split(".ci/tier ").nth(1).and_then(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '-').next());
            let known = tier.is_some_and(|tier| tiers.iter().any(|(name, _)| name == tier));
            if !known && !reason.starts_with("started by ") {
                wrong.push(format!("{file}:{}: {reason}", i + 1));
            }
        }
    }
    none("ignored tests whose reason names no `.ci/tier NAME` that exists, and does not begin with `started by `", &wrong);
}

#[test]
fn unsafe_code_stays_where_it_is_allowed() {
    let tree = tree();
    let mut found = Vec::new();
    for (file, text) in tree.texts(".rs").unwrap() {
        if file.starts_with("he/src/simd/") || file.starts_with("nn/src/gemm") {
            continue;
        }
        found.extend(tokens(&text).iter().filter(|token| token.text == "unsafe").map(|token| format!("{file}:{}", token.line)));
    }
    none("`unsafe` outside he/src/simd and nn/src/gemm", &found);
}

#[test]
fn findings_have_the_form_of_their_page() {
    let tree = tree();
    let mut wrong = Vec::new();
    let page = tree.text("findings/README.md").unwrap().unwrap();
    for file in tree.ending(".sh").filter(|file| file.starts_with("findings/")) {
        let text = tree.text(file).unwrap().unwrap_or_default();
        let name = file.strip_prefix("findings/").unwrap_or(file);
        let mut check = |holds: bool, what: &str| {
            if !holds {
                wrong.push(format!("{file}: {what}"));
            }
        };
        check(text.starts_with("#!/usr/bin/env bash\n"), "does not begin with #!/usr/bin/env bash");
        check(text.contains("mktemp -d"), "works in no temporary folder");
        check(!text.to_lowercase().contains("veilray"), "names this project: a finding runs without it");
        check(
            ["# what: ", "# versions: ", "# a good guess would be: ", "# seen: "].iter().all(|field| text.contains(field)),
            "lacks a header line",
        );
        check(page.contains(&format!("({name})")), "is not listed in findings/README.md");
        check(executable(&tree, file), "is not executable");
    }
    none("findings", &wrong);
}

#[cfg(unix)]
fn executable(tree: &Tree, file: &str) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(tree.root().join(file)).unwrap().permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn executable(_: &Tree, _: &str) -> bool {
    true
}
