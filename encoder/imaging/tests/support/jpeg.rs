//! Two small JPEG encoders (ITU-T T.81), enough to test a decoder with.

/// Bits, high ones first, with the stuffing of entropy-coded data.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    pending: u64,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, bits: u32) {
        self.pending = self.pending << bits | u64::from(value & ((1u64 << bits) - 1) as u32);
        self.count += bits;
        while self.count >= 8 {
            self.count -= 8;
            let byte = (self.pending >> self.count) as u8;
            self.bytes.push(byte);
            if byte == 0xff {
                self.bytes.push(0);
            }
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let spare = (8 - self.count % 8) % 8;
        self.put((1 << spare) - 1, spare);
        self.bytes
    }

    /// A difference as its category's code of five bits, then its bits.
    fn difference(&mut self, difference: i32) {
        let category = 32 - difference.unsigned_abs().leading_zeros();
        self.put(category, 5);
        if category < 16 {
            let low = if difference < 0 { difference - 1 } else { difference };
            self.put(low as u32, category);
        }
    }
}

fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0xff, marker];
    out.extend(((body.len() + 2) as u16).to_be_bytes());
    out.extend(body);
    out
}

/// A Huffman table with seventeen codes of five bits: category n has code n.
fn flat_table(class_and_id: u8, symbols: &[u8]) -> Vec<u8> {
    let mut body = vec![class_and_id];
    body.extend((1..=16).map(|length| if length == 5 { symbols.len() as u8 } else { 0 }));
    body.extend(symbols);
    segment(0xc4, &body)
}

fn frame(marker: u8, precision: u8, width: usize, height: usize) -> Vec<u8> {
    let mut body = vec![precision];
    body.extend((height as u16).to_be_bytes());
    body.extend((width as u16).to_be_bytes());
    body.extend([1, 1, 0x11, 0]);
    segment(marker, &body)
}

/// Lossless JPEG (process 14, first-order prediction) of `precision` bits.
pub(crate) fn lossless(width: usize, height: usize, precision: u8, values: &[u16]) -> Vec<u8> {
    predicted(width, height, precision, values, 1)
}

/// Lossless JPEG with one of the predictors 1 to 7 of T.81 table H.1.
pub(crate) fn predicted(width: usize, height: usize, precision: u8, values: &[u16], predictor: u8) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8];
    out.extend(frame(0xc3, precision, width, height));
    out.extend(flat_table(0x00, &(0..=16).collect::<Vec<u8>>()));
    out.extend(segment(0xda, &[1, 1, 0x00, predictor, 0, 0]));
    let mut bits = Bits::default();
    let at = |i: usize| i32::from(values[i]);
    for (i, &value) in values.iter().enumerate() {
        let predicted = match (i % width, i / width) {
            (0, 0) => 1i32 << (precision - 1),
            (0, _) => at(i - width),
            (_, 0) => at(i - 1),
            _ => {
                let (left, up, corner) = (at(i - 1), at(i - width), at(i - width - 1));
                match predictor {
                    1 => left,
                    2 => up,
                    3 => corner,
                    4 => left + up - corner,
                    5 => left + ((up - corner) >> 1),
                    6 => up + ((left - corner) >> 1),
                    _ => (left + up) >> 1,
                }
            }
        };
        // Differences are modulo 2^16; −32 768 is written as 32 768.
        let difference = (i32::from(value) - predicted) as i16;
        bits.difference(if difference == i16::MIN { 32_768 } else { i32::from(difference) });
    }
    out.extend(bits.finish());
    out.extend([0xff, 0xd9]);
    out
}

/// The data of a scan of blocks of one grey each: the differences of their DC coefficients, each with the end of its block where the scan
/// has the other coefficients too.
fn blocks(greys: &[u8], ends: bool) -> Vec<u8> {
    let mut bits = Bits::default();
    let mut last = 0;
    for &grey in greys {
        let dc = 8 * (i32::from(grey) - 128);
        bits.difference(dc - last);
        last = dc;
        if ends {
            bits.put(0, 5);
        }
    }
    bits.finish()
}

/// Baseline JPEG of 8 × 8 blocks of one grey each, `blocks_wide` × `blocks_high` of them: the DC coefficient alone, exact.
pub(crate) fn baseline(blocks_wide: usize, blocks_high: usize, greys: &[u8]) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8];
    let mut table = vec![0];
    table.extend([1; 64]);
    out.extend(segment(0xdb, &table));
    out.extend(frame(0xc0, 8, 8 * blocks_wide, 8 * blocks_high));
    out.extend(flat_table(0x00, &(0..=11).collect::<Vec<u8>>()));
    out.extend(flat_table(0x10, &[0]));
    out.extend(segment(0xda, &[1, 1, 0x00, 0, 63, 0]));
    out.extend(blocks(greys, true));
    out.extend([0xff, 0xd9]);
    out
}

/// Baseline JPEG of three channels in blocks of 8 × 8; each block has a grey for each channel. `adobe` is the transform of an Adobe segment.
pub(crate) fn three_channels(blocks_wide: usize, blocks_high: usize, greys: &[[u8; 3]], adobe: Option<u8>) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8];
    if let Some(transform) = adobe {
        out.extend(segment(0xee, &[&b"Adobe\0\x64\0\0\0\0"[..], &[transform]].concat()));
    }
    out.extend(segment(0xdb, &[&[0][..], &[1; 64]].concat()));
    let mut body = vec![8];
    body.extend((8 * blocks_high as u16).to_be_bytes());
    body.extend((8 * blocks_wide as u16).to_be_bytes());
    body.extend([3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
    out.extend(segment(0xc0, &body));
    out.extend(flat_table(0x00, &(0..=11).collect::<Vec<u8>>()));
    out.extend(flat_table(0x10, &[0]));
    out.extend(segment(0xda, &[3, 1, 0, 2, 0, 3, 0, 0, 63, 0]));
    let mut bits = Bits::default();
    let mut last = [0; 3];
    for block in greys {
        for (&grey, last) in block.iter().zip(&mut last) {
            let dc = 8 * (i32::from(grey) - 128);
            bits.difference(dc - *last);
            *last = dc;
            bits.put(0, 5);
        }
    }
    out.extend(bits.finish());
    out.extend([0xff, 0xd9]);
    out
}

/// A progressive stream of 8 × 8 blocks of one grey each: the DC scan, then `refinements` scans that add nothing, each for the
/// coefficients 1 to 63. Where the data of a scan ends, a decoder reads zeros: the end of every block, and not one byte for all.
pub(crate) fn progressive(blocks_wide: usize, blocks_high: usize, greys: &[u8], refinements: usize) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8];
    out.extend(segment(0xdb, &[&[0][..], &[1; 64]].concat()));
    out.extend(frame(0xc2, 8, 8 * blocks_wide, 8 * blocks_high));
    out.extend(flat_table(0x00, &(0..=11).collect::<Vec<u8>>()));
    out.extend(flat_table(0x10, &[0]));
    out.extend(segment(0xda, &[1, 1, 0x00, 0, 0, 0]));
    out.extend(blocks(greys, false));
    for _ in 0..refinements {
        out.extend(segment(0xda, &[1, 1, 0x00, 1, 63, 0]));
    }
    out.extend([0xff, 0xd9]);
    out
}

/// Any frame and scans without data: `marker` is the frame's, one component for each of `ids`; each of `scans` lists its components.
pub(crate) fn empty(marker: u8, width: usize, height: usize, ids: &[u8], scans: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8];
    out.extend(segment(0xdb, &[&[0][..], &[1; 64]].concat()));
    let mut body = vec![8];
    body.extend((height as u16).to_be_bytes());
    body.extend((width as u16).to_be_bytes());
    body.push(ids.len() as u8);
    ids.iter().for_each(|&id| body.extend([id, 0x11, 0]));
    out.extend(segment(marker, &body));
    out.extend(flat_table(0x00, &(0..=11).collect::<Vec<u8>>()));
    out.extend(flat_table(0x10, &[0]));
    for scan in scans {
        let mut body = vec![scan.len() as u8];
        scan.iter().for_each(|&id| body.extend([id, 0]));
        let lossless = marker == 0xc3;
        body.extend(if lossless { [1, 0, 0] } else { [0, 63, 0] });
        out.extend(segment(0xda, &body));
    }
    out.extend([0xff, 0xd9]);
    out
}
