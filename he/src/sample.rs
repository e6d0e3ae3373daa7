//! Secret small polynomials: uniform ternary keys and discrete Gaussian errors, both in constant time.
//!
//! Neither sampler branches on, or indexes by, a random value: every sample costs the same arithmetic.

use crate::seed::SecretRng;
use crate::simd::{Backend, Vectorize};
use zeroize::Zeroizing;

/// Standard deviation σ of the error distribution, in coefficient units.
pub const SIGMA: f64 = 3.2;

/// Largest magnitude that [`gaussian`] returns; the exact distribution exceeds it with probability below 2^−65.
pub(crate) const GAUSSIAN_BOUND: i32 = GAUSSIAN_CDF.len() as i32;

/// Random words drawn at a time: 4 KiB.
const BATCH: usize = 512;

/// Fills `out` with independent values uniform in {−1, 0, 1}; constant time.
///
/// Each is ⌊3w / 2^64⌋ − 1 for a 64-bit word w. 3 does not divide 2^64: the values have 2^64/3 words each up to one word, so every
/// probability is within 2^−64 of 1/3.
pub(crate) fn ternary(rng: &mut SecretRng, out: &mut [i8]) {
    let backend = backend();
    in_batches(rng, out, |words, out| backend.vectorize(Ternary { words, out }));
}

/// Fills `out` with independent samples of the discrete Gaussian over the integers, P(x) ∝ exp(−x²/2σ²), σ = [`SIGMA`]; constant time.
///
/// One 64-bit word per sample: its low bit is the sign, the other 63 are compared with every threshold of the cumulative table. Each
/// probability is within 2^−63 of the exact one (statistical distance per sample below 2^−58) and |x| ≤ [`GAUSSIAN_BOUND`] = 29 = 9.06 σ.
pub(crate) fn gaussian(rng: &mut SecretRng, out: &mut [i32]) {
    let backend = backend();
    in_batches(rng, out, |words, out| backend.vectorize(Gaussian { words, out }));
}

/// Entry k is round(2^63 · P(|x| ≤ k)) for the discrete Gaussian of σ = 3.2; the next would be 2^63. A test recomputes it.
const GAUSSIAN_CDF: [u64; 29] = [
    0x0ff5_2b40_64a1_f258,
    0x2e5a_25d4_026f_ff6e,
    0x489a_e268_2e3d_b9bb,
    0x5d2b_c20d_e6f9_5106,
    0x6bc8_694a_862f_cdcf,
    0x7532_d898_e9d1_95da,
    0x7ab3_96c9_80f5_facb,
    0x7d9e_4e8f_6717_ea70,
    0x7f05_4956_150a_592b,
    0x7fa1_ce99_f8db_f691,
    0x7fdf_b3f0_0a8f_3398,
    0x7ff5_e6f7_c97d_68d9,
    0x7ffd_1f95_b372_bd36,
    0x7fff_40f7_f7ae_dc64,
    0x7fff_d2e6_2d05_7ef0,
    0x7fff_f650_3aaa_2875,
    0x7fff_fe1b_ab99_a744,
    0x7fff_ffaa_0140_ce53,
    0x7fff_fff2_1f8a_3a77,
    0x7fff_fffd_f723_01f4,
    0x7fff_ffff_ba9f_d472,
    0x7fff_ffff_f79b_78ce,
    0x7fff_ffff_ff13_f6f9,
    0x7fff_ffff_ffe8_748a,
    0x7fff_ffff_fffd_de24,
    0x7fff_ffff_ffff_d320,
    0x7fff_ffff_ffff_fca7,
    0x7fff_ffff_ffff_ffc6,
    0x7fff_ffff_ffff_fffc,
];

struct Ternary<'a> {
    words: &'a [u64],
    out: &'a mut [i8],
}

impl Vectorize for Ternary<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (word, out) in self.words.iter().zip(self.out) {
            // The high half of the 96-bit product, from two 32 × 2-bit ones.
            let low = (word & 0xffff_ffff) * 3;
            let high = (word >> 32) * 3 + (low >> 32);
            *out = (high >> 32) as i8 - 1;
        }
    }
}

struct Gaussian<'a> {
    words: &'a [u64],
    out: &'a mut [i32],
}

impl Vectorize for Gaussian<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (word, out) in self.words.iter().zip(self.out) {
            *out = gaussian_from(*word);
        }
    }
}

/// The sample that a uniform word stands for. One word a call: the loop over words is the one that becomes vector instructions.
#[inline(always)]
fn gaussian_from(word: u64) -> i32 {
    let uniform = word >> 1;
    let mut below = 0;
    for threshold in GAUSSIAN_CDF {
        // Both are below 2^63, so bit 63 of the difference says uniform < threshold.
        below += uniform.wrapping_sub(threshold) >> 63;
    }
    let magnitude = GAUSSIAN_BOUND - below as i32;
    let sign = (word & 1) as i32;
    (magnitude ^ -sign) + sign
}

/// Draws one word per output, a batch at a time; the words are zeroised after use.
fn in_batches<T>(rng: &mut SecretRng, out: &mut [T], mut convert: impl FnMut(&[u64], &mut [T])) {
    let mut words = Zeroizing::new([0u64; BATCH]);
    for out in out.chunks_mut(BATCH) {
        let (words, _) = words.split_at_mut(out.len());
        rng.fill_u64(words);
        crate::simd::mark_secret(bytemuck::cast_slice(words));
        convert(words, out);
    }
}

/// The fastest backend; every one gives the same samples, so a wrong `VEILRAY_SIMD` is reported where it matters, not here.
fn backend() -> Backend {
    Backend::detect().unwrap_or(Backend::SCALAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw<T: Copy + Default>(sampler: impl Fn(&mut SecretRng, &mut [T]), seed: u8, len: usize) -> Vec<T> {
        let mut out = vec![T::default(); len];
        sampler(&mut SecretRng::from_seed([seed; 32]), &mut out);
        out
    }

    fn words(seed: u8, len: usize) -> Vec<u64> {
        let mut bytes = vec![0; 8 * len];
        SecretRng::from_seed([seed; 32]).fill(&mut bytes);
        bytes.chunks_exact(8).map(|b| u64::from_le_bytes(b.try_into().unwrap())).collect()
    }

    /// exp(−25 k²/512) = exp(−k²/2σ²) in units of 2^−120, by k² products of a Taylor series: an oracle without floating point.
    fn weights(count: usize) -> Vec<u128> {
        const ONE: u128 = 1 << 120;
        let product = |a: u128, b: u128| {
            let (ah, al, bh, bl) = (a >> 60, a & ((1 << 60) - 1), b >> 60, b & ((1 << 60) - 1));
            ah * bh + ((ah * bl + al * bh + ((al * bl) >> 60)) >> 60)
        };
        let (mut g, mut term) = (0i128, ONE as i128);
        for i in 1.. {
            g += term;
            term = term * -25 / (512 * i);
            if term == 0 {
                break;
            }
        }
        let (g, mut weight, mut step) = (g as u128, ONE, ONE);
        let square = product(g, g);
        (0..count)
            .map(|k| {
                let out = weight;
                step = if k == 0 { g } else { product(step, square) };
                weight = product(weight, step);
                out
            })
            .collect()
    }

    /// Exact probability of each magnitude, from the closed form in floating point.
    fn magnitude_probability(k: i32) -> f64 {
        let rho = |k: i32| (-f64::from(k * k) / (2.0 * SIGMA * SIGMA)).exp();
        let total: f64 = (-60..=60).map(rho).sum();
        rho(k) / total * if k == 0 { 1.0 } else { 2.0 }
    }

    #[test]
    fn gaussian_table_is_the_cumulative_distribution() {
        let weights = weights(45);
        let total = weights[0] + 2 * weights[1..].iter().sum::<u128>();
        let mut cumulative = 0;
        let thresholds = weights.iter().enumerate().map(|(k, w)| {
            cumulative += if k == 0 { *w } else { 2 * w };
            // round(2^63 · cumulative / total) by long division: total has 124 bits.
            let (mut quotient, mut rest) = (0u128, cumulative);
            for _ in 0..64 {
                quotient = 2 * quotient + rest / total;
                rest = rest % total * 2;
            }
            ((quotient + u128::from(rest >= total)) as u64, total)
        });
        let thresholds: Vec<u64> = thresholds.map(|t| t.0).take_while(|t| *t < 1 << 63).collect();
        assert_eq!(thresholds, GAUSSIAN_CDF);
    }

    #[test]
    fn gaussian_bound_is_exceeded_with_probability_below_2_to_the_minus_65() {
        let tail: f64 = (GAUSSIAN_BOUND + 1..60).map(magnitude_probability).sum();
        assert!(tail < 2f64.powi(-65), "{tail}");
    }

    #[test]
    fn gaussian_inverts_the_table_word_by_word() {
        let expected: Vec<i32> = words(1, 100_003)
            .into_iter()
            .map(|w| {
                let magnitude = GAUSSIAN_CDF.iter().filter(|t| w >> 1 >= **t).count() as i32;
                if w & 1 == 1 { -magnitude } else { magnitude }
            })
            .collect();
        assert_eq!(draw(gaussian, 1, expected.len()), expected);
    }

    #[test]
    fn gaussian_edge_words_reach_zero_and_the_bound() {
        let edges = [0, 1, u64::MAX, u64::MAX - 1, 2 * GAUSSIAN_CDF[0] - 2, 2 * GAUSSIAN_CDF[0]];
        assert_eq!(edges.map(gaussian_from), [0, 0, -29, 29, 0, 1]);
    }

    #[test]
    fn ternary_is_the_high_word_of_thrice_the_word() {
        let expected: Vec<i8> = words(2, 100_003).into_iter().map(|w| ((u128::from(w) * 3) >> 64) as i8 - 1).collect();
        assert_eq!(draw(ternary, 2, expected.len()), expected);
    }

    #[test]
    fn known_seeds_give_known_samples() {
        // Computed with a separate implementation of ChaCha20 and exact arithmetic.
        assert_eq!(draw(ternary, 7, 16), [-1, 0, 0, 1, -1, 0, 1, 0, 1, 0, -1, -1, 1, 1, 0, -1]);
        assert_eq!(draw(gaussian, 7, 16), [1, 2, 1, 5, -1, -2, -3, 2, -8, 2, 1, 0, 6, -4, -2, -1]);
    }

    #[test]
    fn samplers_agree_between_backends() {
        let words = words(3, 1000);
        for backend in Backend::available() {
            let (mut t, mut t0, mut g, mut g0) = (vec![0; 1000], vec![0; 1000], vec![0; 1000], vec![0; 1000]);
            backend.vectorize(Ternary { words: &words, out: &mut t });
            Backend::SCALAR.vectorize(Ternary { words: &words, out: &mut t0 });
            backend.vectorize(Gaussian { words: &words, out: &mut g });
            Backend::SCALAR.vectorize(Gaussian { words: &words, out: &mut g0 });
            assert_eq!((t, g), (t0, g0), "{}", backend.name());
        }
    }

    #[test]
    fn ternary_frequencies_are_thirds() {
        let samples = draw(ternary, 4, 3 << 20);
        let chi2: f64 = [-1i8, 0, 1]
            .map(|v| (samples.iter().filter(|s| **s == v).count() as f64 - f64::from(1 << 20)).powi(2) / f64::from(1 << 20))
            .iter()
            .sum();
        // Two degrees of freedom: P(chi² > 13.8) = 0.001.
        assert!(chi2 < 13.8, "chi-square {chi2}");
    }

    #[test]
    fn gaussian_moments_and_frequencies_are_exact() {
        const COUNT: usize = 1 << 22;
        let n = COUNT as f64;
        let samples = draw(gaussian, 5, COUNT);
        let moment = |p: i32| samples.iter().map(|x| f64::from(*x).powi(p)).sum::<f64>() / n;
        // Deviations of the sample moments of a normal variable: σ/√n, σ²√(2/n), σ³√(15/n).
        let variance = SIGMA * SIGMA;
        assert!(moment(1).abs() < 4.0 * SIGMA / n.sqrt(), "mean {}", moment(1));
        assert!((moment(2) - variance).abs() < 4.0 * variance * (2.0 / n).sqrt(), "variance {}", moment(2));
        assert!(moment(3).abs() < 4.0 * SIGMA.powi(3) * (15.0 / n).sqrt(), "third moment {}", moment(3));

        // Cells −13..=13 and the two tails beyond, each with more than 40 expected.
        let mut counts = [0.0; 29];
        samples.iter().for_each(|x| counts[(x.clamp(&-14, &14) + 14) as usize] += 1.0);
        let one_side = |k: i32| magnitude_probability(k) / if k == 0 { 1.0 } else { 2.0 };
        let expected = |x: i32| n * if x.abs() < 14 { one_side(x.abs()) } else { (14..60).map(one_side).sum() };
        let chi2: f64 = (-14..=14).zip(counts).map(|(x, c): (i32, f64)| (c - expected(x)).powi(2) / expected(x)).sum();
        assert!(expected(14) > 40.0, "{}", expected(14));
        // 28 degrees of freedom: P(chi² > 56.9) = 0.001.
        assert!(chi2 < 56.9, "chi-square {chi2}");
    }

    #[test]
    fn neighbouring_gaussian_samples_are_uncorrelated() {
        let samples = draw(gaussian, 6, 1 << 20);
        for lag in [1, 2, 8, 16, 512] {
            let n = samples.len() - lag;
            let mean = samples.iter().zip(&samples[lag..]).map(|(a, b)| f64::from(a * b)).sum::<f64>() / n as f64;
            assert!((mean / (SIGMA * SIGMA) * (n as f64).sqrt()).abs() < 4.5, "correlation {mean} at lag {lag}");
        }
    }
}
