//! What the chunks of a WebP file announce (RFC 9649, 2.3 to 2.7).

use crate::image::{Error, Result};

/// Chunks that a WebP file may have.
const MAX_CHUNKS: u64 = 65_536;

/// Bytes of memory that the lossless coding takes for its prefix codes, for each byte that states them: a code of 16 bytes has a table of
/// 1024 entries of two bytes.
const CODES_PER_BYTE: u64 = 150;

/// The same for each group of prefix codes, of which there may be one for each 16 pixels, and 2^16.
const CODES_PER_GROUP: u64 = 5 * 2048;

/// What was found.
pub(super) struct Chunks {
    /// Frames of the animation; 1 where there is none.
    pub frames: u64,
    /// Bytes of chunks with the lossless coding.
    lossless: u64,
}

impl Chunks {
    /// Walks a file.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub(super) fn walk(bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes.get(12..).unwrap_or_default();
        let (mut chunks, mut animated, mut frames, mut lossless) = (0, false, 0, 0u64);
        while let Some(&[n0, n1, n2, n3, l0, l1, l2, l3]) = rest.first_chunk() {
            chunks += 1;
            if chunks > MAX_CHUNKS {
                return Err(Error::TooLarge { what: "the WebP file's chunks", found: chunks, limit: MAX_CHUNKS });
            }
            let length = u32::from_le_bytes([l0, l1, l2, l3]);
            match &[n0, n1, n2, n3] {
                b"ANIM" => animated = true,
                b"ANMF" => frames += 1,
                b"VP8L" | b"ALPH" => lossless = lossless.saturating_add(length.into()),
                _ => {}
            }
            // Chunks have an even length.
            let next = (length as usize).saturating_add(8).saturating_add(length as usize % 2);
            rest = rest.get(next..).unwrap_or_default();
        }
        // One frame of an animation lies somewhere on its canvas.
        let frames = if animated || frames > 0 { frames.max(2) } else { 1 };
        Ok(Self { frames, lossless: lossless.min(bytes.len() as u64) })
    }

    /// Bytes of memory for prefix codes, of a picture of so many pixels.
    pub(super) fn codes(&self, pixels: u64) -> u64 {
        (CODES_PER_BYTE * self.lossless).min(CODES_PER_GROUP * (pixels / 16 + 1).min(1 << 16))
    }
}
