//! TIFF and BMP files, written by hand.

/// A TIFF file without compression: a tag, its type (3 for 16 bits, 4 for 32) and its values.
pub(crate) struct Tiff {
    big: bool,
    entries: Vec<(u16, u16, Vec<u32>)>,
    data: Vec<u8>,
}

impl Tiff {
    /// One strip of grey, BlackIsZero.
    pub(crate) fn new(width: usize, height: usize, bits: u32, data: Vec<u8>) -> Self {
        let entries = vec![
            (256, 4, vec![width as u32]),
            (257, 4, vec![height as u32]),
            (258, 3, vec![bits]),
            (259, 3, vec![1]),
            (262, 3, vec![1]),
            (273, 4, vec![8]),
            (277, 3, vec![1]),
            (278, 4, vec![height as u32]),
            (279, 4, vec![data.len() as u32]),
        ];
        Self { big: false, entries, data }
    }

    pub(crate) fn big(mut self) -> Self {
        self.big = true;
        self
    }

    pub(crate) fn with(mut self, tag: u16, kind: u16, values: &[u32]) -> Self {
        self.entries.retain(|entry| entry.0 != tag);
        self.entries.push((tag, kind, values.to_vec()));
        self.entries.sort();
        self
    }

    fn short(&self, value: u16) -> [u8; 2] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn long(&self, value: u32) -> [u8; 4] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    /// Header, data, directory, then the values that do not fit their entries.
    pub(crate) fn write(self) -> Vec<u8> {
        let mut out = if self.big { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
        let directory = 8 + self.data.len().next_multiple_of(2);
        out.extend(self.long(directory as u32));
        out.extend(&self.data);
        out.resize(directory, 0);
        out.extend(self.short(self.entries.len() as u16));
        let mut beside = Vec::new();
        let end = directory + 2 + 12 * self.entries.len() + 4;
        for (tag, kind, values) in &self.entries {
            out.extend(self.short(*tag));
            out.extend(self.short(*kind));
            out.extend(self.long(values.len() as u32));
            let mut bytes: Vec<u8> = values
                .iter()
                .flat_map(|&value| if *kind == 3 { self.short(value as u16).to_vec() } else { self.long(value).to_vec() })
                .collect();
            if bytes.len() > 4 {
                out.extend(self.long((end + beside.len()) as u32));
                beside.extend(bytes);
            } else {
                bytes.resize(4, 0);
                out.extend(bytes);
            }
        }
        out.extend([0; 4]);
        out.extend(beside);
        out
    }
}

/// A BMP file of 24 bits, its rows from the bottom up.
pub(crate) fn bmp(width: usize, height: usize, pixel: impl Fn(usize) -> [u8; 3]) -> Vec<u8> {
    let row = (3 * width).next_multiple_of(4);
    let mut out = b"BM".to_vec();
    out.extend(((54 + row * height) as u32).to_le_bytes());
    out.extend([0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0]);
    out.extend((width as u32).to_le_bytes());
    out.extend((height as u32).to_le_bytes());
    out.extend([1, 0, 24, 0]);
    out.extend([0; 24]);
    for y in (0..height).rev() {
        let start = out.len();
        for x in 0..width {
            let [red, green, blue] = pixel(y * width + x);
            out.extend([blue, green, red]);
        }
        out.resize(start + row, 0);
    }
    out
}
