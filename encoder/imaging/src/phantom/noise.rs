//! Randomness that is the same everywhere: a stream for anatomy, fields for texture and grain.

/// Seeded numbers, SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
pub(super) struct Stream(u64);

impl Stream {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// The next number from `low` to `high`.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * unit(self.next())
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The top 53 bits as [0, 1).
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

fn hash(seed: u64, x: i64, y: i64) -> u64 {
    mix(mix(seed ^ x.cast_unsigned().wrapping_mul(0xD6E8_FEB8_6659_FD93)) ^ y.cast_unsigned().wrapping_mul(0xCA5A_8263_95FC_CB4D))
}

/// Smooth noise of mean 0 within ±1: random values on a lattice of spacing 1, blended.
pub(super) fn smooth(seed: u64, x: f64, y: f64) -> f64 {
    let (column, row) = (x.floor(), y.floor());
    let ease = |t: f64| t * t * (3.0 - 2.0 * t);
    let (u, v) = (ease(x - column), ease(y - row));
    let value = |dx: i64, dy: i64| 2.0 * unit(hash(seed, column as i64 + dx, row as i64 + dy)) - 1.0;
    let blend = |a: f64, b: f64, t: f64| a + (b - a) * t;
    blend(blend(value(0, 0), value(1, 0), u), blend(value(0, 1), value(1, 1), u), v)
}

/// Four octaves of [`smooth`], each twice as fine and about half as strong.
pub(super) fn clouds(seed: u64, x: f64, y: f64) -> f64 {
    let (mut sum, mut scale, mut weight) = (0.0, 1.0, 0.53);
    for octave in 0..4 {
        sum += weight * smooth(seed.wrapping_add(octave), x * scale, y * scale);
        scale *= 2.0;
        weight *= 0.5;
    }
    sum
}

/// The film's grain: nearly Gaussian, a little correlated between neighbours as a scintillator makes it.
pub(super) struct Grain {
    seed: u64,
    strength: f64,
}

impl Grain {
    /// Grain of a film of `size` pixels; a coarser pixel collects more photons and shows less of it.
    pub(super) fn new(seed: u64, size: usize, noise: f64) -> Self {
        let finer = (size as f64 / 1024.0).min(1.0);
        Self { seed, strength: 0.045 * noise * finer }
    }

    /// Deviation in grey at a pixel; less radiation, and so more grain, reaches the brighter parts.
    pub(super) fn at(&self, x: usize, y: usize, grey: f64) -> f64 {
        let own = |dx: i64, dy: i64| {
            // Four 16-bit uniforms: their sum has variance 4/12.
            let bits = hash(self.seed, x as i64 + dx, y as i64 + dy);
            let sum: u64 = (0..4).map(|i| (bits >> (16 * i)) & 0xFFFF).sum();
            sum as f64 / 65_536.0 - 2.0
        };
        let blurred = 0.7 * own(0, 0) + 0.3 * (own(1, 0) + own(0, 1) + own(1, 1));
        self.strength * (0.5 + grey) * blurred
    }
}
