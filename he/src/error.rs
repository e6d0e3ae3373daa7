//! The crate's error type: every variant says what was wanted, what came and what to do.

/// Result of every fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, with the values that disagree and the cure.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system gave no randomness.
    #[error("the operating system's random source failed ({reason}); no key or ciphertext was made")]
    Randomness {
        /// What the source answered.
        reason: String,
    },
    /// `VEILRAY_SIMD` names no backend, or one this CPU cannot run.
    #[error("VEILRAY_SIMD={found}: {reason}; use one of {available}, or unset it")]
    Backend {
        /// The value found.
        found: String,
        /// Why it cannot be used.
        reason: &'static str,
        /// The backends of this CPU.
        available: String,
    },
}
