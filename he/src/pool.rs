//! Cache-line-aligned limb buffers that return to a pool when dropped, so that hot paths neither allocate nor fault pages in.
//!
//! A buffer taken for a secret is overwritten with zeros before it returns.

use crate::aligned::Line;
use crate::simd::mark_public;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroize;

/// How much longer than asked for a free buffer may be: a half. Levels then share buffers on the way down a circuit, where each would
/// otherwise leave a set of its own lengths behind: 12 GB instead of 1 for a network of 30 levels at N = 2^16.
const SPARE: usize = 2;

/// Free buffers by length in lines.
#[derive(Default)]
pub(crate) struct Pool {
    free: Mutex<BTreeMap<usize, Vec<Vec<Line>>>>,
    /// Bytes of all buffers, those in use and the free ones.
    bytes: AtomicUsize,
}

impl Pool {
    /// A buffer of `len` residues with **any** content; it may occupy a half more.
    pub(crate) fn take(self: &Arc<Self>, len: usize) -> Buffer {
        let lines = len.div_ceil(16);
        self.take_between(len, lines + lines / SPARE)
    }

    /// As [`Pool::take`], for what is kept for long: it occupies no more than it needs.
    pub(crate) fn take_to_keep(self: &Arc<Self>, len: usize) -> Buffer {
        self.take_between(len, len.div_ceil(16))
    }

    /// The shortest free buffer of at least `len` residues and at most `most` lines, or a new one.
    fn take_between(self: &Arc<Self>, len: usize, most: usize) -> Buffer {
        let lines = len.div_ceil(16);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let reused = free.range_mut(lines..=most).find_map(|(_, buffers)| buffers.pop());
        drop(free);
        let lines = reused.unwrap_or_else(|| {
            self.bytes.fetch_add(lines * size_of::<Line>(), Ordering::Relaxed);
            vec![Line([0; 16]); lines]
        });
        Buffer { lines, len, pool: Arc::clone(self), secret: false }
    }

    /// As [`Pool::take`], for a secret: overwritten with zeros before it returns.
    pub(crate) fn take_secret(self: &Arc<Self>, len: usize) -> Buffer {
        let mut buffer = self.take(len);
        buffer.secret = true;
        buffer
    }

    /// Bytes of all buffers, those in use and the free ones.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Gives the free buffers back to the system.
    pub(crate) fn trim(&self) {
        let free = std::mem::take(&mut *self.free.lock().unwrap_or_else(PoisonError::into_inner));
        let lines: usize = free.values().flatten().map(Vec::len).sum();
        self.bytes.fetch_sub(lines * size_of::<Line>(), Ordering::Relaxed);
    }
}

/// A pooled slice of residues.
pub(crate) struct Buffer {
    lines: Vec<Line>,
    len: usize,
    pool: Arc<Pool>,
    secret: bool,
}

impl Buffer {
    /// A buffer for what is computed from this one: overwritten with zeros before it returns if this one is.
    pub(crate) fn alike(&self, len: usize) -> Self {
        let mut buffer = self.pool.take(len);
        buffer.secret = self.secret;
        buffer
    }

    /// The content has become public (a finished ciphertext or key).
    pub(crate) fn publish(&mut self) {
        self.secret = false;
        mark_public(bytemuck::cast_slice(&self.lines));
    }
}

impl Deref for Buffer {
    type Target = [u32];
    #[allow(clippy::indexing_slicing, reason = "len is at most the lines' residues by construction")]
    fn deref(&self) -> &[u32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Buffer {
    #[allow(clippy::indexing_slicing, reason = "len is at most the lines' residues by construction")]
    fn deref_mut(&mut self) -> &mut [u32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut copy = self.pool.take(self.len);
        copy.secret = self.secret;
        copy.copy_from_slice(self);
        copy
    }
}

/// Contents may be secret and are never of use in a log.
impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} residues)", self.len)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.secret {
            bytemuck::cast_slice_mut::<_, u32>(&mut self.lines).zeroize();
        }
        let lines = std::mem::take(&mut self.lines);
        self.pool.free.lock().unwrap_or_else(PoisonError::into_inner).entry(lines.len()).or_default().push(lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_secret_leaves_zeros() {
        let pool = Arc::new(Pool::default());
        let mut secret = pool.take_secret(64);
        secret.fill(7);
        drop(secret.clone());
        drop(secret);
        for _ in 0..2 {
            let after = pool.take(64);
            assert!(after.iter().all(|x| *x == 0));
            std::mem::forget(after);
        }
    }

    #[test]
    fn trimming_keeps_what_is_in_use() {
        let pool = Arc::new(Pool::default());
        let (kept, dropped) = (pool.take(1000), pool.take(32));
        assert_eq!(pool.bytes(), 4 * (1008 + 32));
        drop(dropped);
        assert_eq!(pool.bytes(), 4 * (1008 + 32));
        pool.trim();
        assert_eq!(pool.bytes(), 4 * 1008);
        drop(kept);
        pool.trim();
        assert_eq!(pool.bytes(), 0);
    }

    #[test]
    fn a_buffer_may_be_a_half_longer_than_asked_for_unless_it_is_kept() {
        let pool = Arc::new(Pool::default());
        drop((pool.take(160), pool.take(96)));
        assert_eq!(pool.bytes(), 4 * 256);
        let (shorter, kept) = (pool.take(80), pool.take_to_keep(144));
        assert_eq!((shorter.len(), kept.len()), (80, 144));
        // The shortest that does, 96, served the first; 160 is no length for what is kept, and too long for 96.
        assert_eq!(pool.bytes(), 4 * (256 + 144));
        let (longer, new) = (pool.take(112), pool.take(96));
        assert_eq!((longer.len(), new.len(), pool.bytes()), (112, 96, 4 * (256 + 144 + 96)));
        drop(shorter);
        assert_eq!(pool.take(96).len(), 96, "the whole buffer comes back, not what was asked of it");
        assert_eq!(pool.bytes(), 4 * (256 + 144 + 96));
    }

    #[test]
    fn a_dropped_buffer_is_the_next_one_taken() {
        let pool = Arc::new(Pool::default());
        let first = pool.take(1000);
        let at = first.as_ptr();
        assert_eq!(at.align_offset(64), 0);
        drop(first);
        assert_eq!(pool.take(1000).as_ptr(), at);
    }
}
