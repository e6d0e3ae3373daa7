//! What a JPEG stream announces, found by walking its markers (T.81 B.1.1) without decoding anything.
//!
//! A scan costs its decoder a pass over all of its coefficients however few bytes it has: where the bytes end, zeros are read. Neither
//! the file's size nor the picture's bounds that work, so scans and coefficients are counted first.

use crate::image::picture::checked_pixels;
use crate::image::{Error, Format, Limits, Result};

/// Scans that a stream may have. A progressive encoder's usual script has 6 for grey and 10 for colour; libjpeg-turbo's tools take a
/// limit of the same kind (`-maxscans`), which its own fuzzing sets to 500.
const MAX_SCANS: u64 = 64;

/// Work of all scans together, for each pixel that a picture may have. A unit is a coefficient that a scan visits; each block costs 8 more,
/// and a sample of a lossless scan counts as 4. A progressive encoder's usual script has 3.7 for each pixel of a grey picture, 5 for one in
/// colour with halved chroma and 8.7 with full chroma; in one scan a colour picture has 3.4.
const WORK_PER_PIXEL: u64 = 4;

/// Marker segments that a stream may have.
const MAX_SEGMENTS: u64 = 8192;

/// Bytes of Huffman tables: 64 scans with eight full tables each have 140 kB. Each costs far more to build than to read.
const MAX_TABLE_BYTES: u64 = 256 << 10;

const SOS: u8 = 0xda;

/// The frame header and the number and size of the scans behind it.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub width: u64,
    pub height: u64,
    pub precision: u8,
    pub progressive: bool,
    pub lossless: bool,
    /// A restart interval is set somewhere.
    pub restarts: bool,
    /// A lossless scan leaves out low bits (T.81 A.4).
    pub point_transform: bool,
    /// The colour transform that an Adobe segment names: 0 none, 1 YCbCr, 2 YCCK.
    pub adobe: Option<u8>,
    components: Vec<Component>,
    scans: u64,
    work: u64,
    segments: u64,
    table_bytes: u64,
}

#[derive(Debug)]
struct Component {
    id: u8,
    /// Sampling factors, 1 to 4.
    horizontal: u64,
    vertical: u64,
}

impl Stream {
    /// Walks a stream up to its end, or up to where a decoder would give up.
    pub(super) fn walk(bytes: &[u8]) -> Self {
        let mut stream = Self::default();
        let mut rest = bytes.get(2..).unwrap_or_default();
        while stream.scans <= MAX_SCANS && stream.segments <= MAX_SEGMENTS {
            let Some((marker, body)) = next_marker(rest) else { break };
            rest = body;
            match marker {
                // Restarts belong to the data of a scan.
                0xd0..=0xd7 => {}
                // The end; temporary; another start: the decoder ends there.
                0x01 | 0xd8 | 0xd9 => break,
                _ => {
                    let length = rest.first_chunk().map_or(0, |&two| usize::from(u16::from_be_bytes(two)));
                    let (Some(segment), Some(after)) = (rest.get(2..length), rest.get(length..)) else { break };
                    stream.segments += 1;
                    if !stream.segment(marker, segment) {
                        break;
                    }
                    rest = after;
                }
            }
        }
        stream
    }

    /// Takes a marker segment in; false where the decoder stops.
    fn segment(&mut self, marker: u8, segment: &[u8]) -> bool {
        match marker {
            0xc4 => self.table_bytes += segment.len() as u64,
            0xdd => self.restarts |= segment != [0, 0],
            // Version, two words of flags, the transform.
            0xee if segment.starts_with(b"Adobe") => self.adobe = segment.get(11).copied(),
            0xc0..=0xcf if marker != 0xc8 && marker != 0xcc => return self.components.is_empty() && self.frame(marker, segment),
            SOS => return self.scan(segment),
            _ => {}
        }
        true
    }

    fn frame(&mut self, marker: u8, segment: &[u8]) -> bool {
        let Some((&[precision, h1, h0, w1, w0, count], components)) = segment.split_first_chunk() else { return false };
        self.precision = precision;
        (self.width, self.height) = (u64::from(u16::from_be_bytes([w1, w0])), u64::from(u16::from_be_bytes([h1, h0])));
        self.progressive = marker & 3 == 2;
        self.lossless = marker & 3 == 3;
        self.components = components
            .as_chunks::<3>()
            .0
            .iter()
            .map(|&[id, factors, _]| Component { id, horizontal: u64::from(factors >> 4), vertical: u64::from(factors & 15) })
            .collect();
        self.components.len() == usize::from(count)
    }

    fn scan(&mut self, segment: &[u8]) -> bool {
        let Some((&count, rest)) = segment.split_first() else { return false };
        let (selectors, _) = rest.as_chunks::<2>();
        let chosen = selectors.iter().take(usize::from(count)).filter_map(|[id, _]| self.components.iter().find(|c| c.id == *id));
        let samples: u64 = chosen.map(|component| self.samples(component)).sum();
        // The first and the last coefficient of the band follow the selectors.
        let work = match rest.get(2 * usize::from(count)..) {
            _ if self.lossless => samples.saturating_mul(4),
            Some(&[first, last, ..]) if self.progressive => {
                samples / 64 * (8 + u64::from(last.min(63).saturating_sub(first)) + 1)
            }
            _ => samples / 64 * 72,
        };
        self.point_transform |= self.lossless && rest.get(2 * usize::from(count) + 2).is_some_and(|shift| shift & 15 != 0);
        self.work = self.work.saturating_add(work);
        self.scans += 1;
        true
    }

    /// Whether every component has a sample for each pixel.
    pub(super) fn is_full(&self) -> bool {
        let factors = |component: &Component| (component.horizontal, component.vertical);
        self.components.iter().all(|component| self.components.first().map(factors) == Some(factors(component)))
    }

    /// Number of components.
    pub(super) fn channels(&self) -> usize {
        self.components.len()
    }

    /// Samples of a component, with those that fill its blocks and their groups.
    fn samples(&self, component: &Component) -> u64 {
        if self.lossless {
            return self.width * self.height;
        }
        let most = |factor: fn(&Component) -> u64| self.components.iter().map(factor).max().unwrap_or(1).max(1);
        let groups = |side: u64, factor: u64| side.div_ceil(8 * factor);
        let (across, down) = (groups(self.width, most(|c| c.horizontal)), groups(self.height, most(|c| c.vertical)));
        across * down * component.horizontal * component.vertical * 64
    }

    /// Refuses a stream whose size or work is beyond the limits.
    ///
    /// # Errors
    /// [`Error::TooLarge`], or [`Error::Malformed`] for an empty picture.
    pub(super) fn check(&self, format: Format, limits: &Limits) -> Result<()> {
        let within = |what, found, limit| if found > limit { Err(Error::TooLarge { what, found, limit }) } else { Ok(()) };
        within("the JPEG stream's marker segments", self.segments, MAX_SEGMENTS)?;
        within("the JPEG stream's bytes of Huffman tables", self.table_bytes, MAX_TABLE_BYTES)?;
        // Only a progressive stream may give a component in several scans (T.81 A.2.3).
        let scans = if self.progressive || self.components.is_empty() { MAX_SCANS } else { self.components.len() as u64 };
        within("the JPEG stream's scans", self.scans, scans)?;
        if !self.components.is_empty() {
            checked_pixels(format, self.width, self.height, limits.pixels)?;
        }
        within("coefficients in all of the JPEG stream's scans", self.work, limits.pixels.saturating_mul(WORK_PER_PIXEL))
    }

    /// Bytes that decoding takes at most, the decoded samples among them.
    pub(super) fn memory(&self) -> u64 {
        let samples: u64 = self.components.iter().map(|component| self.samples(component)).sum();
        let output = self.width * self.height * self.channels() as u64 * self.sample_bytes();
        match (self.lossless, self.progressive) {
            // Differences of four bytes, a plane of two, the planes of other scans.
            (true, _) => 8 * samples + output,
            // All coefficients of two bytes, those on their way to the transform, the planes.
            (_, true) => (5 * samples).max(3 * samples + output),
            _ => (3 * samples).max(samples + output),
        }
    }

    /// Bytes of a decoded sample.
    pub(super) fn sample_bytes(&self) -> u64 {
        if self.precision > 8 { 2 } else { 1 }
    }
}

/// The next marker and what follows it. Bytes that belong to none are passed over, as are stuffed and fill bytes.
fn next_marker(mut rest: &[u8]) -> Option<(u8, &[u8])> {
    loop {
        let at = rest.iter().position(|&byte| byte == 0xff)?;
        let after = rest.get(at..)?;
        let fill = after.iter().take_while(|&&byte| byte == 0xff).count();
        let (&marker, body) = after.get(fill..)?.split_first()?;
        if marker != 0 {
            return Some((marker, body));
        }
        rest = body;
    }
}
