//! What errors a circuit will have, predicted without keys: an average-case model of the noise of every operation of
//! [`Evaluator`](crate::Evaluator), for planners and simulations.
//!
//! Errors are followed by their variance, as in Costache, Curtis, Hales, Murphy, Ogilvie, Player 2022, "On the precision loss in
//! approximate homomorphic encryption", whose central-limit argument makes every slot's error Gaussian: a slot is a sum of N
//! coefficients times roots of unity, so a coefficient variance V becomes N·V of the slot, half of it in the real part.
//! The variance is kept in the slots instead of the coefficients, with the real and the imaginary part apart: encoding of real slots
//! rounds symmetrically and errs in the real part only, everything else errs in both alike. Errors of different operands are
//! supposed independent: for x + x use [`NoiseModel::mul_integer`], for x · x [`NoiseModel::square`].
//!
//! The largest error needs more than the mean of that variance, because slots differ: an error that was multiplied by a message is
//! as large as the message there, and one that was multiplied by the secret (every rounding of c1, which dominates most circuits) or
//! by a key's error is a product of two Gaussians in every slot, the same slots being bad under one key again and again. That makes
//! the largest of 2^13 roundings 0.8 bits larger than a Gaussian's of the same mean. So the variance's deviation over the slots is
//! followed, too. Bossuat, Costache, Mouchet, Nürnberger, Troncoso-Pastoriza 2025, "Accurate and composable noise estimates for CKKS",
//! keep the components of a ciphertext apart for the like reason; the rules here are derived here.
//!
//! Ciphertexts look uniform, so a digit of product D has variance D²/12 per coefficient and a rounding 1/12; the uniform ternary
//! secret has 2/3; fresh errors have σ². Double precision itself (2^−53 of the message) is not counted.

mod linear;
mod model;
mod spread;

pub use linear::LinearShape;
pub use model::{NoiseModel, ProductNoise};
use serde::Serialize;
pub use spread::Message;
use spread::Spread;

/// The expected error of a ciphertext, and what it needs to be followed further.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Noise {
    slots: usize,
    level: usize,
    scale: f64,
    message: Message,
    /// Errors that do not depend on the message.
    free: Errors,
    /// Errors that were multiplied by the message, so that they are large where it is.
    tied: Errors,
}

/// Variances of the real and imaginary parts of slots, in units of the ring: before division by the scale.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
struct Errors {
    real: Spread,
    imaginary: Spread,
}

impl Errors {
    fn plus(self, other: Self) -> Self {
        Self { real: self.real.plus(other.real), imaginary: self.imaginary.plus(other.imaginary) }
    }

    fn each(self, f: impl Fn(Spread) -> Spread) -> Self {
        Self { real: f(self.real), imaginary: f(self.imaginary) }
    }

    fn modulus(self) -> Spread {
        self.real.plus(self.imaginary)
    }

    /// Products with errors that are independent of these: no longer Gaussian, but as spread as squares of Gaussians are.
    fn times(self, other: Self) -> Self {
        let ((a, b), (c, d)) = ((self.real, self.imaginary), (other.real, other.imaginary));
        let product = Self { real: a.times(c).plus(b.times(d)), imaginary: a.times(d).plus(b.times(c)) };
        product.each(|e| e.times(Spread::exponential(1.0)))
    }
}

impl Noise {
    /// Rescalings still possible.
    pub fn level(&self) -> usize {
        self.level
    }

    /// The exact scale of the message.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The message the model supposes in the slots.
    pub fn message(&self) -> Message {
        self.message
    }

    /// The same noise about a message that is known better than the model knows it: sums and linear maps suppose independent slots of
    /// mean zero.
    #[must_use]
    pub fn with_message(self, message: Message) -> Self {
        Self { message, ..self }
    }

    /// The same message without any error: what an operation makes of it is the operation's own error, for simulations that add
    /// errors one by one.
    #[must_use]
    pub fn without_errors(self) -> Self {
        Self { free: Errors::default(), tied: Errors::default(), ..self }
    }

    /// Variance of one coefficient's error, in units of the ring: mean over slots, divided by N.
    pub fn variance(&self) -> f64 {
        self.errors().modulus().mean / (2 * self.slots) as f64
    }

    /// Root mean square over slots of the error of real parts.
    pub fn rms(&self) -> f64 {
        self.errors().real.mean.sqrt() / self.scale
    }

    /// Expected largest error of the real parts of all slots.
    pub fn max(&self) -> f64 {
        self.errors().real.expected_max(self.slots, false) / self.scale
    }

    /// Root mean square over slots of the modulus of the error.
    pub fn complex_rms(&self) -> f64 {
        self.errors().modulus().mean.sqrt() / self.scale
    }

    /// Expected largest modulus of the error of all slots.
    pub fn complex_max(&self) -> f64 {
        self.errors().modulus().expected_max(self.slots, true) / self.scale
    }

    /// log2 of [`Noise::rms`].
    pub fn log2_rms(&self) -> f64 {
        self.rms().log2()
    }

    /// log2 of [`Noise::max`]: what [`Decryptor::decrypt`](crate::Decryptor::decrypt) may be asked for, less a bit or two.
    pub fn log2_max(&self) -> f64 {
        self.max().log2()
    }

    fn errors(&self) -> Errors {
        self.free.plus(self.tied)
    }

    fn with_error(self, error: Errors) -> Self {
        Self { free: self.free.plus(error), ..self }
    }

    /// Adds an error of that variance per coefficient, without symmetry: N/2 times it in either part.
    fn with_variance(self, variance: Spread) -> Self {
        let part = variance.scaled(self.slots as f64);
        self.with_error(Errors { real: part, imaginary: part })
    }

    /// Multiplies the error in the ring by a number.
    fn errors_times(self, factor: f64) -> Self {
        let scaled = |e: Errors| e.each(|x| x.scaled(factor * factor));
        Self { free: scaled(self.free), tied: scaled(self.tied), ..self }
    }
}
