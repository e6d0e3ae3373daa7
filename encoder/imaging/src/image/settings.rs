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
    /// Largest picture, pixels; 36 × 2²⁰ by default.
    pub pixels: u64,
    /// Most memory that reading one image may take, the file's bytes among it; 512 MiB by default. A header tells how much it will be:
    /// 8 bytes for each pixel of an uncompressed grey picture, 15 for a progressive JPEG in colour.
    pub memory_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file_bytes: 256 << 20, pixels: 36 << 20, memory_bytes: 512 << 20 }
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
