//! What holds of the repository itself: sizes of files, links, imports, packages, and measured figures that stand in several pages.
//!
//! The tests are in `tests/`. `cargo run -p veilray-checks -- render` writes the figures of `docs/results/*.json` into the pages.

pub mod figures;
pub mod imports;
pub mod links;
pub mod packages;
pub mod rust;
pub mod tree;
