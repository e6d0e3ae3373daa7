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
    /// Variance of the real parts of slots, in units of the ring: before division by the scale.
    real: Spread,
    /// And of the imaginary parts.
    imaginary: Spread,
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

    /// Variance of one coefficient's error, in units of the ring: mean over slots, divided by N.
    pub fn variance(&self) -> f64 {
        (self.real.mean + self.imaginary.mean) / (2 * self.slots) as f64
    }

    /// Root mean square over slots of the error of real parts.
    pub fn rms(&self) -> f64 {
        self.real.mean.sqrt() / self.scale
    }

    /// Expected largest error of the real parts of all slots.
    pub fn max(&self) -> f64 {
        self.real.expected_max(self.slots, false) / self.scale
    }

    /// Root mean square over slots of the modulus of the error.
    pub fn complex_rms(&self) -> f64 {
        self.both().mean.sqrt() / self.scale
    }

    /// Expected largest modulus of the error of all slots.
    pub fn complex_max(&self) -> f64 {
        self.both().expected_max(self.slots, true) / self.scale
    }

    /// log2 of [`Noise::rms`].
    pub fn log2_rms(&self) -> f64 {
        self.rms().log2()
    }

    /// log2 of [`Noise::max`]: what [`Decryptor::decrypt`](crate::Decryptor::decrypt) may be asked for, with a bit or two to spare.
    pub fn log2_max(&self) -> f64 {
        self.max().log2()
    }

    fn both(&self) -> Spread {
        self.real.plus(self.imaginary)
    }

    /// Adds an error of that variance per coefficient, without symmetry.
    fn with_variance(self, variance: f64) -> Self {
        let part = Spread::even(variance * self.slots as f64);
        Self { real: self.real.plus(part), imaginary: self.imaginary.plus(part), ..self }
    }

    /// Multiplies message, error and scale in the ring by a number, which is how division by primes and integer factors act.
    fn errors_times(self, factor: f64) -> Self {
        Self { real: self.real.scaled(factor * factor), imaginary: self.imaginary.scaled(factor * factor), ..self }
    }
}
