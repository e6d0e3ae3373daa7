//! Parameters, their security and the probability that an image is decrypted wrongly.
//!
//! Every formula is written down in `docs/notes/009-tfhe-noise.md`; a test measures each variance.

use super::{Error, Fcnn, Result};
use std::f64::consts::{LN_2, PI};
use tfhe::core_crypto::commons::noise_formulas::secure_noise::minimal_glwe_variance_for_132_bits_security_gaussian;
use tfhe::core_crypto::prelude::{DynamicDistribution, GlweDimension, PolynomialSize, StandardDev};

/// log2 of the largest probability that any step of one image goes wrong.
pub const LOG2_FAILURE: f64 = -64.0;
/// Bits of a number that is sent: bodies of the image, masks and bodies of the reply.
const SENT_BITS: u32 = 32;
/// log2 of the ciphertext modulus.
const LOG2_Q: f64 = 64.0;
/// Bits that a product keeps in the library's Fourier transform over `f64`.
const MANTISSA_BITS: f64 = 53.0;

/// Parameters of the two secret keys and of the bootstrap between them. Secrets are binary, noise is Gaussian, the modulus is 2^64.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TfheParams {
    /// The set's name.
    pub name: &'static str,
    /// Coefficients of the polynomials that carry the image; a power of two.
    pub input_polynomial: usize,
    /// Mask polynomials of an image's ciphertexts.
    pub input_rank: usize,
    /// log2 of the noise's standard deviation there, of the torus.
    pub input_log2_deviation: f64,
    /// Coefficients of the polynomials of the bootstrap; a power of two.
    pub polynomial: usize,
    /// Mask polynomials there.
    pub rank: usize,
    /// log2 of the noise's standard deviation there, of the torus.
    pub log2_deviation: f64,
    /// log2 of the base into which the bootstrap cuts numbers.
    pub base_log: usize,
    /// Digits that it keeps.
    pub levels: usize,
}

/// The released network's set: both deviations are the least that `tfhe`'s curve of the lattice estimator calls 132-bit secure.
pub const P2048: TfheParams = TfheParams {
    name: "tfhe-768-2048",
    input_polynomial: 256,
    input_rank: 3,
    input_log2_deviation: -16.45,
    polynomial: 2048,
    rank: 1,
    log2_deviation: -48.3,
    base_log: 23,
    levels: 1,
};

impl TfheParams {
    /// The set of that name.
    ///
    /// # Errors
    /// [`Error::Setting`] for a name that is none; [`Error::Insecure`] for a set that is not secure, which none here is.
    pub fn named(name: &str) -> Result<Self> {
        match name == P2048.name {
            true => P2048.secure(),
            false => Err(Error::setting("TFHE parameters", "tfhe-768-2048", name)),
        }
    }

    /// These, if they are secure.
    ///
    /// # Errors
    /// [`Error::Insecure`] where [`TfheParams::is_secure`] does not hold.
    pub fn secure(self) -> Result<Self> {
        if self.is_secure() { Ok(self) } else { Err(Error::Insecure { name: self.name }) }
    }

    /// Dimension of a sum's LWE ciphertext: steps of the blind rotation.
    pub fn input_dimension(&self) -> usize {
        self.input_polynomial * self.input_rank
    }

    /// Dimension of the reply's LWE ciphertexts.
    pub fn output_dimension(&self) -> usize {
        self.polynomial * self.rank
    }

    /// Whether both noises are at least those that `tfhe` 1.8 gives for 132 bits at these dimensions, by its fit to the lattice estimator
    /// for binary secrets.
    pub fn is_secure(&self) -> bool {
        let enough = |rank: usize, polynomial: usize, log2_deviation: f64| {
            let (rank, polynomial) = (GlweDimension(rank), PolynomialSize(polynomial));
            let least = minimal_glwe_variance_for_132_bits_security_gaussian(rank, polynomial, LOG2_Q.exp2());
            (2.0 * log2_deviation).exp2() >= least.0
        };
        enough(self.input_rank, self.input_polynomial, self.input_log2_deviation)
            && enough(self.rank, self.polynomial, self.log2_deviation)
    }

    /// Variance of a bootstrap's output, of the torus: per step of the blind rotation the decomposed noise of the key, the rounding of the
    /// digits (Chillotti, Gama, Georgieva, Izabachene, Journal of Cryptology 33, theorem 4.3, for uniform digits and a binary secret) and the
    /// error of the Fourier transform, of which the law and its constants are the fit that `tfhe` 1.8 comes with. The library's own function
    /// for the whole holds for keys of the least secure noise only.
    fn bootstrap_variance(&self) -> f64 {
        let (rank, polynomial, levels) = (self.rank as f64, self.polynomial as f64, self.levels as f64);
        let base = (self.base_log as f64).exp2();
        let key = levels * (rank + 1.0) * polynomial * (2.0 * self.log2_deviation).exp2() * (base * base + 2.0) / 12.0;
        let rounding = (1.0 + rank * polynomial / 2.0) / 24.0 * base.powf(-2.0 * levels);
        let lost = (-2.0 * MANTISSA_BITS).exp2();
        let size = (levels * (rank + 1.0)).powf(1.018_27) * (rank * polynomial).powf(1.220_03) * polynomial;
        let fourier = 0.007_05 * lost * base * base * size;
        self.input_dimension() as f64 * (key + rounding + fourier)
    }

    /// Variance of a logit as the client decrypts it, of the torus, for output weights whose squares add up to `squares`.
    pub(super) fn logit_variance(&self, squares: f64) -> f64 {
        // Rounded bodies, and masks of which the key takes half.
        let reply = sent_variance() * (1.0 + self.output_dimension() as f64 / 2.0);
        squares * self.bootstrap_variance() + reply
    }

    /// Ciphertexts that carry `values` pixels.
    pub(super) fn ciphertexts(&self, values: usize) -> usize {
        values.div_ceil(self.input_polynomial)
    }

    pub(super) fn input_noise(&self) -> DynamicDistribution<u64> {
        DynamicDistribution::new_gaussian_from_std_dev(StandardDev(self.input_log2_deviation.exp2()))
    }

    pub(super) fn noise(&self) -> DynamicDistribution<u64> {
        DynamicDistribution::new_gaussian_from_std_dev(StandardDev(self.log2_deviation.exp2()))
    }
}

/// Variance of a number's rounding to the bits that are sent, of the torus.
fn sent_variance() -> f64 {
    (-2.0 * f64::from(SENT_BITS)).exp2() / 12.0
}

/// Variances of the errors on an image's way, each of the torus, and what they come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseBudget {
    /// Of the weighted sum of a hidden neuron.
    pub sum: f64,
    /// Of the rounding to 2N steps before the blind rotation.
    pub switch: f64,
    /// Of a bootstrap's output.
    pub bootstrap: f64,
    /// Of a logit as the client decrypts it.
    pub logit: f64,
    /// log2 of a bound on the probability that any of the hidden neurons or logits of an image is wrong.
    pub log2_failure: f64,
}

impl NoiseBudget {
    /// Of a network under parameters.
    ///
    /// # Errors
    /// [`Error::Failure`] where an image fails more often than 2^-64.
    pub fn of(network: &Fcnn, params: &TfheParams) -> Result<Self> {
        let budget = Self::estimate(network, params);
        match budget.log2_failure <= LOG2_FAILURE {
            true => Ok(budget),
            false => Err(Error::Failure {
                what: "an image",
                wanted: LOG2_FAILURE,
                found: budget.log2_failure,
                cure: "a smaller modulus, smaller weights or larger polynomials",
            }),
        }
    }

    /// The same without a verdict.
    pub fn estimate(network: &Fcnn, params: &TfheParams) -> Self {
        let sum = network.weight_norm().powi(2) * ((2.0 * params.input_log2_deviation).exp2() + sent_variance());
        let steps = 2.0 * params.polynomial as f64;
        let switch = (params.input_dimension() as f64 / 48.0 + 1.0 / 12.0) / (steps * steps);
        let bootstrap = params.bootstrap_variance();
        let logit = params.logit_variance(network.output_squares() as f64);
        // A sum must stay in its box of 2N steps; the table's box boundaries lie up to half a step off.
        let room = 0.5 / f64::from(network.modulus()) - 0.5 / steps;
        let neurons = network.hidden() as f64 * tail(room, sum + switch).exp2();
        let logits = super::LOGITS as f64 * tail(0.5 / f64::from(network.output_modulus()), logit).exp2();
        Self { sum, switch, bootstrap, logit, log2_failure: (neurons + logits).log2() }
    }
}

/// log2 of a bound on P(|e| > `room`) for a Gaussian e: erfc(x) ≤ exp(−x²) / (x √π), x = room / √(2 variance).
fn tail(room: f64, variance: f64) -> f64 {
    if room <= 0.0 {
        return 0.0;
    }
    let x = room / (2.0 * variance).sqrt();
    ((-x * x - (x * PI.sqrt()).ln()) / LN_2).min(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tfhe::core_crypto::commons::noise_formulas::lwe_programmable_bootstrap::pbs_variance_132_bits_security_gaussian_fft_mul;
    use tfhe::core_crypto::prelude::{DecompositionBaseLog, DecompositionLevelCount, LweDimension};

    #[test]
    fn the_released_set_is_secure_and_not_by_a_wide_margin() {
        assert!(P2048.is_secure());
        for weaker in [
            TfheParams { input_log2_deviation: P2048.input_log2_deviation - 0.1, ..P2048 },
            TfheParams { log2_deviation: P2048.log2_deviation - 0.1, ..P2048 },
            TfheParams { input_rank: 2, ..P2048 },
        ] {
            assert!(!weaker.is_secure() && matches!(weaker.secure(), Err(Error::Insecure { name: "tfhe-768-2048" })));
        }
        assert_eq!(P2048.secure().unwrap(), P2048);
    }

    #[test]
    fn at_the_least_secure_noise_the_bootstrap_has_the_variance_that_the_library_gives() {
        for (rank, polynomial, base_log, levels) in
            [(1, 2048, 23, 1), (1, 2048, 15, 2), (2, 1024, 23, 1), (3, 512, 10, 3), (1, 4096, 22, 1)]
        {
            let least = minimal_glwe_variance_for_132_bits_security_gaussian(
                GlweDimension(rank),
                PolynomialSize(polynomial),
                LOG2_Q.exp2(),
            );
            let ours = TfheParams { rank, polynomial, base_log, levels, log2_deviation: least.0.log2() / 2.0, ..P2048 };
            let library = pbs_variance_132_bits_security_gaussian_fft_mul(
                LweDimension(ours.input_dimension()),
                GlweDimension(rank),
                PolynomialSize(polynomial),
                DecompositionBaseLog(base_log),
                DecompositionLevelCount(levels),
                MANTISSA_BITS,
                LOG2_Q.exp2(),
            );
            let ratio = ours.bootstrap_variance() / library.0;
            assert!((ratio - 1.0).abs() < 1e-3, "{ours:?}: {ratio}");
        }
    }

    #[test]
    fn the_tail_is_erfc_from_above() {
        // erfc(x) at x = 1, 3 and 6: 0.157299, 2.20905e-5, 2.15197e-17 (Abramowitz and Stegun, table 7.1 and 7.3).
        for (x, erfc) in [(1.0, 0.157_299), (3.0, 2.209_05e-5), (6.0, 2.151_97e-17)] {
            let bound = tail(x, 0.5).exp2();
            assert!(bound >= erfc && bound < erfc * (1.0 + 0.6 / (x * x)), "{x}: {bound} against {erfc}");
        }
    }
}
