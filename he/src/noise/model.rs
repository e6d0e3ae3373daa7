//! The transitions: one per operation of the evaluator, refusing what it refuses.

use super::{Errors, LinearShape, Message, Noise, Spread};
use crate::error::{Error, Result};
use crate::modulus::Modulus;
use crate::params::Params;
use crate::scale::{same_level, same_scale};
use std::collections::BTreeSet;

/// Variance of a rounding to the nearest integer.
const ROUNDING: f64 = 1.0 / 12.0;
/// Variance of a coefficient of a uniform ternary polynomial: the secret, and the mask of public-key encryption.
const TERNARY: f64 = 2.0 / 3.0;
/// Variance of a coefficient of a fresh error.
const FRESH: f64 = crate::sample::SIGMA * crate::sample::SIGMA;

/// Predicts errors under given parameters. It holds them and nothing else.
#[derive(Debug, Clone)]
pub struct NoiseModel {
    params: Params,
}

/// The noise of a product before relinearisation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProductNoise(Noise);

impl NoiseModel {
    /// The model for these parameters.
    pub fn new(params: &Params) -> Self {
        Self { params: params.clone() }
    }

    /// The parameters it predicts for.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// A plaintext: one rounding per coefficient, 1/12. That of real slots is symmetric, hence real in every slot: N/12 in the real part
    /// and none in the other. Costache et al. 2022 (see the module); the symmetry derived here. A vector of equal slots has one coefficient
    /// and rounds better than that, 1/12.
    ///
    /// # Errors
    /// A level that the parameters lack, or a scale that cannot be encoded with.
    pub fn encode(&self, message: Message, level: usize, scale: f64) -> Result<Noise> {
        self.params.check_level(level)?;
        if !(scale.is_finite() && scale >= 1.0) {
            return Err(Error::Scale { found: scale });
        }
        let slots = self.params.slots();
        Ok(Noise { slots, level, scale, message, free: self.encoding(message), tied: Errors::default() })
    }

    /// A fresh secret-key encryption: encoding, and one error of σ² per coefficient. Costache et al. 2022.
    ///
    /// # Errors
    /// As [`NoiseModel::encode`].
    pub fn encrypt(&self, message: Message, level: usize, scale: f64) -> Result<Noise> {
        Ok(self.encode(message, level, scale)?.with_variance(Spread::even(FRESH)))
    }

    /// A fresh public-key encryption: encoding, (u·e + e₀ + e₁·s)/p of variance σ²·(1 + 4N/3)/p² for the one special prime p it divides
    /// by, and that division's roundings. Costache et al. 2022 for the first, the division derived here.
    ///
    /// # Errors
    /// As [`NoiseModel::encode`].
    pub fn encrypt_public(&self, message: Message, level: usize, scale: f64) -> Result<Noise> {
        let p = self.params.special().first().map_or(1.0, |m| f64::from(m.value()));
        let raised = Spread::even(FRESH).plus(Spread::exponential(FRESH * TERNARY * self.n()).summed(2));
        Ok(self.encode(message, level, scale)?.with_variance(raised.scaled(1.0 / (p * p)).plus(self.division())))
    }

    /// a + b, and a − b alike: variances add. Costache et al. 2022.
    ///
    /// # Errors
    /// Levels or scales that differ.
    pub fn add(&self, a: &Noise, b: &Noise) -> Result<Noise> {
        same_level(a.level, b.level)?;
        same_scale(a.scale, b.scale)?;
        Ok(Noise { message: a.message.plus(b.message), free: a.free.plus(b.free), tied: a.tied.plus(b.tied), ..*a })
    }

    /// a − b: as [`NoiseModel::add`].
    ///
    /// # Errors
    /// As [`NoiseModel::add`].
    pub fn sub(&self, a: &Noise, b: &Noise) -> Result<Noise> {
        self.add(a, b)
    }

    /// −a: nothing changes.
    #[must_use]
    pub fn neg(&self, a: &Noise) -> Noise {
        *a
    }

    /// a + p, and a − p alike, for a plaintext encoded at the ciphertext's scale: its rounding is added.
    #[must_use]
    pub fn add_plain(&self, a: &Noise, plain: Message) -> Noise {
        a.with_error(self.encoding(plain)).with_message(a.message.plus(plain))
    }

    /// a · p for a plaintext encoded at `scale`: p·e slot by slot, and the message times the plaintext's rounding. Costache et al.
    /// 2022, the product of both errors kept.
    ///
    /// # Errors
    /// A scale that the level cannot hold.
    pub fn mul_plain(&self, a: &Noise, plain: Message, scale: f64) -> Result<Noise> {
        let plain = self.encode(plain, a.level, scale)?;
        Ok(self.product(a, &plain)?.0)
    }

    /// a · k for an integer k: errors times |k|.
    #[must_use]
    pub fn mul_integer(&self, a: &Noise, k: i64) -> Noise {
        let factor = (k as f64).abs();
        a.errors_times(factor)
            .with_message(a.message.resized(a.message.squares().scaled(factor * factor), a.message.max() * factor))
    }

    /// a · b for independent operands, before relinearisation: m_a·e_b + m_b·e_a + e_a·e_b, slot by slot, the messages at their scales.
    /// Costache et al. 2022.
    ///
    /// # Errors
    /// Levels that differ, or a scale that the level cannot hold.
    pub fn tensor(&self, a: &Noise, b: &Noise) -> Result<ProductNoise> {
        same_level(a.level, b.level)?;
        self.product(a, b)
    }

    /// a · a, before relinearisation: 2·m·e + e², which is twice the variance of independent operands, and more where errors are large in
    /// the same slots as the message. Derived here.
    ///
    /// # Errors
    /// A scale that the level cannot hold.
    pub fn tensor_square(&self, a: &Noise) -> Result<ProductNoise> {
        let scale = self.params.fitting_scale(a.scale * a.scale, a.level)?;
        let message = a.message.squares().scaled(4.0 * a.scale * a.scale);
        let first = a.free.each(|e| message.times(e)).plus(a.tied.each(|e| message.along(e)));
        // The parts of e² are x² − y² and 2·x·y: twice the products of independent errors, exact where both parts are alike.
        let second = a.errors().times(a.errors()).each(|e| e.scaled(2.0));
        Ok(ProductNoise(mixed(Noise {
            scale,
            message: a.message.squared(),
            free: Errors::default(),
            tied: first.plus(second),
            ..*a
        })))
    }

    /// The sum of two products before relinearisation.
    ///
    /// # Errors
    /// As [`NoiseModel::add`].
    pub fn add_product(&self, a: &ProductNoise, b: &ProductNoise) -> Result<ProductNoise> {
        Ok(ProductNoise(self.add(&a.0, &b.0)?))
    }

    /// A product back as a ciphertext: one key switch.
    #[must_use]
    pub fn relinearise(&self, product: &ProductNoise) -> Noise {
        self.key_switch(&product.0)
    }

    /// Relinearisation and rescaling in one division: key noise is divided by the level's primes too, and there is one rounding.
    ///
    /// # Errors
    /// [`Error::NoLevelsLeft`] at level 0.
    pub fn relinearise_rescale(&self, product: &ProductNoise) -> Result<Noise> {
        self.divide(&product.0.with_variance(self.key_noise(product.0.level)))
    }

    /// a · b for independent operands, relinearised.
    ///
    /// # Errors
    /// As [`NoiseModel::tensor`].
    pub fn multiply(&self, a: &Noise, b: &Noise) -> Result<Noise> {
        Ok(self.relinearise(&self.tensor(a, b)?))
    }

    /// a · b for independent operands, relinearised and rescaled.
    ///
    /// # Errors
    /// As [`NoiseModel::tensor`] and [`NoiseModel::relinearise_rescale`].
    pub fn multiply_rescale(&self, a: &Noise, b: &Noise) -> Result<Noise> {
        self.relinearise_rescale(&self.tensor(a, b)?)
    }

    /// a · a, relinearised.
    ///
    /// # Errors
    /// As [`NoiseModel::tensor_square`].
    pub fn square(&self, a: &Noise) -> Result<Noise> {
        Ok(self.relinearise(&self.tensor_square(a)?))
    }

    /// a · a, relinearised and rescaled.
    ///
    /// # Errors
    /// As [`NoiseModel::tensor_square`] and [`NoiseModel::relinearise_rescale`].
    pub fn square_rescale(&self, a: &Noise) -> Result<Noise> {
        self.relinearise_rescale(&self.tensor_square(a)?)
    }

    /// Division by the primes of the level, with rounding: errors shrink with the scale, and (1 + 2N/3)/12 is added. Costache et al.
    /// 2022, with a uniform ternary secret.
    ///
    /// # Errors
    /// [`Error::NoLevelsLeft`] at level 0.
    pub fn rescale(&self, a: &Noise) -> Result<Noise> {
        self.divide(a)
    }

    /// The error that every ciphertext at the parameters' own scale has that was rescaled at least once: the root mean square over slots
    /// of the modulus of the rounding alone, √(N/12 · (1 + 2N/3)) / scale.
    pub fn rescale_floor(&self) -> f64 {
        (self.division().mean * self.n()).sqrt() / self.params.scale()
    }

    /// The same at a lower level: dropping limbs is exact.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`] if `level` is above the ciphertext's.
    pub fn drop_to(&self, a: &Noise, level: usize) -> Result<Noise> {
        if level > a.level {
            return Err(Error::LevelMismatch { left: a.level, right: level });
        }
        self.params.fitting_scale(a.scale, level)?;
        Ok(Noise { level, ..*a })
    }

    /// A rotation, hoisted or not: one key switch. Rotation by 0 slots is no operation.
    #[must_use]
    pub fn rotate(&self, a: &Noise) -> Noise {
        self.key_switch(a)
    }

    /// The conjugate: one key switch.
    #[must_use]
    pub fn conjugate(&self, a: &Noise) -> Noise {
        self.key_switch(a)
    }

    /// A linear map, rescaled.
    ///
    /// # Errors
    /// As [`NoiseModel::linear_sum`].
    pub fn linear(&self, a: &Noise, shape: &LinearShape) -> Result<Noise> {
        self.linear_sum(&[(a, shape)])
    }

    /// Σ map(a) over several inputs, rescaled, as `Evaluator::linear_sum` computes it (Bossuat, Mouchet, Troncoso-Pastoriza, Hubaux 2021,
    /// "Efficient bootstrapping for approximate homomorphic encryption with non-sparse keys", §4, for the algorithm; the noise derived
    /// here). With diagonals d at scale Δ, key noise K = N·σ²·ΣD²/12 over P² and R = 2N/3/12, before the last division:
    ///
    /// - input error through the map: its slot variance times Δ²·Σd²;
    /// - the diagonals' roundings times message and error: N/12 for each diagonal, real in every slot;
    /// - baby steps stay modulo QP: K and no rounding each, times its diagonal, in slots N·K·(Δ²·Σd² + N/12 for each) over the
    ///   diagonals of baby steps other than 0;
    /// - each distinct giant step other than 0: K + R, R for the half that is divided by P to be cut into digits again (the other half
    ///   stays modulo QP). It has no factor Δ, so that the last division makes nothing of it.
    ///
    /// Then everything is divided by P and the level's primes at once, with the roundings of one division.
    ///
    /// # Errors
    /// No inputs, levels or resulting scales that differ, a scale that the level cannot hold, or level 0.
    pub fn linear_sum(&self, inputs: &[(&Noise, &LinearShape)]) -> Result<Noise> {
        let Some((first, shape)) = inputs.first() else {
            return Err(Error::Period { found: 0, slots: self.params.slots() });
        };
        let (level, scale) = (first.level, first.scale * shape.scale);
        let scale = self.params.fitting_scale(scale, level)?;
        let (key, rounding) = (self.key_noise(level).scaled(self.n() / 2.0), self.n() * ROUNDING);
        let zero = Message::real(0.0, 0.0);
        let mut sum = Noise { scale, message: zero, free: Errors::default(), tied: Errors::default(), ..**first };
        for (a, t) in inputs {
            same_level(first.level, a.level)?;
            same_scale(scale, a.scale * t.scale)?;
            let square = t.scale * t.scale;
            let message = split(a.message, a.message.squares().scaled(a.scale * a.scale));
            let rounded = a.errors().plus(message).each(|x| x.summed(t.all.diagonals).scaled(rounding));
            let baby_steps = t.keyed.through(key).scaled(square).plus(key.summed(t.keyed.diagonals).scaled(rounding));
            let through = a.errors().each(|e| t.all.through(e).scaled(square).plus(baby_steps));
            sum = sum.with_error(through).with_error(rounded).with_message(sum.message.plus(t.message(a.message, sum.slots)));
        }
        let giants: BTreeSet<usize> = inputs.iter().flat_map(|(_, t)| t.giants.iter().copied()).collect();
        let giant = self.key_noise(level).plus(Spread::exponential(TERNARY * self.n() * ROUNDING));
        self.divide(&sum.with_variance(giant.summed(giants.len())))
    }

    fn n(&self) -> f64 {
        self.params.n() as f64
    }

    /// Variance of rounding coefficients to integers, of such a message.
    fn encoding(&self, message: Message) -> Errors {
        split(message, Spread::even(self.n() * ROUNDING))
    }

    /// Variance per coefficient of rounding both halves: 1/12, and 1/12 times the secret.
    fn division(&self) -> Spread {
        Spread::even(ROUNDING).plus(Spread::exponential(TERNARY * self.n() * ROUNDING))
    }

    /// Variance per coefficient of key-switching noise after division by P, the roundings apart: every digit, uniform modulo its primes of
    /// that level, times a fresh error: N·σ²·Σ D²/12 / P². Kim, Papadimitriou, Polyakov 2022, "Approximate homomorphic encryption with
    /// reduced approximation error", by variance instead of by bound.
    fn key_noise(&self, level: usize) -> Spread {
        let product = |moduli: &[Modulus]| moduli.iter().map(|m| f64::from(m.value())).product::<f64>();
        let p = product(self.params.special());
        let digits = self.params.chain_at(level).chunks(self.params.digit_width());
        let (mut mean, mut variance) = (0.0, 0.0);
        for digit in digits {
            let one = self.n() * FRESH * ROUNDING * (product(digit) / p).powi(2);
            mean += one;
            variance += one * one;
        }
        Spread { mean, deviation: variance.sqrt() }
    }

    fn key_switch(&self, a: &Noise) -> Noise {
        a.with_variance(self.key_noise(a.level).plus(self.division()))
    }

    fn divide(&self, a: &Noise) -> Result<Noise> {
        let scale = self.params.rescaled(a.scale, a.level)?;
        let q = self.params.rescale_factor(a.level);
        let divided = Noise { level: a.level - 1, scale, ..a.errors_times(q.recip()) };
        Ok(divided.with_variance(self.division()))
    }

    fn product(&self, a: &Noise, b: &Noise) -> Result<ProductNoise> {
        let scale = self.params.fitting_scale(a.scale * b.scale, a.level)?;
        let cross = |x: &Noise, y: &Noise| y.errors().each(|e| x.message.squares().scaled(x.scale * x.scale).times(e));
        let tied = cross(a, b).plus(cross(b, a)).plus(a.errors().times(b.errors()));
        Ok(ProductNoise(mixed(Noise { scale, message: a.message.times(b.message), free: Errors::default(), tied, ..*a })))
    }
}

/// A square modulus in slots like the message's: all of it real, or half in each part.
fn split(message: Message, modulus: Spread) -> Errors {
    if message.is_complex() {
        Errors { real: modulus.scaled(0.5), imaginary: modulus.scaled(0.5) }
    } else {
        Errors { real: modulus, imaginary: Spread::default() }
    }
}

/// Complex messages turn errors by their phases: both parts become alike.
fn mixed(noise: Noise) -> Noise {
    if noise.message.is_complex() { Noise { tied: split(noise.message, noise.tied.modulus()), ..noise } } else { noise }
}
