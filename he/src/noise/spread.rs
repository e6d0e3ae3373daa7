//! Squares of messages and errors over the slots, by two numbers: their mean and their standard deviation.

use num_complex::Complex64;
use serde::Serialize;

/// Mean and standard deviation, over the slots, of a square: a message's, or the variance of an error.
///
/// The squares are supposed to be spread as peak · u^(2k) for u uniform in [0, 1], of mean peak/(2k + 1) and mean square
/// peak²/(4k + 1): k = 0 is the same in every slot, k = 1 the square of a value uniform in an interval about 0, k = 1.2 has the
/// deviation of the squared modulus of a random polynomial such as the secret. Derived here.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub(super) struct Spread {
    pub mean: f64,
    pub deviation: f64,
}

impl Spread {
    /// Of those values, one per slot.
    pub(super) fn of(values: &[f64]) -> Self {
        let count = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
        Self { mean, deviation: variance.sqrt() }
    }

    /// The same in every slot.
    pub(super) fn even(value: f64) -> Self {
        Self { mean: value, deviation: 0.0 }
    }

    /// An error that is a product of two random polynomials, one of which stays: in a slot it is Gaussian of a variance that is itself
    /// the squared modulus of a complex Gaussian, hence exponential, so that the real part of the error is Laplacian.
    pub(super) fn exponential(mean: f64) -> Self {
        Self { mean, deviation: mean }
    }

    /// The sum, supposed to be large in the same slots: errors of ciphertexts under one secret are.
    pub(super) fn plus(self, other: Self) -> Self {
        Self { mean: self.mean + other.mean, deviation: self.deviation + other.deviation }
    }

    pub(super) fn scaled(self, factor: f64) -> Self {
        Self { mean: self.mean * factor, deviation: self.deviation * factor }
    }

    /// The sum over so many independent slots.
    pub(super) fn summed(self, count: usize) -> Self {
        Self { mean: self.mean * count as f64, deviation: self.deviation * (count as f64).sqrt() }
    }

    /// The product slot by slot of independent spreads.
    pub(super) fn times(self, other: Self) -> Self {
        let (a, b) = ((self.mean * other.deviation).powi(2), (self.deviation * other.mean).powi(2));
        let deviation = (a + b + (self.deviation * other.deviation).powi(2)).sqrt();
        Self { mean: self.mean * other.mean, deviation }
    }

    /// The product slot by slot of spreads that are large in the same slots: peaks multiply and exponents add.
    pub(super) fn along(self, other: Self) -> Self {
        Self::power(self.peak() * other.peak(), self.exponent() + other.exponent())
    }

    /// peak · u^exponent.
    fn power(peak: f64, exponent: f64) -> Self {
        let mean = peak / (exponent + 1.0);
        Self { mean, deviation: mean * exponent / (2.0 * exponent + 1.0).sqrt() }
    }

    /// 2k, from the squared ratio c of deviation and mean: (2k)² = c·(4k + 1).
    fn exponent(self) -> f64 {
        let c = if self.mean > 0.0 { (self.deviation / self.mean).powi(2) } else { 0.0 };
        c + (c * c + c).sqrt()
    }

    pub(super) fn peak(self) -> f64 {
        self.mean * (self.exponent() + 1.0)
    }

    /// The mean over errors of the largest of `slots` of them: Gaussian ones with these variances, or the moduli of complex ones with
    /// independent Gaussian parts of half of them each.
    ///
    /// The largest of n errors with tail P(|e| > t) is, in the mean, near the t where n · P(|e| > t) = e^−γ (the mean of
    /// Gumbel's law, to which the largest of n tends). Over the spread the tail at t = z·√peak is that of the peak divided by 1 + k·z²
    /// (twice the k for moduli): Laplace's method on ∫ P(|e| > z·u^−k) du, derived here.
    pub(super) fn expected_max(self, slots: usize, complex: bool) -> f64 {
        const GAMMA: f64 = 0.577_215_664_901_532_9;
        let log_tail = |z: f64| {
            if complex {
                -z * z - (1.0 + self.exponent() * z * z).ln()
            } else {
                // Karagiannidis and Lioumpas 2007, "An improved approximation for the Gaussian Q-function", twice.
                let q = 2.0 * (1.0 - (-1.4 * z).exp()) / (1.135 * (2.0 * std::f64::consts::PI).sqrt() * z);
                q.ln() - z * z / 2.0 - (1.0 + self.exponent() * z * z / 2.0).ln()
            }
        };
        let wanted = -GAMMA - (slots.max(2) as f64).ln();
        let (mut low, mut high) = (1e-9, 40.0);
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            if log_tail(middle) > wanted { low = middle } else { high = middle }
        }
        // However few slots make the peak, the largest error is no smaller than a typical one.
        (low * self.peak().sqrt()).max(self.mean.sqrt())
    }
}

/// How large the slots of a message are, which is what errors grow by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Message {
    /// Mean and deviation over the slots of |slot|².
    squares: Spread,
    max: f64,
    complex: bool,
}

impl Message {
    /// Real slots with that root mean square and largest magnitude (raised to the former where it is below), spread in between as powers
    /// of a uniform variable are: exact for uniform slots and for slots of one magnitude.
    pub fn real(rms: f64, max: f64) -> Self {
        let (rms, max) = (rms.abs(), max.abs().max(rms.abs()));
        let exponent = if rms > 0.0 { (max / rms).powi(2) - 1.0 } else { 0.0 };
        Self { squares: Spread::power(max * max, exponent), max, complex: false }
    }

    /// Complex slots of arbitrary phases with that root mean square and largest modulus.
    pub fn complex(rms: f64, max: f64) -> Self {
        Self { complex: true, ..Self::real(rms, max) }
    }

    /// Real slots uniform in [−bound, bound].
    pub fn uniform(bound: f64) -> Self {
        Self::real(bound / 3f64.sqrt(), bound)
    }

    /// Those real slots.
    pub fn of(slots: &[f64]) -> Self {
        let squares = Spread::of(&slots.iter().map(|x| x * x).collect::<Vec<_>>());
        Self { squares, max: slots.iter().fold(0.0, |max, x| x.abs().max(max)), complex: false }
    }

    /// Those complex slots.
    pub fn of_complex(slots: &[Complex64]) -> Self {
        Self { complex: true, ..Self::of(&slots.iter().map(|z| z.norm()).collect::<Vec<_>>()) }
    }

    /// Root mean square over the slots.
    pub fn rms(&self) -> f64 {
        self.squares.mean.sqrt()
    }

    /// Largest magnitude over the slots.
    pub fn max(&self) -> f64 {
        self.max
    }

    /// Whether slots have imaginary parts.
    pub fn is_complex(&self) -> bool {
        self.complex
    }

    pub(super) fn squares(self) -> Spread {
        self.squares
    }

    /// How many times the squared mean of their squares the mean of their fourth powers is where they are Gaussian.
    pub(super) fn gaussian_fourth(self) -> f64 {
        if self.complex { 2.0 } else { 3.0 }
    }

    /// Of the same kind, with other sizes.
    pub(super) fn resized(self, squares: Spread, max: f64) -> Self {
        Self { squares, max, ..self }
    }

    /// The sum of independent messages of mean zero.
    pub(super) fn plus(self, other: Self) -> Self {
        let complex = self.complex || other.complex;
        let (a, b) = (self.squares, other.squares);
        let cross = 2.0 * (Self { complex, ..self }.gaussian_fourth() - 1.0) * a.mean * b.mean;
        let deviation = (a.deviation.powi(2) + b.deviation.powi(2) + cross).sqrt();
        Self { squares: Spread { mean: a.mean + b.mean, deviation }, max: self.max + other.max, complex }
    }

    /// The product of independent messages.
    pub(super) fn times(self, other: Self) -> Self {
        let complex = self.complex || other.complex;
        Self { squares: self.squares.times(other.squares), max: self.max * other.max, complex }
    }

    pub(super) fn squared(self) -> Self {
        Self { squares: self.squares.along(self.squares), max: self.max * self.max, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_a_uniform_value_have_their_moments() {
        let x = Message::uniform(2.0);
        // E x⁴ = 2⁴/5, E x⁶ = 2⁶/7.
        assert!((x.squared().rms() - (16f64 / 5.0).sqrt()).abs() < 1e-12);
        assert!((x.squares().along(x.squares()).mean - 16.0 / 5.0).abs() < 1e-12);
        assert!((x.squares().along(x.squares()).along(x.squares()).mean - 64.0 / 7.0).abs() < 1e-12);
        assert!((x.squares().peak() - 4.0).abs() < 1e-12);
        assert_eq!(Spread::even(3.0).along(x.squares()).mean, 3.0 * x.squares().mean);
    }

    #[test]
    fn the_largest_of_laplacians_is_where_their_tail_has_it() {
        // P(|e| > t) = exp(−√2·t) at variance 1, so the largest of n is (ln n + γ)/√2 in the mean.
        for slots in [2048usize, 32768] {
            let (found, wanted) =
                (Spread::exponential(1.0).expected_max(slots, false), ((slots as f64).ln() + 0.5772) / 2f64.sqrt());
            assert!((found / wanted).log2().abs() < 0.25, "{found} {wanted}");
        }
    }

    #[test]
    fn the_largest_of_gaussians_is_where_tables_have_it() {
        // Mean of the largest |z| of n standard normals: largest of 2n signed ones, Tippett 1925: n = 500 → 3.2414 of 1 000.
        let found = Spread::even(1.0).expected_max(500, false);
        assert!((found - 3.2414).abs() < 0.03, "{found}");
        // The largest of n exponentials of mean 1 is H_n in the mean; its root is a little more than the mean root.
        let found = Spread::even(1.0).expected_max(1000, true);
        assert!((found - 7.4855f64.sqrt()).abs() < 0.05, "{found}");
    }
}
