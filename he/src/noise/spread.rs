//! Squares of messages and errors over the slots, by two numbers: their mean and their peak.

use num_complex::Complex64;
use serde::Serialize;

/// Mean and peak, over the slots, of a square: a message's, or the variance of an error.
///
/// In between, the squares are supposed to be spread as peak · u^(2k) for u uniform in [0, 1]: k = 0 is the same in every slot, k = 1
/// is the square of a value uniform in an interval about 0, and mean / peak = 1/(2k + 1) gives k. Derived here.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub(super) struct Spread {
    pub mean: f64,
    pub peak: f64,
}

impl Spread {
    pub fn even(value: f64) -> Self {
        Self { mean: value, peak: value }
    }

    /// The sum, its peaks supposed to be in the same slot.
    pub fn plus(self, other: Self) -> Self {
        Self { mean: self.mean + other.mean, peak: self.peak + other.peak }
    }

    pub fn scaled(self, factor: f64) -> Self {
        Self { mean: self.mean * factor, peak: self.peak * factor }
    }

    /// The product slot by slot of independent spreads.
    pub fn times(self, other: Self) -> Self {
        Self { mean: self.mean * other.mean, peak: self.peak * other.peak }
    }

    /// The product slot by slot of spreads that are large in the same slots: exponents add, 2k + 1 = 2k₁ + 1 + 2k₂ + 1 − 1.
    pub fn along(self, other: Self) -> Self {
        let peak = self.peak * other.peak;
        let ratio = self.steepness() + other.steepness() + 1.0;
        Self { mean: peak / ratio, peak }
    }

    /// 2k.
    fn steepness(self) -> f64 {
        if self.mean > 0.0 { (self.peak / self.mean - 1.0).max(0.0) } else { 0.0 }
    }

    /// The mean over errors of the largest of `slots` of them: Gaussian ones with these variances, or the moduli of complex ones with
    /// independent Gaussian parts of half of them each.
    ///
    /// The largest of n errors with tail P(|e| > t) is, in the mean, near the t where n · P(|e| > t) = e^−γ (the mean of
    /// Gumbel's law, to which the largest of n tends). Over the spread the tail at t = z·√peak is that of the peak divided by 1 + k·z² (twice the
    /// k for moduli): Laplace's method on ∫ P(|e| > z·u^−k) du, derived here.
    pub fn expected_max(self, slots: usize, complex: bool) -> f64 {
        const GAMMA: f64 = 0.577_215_664_901_532_9;
        let log_tail = |z: f64| {
            if complex {
                -z * z - (1.0 + self.steepness() * z * z).ln()
            } else {
                // Karagiannidis and Lioumpas 2007, "An improved approximation for the Gaussian Q-function", twice.
                let q = 2.0 * (1.0 - (-1.4 * z).exp()) / (1.135 * (2.0 * std::f64::consts::PI).sqrt() * z);
                q.ln() - z * z / 2.0 - (1.0 + self.steepness() * z * z / 2.0).ln()
            }
        };
        let wanted = -GAMMA - (slots.max(2) as f64).ln();
        let (mut low, mut high) = (1e-9, 40.0);
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            if log_tail(middle) > wanted { low = middle } else { high = middle }
        }
        // However few slots make the peak, the largest error is no smaller than a typical one.
        (low * self.peak.sqrt()).max(self.mean.sqrt())
    }
}

/// How large the slots of a message are, which is what errors grow by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Message {
    rms: f64,
    max: f64,
    complex: bool,
}

impl Message {
    /// Real slots with that root mean square and largest magnitude (raised to the former where it is below).
    pub fn real(rms: f64, max: f64) -> Self {
        Self { rms: rms.abs(), max: max.abs().max(rms.abs()), complex: false }
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
        let squares: f64 = slots.iter().map(|x| x * x).sum();
        Self::real((squares / slots.len().max(1) as f64).sqrt(), slots.iter().fold(0.0, |max, x| x.abs().max(max)))
    }

    /// Those complex slots.
    pub fn of_complex(slots: &[Complex64]) -> Self {
        Self { complex: true, ..Self::of(&slots.iter().map(|z| z.norm()).collect::<Vec<_>>()) }
    }

    /// Root mean square over the slots.
    pub fn rms(&self) -> f64 {
        self.rms
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
        Spread { mean: self.rms * self.rms, peak: self.max * self.max }
    }

    pub(super) fn from_squares(squares: Spread, complex: bool) -> Self {
        Self { complex, ..Self::real(squares.mean.sqrt(), squares.peak.sqrt()) }
    }

    /// The sum of independent messages.
    pub(super) fn plus(self, other: Self) -> Self {
        Self { rms: self.rms.hypot(other.rms), max: self.max + other.max, complex: self.complex || other.complex }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_a_uniform_value_have_their_moments() {
        let x = Message::uniform(2.0).squares();
        // E x⁴ = 2⁴/5, E x⁶ = 2⁶/7.
        assert!((x.along(x).mean - 16.0 / 5.0).abs() < 1e-12);
        assert!((x.along(x).along(x).mean - 64.0 / 7.0).abs() < 1e-12);
        assert_eq!(Spread::even(3.0).along(x), x.scaled(3.0));
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
