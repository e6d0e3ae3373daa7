//! Digests by which what was written is compared with what is read back.

use super::number::sealed::Number;
use sha2::{Digest as _, Sha256};

/// SHA-256 of a data set's values in order.
#[derive(Default)]
pub(super) struct Digest(Sha256);

impl Digest {
    /// Takes in numbers by their bits.
    pub(super) fn numbers<T: Number>(&mut self, values: &[T]) {
        let mut bytes = Vec::with_capacity(values.len().min(4096) * size_of::<T>());
        for block in values.chunks(4096) {
            bytes.clear();
            block.iter().for_each(|value| value.append_bytes(&mut bytes));
            self.0.update(&bytes);
        }
    }

    /// Takes in texts, each with its length.
    pub(super) fn texts<S: AsRef<str>>(&mut self, texts: &[S]) {
        for text in texts.iter().map(AsRef::as_ref) {
            self.0.update((text.len() as u64).to_le_bytes());
            self.0.update(text);
        }
    }

    /// The digest's 32 bytes.
    pub(super) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
