//! What stands on what: packages of the workspace, folders of a package, packages that a program is built from.

#![allow(clippy::unwrap_used, reason = "a test ends where the repository cannot be read")]

use std::collections::{BTreeMap, BTreeSet};
use veilray_checks::imports;
use veilray_checks::packages::{self, built_from, features, members};
use veilray_checks::tree::Tree;

fn tree() -> Tree {
    Tree::here().unwrap()
}

/// The packages, each with those that it may use. Tests and examples may use more.
const ARROWS: [(&str, &[&str]); 16] = [
    ("veilray-base", &[]),
    ("veilray-he", &["veilray-base"]),
    ("veilray-nn", &["veilray-base"]),
    ("veilray-imaging", &["veilray-base"]),
    ("veilray-latents", &["veilray-base"]),
    ("veilray-encoder", &["veilray-base", "veilray-nn", "veilray-imaging"]),
    ("veilray-classifier", &["veilray-base", "veilray-he"]),
    ("veilray-training", &["veilray-base", "veilray-he", "veilray-nn", "veilray-classifier"]),
    ("veilray-fcnn-tfhe", &["veilray-base", "veilray-he", "veilray-nn", "veilray-classifier", "veilray-training"]),
    ("veilray-protocol", &["veilray-base", "veilray-he", "veilray-classifier"]),
    ("veilrayd", &["veilray-base", "veilray-he", "veilray-classifier", "veilray-protocol"]),
    (
        "veilray",
        &[
            "veilray-base",
            "veilray-he",
            "veilray-nn",
            "veilray-imaging",
            "veilray-encoder",
            "veilray-classifier",
            "veilray-protocol",
            "veilrayd",
        ],
    ),
    (
        "veilray-sweep",
        &[
            "veilray-base",
            "veilray-he",
            "veilray-nn",
            "veilray-imaging",
            "veilray-latents",
            "veilray-encoder",
            "veilray-classifier",
            "veilray-training",
            "veilray-fcnn-tfhe",
        ],
    ),
    ("veilray-bench", &["veilray-base", "veilray-he", "veilray-nn", "veilray-imaging", "veilray-encoder", "veilray-classifier"]),
    ("veilray-checks", &[]),
    (
        "veilray-robustness",
        &[
            "veilray-base",
            "veilray-he",
            "veilray-nn",
            "veilray-imaging",
            "veilray-latents",
            "veilray-encoder",
            "veilray-classifier",
            "veilray-protocol",
            "veilrayd",
            "veilray",
            "veilray-sweep",
        ],
    ),
];

#[test]
fn packages_use_only_packages_below() {
    let mut wrong = Vec::new();
    for member in members(&tree()).unwrap() {
        let Some((_, below)) = ARROWS.iter().find(|(name, _)| *name == member.name) else {
            wrong.push(format!("{} is not in this test's table", member.name));
            continue;
        };
        let up = member.uses.iter().filter(|(name, normal)| **normal && !below.contains(&name.as_str()));
        wrong.extend(up.map(|(name, _)| format!("{} uses {name}", member.name)));
    }
    assert!(wrong.is_empty(), "arrows between packages that may not be:\n{}", wrong.join("\n"));
}

#[test]
fn files_of_different_folders_do_not_use_each_other_in_a_circle() {
    let tree = tree();
    let mut found = Vec::new();
    for member in members(&tree).unwrap() {
        for circle in imports::circles(&tree, &format!("{}/src/", member.folder)).unwrap() {
            let members: Vec<String> = circle.members.into_iter().collect();
            found.push(format!("{}: {}\n    {}", member.name, members.join(", "), circle.imports.join("\n    ")));
        }
    }
    assert!(found.is_empty(), "files of different folders that use each other in a circle:\n{}", found.join("\n"));
}

/// Fails where `package` is built from more than `most` packages, or from one whose name begins with a word of `without`.
fn bounded(package: &str, most: usize, without: &[&str]) {
    let packages = built_from(&tree(), package).unwrap();
    let unwanted: Vec<&String> = packages.iter().filter(|package| without.iter().any(|word| package.starts_with(word))).collect();
    assert!(unwanted.is_empty(), "{package} is built from {unwanted:?}");
    assert!(packages.len() <= most, "{package} is built from {} packages; at most {most}", packages.len());
}

#[test]
fn the_daemon_is_small_and_reads_no_images() {
    bounded("veilrayd", 190, &["candle", "dicom", "jpeg", "png ", "veilray-nn ", "veilray-encoder ", "veilray-imaging "]);
}

#[test]
fn the_sweep_has_no_web_server_and_no_database() {
    bounded("veilray-sweep", 255, &["axum", "redb ", "rustls ", "hyper ", "veilrayd ", "veilray-protocol "]);
}

#[test]
fn the_classifier_is_small_and_does_not_train() {
    bounded("veilray-classifier", 80, &["candle", "veilray-nn "]);
}

#[test]
fn nothing_needs_cmake_or_a_cpp_compiler() {
    let all = features(&tree(), &["--workspace", "--edges", "normal,build,dev"]).unwrap();
    let unwanted = ["cmake ", "hdf5-metno", "link-cplusplus ", "cxx ", "libz-ng-sys ", "libz-sys ", "zstd-sys "];
    let found: Vec<&String> = all.keys().filter(|package| unwanted.iter().any(|word| package.starts_with(word))).collect();
    assert!(found.is_empty(), "the default tests compile C++ or need CMake: {found:?}");
}

/// `vendor/tokenizers` stands in for a crate that candle-core asks for; without it these come back.
#[test]
fn no_text_processing_is_compiled() {
    let demo = features(&tree(), &["--edges", "normal,build"]).unwrap();
    let unwanted = ["esaxx-rs ", "fancy-regex ", "onig ", "spm_precompiled ", "unicode-normalization-alignments "];
    let found: Vec<&String> = demo.keys().filter(|package| unwanted.iter().any(|word| package.starts_with(word))).collect();
    assert!(found.is_empty(), "the demo compiles text processing that nothing runs: {found:?}");
}

/// After `cargo test --workspace`, `cargo run` compiles nothing that it compiled before: both select the same features.
#[test]
fn tests_and_the_demo_compile_the_same_packages() {
    let tree = tree();
    let demo = features(&tree, &["--edges", "normal,build"]).unwrap();
    let all = features(&tree, &["--workspace", "--edges", "normal,build,dev"]).unwrap();
    let nothing = BTreeSet::new();
    let twice: BTreeMap<&String, (&BTreeSet<String>, &BTreeSet<String>)> = demo
        .iter()
        .map(|(package, features)| (package, (features, all.get(package).unwrap_or(&nothing))))
        .filter(|(_, (demo, all))| !demo.is_subset(all))
        .collect();
    assert!(twice.is_empty(), "compiled twice, as the features differ (demo's, all tests'):\n{twice:#?}");
}

/// The version of Rust that `Cargo.toml` names is enough for every dependency; clippy's `incompatible_msrv` says the same of our own code.
#[test]
fn no_dependency_asks_for_a_newer_rust() {
    let tree = tree();
    let number =
        |version: &str| -> Vec<u32> { version.split('.').map(|part| part.parse().unwrap_or(0)).chain([0, 0]).take(3).collect() };
    let wanted = packages::rust_versions(&tree, "x86_64-unknown-linux-gnu").unwrap();
    let own = wanted.iter().find(|(package, _)| package.starts_with("veilray-base ")).map(|(_, rust)| number(rust)).unwrap();
    let built = features(&tree, &["--workspace", "--edges", "normal,build,dev"]).unwrap();
    let newer: Vec<String> = wanted
        .iter()
        .filter(|(package, rust)| built.contains_key(*package) && number(rust) > own)
        .map(|(package, rust)| format!("{package} asks for Rust {rust}"))
        .collect();
    assert!(newer.is_empty(), "Cargo.toml's rust-version is {own:?}:\n{}", newer.join("\n"));
}
