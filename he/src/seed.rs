//! Randomness: public seeds that expand to uniform limbs, and the secret generator that keys and errors come from.
//!
//! Both are ChaCha20 (RFC 8439). The `chacha20` crate finds AVX2 by itself at run time; built with `--cfg chacha20_avx512` it finds
//! AVX-512 too.

use crate::error::{Error, Result};
use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use zeroize::Zeroizing;

/// A **public** seed from which the uniform halves of ciphertexts and keys are expanded.
///
/// It travels in their place; knowing it gives nothing away. Two objects must never share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seed([u8; 32]);

impl Seed {
    /// A fresh seed from the operating system.
    ///
    /// # Errors
    /// [`Error::Randomness`] if it has none.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 32];
        os_random(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The seed with those bytes, as read from the wire.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes, as they travel.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A generator of secret randomness: the ChaCha20 keystream of a secret key. Key, counter and buffered keystream are zeroised on drop.
pub(crate) struct SecretRng(ChaCha20);

impl SecretRng {
    /// A generator keyed by the operating system.
    ///
    /// # Errors
    /// [`Error::Randomness`] if it gives no key.
    pub(crate) fn from_os() -> Result<Self> {
        let mut key = Zeroizing::new([0u8; 32]);
        os_random(&mut key)?;
        crate::simd::mark_secret(&key[..]);
        Ok(Self::keyed(&key))
    }

    /// The generator that a seed determines, for known-answer tests: its keystream starts at block 0 of the all-zero nonce.
    pub(crate) fn from_seed(seed: [u8; 32]) -> Self {
        Self::keyed(&Zeroizing::new(seed))
    }

    fn keyed(key: &[u8; 32]) -> Self {
        Self(ChaCha20::new(key.into(), &[0; 12].into()))
    }

    /// The next `out.len()` bytes of keystream, of which there are 256 GiB.
    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        self.0.write_keystream(out);
    }

    /// The next `8 · out.len()` bytes of keystream as little-endian words.
    pub(crate) fn fill_u64(&mut self, out: &mut [u64]) {
        self.0.write_keystream(bytemuck::cast_slice_mut(out));
        out.iter_mut().for_each(|w| *w = u64::from_le(*w));
    }
}

impl std::fmt::Debug for SecretRng {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretRng(…)")
    }
}

fn os_random(out: &mut [u8; 32]) -> Result<()> {
    getrandom::fill(out).map_err(|e| Error::Randomness { reason: e.to_string() })
}

/// Version of the expansion that [`uniform_limb`] defines; it is part of every nonce, so versions never share keystream.
pub(crate) const EXPANSION_VERSION: u32 = 1;

/// Words of keystream per round of rejection; 4 KiB stay in the L1 cache beside the output.
const BATCH: usize = 1024;

/// Fills `out` with residues uniform in [0, q), 0 < q ≤ 2^31: a pure function of (seed, stream, q, length), the same on every platform.
///
/// Part of the wire format, version [`EXPANSION_VERSION`] = 1:
/// 1. the keystream is ChaCha20 (RFC 8439, 20 rounds, 32-bit block counter from 0) with the seed as its key and the 12-byte nonce
///    `version` (u32, little-endian) ‖ `stream` (u64, little-endian);
/// 2. it is read as consecutive little-endian u32 words; of each the low b bits are kept, b being the bit length of q
///    (2^(b−1) ≤ q < 2^b);
/// 3. the values below q, in order, are the output; the others are skipped.
///
/// A shorter output is therefore a prefix of a longer one. It reads between 1 and 2 words per residue on average, q/2^b of them being
/// kept. Variable time: it handles public values only.
pub(crate) fn uniform_limb(seed: &Seed, stream: u64, q: u32, out: &mut [u32]) {
    debug_assert!(0 < q && q <= 1 << 31, "modulus {q} is outside (0, 2^31]");
    let bits = u32::BITS - q.leading_zeros();
    let mask = u32::MAX >> (u32::BITS - bits);
    let mut cipher = expansion(seed, stream);
    let mut words = [0u32; BATCH];
    let mut rest = out;
    while let Some(window) = rest.first_chunk_mut::<BATCH>() {
        keystream(&mut cipher, &mut words);
        let kept = compact(&words, mask, q, window);
        rest = rest.get_mut(kept..).unwrap_or_default();
    }
    while !rest.is_empty() {
        // Enough for the expected need and a little more, in whole blocks.
        let need = (((rest.len() as u64) << bits) / u64::from(q)) as usize + 32;
        let batch = words.get_mut(..need.next_multiple_of(16).min(BATCH)).unwrap_or_default();
        keystream(&mut cipher, batch);
        let mut kept = 0;
        for (slot, value) in rest.iter_mut().zip(batch.iter().map(|w| w & mask).filter(|v| *v < q)) {
            *slot = value;
            kept += 1;
        }
        rest = rest.get_mut(kept..).unwrap_or_default();
    }
}

fn expansion(seed: &Seed, stream: u64) -> ChaCha20 {
    let mut nonce = [0; 12];
    let (version, place) = nonce.split_at_mut(4);
    version.copy_from_slice(&EXPANSION_VERSION.to_le_bytes());
    place.copy_from_slice(&stream.to_le_bytes());
    ChaCha20::new((&seed.0).into(), &nonce.into())
}

fn keystream(cipher: &mut ChaCha20, words: &mut [u32]) {
    cipher.write_keystream(bytemuck::cast_slice_mut(words));
    words.iter_mut().for_each(|w| *w = u32::from_le(*w));
}

/// Moves the masked words below q to the front of `out`, in order, without a branch; their number comes back.
#[allow(clippy::indexing_slicing, reason = "kept never exceeds the number of words seen, so the mask changes nothing")]
fn compact(words: &[u32; BATCH], mask: u32, q: u32, out: &mut [u32; BATCH]) -> usize {
    let mut kept = 0;
    for word in words {
        let value = word & mask;
        out[kept & (BATCH - 1)] = value;
        kept += usize::from(value < q);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One block of ChaCha20, straight from RFC 8439 §2.3.
    fn chacha20_block(key: &[u8; 32], counter: u32, nonce: &[u8; 12]) -> [u8; 64] {
        let word = |b: &[u8]| u32::from_le_bytes(b.try_into().unwrap());
        let mut start = [0u32; 16];
        start[..4].copy_from_slice(&[0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]);
        (0..8).for_each(|i| start[4 + i] = word(&key[4 * i..][..4]));
        start[12] = counter;
        (0..3).for_each(|i| start[13 + i] = word(&nonce[4 * i..][..4]));
        let mut s = start;
        for _ in 0..10 {
            let quarters = [
                [0, 4, 8, 12],
                [1, 5, 9, 13],
                [2, 6, 10, 14],
                [3, 7, 11, 15],
                [0, 5, 10, 15],
                [1, 6, 11, 12],
                [2, 7, 8, 13],
                [3, 4, 9, 14],
            ];
            for [a, b, c, d] in quarters {
                for (x, y, z, rotation) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
                    s[x] = s[x].wrapping_add(s[y]);
                    s[z] = (s[z] ^ s[x]).rotate_left(rotation);
                }
            }
        }
        let mut out = [0; 64];
        (0..16).for_each(|i| out[4 * i..][..4].copy_from_slice(&s[i].wrapping_add(start[i]).to_le_bytes()));
        out
    }

    /// The definition of [`uniform_limb`], word by word.
    fn slow_uniform_limb(seed: &[u8; 32], stream: u64, q: u32, len: usize) -> Vec<u32> {
        let mut nonce = [0; 12];
        nonce[0] = 1;
        nonce[4..].copy_from_slice(&stream.to_le_bytes());
        let bits = (1..).find(|b| u64::from(q) < 1 << b).unwrap();
        let words = |counter| {
            chacha20_block(seed, counter, &nonce)
                .chunks_exact(4)
                .map(|b| u32::from_le_bytes(b.try_into().unwrap()))
                .collect::<Vec<_>>()
        };
        (0..).flat_map(words).map(|w| (u64::from(w) % (1 << bits)) as u32).filter(|v| *v < q).take(len).collect()
    }

    fn test_seed() -> [u8; 32] {
        std::array::from_fn(|i| i as u8)
    }

    #[test]
    fn the_oracle_block_is_that_of_rfc_8439() {
        // §2.3.2: key 00..1f, counter 1, nonce 000000090000004a00000000.
        let block = chacha20_block(&test_seed(), 1, &[0, 0, 0, 9, 0, 0, 0, 0x4a, 0, 0, 0, 0]);
        assert_eq!(block[..8], [0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15]);
        assert_eq!(block[60..], [0xa2, 0x50, 0x3c, 0x4e]);
    }

    #[test]
    fn uniform_limb_follows_its_definition_at_every_length() {
        for q in [3, 998_244_353, 1_073_479_681, (1 << 29) + 1, (1 << 22) - 3, (1 << 31) - 1, 1 << 31] {
            let expected = slow_uniform_limb(&test_seed(), 7, q, 5000);
            for len in [0, 1, 2, 15, 16, 100, 1023, 1024, 1025, 2048, 4096, 5000] {
                let mut out = vec![0; len];
                uniform_limb(&Seed::from_bytes(test_seed()), 7, q, &mut out);
                assert_eq!(out, expected[..len], "q = {q}, {len} residues");
            }
        }
    }

    #[test]
    fn uniform_limb_known_answers() {
        // Computed with a separate implementation of the definition.
        let mut out = [0; 6];
        uniform_limb(&Seed::from_bytes(test_seed()), 0, 998_244_353, &mut out);
        assert_eq!(out, [167_459_032, 976_121_427, 645_096_008, 651_707_039, 763_483_968, 606_454_580]);
        uniform_limb(&Seed::from_bytes(test_seed()), 0x0102_0304_0506_0708, 998_244_353, &mut out);
        assert_eq!(out, [802_416_754, 34_104_846, 286_691_194, 563_515_226, 344_110_017, 210_532_144]);
    }

    #[test]
    fn secret_rng_is_the_keystream_however_it_is_read() {
        let expected: Vec<u8> = (0..40).flat_map(|i| chacha20_block(&test_seed(), i, &[0; 12])).collect();
        let mut rng = SecretRng::from_seed(test_seed());
        let (mut bytes, mut words) = (vec![0; 1003], vec![0u64; 100]);
        rng.fill(&mut bytes);
        rng.fill_u64(&mut words);
        assert_eq!(bytes, expected[..1003]);
        assert!(words.iter().zip(expected[1003..].chunks_exact(8)).all(|(w, b)| w.to_le_bytes() == b));
    }

    #[test]
    fn fresh_seeds_and_generators_differ() {
        assert_ne!(Seed::random().unwrap(), Seed::random().unwrap());
        let draw = || {
            let mut bytes = [0; 32];
            SecretRng::from_os().unwrap().fill(&mut bytes);
            bytes
        };
        assert_ne!(draw(), draw());
    }

    #[test]
    fn residues_are_uniform_over_buckets() {
        const BUCKETS: usize = 256;
        for (stream, q) in
            [(1 << 22) - 3, (1 << 21) + 1, (1 << 29) - 3, (1 << 28) + 1, 1_073_479_681, (1 << 29) + 11].into_iter().enumerate()
        {
            let mut out = vec![0; 1 << 20];
            uniform_limb(&Seed::from_bytes(test_seed()), stream as u64, q, &mut out);
            let mut counts = [0u32; BUCKETS];
            out.iter().for_each(|v| counts[(u64::from(*v) * BUCKETS as u64 / u64::from(q)) as usize] += 1);
            // Buckets differ in size by less than 2^-13 of themselves, far below what 2^20 samples show.
            let expected = out.len() as f64 / BUCKETS as f64;
            let chi2: f64 = counts.iter().map(|c| (f64::from(*c) - expected).powi(2) / expected).sum();
            // 255 degrees of freedom: mean 255, standard deviation 22.6.
            assert!((chi2 - 255.0).abs() < 4.0 * 22.6, "q = {q}: chi-square {chi2}");
        }
    }

    #[test]
    fn streams_and_seeds_are_uncorrelated() {
        let q = 998_244_353u32;
        let expand = |seed: [u8; 32], stream| {
            let mut out = vec![0; 1 << 20];
            uniform_limb(&Seed::from_bytes(seed), stream, q, &mut out);
            out.into_iter().map(|v| f64::from(v) / f64::from(q) - 0.5).collect::<Vec<_>>()
        };
        let mut flipped = test_seed();
        flipped[0] ^= 1;
        let base = expand(test_seed(), 0);
        for other in [expand(test_seed(), 1), expand(test_seed(), 1 << 32), expand(test_seed(), 1 << 63), expand(flipped, 0)] {
            for lag in [0, 1, 16] {
                // Of independent uniforms (variance 1/12) the mean product is normal with deviation 1/12/√n.
                let n = base.len() - lag;
                let mean = base[lag..].iter().zip(&other).map(|(a, b)| a * b).sum::<f64>() / n as f64;
                assert!((mean * 12.0 * (n as f64).sqrt()).abs() < 4.5, "correlation {mean} at lag {lag}");
            }
        }
    }
}
