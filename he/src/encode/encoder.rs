//! Vectors of real or complex numbers ↔ plaintext polynomials.

use super::lift;
use crate::error::{Error, Result};
use crate::params::Params;
use crate::rns::{Eval, Poly};
use crate::simd::{Backend, Vectorize};
use num_complex::Complex64;
use zeroize::Zeroizing;

/// A message in the ring: integers whose embedding, divided by the scale, is the vector of slots.
#[derive(Debug, Clone)]
pub struct Plaintext {
    pub(crate) params: Params,
    pub(crate) poly: Poly<Eval>,
    pub(crate) level: usize,
    pub(crate) scale: f64,
}

impl Plaintext {
    /// The level it was encoded at.
    pub fn level(&self) -> usize {
        self.level
    }

    /// The scale Δ it was encoded with.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The parameters it belongs to.
    pub fn params(&self) -> &Params {
        &self.params
    }
}

/// Turns slots into plaintexts and back: the canonical embedding of CKKS (Cheon, Kim, Kim, Song 2017, §3.2), slot j being the
/// evaluation at ζ^(5^j).
#[derive(Debug, Clone)]
pub struct Encoder {
    params: Params,
}

/// Numbers that are overwritten with zeros when dropped.
type Wiped = Zeroizing<Vec<f64>>;

/// Below this magnitude adding and subtracting 1.5 · 2^52 rounds a double to the nearest integer.
const MAGIC_BOUND: f64 = 2_251_799_813_685_248.0; // 2^51
const MAGIC: f64 = 6_755_399_441_055_744.0; // 1.5 · 2^52

/// Rounds scaled coefficients to integers; the largest magnitude comes back, infinity if one is not a number.
struct Round<'a> {
    coefficients: &'a [f64],
    scale: f64,
    out: &'a mut [i64],
}

impl Vectorize for Round<'_> {
    type Output = f64;
    #[inline(always)]
    fn run(self) -> f64 {
        // Magnitudes are ordered as their bits are, infinity above all numbers and NaN above infinity.
        let mut largest = [0i64; 16];
        for (xs, outs) in self.coefficients.chunks(16).zip(self.out.chunks_mut(16)) {
            for ((x, out), l) in xs.iter().zip(outs).zip(&mut largest) {
                let y = x * self.scale;
                *l = (*l).max(y.abs().to_bits().cast_signed());
                *out = (y + MAGIC).to_bits().cast_signed().wrapping_sub(MAGIC.to_bits().cast_signed());
            }
        }
        let largest = f64::from_bits(largest.iter().fold(0, |a, b| a.max(*b)).cast_unsigned());
        if largest.is_nan() { f64::INFINITY } else { largest }
    }
}

impl Encoder {
    /// An encoder for these parameters.
    pub fn new(params: &Params) -> Self {
        Self { params: params.clone() }
    }

    /// Real slots at the top level and the default scale; missing slots are zero.
    ///
    /// # Errors
    /// As [`Encoder::encode_at`].
    pub fn encode(&self, values: &[f64]) -> Result<Plaintext> {
        self.encode_at(values, self.params.max_level(), self.params.scale())
    }

    /// Real slots at a level and a scale; missing slots are zero.
    ///
    /// # Errors
    /// More values than slots, a value that is not finite, a level that is not there, or values too large for the modulus of the level.
    pub fn encode_at(&self, values: &[f64], level: usize, scale: f64) -> Result<Plaintext> {
        let mut re = self.slots(values.len(), values.iter().copied())?;
        let mut im = vec![0.0; re.len()];
        self.embed(&mut re, &mut im, true, level, scale)
    }

    /// Complex slots at a level and a scale; missing slots are zero.
    ///
    /// # Errors
    /// As [`Encoder::encode_at`].
    pub fn encode_complex(&self, values: &[Complex64], level: usize, scale: f64) -> Result<Plaintext> {
        let mut re = self.slots(values.len(), values.iter().map(|v| v.re))?;
        let mut im = self.slots(values.len(), values.iter().map(|v| v.im))?;
        self.embed(&mut re, &mut im, false, level, scale)
    }

    /// The real parts of all slots, in order.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`] if the plaintext has other parameters.
    pub fn decode(&self, plaintext: &Plaintext) -> Result<Vec<f64>> {
        let (mut re, _) = self.extract(plaintext)?;
        Ok(std::mem::take(&mut *re))
    }

    /// All slots, complex, in order.
    ///
    /// # Errors
    /// [`Error::ParamsMismatch`] if the plaintext has other parameters.
    pub fn decode_complex(&self, plaintext: &Plaintext) -> Result<Vec<Complex64>> {
        let (re, im) = self.extract(plaintext)?;
        Ok(re.iter().zip(im.iter()).map(|(&re, &im)| Complex64 { re, im }).collect())
    }

    fn slots(&self, count: usize, values: impl Iterator<Item = f64>) -> Result<Vec<f64>> {
        let slots = self.params.slots();
        if count > slots {
            return Err(Error::TooManyValues { found: count, slots });
        }
        let mut out = Vec::with_capacity(slots);
        for (index, v) in values.enumerate() {
            if !v.is_finite() {
                return Err(Error::NotFinite { index });
            }
            out.push(v);
        }
        out.resize(slots, 0.0);
        Ok(out)
    }

    fn embed(&self, re: &mut [f64], im: &mut [f64], real: bool, level: usize, scale: f64) -> Result<Plaintext> {
        self.params.check_level(level)?;
        let poly = self.embed_in(re, im, real, self.params.basis(level), self.params.log_q(level), scale)?;
        Ok(Plaintext { params: self.params.clone(), poly, level, scale })
    }

    /// The polynomial of those slots over a basis whose chain part has `log_q` bits. That of real slots is made exactly invariant under
    /// X → X^−1 (coefficient N − j is minus coefficient j), so that its evaluations are palindromic.
    pub(crate) fn embed_in(
        &self,
        re: &mut [f64],
        im: &mut [f64],
        real: bool,
        basis: crate::rns::Basis,
        log_q: f64,
        scale: f64,
    ) -> Result<Poly<Eval>> {
        if !(scale.is_finite() && scale >= 1.0) {
            return Err(Error::Scale { found: scale });
        }
        let ring = self.params.ring()?;
        ring.embedding.slots_to_coeffs(ring.backend, re, im);
        if real {
            im.iter_mut().skip(1).zip(re.iter().rev()).for_each(|(high, low)| *high = -low);
            im.iter_mut().take(1).for_each(|middle| *middle = 0.0);
        }
        let mut rounded = vec![0i64; self.params.n()];
        let (low, high) = rounded.split_at_mut(re.len());
        let largest = round(ring.backend, re, scale, low).max(round(ring.backend, im, scale, high));
        if largest.max(1.0).log2() >= log_q - 1.0 {
            return Err(Error::ValueTooLarge { log_value: largest.log2(), log_max: log_q - 1.0 });
        }
        if largest < MAGIC_BOUND {
            return Ok(Poly::from_signed(ring, basis, &rounded).into_eval());
        }
        let mut poly = Poly::uninit(ring, basis);
        poly.for_each(|r, id, limb| {
            let m = r.modulus(id);
            limb.iter_mut().zip(re.iter().chain(im.iter())).for_each(|(out, x)| *out = lift::reduce_f64(m, x * scale));
        });
        Ok(poly.into_eval())
    }

    /// Real and imaginary parts. What is not handed out is overwritten with zeros: coefficients carry the noise, and so do both parts.
    fn extract(&self, plaintext: &Plaintext) -> Result<(Wiped, Wiped)> {
        self.params.check_same(&plaintext.params)?;
        let ring = self.params.ring()?;
        let coefficients = lift::centred(&plaintext.poly.clone().into_coeff());
        let inverse = plaintext.scale.recip();
        let (low, high) = coefficients.split_at(self.params.slots());
        let scaled = |half: &[f64]| Wiped::new(half.iter().map(|x| x * inverse).collect());
        let (mut re, mut im) = (scaled(low), scaled(high));
        ring.embedding.coeffs_to_slots(ring.backend, &mut re, &mut im);
        Ok((re, im))
    }
}

fn round(backend: Backend, coefficients: &[f64], scale: f64, out: &mut [i64]) -> f64 {
    backend.vectorize(Round { coefficients, scale, out })
}
