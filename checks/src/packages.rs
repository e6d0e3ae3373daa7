//! The packages that a program is built from, as cargo resolves them.

use crate::tree::Tree;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use thiserror::Error;

/// Why cargo gave no answer.
#[derive(Debug, Error)]
pub enum Error {
    /// Cargo could not be started.
    #[error("cargo could not be started: {0}")]
    Start(#[from] std::io::Error),
    /// Cargo refused.
    #[error("cargo {arguments} failed: {said}")]
    Failed {
        /// What it was called with.
        arguments: String,
        /// What it said on standard error.
        said: String,
    },
    /// Cargo's answer is not what its documentation says.
    #[error("cargo metadata: {0}")]
    Json(#[from] serde_json::Error),
}

/// Runs cargo in the root of `tree`, without the network.
fn cargo(tree: &Tree, arguments: &[&str]) -> Result<String, Error> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program).current_dir(tree.root()).args(arguments).args(["--offline", "--locked"]).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::Failed { arguments: arguments.join(" "), said });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The packages (`NAME vVERSION`) of what `selection` builds, with the sets of features that each is compiled with.
///
/// `selection` are flags of `cargo tree`: packages, features and kinds of edges.
///
/// # Errors
/// Cargo fails.
pub fn features(tree: &Tree, selection: &[&str]) -> Result<BTreeMap<String, BTreeSet<String>>, Error> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let arguments = [&["tree", "--prefix", "none", "--no-dedupe", "--format", "{p}|{f}"], selection].concat();
    for line in cargo(tree, &arguments)?.lines() {
        let Some((package, features)) = line.split_once('|') else { continue };
        let package: Vec<&str> = package.split(' ').take(2).collect();
        found.entry(package.join(" ")).or_default().insert(features.to_owned());
    }
    Ok(found)
}

/// The packages (`NAME vVERSION`) that `package` with its default features is built from, itself among them.
///
/// # Errors
/// Cargo fails, as where there is no such package.
pub fn built_from(tree: &Tree, package: &str) -> Result<BTreeSet<String>, Error> {
    Ok(features(tree, &["--package", package, "--edges", "normal,build"])?.into_keys().collect())
}

/// A package of the workspace.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its folder, relative to the root.
    pub folder: String,
    /// The members that it depends on; for tests and examples alone: `false`.
    pub uses: BTreeMap<String, bool>,
}

/// The packages of the workspace, and the Rust that each package asks for (`NAME VERSION`, `RUST`).
///
/// # Errors
/// Cargo fails.
pub fn members(tree: &Tree) -> Result<Vec<Member>, Error> {
    let metadata: Value = serde_json::from_str(&cargo(tree, &["metadata", "--format-version", "1", "--no-deps"])?)?;
    let list = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let packages = list(&metadata, "packages");
    let names: BTreeSet<String> = packages.iter().map(|package| text(package, "name")).collect();
    let member = |package: &Value| {
        let manifest = text(package, "manifest_path");
        let folder =
            manifest.strip_prefix(&format!("{}/", tree.root().display())).and_then(|path| path.strip_suffix("/Cargo.toml"));
        let mut uses = BTreeMap::new();
        for dependency in list(package, "dependencies") {
            let name = text(&dependency, "name");
            if names.contains(&name) {
                *uses.entry(name).or_insert(false) |= dependency.get("kind").is_none_or(Value::is_null);
            }
        }
        Member { name: text(package, "name"), folder: folder.unwrap_or("").to_owned(), uses }
    };
    Ok(packages.iter().map(member).collect())
}

/// The Rust that each package asks for which this machine may compile: `NAME VERSION` to `RUST`.
///
/// # Errors
/// Cargo fails.
pub fn rust_versions(tree: &Tree, platform: &str) -> Result<BTreeMap<String, String>, Error> {
    let metadata: Value =
        serde_json::from_str(&cargo(tree, &["metadata", "--format-version", "1", "--filter-platform", platform])?)?;
    let packages = metadata.get("packages").and_then(Value::as_array).cloned().unwrap_or_default();
    let version = |package: &Value| {
        let text = |key: &str| Some(package.get(key)?.as_str()?.to_owned());
        Some((format!("{} v{}", text("name")?, text("version")?), text("rust_version")?))
    };
    Ok(packages.iter().filter_map(version).collect())
}
