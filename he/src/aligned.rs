//! Residues that start on a cache line.

use std::ops::{Deref, DerefMut};

/// One cache line of residues.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [u32; 16]);

/// A slice of residues that starts on a cache line: vector loads then never cross one.
#[derive(Debug, Clone)]
pub(crate) struct Aligned {
    lines: Vec<Line>,
    len: usize,
}

impl Aligned {
    pub(crate) fn zeroed(len: usize) -> Self {
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
