//! How files are read.

use super::checks::AdmissibilityLimits;
use super::terms::Assume;
use serde::{Deserialize, Serialize};

/// How large a file may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest file, bytes; 256 MiB by default.
    pub file_bytes: u64,
    /// Largest picture, pixels; 36 × 2²⁰ by default. Reading takes up to 20 bytes of memory for each.
    pub pixels: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file_bytes: 256 << 20, pixels: 36 << 20 }
    }
}

/// How to read a file.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Settings {
    /// What holds where the file does not say: modality, view, photometric interpretation.
    pub assume: Assume,
    /// How large the file may be.
    pub limits: Limits,
    /// When to refuse the image as not fit to be classified.
    pub checks: AdmissibilityLimits,
}
