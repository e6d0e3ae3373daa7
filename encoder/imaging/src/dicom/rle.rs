//! DICOM's run-length encoding (PS3.5 annex G): one PackBits segment per byte of the container, the highest first.

use crate::image::attribute::PIXEL_DATA;
use crate::image::{Error, Result};

/// Decodes `pixels` containers of `bytes_each` bytes for each of the channels, one plane of containers behind the other.
///
/// # Errors
/// [`Error::Malformed`] for another number of segments, or segments of another length.
pub(super) fn decode(stream: &[u8], pixels: usize, bytes_each: usize, channels: usize) -> Result<Vec<u32>> {
    let damaged = |reason| Error::at(PIXEL_DATA, reason);
    let header = stream.first_chunk::<64>().ok_or(damaged("the RLE header is cut short"))?;
    let mut words = header.as_chunks::<4>().0.iter().map(|&word| u32::from_le_bytes(word) as usize);
    let segments = bytes_each * channels;
    if words.next() != Some(segments) {
        return Err(damaged("one RLE segment per byte of a pixel is wanted"));
    }
    let offsets: Vec<usize> = words.take(segments).collect();
    let mut containers = vec![0u32; pixels * channels];
    for (i, &offset) in offsets.iter().enumerate() {
        let end = offsets.get(i + 1).copied().unwrap_or(stream.len());
        let segment =
            stream.get(offset..end).filter(|_| offset >= 64).ok_or(damaged("an RLE segment lies outside the stream"))?;
        let plane = containers.chunks_exact_mut(pixels.max(1)).nth(i / bytes_each.max(1)).unwrap_or_default();
        unpack(segment, plane).ok_or(damaged("an RLE segment ends too early"))?;
    }
    Ok(containers)
}

/// Unpacks a segment as the next lower byte of every container; none if it ends too early.
fn unpack(mut segment: &[u8], containers: &mut [u32]) -> Option<()> {
    let mut left = containers.iter_mut();
    while left.len() > 0 {
        let (&control, rest) = segment.split_first()?;
        match control {
            // A literal run of control + 1 bytes. Trailing bytes beyond the last pixel are padding.
            0..=127 => {
                let count = (usize::from(control) + 1).min(left.len());
                // The run first: a zip asks its left side before its right, and would lose a container at the end.
                for (&byte, container) in rest.get(..count)?.iter().zip(left.by_ref()) {
                    *container = *container << 8 | u32::from(byte);
                }
                segment = rest.get(usize::from(control) + 1..).unwrap_or_default();
            }
            128 => segment = rest,
            // One byte, 257 − control times.
            129..=255 => {
                let (&byte, rest) = rest.split_first()?;
                for container in left.by_ref().take(257 - usize::from(control)) {
                    *container = *container << 8 | u32::from(byte);
                }
                segment = rest;
            }
        }
    }
    Some(())
}
