//! Panics in the decoders of other crates become errors.

use crate::image::{Error, Format, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a foreign decoder on bytes from outside; a panic in it becomes an error of the file. None is known, but the client must
/// outlive a hostile file in a batch of good ones.
///
/// # Errors
/// What `decode` returns, or [`Error::Malformed`].
pub(crate) fn catch_panic<T>(format: Format, decode: impl FnOnce() -> Result<T>) -> Result<T> {
    // Unwind safe: nothing that `decode` could leave half changed is used after a panic.
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or(Err(Error::malformed(format, "the file broke its decoder")))
}
