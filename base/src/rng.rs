//! Random numbers whose whole state fits in a checkpoint.

use crate::digest::hex;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A ChaCha8 stream (Bernstein 2008), named by a seed and a purpose: the same numbers on every machine. Not for keys, which `veilray-he`
/// draws from the operating system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rng(ChaCha8Rng);

/// Where a stream stands: everything that [`Rng::from_state`] needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RngState {
    /// The stream's key, 64 hexadecimal digits.
    key: String,
    /// 32-bit words drawn so far.
    words: u64,
}

/// A state whose key is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key of a random generator's state must be 64 hexadecimal digits; the file that holds it is damaged")]
pub struct RngStateError;

impl Rng {
    /// The stream for `purpose` under `seed`; streams of different purposes are independent.
    pub fn new(seed: u64, purpose: &str) -> Self {
        // Part of every released model's origin: the text stays as it is.
        let key = Sha256::new().chain_update(b"veilray-nn").chain_update(seed.to_le_bytes()).chain_update(purpose).finalize();
        Self(ChaCha8Rng::from_seed(key.into()))
    }

    /// What [`Rng::from_state`] needs to continue from here.
    pub fn state(&self) -> RngState {
        RngState { key: hex(&self.0.get_seed()), words: self.0.get_word_pos() as u64 }
    }

    /// The stream, continued from where `state` was taken.
    ///
    /// # Errors
    /// [`RngStateError`] for a key that is not 64 hexadecimal digits.
    pub fn from_state(state: &RngState) -> Result<Self, RngStateError> {
        let refuse = || RngStateError;
        let mut key = [0; 32];
        // Digits alone: a number may also be written with a sign.
        if state.key.len() != 64 || !state.key.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(refuse());
        }
        for (i, byte) in key.iter_mut().enumerate() {
            let digits = state.key.get(2 * i..2 * i + 2).ok_or_else(refuse)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| refuse())?;
        }
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_word_pos(state.words.into());
        Ok(Self(rng))
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in 0..`bound`, without bias (Lemire 2019, "Fast random integer generation in an interval"); 0 where `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        let mut product = u128::from(self.0.next_u64()) * u128::from(bound);
        if (product as u64) < bound {
            let threshold = bound.wrapping_neg() % bound;
            while (product as u64) < threshold {
                product = u128::from(self.0.next_u64()) * u128::from(bound);
            }
        }
        (product >> 64) as usize
    }

    /// Normal with mean 0 and variance 1 (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Puts `items` into a uniformly random order (Fisher and Yates 1938).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_continues_from_its_state_and_purposes_differ() {
        let mut rng = Rng::new(7, "shuffling");
        for _ in 0..100 {
            rng.uniform();
        }
        let state: RngState = serde_json::from_str(&serde_json::to_string(&rng.state()).unwrap()).unwrap();
        let mut again = Rng::from_state(&state).unwrap();
        assert_eq!((0..50).map(|_| rng.below(1000)).collect::<Vec<_>>(), (0..50).map(|_| again.below(1000)).collect::<Vec<_>>());
        assert_ne!(Rng::new(7, "a").uniform(), Rng::new(7, "b").uniform());
        for key in ["zz".repeat(32), "00".into(), "+f".repeat(32), "é".repeat(32)] {
            assert_eq!(Rng::from_state(&RngState { key: key.clone(), words: 0 }), Err(RngStateError), "{key}");
        }
    }

    #[test]
    fn the_stream_is_the_same_in_every_release() {
        let mut rng = Rng::new(1, "test");
        assert_eq!([rng.below(1 << 30), rng.below(1 << 30), rng.below(1 << 30)], PINNED);
    }
    const PINNED: [usize; 3] = [963_737_349, 411_742_331, 1_069_452_422];

    #[test]
    fn moments_of_the_distributions() {
        let mut rng = Rng::new(3, "moments");
        let normal: Vec<f64> = (0..100_000).map(|_| rng.normal()).collect();
        let mean = normal.iter().sum::<f64>() / 1e5;
        let variance = normal.iter().map(|x| x * x).sum::<f64>() / 1e5;
        // Five standard errors: 5 / sqrt(1e5) and 5 sqrt(2 / 1e5).
        assert!(mean.abs() < 0.016 && (variance - 1.0).abs() < 0.023, "{mean} {variance}");
        let mut counts = [0; 7];
        (0..70_000).for_each(|_| counts[rng.below(7)] += 1);
        assert!(counts.iter().all(|n| (9_500..10_500).contains(n)), "{counts:?}");
        let mut order: Vec<usize> = (0..100).collect();
        rng.shuffle(&mut order);
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }
}
