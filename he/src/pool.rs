//! Cache-line-aligned limb buffers that return to a pool when dropped, so that hot paths neither allocate nor fault pages in.
//!
//! A buffer taken for a secret is overwritten with zeros before it returns.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroize;

/// One cache line of residues.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([u32; 16]);

/// A slice of residues that starts on a cache line: vector loads then never cross one.
#[derive(Debug, Clone)]
pub(crate) struct Aligned {
    lines: Vec<Line>,
    len: usize,
}

impl Aligned {
    pub fn zeroed(len: usize) -> Self {
        Self { lines: vec![Line([0; 16]); len.div_ceil(16)], len }
    }
}

impl Deref for Aligned {
    type Target = [u32];
    #[allow(clippy::indexing_slicing, reason = "len is at most the lines' residues by construction")]
    fn deref(&self) -> &[u32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Aligned {
    #[allow(clippy::indexing_slicing, reason = "len is at most the lines' residues by construction")]
    fn deref_mut(&mut self) -> &mut [u32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

/// Free buffers by length in lines. It never holds more than what was in use at one time.
#[derive(Default)]
pub(crate) struct Pool {
    free: Mutex<HashMap<usize, Vec<Vec<Line>>>>,
    /// Bytes of all buffers, those in use and the free ones.
    bytes: AtomicUsize,
}

impl Pool {
    /// A buffer of `len` residues with **any** content.
    pub fn take(self: &Arc<Self>, len: usize) -> Buffer {
        let lines = len.div_ceil(16);
        let reused = self.free.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&lines).and_then(Vec::pop);
        let lines = reused.unwrap_or_else(|| {
            self.bytes.fetch_add(lines * size_of::<Line>(), Ordering::Relaxed);
            vec![Line([0; 16]); lines]
        });
        Buffer { lines, len, pool: Arc::clone(self), secret: false }
    }

    /// As [`Pool::take`], for a secret: overwritten with zeros before it returns.
    pub fn take_secret(self: &Arc<Self>, len: usize) -> Buffer {
        let mut buffer = self.take(len);
        buffer.secret = true;
        buffer
    }

    /// Bytes of all buffers, those in use and the free ones.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Gives the free buffers back to the system.
    pub fn trim(&self) {
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
    /// The content has become public (a finished ciphertext or key).
    pub fn publish(&mut self) {
        self.secret = false;
        crate::simd::mark_public(bytemuck::cast_slice(&self.lines));
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
    fn a_dropped_buffer_is_the_next_one_taken() {
        let pool = Arc::new(Pool::default());
        let first = pool.take(1000);
        let at = first.as_ptr();
        assert_eq!(at.align_offset(64), 0);
        drop(first);
        assert_eq!(pool.take(1000).as_ptr(), at);
    }
}
