//! What the directories of a TIFF file announce (TIFF 6.0, sections 2 and 8): which kinds of pictures are read rightly, and what they cost.

use crate::image::{Error, Format, Limits, Result, Value};

/// Pictures that are looked for, and entries of a directory.
const MAX_PICTURES: u64 = 64;
const MAX_ENTRIES: u64 = 4096;

/// Strips or tiles of a picture, each of which costs its decoder more than its bytes do. A film in tiles of 64 × 64 has 3700.
const MAX_PIECES: u64 = 65_536;

/// Pixels of all tiles, for each that a picture may have: those at the edges reach beyond it.
const TILED_PER_PIXEL: u64 = 4;

const SUBFILE_TYPE: u16 = 254;
const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const FILL_ORDER: u16 = 266;
const CHANNELS: u16 = 277;
const ROWS_PER_STRIP: u16 = 278;
const TILE_WIDTH: u16 = 322;
const TILE_HEIGHT: u16 = 323;
const EXTRA_SAMPLES: u16 = 338;
const SAMPLE_FORMAT: u16 = 339;

/// Offsets and lengths of strips and of tiles: one value for each piece.
const PIECES: [u16; 4] = [273, 279, 324, 325];

/// The other tags that the decoder reads, whatever their count says, and the most values that a file needs of one: a value for each channel.
const READ: [u16; 18] = [254, 256, 257, 258, 259, 262, 266, 274, 277, 278, 284, 317, 322, 323, 338, 339, 347, 530];
const MAX_VALUES: u64 = 64;

/// Bytes of memory that the decoder takes for a value of [`PIECES`].
const BYTES_PER_PIECE: u64 = 128;

/// A file whose directories were read.
pub(super) struct Directories {
    /// Pictures of full size.
    pub pictures: u64,
    /// Whether a fourth channel is opacity that the others were not multiplied with.
    pub opacity: bool,
    /// Bytes of memory that the decoder takes for the tables of strips or tiles.
    pub tables: u64,
}

/// The bytes of a file, in its order.
#[derive(Clone, Copy)]
struct Bytes<'a> {
    all: &'a [u8],
    big: bool,
}

impl Bytes<'_> {
    fn short(self, at: usize) -> Option<u64> {
        let &two = self.all.get(at..)?.first_chunk::<2>()?;
        Some(if self.big { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) }.into())
    }

    fn long(self, at: usize) -> Option<u64> {
        let &four = self.all.get(at..)?.first_chunk::<4>()?;
        Some(if self.big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }.into())
    }
}

/// One directory.
struct Directory<'a> {
    bytes: Bytes<'a>,
    start: usize,
    entries: u64,
}

impl<'a> Directory<'a> {
    /// The directory at an offset, and the offset of the next one; none at 0, or where the file has ended.
    fn read(bytes: Bytes<'a>, offset: u64) -> Option<(Self, u64)> {
        let start = usize::try_from(offset).ok().filter(|&start| start != 0)?;
        let entries = bytes.short(start)?;
        let end = start.checked_add(2 + 12 * entries as usize)?;
        Some((Self { bytes, start: start.checked_add(2)?, entries }, bytes.long(end)?))
    }

    /// The number of values that a tag says it has; 0 where it is not there.
    fn count(&self, tag: u16) -> u64 {
        self.entry(tag).and_then(|entry| self.bytes.long(entry + 4)).unwrap_or(0)
    }

    /// How often a tag stands in the directory.
    fn times(&self, tag: u16) -> usize {
        self.all(tag).count()
    }

    fn entry(&self, tag: u16) -> Option<usize> {
        self.all(tag).next()
    }

    /// Where the entries of a tag begin.
    fn all(&self, tag: u16) -> impl Iterator<Item = usize> {
        let (bytes, start) = (self.bytes, self.start);
        let entries = (0..self.entries as usize).map(move |index| start + 12 * index);
        entries.filter(move |&entry| bytes.short(entry) == Some(tag.into()))
    }

    /// The first few values of a tag, whatever its type of whole numbers; none where it is not there.
    fn values(&self, tag: u16) -> Option<Vec<u64>> {
        let entry = self.entry(tag)?;
        let (kind, count) = (self.bytes.short(entry + 2)?, self.bytes.long(entry + 4)?);
        let size = match kind {
            1 => 1,
            3 => 2,
            4 => 4,
            _ => return Some(Vec::new()),
        };
        // Up to four bytes stand in the entry itself.
        let start = if count * size <= 4 { entry + 8 } else { usize::try_from(self.bytes.long(entry + 8)?).ok()? };
        (0..count.min(8) as usize)
            .map(|index| match size {
                1 => self.bytes.all.get(start.checked_add(index)?).copied().map(u64::from),
                2 => self.bytes.short(start.checked_add(2 * index)?),
                _ => self.bytes.long(start.checked_add(4 * index)?),
            })
            .collect()
    }

    /// A tag's one value, or what holds where it is not there.
    fn value(&self, tag: u16, otherwise: u64) -> u64 {
        self.values(tag).map_or(otherwise, |values| values.first().copied().unwrap_or(u64::MAX))
    }
}

impl Directories {
    /// Reads them.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::TooLarge`], [`Error::Unsupported`] for pictures that are not read rightly.
    pub(super) fn read(file: &[u8], limits: &Limits) -> Result<Self> {
        let damaged = || Error::malformed(Format::Tiff, "the directory is damaged, or lies beyond the end of the file");
        let bytes = Bytes { all: file, big: file.starts_with(b"MM") };
        if bytes.short(2) != Some(42) {
            return Err(unsupported("with offsets of 8 bytes (BigTIFF)", "a file with offsets of 4 bytes"));
        }
        let first = bytes.long(4).and_then(|offset| Directory::read(bytes, offset));
        let (first, mut next) = first.ok_or_else(damaged)?;
        within("the TIFF file's directory entries", first.entries, MAX_ENTRIES)?;
        // Smaller copies and masks are marked; the first picture must be one of full size.
        let is_full = |directory: &Directory<'_>| directory.value(SUBFILE_TYPE, 0) & 0b101 == 0;
        if !is_full(&first) {
            return Err(unsupported("whose first picture is a smaller copy or a mask", "the full picture as the first one"));
        }
        let mut pictures = 1;
        let mut directories = 1;
        while let Some((directory, after)) = Directory::read(bytes, next) {
            directories += 1;
            within("the TIFF file's pictures", directories, MAX_PICTURES)?;
            within("the TIFF file's directory entries", directory.entries, MAX_ENTRIES)?;
            pictures += u64::from(is_full(&directory));
            next = after;
        }
        let opacity = kind(&first)?;
        let tables = cost(&first, limits)?;
        Ok(Self { pictures, opacity, tables })
    }
}

fn within(what: &'static str, found: u64, limit: u64) -> Result<()> {
    if found > limit { Err(Error::TooLarge { what, found, limit }) } else { Ok(()) }
}

fn unsupported(found: &'static str, wanted: &'static str) -> Error {
    Error::Unsupported { format: Format::Tiff, what: "a file", found: Value::Term(found), wanted }
}

/// Lets in grey of 1, 8 and 16 bits and RGB of 8 and 16, whole numbers, with compression that loses nothing. Says whether a fourth channel
/// is to be taken as opacity.
fn kind(directory: &Directory<'_>) -> Result<bool> {
    const WANTED: &str = "grey or RGB of 8 or 16 bits without loss (export it as PNG, or as such a TIFF file)";
    let bits = directory.values(BITS).unwrap_or_else(|| vec![1]);
    let depth = bits.first().copied().unwrap_or(0);
    let channels = directory.value(CHANNELS, 1);
    if directory.value(FILL_ORDER, 1) != 1 {
        return Err(unsupported("with the bits of its bytes in reverse", WANTED));
    }
    if !matches!(directory.value(COMPRESSION, 1), 1 | 5 | 8 | 32_773 | 32_946) {
        return Err(unsupported("with compression other than LZW, Deflate and PackBits", WANTED));
    }
    if directory.values(SAMPLE_FORMAT).unwrap_or_default().iter().any(|&format| format != 1) {
        return Err(unsupported("of signed numbers or fractions", WANTED));
    }
    if bits.iter().any(|&each| each != depth) || !matches!(depth, 1 | 8 | 16) {
        return Err(unsupported("of other bits than 1, 8 or 16", WANTED));
    }
    let extra = directory.value(EXTRA_SAMPLES, 0);
    match (directory.value(PHOTOMETRIC, u64::MAX), channels) {
        (0 | 1, 1) => Ok(false),
        (2, 3) if depth > 1 => Ok(false),
        // Opacity that the others were multiplied with has put the picture over black already.
        (2, 4) if depth > 1 && matches!(extra, 1 | 2) => Ok(extra == 2),
        (3, _) => Err(unsupported("with a palette", WANTED)),
        (5, _) => Err(unsupported("in the inks of print (CMYK)", WANTED)),
        (6, _) => Err(unsupported("in luma and chroma (YCbCr)", WANTED)),
        _ => Err(unsupported("of another kind of colour or of channels", WANTED)),
    }
}

/// Bounds the pieces of the picture, and what lies in them beyond its edges. Gives the bytes of memory for their tables.
fn cost(directory: &Directory<'_>, limits: &Limits) -> Result<u64> {
    if READ.iter().chain(&PIECES).any(|&tag| directory.times(tag) > 1) {
        return Err(Error::malformed(Format::Tiff, "a tag stands twice in the directory"));
    }
    for tag in READ {
        within("values of a tag of the TIFF file", directory.count(tag), MAX_VALUES)?;
    }
    let listed: u64 = PIECES.iter().map(|&tag| directory.count(tag)).max().unwrap_or(0);
    within("the TIFF file's strips or tiles", listed, MAX_PIECES)?;
    let (width, height) = (directory.value(WIDTH, 0), directory.value(HEIGHT, 0));
    let pieces = if directory.values(TILE_WIDTH).is_some() || directory.values(TILE_HEIGHT).is_some() {
        let (wide, high) = (directory.value(TILE_WIDTH, 0), directory.value(TILE_HEIGHT, 0));
        if wide == 0 || high == 0 {
            return Err(Error::malformed(Format::Tiff, "a tile has no pixels"));
        }
        let tiles = width.div_ceil(wide).saturating_mul(height.div_ceil(high));
        let tiled = tiles.saturating_mul(wide).saturating_mul(high);
        within("pixels of the TIFF file's tiles", tiled, limits.pixels.saturating_mul(TILED_PER_PIXEL))?;
        tiles
    } else {
        height.div_ceil(directory.value(ROWS_PER_STRIP, u64::MAX).max(1))
    };
    // Each channel may have pieces of its own.
    within("the TIFF file's strips or tiles", pieces.saturating_mul(directory.value(CHANNELS, 1)), MAX_PIECES)?;
    Ok(BYTES_PER_PIECE * listed)
}
