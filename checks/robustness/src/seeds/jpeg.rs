//! Small JPEG files (ITU-T T.81): baseline, progressive, of one and three components, and lossless.

/// Bits, high ones first, with the stuffing of entropy-coded data.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    pending: u64,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, bits: u32) {
        self.pending = self.pending << bits | u64::from(value) & ((1 << bits) - 1);
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

    /// A difference: the code of its category in five bits, then its bits.
    fn difference(&mut self, difference: i32) {
        let category = 32 - difference.unsigned_abs().leading_zeros();
        self.put(category, 5);
        if category < 16 {
            self.put((if difference < 0 { difference - 1 } else { difference }) as u32, category);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let spare = (8 - self.count % 8) % 8;
        self.put((1 << spare) - 1, spare);
        self.bytes
    }
}

fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u16 + 2).to_be_bytes();
    [&[0xff, marker], length.as_slice(), body].concat()
}

/// A Huffman table of codes of five bits: category n has code n.
fn flat_table(class_and_id: u8, symbols: &[u8]) -> Vec<u8> {
    let mut body = vec![class_and_id];
    body.extend((1..=16).map(|length| if length == 5 { symbols.len() as u8 } else { 0 }));
    body.extend(symbols);
    segment(0xc4, &body)
}

fn frame(marker: u8, precision: u8, width: usize, height: usize, components: u8) -> Vec<u8> {
    let mut body = vec![precision];
    body.extend((height as u16).to_be_bytes());
    body.extend((width as u16).to_be_bytes());
    body.push(components);
    body.extend((1..=components).flat_map(|id| [id, 0x11, 0]));
    segment(marker, &body)
}

/// A scan of components `1..=components` over the coefficients from `first` to `last`, of bits `high` down to `low`.
fn scan(components: u8, first: u8, last: u8, approximation: u8) -> Vec<u8> {
    let mut body = vec![components];
    body.extend((1..=components).flat_map(|id| [id, 0]));
    body.extend([first, last, approximation]);
    segment(0xda, &body)
}

fn start() -> Vec<u8> {
    let table = segment(0xdb, &[&[0], [1; 64].as_slice()].concat());
    let exif = segment(0xe1, b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x01\0\0\0\0\0\0\0");
    [&[0xff, 0xd8], exif.as_slice(), &table].concat()
}

/// DC coefficient of a block of one grey.
fn dc(grey: u8) -> i32 {
    8 * (i32::from(grey) - 128)
}

/// Baseline, in blocks of one grey each, `side` × `side` of them.
pub(crate) fn baseline(side: usize, greys: &[u8], components: u8) -> Vec<u8> {
    let mut out = start();
    out.extend(frame(0xc0, 8, 8 * side, 8 * side, components));
    out.extend(flat_table(0x00, &(0..=11).collect::<Vec<u8>>()));
    out.extend(flat_table(0x10, &[0]));
    out.extend(scan(components, 0, 63, 0));
    let mut bits = Bits::default();
    let mut last = vec![0; usize::from(components)];
    for &grey in greys {
        // Luma is the grey; the two colour differences are none.
        for (component, last) in last.iter_mut().enumerate() {
            let value = if component == 0 { dc(grey) } else { 0 };
            bits.difference(value - *last);
            *last = value;
            // End of block.
            bits.put(0, 5);
        }
    }
    out.extend(bits.finish());
    out.extend([0xff, 0xd9]);
    out
}

/// Progressive: the DC coefficients but for their lowest bit, that bit, then `scans` scans of the others, which are zero.
pub(crate) fn progressive(side: usize, greys: &[u8], scans: usize) -> Vec<u8> {
    let mut out = start();
    out.extend(frame(0xc2, 8, 8 * side, 8 * side, 1));
    out.extend(flat_table(0x00, &(0..=11).collect::<Vec<u8>>()));
    out.extend(flat_table(0x10, &[0]));
    out.extend(scan(1, 0, 0, 0x01));
    let (mut bits, mut last) = (Bits::default(), 0);
    for &grey in greys {
        let value = dc(grey) >> 1;
        bits.difference(value - last);
        last = value;
    }
    out.extend(bits.finish());
    out.extend(scan(1, 0, 0, 0x10));
    let mut bits = Bits::default();
    greys.iter().for_each(|&grey| bits.put((dc(grey) & 1) as u32, 1));
    out.extend(bits.finish());
    for _ in 0..scans {
        out.extend(scan(1, 1, 63, 0));
        let mut bits = Bits::default();
        // Each block ends at once.
        greys.iter().for_each(|_| bits.put(0, 5));
        out.extend(bits.finish());
    }
    out.extend([0xff, 0xd9]);
    out
}

/// Lossless (process 14, the left neighbour as prediction) of `precision` bits.
pub(crate) fn lossless(side: usize, precision: u8, values: &[u16]) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8];
    out.extend(frame(0xc3, precision, side, side, 1));
    out.extend(flat_table(0x00, &(0..=16).collect::<Vec<u8>>()));
    out.extend(scan(1, 1, 0, 0));
    let (mut bits, mut above) = (Bits::default(), 1i32 << (precision - 1));
    for row in values.chunks(side) {
        let mut left = above;
        for (column, value) in row.iter().map(|value| i32::from(*value)).enumerate() {
            bits.difference(value - left);
            left = value;
            if column == 0 {
                above = value;
            }
        }
    }
    out.extend(bits.finish());
    out.extend([0xff, 0xd9]);
    out
}

/// One of each.
pub(crate) fn all() -> Vec<Vec<u8>> {
    let side = super::picture::SIDE;
    let (greys, levels) = (super::picture::levels(side / 8, side / 8), super::picture::levels(side, side));
    let words: Vec<u16> = levels.iter().map(|level| u16::from(*level) * 16).collect();
    vec![
        baseline(side / 8, &greys, 1),
        baseline(side / 8, &greys, 3),
        progressive(side / 8, &greys, 1),
        progressive(side / 8, &greys, 12),
        lossless(side, 12, &words),
    ]
}
