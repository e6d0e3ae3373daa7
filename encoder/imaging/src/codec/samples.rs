//! What a decoder found.

/// Decoded samples, interleaved, row by row.
pub(crate) struct Samples {
    /// The low 16 bits of each: a negative value keeps its two's complement.
    pub values: Vec<u16>,
    /// The smallest of them, with its sign.
    pub least: i32,
    /// The largest of them, with its sign.
    pub most: i32,
    /// Whether the coding may have moved values a little.
    pub lossy: bool,
}

impl Samples {
    /// Collects samples of at most 16 bits.
    pub(crate) fn collect(samples: impl Iterator<Item = i32>, lossy: bool) -> Self {
        let (mut least, mut most) = (i32::MAX, i32::MIN);
        // The low 16 bits are the stored ones.
        let values =
            samples.inspect(|&value| (least, most) = (least.min(value), most.max(value))).map(|value| value as u16).collect();
        Self { values, least, most, lossy }
    }
}
