//! Why a sweep's file was refused.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// This module's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a sweep's file was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The sweep's file, or one that it names, cannot be read.
    #[error("could not read {}: {source}", path.display())]
    Io {
        /// The sweep's file, or one that it names.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A line of the sweep's file cannot be used; the message says what is allowed.
    #[error("{}:{line}: {why}", path.display())]
    Line {
        /// The sweep's file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What stands there and what may.
        why: String,
    },
    /// The shapes or the training of an encoder cannot be used.
    #[error(transparent)]
    Encoder(#[from] veilray_encoder::vqgan::Error),
}

impl Error {
    /// At the line of `span` in `text`, which is `path`'s.
    pub(super) fn at(path: &Path, text: &str, span: Range<usize>, why: String) -> Self {
        let line = 1 + text.bytes().take(span.start).filter(|byte| *byte == b'\n').count();
        Self::Line { path: path.into(), line, why }
    }
}
