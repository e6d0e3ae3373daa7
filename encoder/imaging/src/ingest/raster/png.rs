//! The chunks of a PNG file that its picture needs. Texts and colour profiles are left out: they may name the patient, and may inflate to
//! any size.

use crate::image::{Error, Result};
use std::collections::VecDeque;
use std::io::{BufRead, Error as IoError, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;

/// Bytes before the first chunk.
const SIGNATURE: usize = 8;

/// Chunks that a PNG file may have: at 256 MiB, data in chunks of 4 KiB.
const MAX_CHUNKS: u64 = 65_536;

/// A file's bytes without the chunks that its picture does not need.
pub(super) struct Needed<'a> {
    bytes: &'a [u8],
    /// Where they lie, those beside each other as one.
    parts: VecDeque<Range<usize>>,
    /// Frames of the animation; 1 where there is none.
    pub frames: u64,
}

impl<'a> Needed<'a> {
    /// Walks the chunks, each of which costs its decoder more than its bytes do.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub(super) fn walk(bytes: &'a [u8]) -> Result<Self> {
        let mut needed = Self { bytes, parts: VecDeque::new(), frames: 1 };
        needed.keep(0..bytes.len().min(SIGNATURE));
        let mut start = SIGNATURE;
        let mut chunks = 0;
        while let Some(&[l3, l2, l1, l0, n0, n1, n2, n3]) = bytes.get(start..).and_then(|rest| rest.first_chunk()) {
            chunks += 1;
            if chunks > MAX_CHUNKS {
                return Err(Error::TooLarge { what: "the PNG file's chunks", found: chunks, limit: MAX_CHUNKS });
            }
            // Length, name and checksum are around the data.
            let length = (u32::from_be_bytes([l3, l2, l1, l0]) as usize).saturating_add(12);
            let end = start.saturating_add(length).min(bytes.len());
            let name = [n0, n1, n2, n3];
            if &name == b"acTL"
                && let Some(&frames) = bytes.get(start + 8..end).and_then(|data| data.first_chunk())
            {
                needed.frames = needed.frames.max(u32::from_be_bytes(frames).into());
            }
            // A capital begins the name of a chunk that cannot be left out (PNG 5.4).
            if n0.is_ascii_uppercase() || &name == b"tRNS" {
                needed.keep(start..end);
            }
            start = end;
        }
        needed.keep(start..bytes.len());
        Ok(needed)
    }

    fn keep(&mut self, part: Range<usize>) {
        match self.parts.back_mut() {
            Some(last) if last.end == part.start => last.end = part.end,
            _ => self.parts.push_back(part),
        }
    }
}

impl Read for Needed<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Needed<'_> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        while self.parts.front().is_some_and(Range::is_empty) {
            self.parts.pop_front();
        }
        Ok(self.parts.front().and_then(|part| self.bytes.get(part.clone())).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        if let Some(part) = self.parts.front_mut() {
            part.start = part.start.saturating_add(count).min(part.end);
        }
    }
}

/// The decoder asks that it can be done, and does not do it.
impl Seek for Needed<'_> {
    fn seek(&mut self, _: SeekFrom) -> std::io::Result<u64> {
        Err(IoError::from(ErrorKind::Unsupported))
    }
}
