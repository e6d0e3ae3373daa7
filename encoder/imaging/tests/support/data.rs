//! Where data sets lie.

use std::path::{Path, PathBuf};

/// The folder of the data sets: as `VEILRAY_DATA` says, or beside the checkout.
pub(crate) fn data() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    Some(std::env::var_os("VEILRAY_DATA").map_or_else(beside, PathBuf::from)).filter(|folder| folder.is_dir())
}
