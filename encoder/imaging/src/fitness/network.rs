//! The network, in plain arithmetic: four convolutions and two maps.

use super::{Assessment, Thresholds};

/// Side of the image that the network reads, pixels.
pub const SIDE: usize = 64;

/// Kinds that it tells apart.
pub const KINDS: usize = 9;

/// Channels after each convolution of 3 × 3 in steps of two, from one channel.
const CHANNELS: [usize; 4] = [12, 24, 32, 48];

/// Values between the two maps.
const HIDDEN: usize = 32;

/// Values that the first map reads.
const FLAT: usize = CHANNELS[3] * (SIDE / 16) * (SIDE / 16);

/// First bytes of the file: its form and version.
const MAGIC: &[u8; 8] = b"VRFIT\0\0\x01";

/// Number of trained values.
pub const VALUES: usize = (9 + 1) * CHANNELS[0]
    + (9 * CHANNELS[0] + 1) * CHANNELS[1]
    + (9 * CHANNELS[1] + 1) * CHANNELS[2]
    + (9 * CHANNELS[2] + 1) * CHANNELS[3]
    + (FLAT + 1) * HIDDEN
    + (HIDDEN + 1) * KINDS;

/// Bytes that are no network of this form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a fitness network of this version: {wanted} bytes that begin with its mark are wanted, {found} came")]
pub struct Error {
    /// Bytes that a network has.
    pub wanted: usize,
    /// Bytes that came.
    pub found: usize,
}

/// Weights and thresholds.
///
/// As a file: the mark `VRFIT`, two zeros, the version 1; the three thresholds; for each layer its weights `[outputs, inputs, 3, 3]` or
/// `[outputs, inputs]` and then its biases; all of them `f32` in little endian.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// The log-odds from which on a warning is given.
    pub thresholds: Thresholds,
    values: Vec<f32>,
}

impl Network {
    /// A network of `values`, layer by layer, each its weights and then its biases.
    ///
    /// # Errors
    /// [`Error`] for another number of values.
    pub fn new(thresholds: Thresholds, values: Vec<f32>) -> Result<Self, Error> {
        let bytes = |values: usize| MAGIC.len() + 4 * (3 + values);
        if values.len() != VALUES || values.iter().any(|value| !value.is_finite()) {
            return Err(Error { wanted: bytes(VALUES), found: bytes(values.len()) });
        }
        Ok(Self { thresholds, values })
    }

    /// Reads a network from its file's bytes.
    ///
    /// # Errors
    /// [`Error`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let refuse = Error { wanted: MAGIC.len() + 4 * (3 + VALUES), found: bytes.len() };
        let body = bytes.strip_prefix(MAGIC).filter(|body| body.len() % 4 == 0).ok_or(refuse)?;
        let mut values = body.as_chunks::<4>().0.iter().map(|&four| f32::from_le_bytes(four));
        let (Some(no_chest), Some(turned), Some(negative)) = (values.next(), values.next(), values.next()) else {
            return Err(refuse);
        };
        Self::new(Thresholds { no_chest, turned, negative }, values.collect())
    }

    /// The network as a file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let Thresholds { no_chest, turned, negative } = self.thresholds;
        let values = [no_chest, turned, negative].into_iter().chain(self.values.iter().copied());
        MAGIC.iter().copied().chain(values.flat_map(f32::to_le_bytes)).collect()
    }

    /// What it makes of an image of 64 × 64 values in [−1, 1], row by row; pixels that are missing count as 0.
    #[must_use]
    pub fn assess(&self, image: &[f32]) -> Assessment {
        Assessment::of(&self.outputs(image))
    }

    /// The nine outputs, before the softmax.
    #[must_use]
    pub fn outputs(&self, image: &[f32]) -> [f32; KINDS] {
        let mut rest = self.values.as_slice();
        let mut take = |count: usize| {
            let (taken, after) = rest.split_at_checked(count).unwrap_or_default();
            rest = after;
            taken
        };
        let mut planes = image.to_vec();
        planes.resize(SIDE * SIDE, 0.0);
        let (mut inputs, mut side) = (1, SIDE);
        for outputs in CHANNELS {
            planes = convolve(&planes, side, take(9 * inputs * outputs), take(outputs));
            (inputs, side) = (outputs, side / 2);
        }
        let mut hidden = map(&planes, take(FLAT * HIDDEN), take(HIDDEN));
        hidden.iter_mut().for_each(|value| *value = value.max(0.0));
        let mut out = [0.0; KINDS];
        for (to, from) in out.iter_mut().zip(map(&hidden, take(HIDDEN * KINDS), take(KINDS))) {
            *to = from;
        }
        out
    }
}

/// A convolution of 3 × 3 in steps of two with zeros around, and what is below zero cut off: `[inputs, side, side]` to
/// `[outputs, side / 2, side / 2]`.
fn convolve(planes: &[f32], side: usize, weights: &[f32], biases: &[f32]) -> Vec<f32> {
    let half = side / 2;
    let inputs = planes.len() / (side * side);
    let mut out = Vec::with_capacity(biases.len() * half * half);
    for (kernel, &bias) in weights.chunks_exact(9 * inputs).zip(biases) {
        let mut sum = vec![bias; half * half];
        for (plane, taps) in planes.chunks_exact(side * side).zip(kernel.as_chunks::<9>().0) {
            for (row, sums) in sum.chunks_exact_mut(half).enumerate() {
                for (down, taps) in taps.as_chunks::<3>().0.iter().enumerate() {
                    // Row 2 row + down − 1 of the plane; above the first there are zeros.
                    let Some(line) = (2 * row + down).checked_sub(1).and_then(|at| plane.get(at * side..(at + 1) * side)) else {
                        continue;
                    };
                    let [left, middle, right] = *taps;
                    let mut before = 0.0;
                    for (sum, &[even, odd]) in sums.iter_mut().zip(line.as_chunks::<2>().0) {
                        *sum += left * before + middle * even + right * odd;
                        before = odd;
                    }
                }
            }
        }
        out.extend(sum.into_iter().map(|value| value.max(0.0)));
    }
    out
}

/// A full map: a row of weights for each output.
fn map(values: &[f32], weights: &[f32], biases: &[f32]) -> Vec<f32> {
    let rows = weights.chunks_exact(values.len().max(1)).zip(biases);
    rows.map(|(row, &bias)| bias + row.iter().zip(values).map(|(weight, value)| weight * value).sum::<f32>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds { no_chest: 1.0, turned: 2.0, negative: 3.0 };

    fn counted() -> Network {
        let values = (0..VALUES).map(|i| ((i * 7919) % 1000) as f32 / 5000.0 - 0.1).collect();
        Network::new(THRESHOLDS, values).unwrap()
    }

    #[test]
    fn a_convolution_is_what_its_formula_says() {
        let side = 6;
        let planes: Vec<f32> = (0..2 * side * side).map(|i| ((i * 13) % 17) as f32 - 8.0).collect();
        let weights: Vec<f32> = (0..3 * 2 * 9).map(|i| ((i * 5) % 11) as f32 - 5.0).collect();
        let biases = [1.0, -2.0, 3.0];
        let got = convolve(&planes, side, &weights, &biases);
        for (i, &value) in got.iter().enumerate() {
            let (channel, row, column) = (i / 9, i / 3 % 3, i % 3);
            let mut wanted = biases[channel];
            for input in 0..2 {
                for tap in 0..9 {
                    let (y, x) = (2 * row + tap / 3, 2 * column + tap % 3);
                    if (1..=side).contains(&y) && (1..=side).contains(&x) {
                        wanted += weights[(channel * 2 + input) * 9 + tap] * planes[input * 36 + (y - 1) * side + x - 1];
                    }
                }
            }
            assert_eq!(value, wanted.max(0.0), "{i}");
        }
        assert_eq!(got.len(), 27);
    }

    #[test]
    fn a_network_comes_back_from_its_bytes_and_others_are_refused() {
        let network = counted();
        let bytes = network.to_bytes();
        assert_eq!(Network::from_bytes(&bytes).unwrap(), network);
        for bad in [&bytes[..bytes.len() - 4], &bytes[1..], &[], b"VRFIT"] {
            assert!(Network::from_bytes(bad).is_err(), "{} bytes", bad.len());
        }
        assert!(Network::new(THRESHOLDS, vec![f32::NAN; VALUES]).is_err());
    }

    #[test]
    fn all_values_are_used_and_short_images_do_no_harm() {
        let network = counted();
        let outputs = network.outputs(&[0.5; SIDE * SIDE]);
        assert!(outputs.iter().all(|output| output.is_finite()));
        let mut other = network.clone();
        *other.values.last_mut().unwrap() += 1.0;
        let moved = other.outputs(&[0.5; SIDE * SIDE]);
        assert_eq!(moved[KINDS - 1], outputs[KINDS - 1] + 1.0);
        assert!(network.outputs(&[]).iter().all(|output| output.is_finite()));
    }
}
