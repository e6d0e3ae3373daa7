//! The transitions: one per operation of the evaluator, refusing what it refuses.

use super::{LinearShape, Message, Noise, Spread};
use crate::evaluate::SCALE_TOLERANCE;
use crate::params::Params;
use crate::{Error, Result};

/// Variance of a rounding to the nearest integer.
const ROUNDING: f64 = 1.0 / 12.0;
/// Variance of a coefficient of a uniform ternary polynomial: the secret, and the mask of public-key encryption.
const TERNARY: f64 = 2.0 / 3.0;
/// Variance of a coefficient of a fresh error.
const FRESH: f64 = 3.2 * 3.2;

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

    /// The parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// A plaintext: one rounding per coefficient, 1/12. That of real slots is symmetric, hence real in every slot: N/12 in the real part
    /// and none in the other. Costache et al. 2022 (see the module); the symmetry derived here.
    ///
    /// # Errors
    /// A level that the parameters lack, or a scale that cannot be encoded with.
    pub fn encode(&self, message: Message, level: usize, scale: f64) -> Result<Noise> {
        self.params.check_level(level)?;
        if !(scale.is_finite() && scale >= 1.0) {
            return Err(Error::Scale { found: scale });
        }
        let (real, imaginary) = self.encoding(message);
        Ok(Noise { slots: self.params.slots(), level, scale, message, real, imaginary })
    }

    /// A fresh secret-key encryption: encoding, and one error of σ² per coefficient. Costache et al. 2022.
    ///
    /// # Errors
    /// As [`NoiseModel::encode`].
    pub fn encrypt(&self, message: Message, level: usize, scale: f64) -> Result<Noise> {
        Ok(self.encode(message, level, scale)?.with_variance(FRESH))
    }

    /// A fresh public-key encryption: encoding, (u·e + e₀ + e₁·s)/p of variance σ²·(1 + 4N/3)/p² for the one special prime p it divides
    /// by, and that division's roundings. Costache et al. 2022 for the first, the division derived here.
    ///
    /// # Errors
    /// As [`NoiseModel::encode`].
    pub fn encrypt_public(&self, message: Message, level: usize, scale: f64) -> Result<Noise> {
        let p = self.params.special().first().map_or(1.0, |m| f64::from(m.value()));
        let raised = FRESH * (1.0 + 2.0 * TERNARY * self.n());
        Ok(self.encode(message, level, scale)?.with_variance(raised / (p * p) + self.division()))
    }

    /// a + b, and a − b alike: variances add. Costache et al. 2022.
    ///
    /// # Errors
    /// Levels or scales that differ.
    pub fn add(&self, a: &Noise, b: &Noise) -> Result<Noise> {
        same_level(a, b)?;
        same_scale(a.scale, b.scale)?;
        Ok(Noise {
            message: a.message.plus(b.message),
            real: a.real.plus(b.real),
            imaginary: a.imaginary.plus(b.imaginary),
            ..*a
        })
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
        let (real, imaginary) = self.encoding(plain);
        Noise { message: a.message.plus(plain), real: a.real.plus(real), imaginary: a.imaginary.plus(imaginary), ..*a }
    }

    /// a · p for a plaintext encoded at `scale`: p·e slot by slot, and the message times the plaintext's rounding. Costache et al.
    /// 2022, without its second-order term left out.
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
        let message = Message::from_squares(a.message.squares().scaled(factor * factor), a.message.is_complex());
        a.errors_times(factor).with_message(message)
    }

    /// a · b for independent operands, before relinearisation: m_a·e_b + m_b·e_a + e_a·e_b, slot by slot, the messages at their scales.
    /// Costache et al. 2022.
    ///
    /// # Errors
    /// Levels that differ, or a scale that the level cannot hold.
    pub fn tensor(&self, a: &Noise, b: &Noise) -> Result<ProductNoise> {
        same_level(a, b)?;
        self.product(a, b)
    }

    /// a · a, before relinearisation: 2·m·e + e², which is twice the variance of independent operands, and more where errors are large in
    /// the same slots as the message. Derived here.
    ///
    /// # Errors
    /// A scale that the level cannot hold.
    pub fn tensor_square(&self, a: &Noise) -> Result<ProductNoise> {
        let scale = self.product_scale(a.scale * a.scale, a.level)?;
        let squares = a.message.squares();
        let first = squares.scaled(4.0 * a.scale * a.scale);
        let (re, im) = (first.along(a.real), first.along(a.imaginary));
        // e² = x² − y² + 2i·x·y; 2·(x⁴ + y⁴) stands for the mean of (x² − y²)², exact where both parts are alike.
        let real = re.plus(a.real.times(a.real).plus(a.imaginary.times(a.imaginary)).scaled(2.0));
        let imaginary = im.plus(a.real.times(a.imaginary).scaled(4.0));
        let message = Message::from_squares(squares.along(squares), a.message.is_complex());
        Ok(ProductNoise(mixed(Noise { scale, message, real, imaginary, ..*a })))
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

    /// The same at a lower level: dropping limbs is exact.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`] if `level` is above the ciphertext's.
    pub fn drop_to(&self, a: &Noise, level: usize) -> Result<Noise> {
        if level > a.level {
            return Err(Error::LevelMismatch { left: a.level, right: level });
        }
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
        let scale = self.product_scale(scale, level)?;
        let (n, key) = (self.n(), self.key_noise(level));
        let zero = Message::real(0.0, 0.0);
        let mut sum = Noise { scale, message: zero, real: Spread::default(), imaginary: Spread::default(), ..**first };
        for (a, t) in inputs {
            same_level(first, a)?;
            same_scale(scale, a.scale * t.scale)?;
            let roundings = |count: usize| Spread::even(n * ROUNDING * count as f64);
            let message = a.message.squares().scaled(a.scale * a.scale);
            // A message's imaginary part, too, meets real roundings.
            let (re, im) = if a.message.is_complex() { (0.5, 0.5) } else { (1.0, 0.0) };
            let part = |error: Spread, share: f64| {
                t.through(error).plus(error.plus(message.scaled(share)).times(roundings(t.diagonals)))
            };
            let babies = t.keyed.scaled(t.scale * t.scale).plus(roundings(t.keyed_diagonals)).scaled(key * n / 2.0);
            sum.real = sum.real.plus(part(a.real, re)).plus(babies);
            sum.imaginary = sum.imaginary.plus(part(a.imaginary, im)).plus(babies);
            sum.message = sum.message.plus(t.message(a.message, sum.slots));
        }
        let giants: std::collections::BTreeSet<usize> = inputs.iter().flat_map(|(_, t)| t.giants.iter().copied()).collect();
        let giants = giants.len() as f64 * (key + TERNARY * n * ROUNDING);
        self.divide(&sum.with_variance(giants))
    }

    fn n(&self) -> f64 {
        self.params.n() as f64
    }

    /// Encoding's rounding in the real and imaginary parts of slots.
    fn encoding(&self, message: Message) -> (Spread, Spread) {
        let all = Spread::even(self.n() * ROUNDING);
        if message.is_complex() { (all.scaled(0.5), all.scaled(0.5)) } else { (all, Spread::default()) }
    }

    /// Variance per coefficient of rounding both halves: 1/12, and 1/12 times the secret.
    fn division(&self) -> f64 {
        (1.0 + TERNARY * self.n()) * ROUNDING
    }

    /// Variance per coefficient of key-switching noise after division by P, the roundings apart: every digit, uniform modulo its primes of
    /// that level, times a fresh error: N·σ²·Σ D²/12 / P². Kim, Papadimitriou, Polyakov 2022, "Approximate homomorphic encryption with
    /// reduced approximation error", by variance instead of by bound.
    fn key_noise(&self, level: usize) -> f64 {
        let product = |moduli: &[crate::modulus::Modulus]| moduli.iter().map(|m| f64::from(m.value())).product::<f64>();
        let p = product(self.params.special());
        let digits = self.params.chain_at(level).chunks(self.params.digit_width());
        self.n() * FRESH * ROUNDING * digits.map(|digit| (product(digit) / p).powi(2)).sum::<f64>()
    }

    fn key_switch(&self, a: &Noise) -> Noise {
        a.with_variance(self.key_noise(a.level) + self.division())
    }

    fn divide(&self, a: &Noise) -> Result<Noise> {
        if a.level == 0 {
            return Err(Error::NoLevelsLeft { max_level: self.params.max_level() });
        }
        let q = self.params.rescale_factor(a.level);
        let divided = Noise { level: a.level - 1, scale: a.scale / q, ..a.errors_times(q.recip()) };
        Ok(divided.with_variance(self.division()))
    }

    fn product_scale(&self, scale: f64, level: usize) -> Result<f64> {
        let log_q = self.params.log_q(level);
        if scale.log2() + 1.0 >= log_q {
            return Err(Error::ScaleTooLarge { log_scale: scale.log2(), log_q, level });
        }
        Ok(scale)
    }

    fn product(&self, a: &Noise, b: &Noise) -> Result<ProductNoise> {
        let scale = self.product_scale(a.scale * b.scale, a.level)?;
        let in_ring = |x: &Noise| x.message.squares().scaled(x.scale * x.scale);
        let (ma, mb) = (in_ring(a), in_ring(b));
        let cross = |x: Spread, y: Spread| ma.times(y).plus(mb.times(x));
        let real = cross(a.real, b.real).plus(a.real.times(b.real)).plus(a.imaginary.times(b.imaginary));
        let imaginary = cross(a.imaginary, b.imaginary).plus(a.real.times(b.imaginary)).plus(a.imaginary.times(b.real));
        let complex = a.message.is_complex() || b.message.is_complex();
        let message = Message::from_squares(a.message.squares().times(b.message.squares()), complex);
        Ok(ProductNoise(mixed(Noise { scale, message, real, imaginary, ..*a })))
    }
}

/// Complex messages turn errors by their phases: both parts become alike.
fn mixed(noise: Noise) -> Noise {
    if !noise.message.is_complex() {
        return noise;
    }
    let half = noise.both().scaled(0.5);
    Noise { real: half, imaginary: half, ..noise }
}

fn same_level(a: &Noise, b: &Noise) -> Result<()> {
    if a.level == b.level { Ok(()) } else { Err(Error::LevelMismatch { left: a.level, right: b.level }) }
}

fn same_scale(left: f64, right: f64) -> Result<()> {
    if (left / right - 1.0).abs() > SCALE_TOLERANCE { Err(Error::ScaleMismatch { left, right }) } else { Ok(()) }
}
