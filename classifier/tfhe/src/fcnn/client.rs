//! The client's two steps: an image's small integers into ciphertexts, the reply into logits.

use super::keys::{ClientKey, SEED};
use super::parameters::TfheParams;
use super::{Error, Fcnn, LOGITS, Result};
use tfhe::core_crypto::commons::math::random::Seed;
use tfhe::core_crypto::prelude::*;

/// An image, encrypted: the values are coefficients of a few polynomials, whose masks grow from a seed. Each body is cut to 32 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentImage {
    pub(super) seed: u128,
    /// One per value.
    pub(super) bodies: Vec<u32>,
}

/// Encrypted logits of no and yes, each an LWE ciphertext cut to 32 bits: mask, then body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub(super) logits: [Vec<u32>; LOGITS],
}

/// How many standard deviations of the noise a logit may lie from the nearest value it can take: of a sound reply one lies beyond with
/// probability 2^-48. Under another key they lie anywhere; of such replies to the released network 97 in 100 are refused.
const DEVIATIONS: f64 = 8.0;

/// What of the network the client must know: the number of inputs, the two moduli and how much noise a logit has, not the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    /// Number of inputs.
    pub inputs: usize,
    /// Largest |input|.
    pub largest_input: i8,
    /// Values of a sum.
    pub modulus: u32,
    /// Values of a logit.
    pub output_modulus: u32,
    /// Largest sum of the squares of a logit's weights: its noise follows from it.
    pub output_squares: u64,
}

impl Encoding {
    /// Of a network.
    pub fn of(network: &Fcnn) -> Self {
        Self {
            inputs: network.inputs(),
            largest_input: network.largest_input(),
            modulus: network.modulus(),
            output_modulus: network.output_modulus(),
            output_squares: network.output_squares(),
        }
    }

    /// The torus element that stands for 1 among `modulus` values, in units of 2^-64.
    pub(super) fn step(modulus: u32) -> u64 {
        u64::MAX / u64::from(modulus.max(1))
    }
}

impl ClientKey {
    /// Encrypts an image's small integers.
    ///
    /// # Errors
    /// Another number of them, or larger ones.
    pub fn encrypt(&self, encoding: &Encoding, inputs: &[i8]) -> Result<SentImage> {
        if inputs.len() != encoding.inputs {
            return Err(Error::Length { what: "inputs", wanted: encoding.inputs, found: inputs.len() });
        }
        if inputs.iter().any(|x| x.unsigned_abs() > encoding.largest_input.unsigned_abs()) {
            return Err(Error::setting("inputs", "at most the network's largest in size", "larger ones"));
        }
        let mut seeder = new_seeder();
        let seed = seeder.seed().0;
        let step = Encoding::step(encoding.modulus);
        let mut plain: Vec<u64> = inputs.iter().map(|x| (i64::from(*x) as u64).wrapping_mul(step)).collect();
        let polynomial = self.params.input_polynomial;
        plain.resize(self.params.ciphertexts(inputs.len()) * polynomial, 0);
        let mut list = SeededGlweCiphertextList::new(
            0,
            GlweDimension(self.params.input_rank).to_glwe_size(),
            PolynomialSize(polynomial),
            GlweCiphertextCount(self.params.ciphertexts(inputs.len())),
            Seed(seed).into(),
            CiphertextModulus::new_native(),
        );
        let (plain, noise) = (PlaintextList::from_container(plain), self.params.input_noise());
        encrypt_seeded_glwe_ciphertext_list(&self.input, &mut list, &plain, noise, seeder.as_mut());
        Ok(SentImage { seed, bodies: list.as_ref().iter().take(inputs.len()).map(|body| cut(*body)).collect() })
    }

    /// The logits of no and yes.
    ///
    /// # Errors
    /// [`Error::Length`] for a reply of other parameters; [`Error::Residual`] for one that is not the network's answer under this key, as far
    /// as its noise shows it: bootstrapped under other keys, or tampered with. An image encrypted under others leaves no trace there.
    pub fn decrypt(&self, encoding: &Encoding, reply: &Reply) -> Result<[i32; LOGITS]> {
        let (modulus, mut logits, mut largest) = (encoding.output_modulus, [0; LOGITS], 0u64);
        for (logit, sent) in logits.iter_mut().zip(&reply.logits) {
            let phase = self.phase(sent)?;
            *logit = nearest(phase, modulus);
            let exact = (i64::from(*logit) as u64).wrapping_mul(Encoding::step(modulus));
            largest = largest.max((phase.wrapping_sub(exact) as i64).unsigned_abs());
        }
        let deviation = self.params.logit_variance(encoding.output_squares as f64).sqrt();
        let found = largest as f64 / 64f64.exp2() / deviation;
        match found <= DEVIATIONS {
            true => Ok(logits),
            false => Err(Error::Residual { found, most: DEVIATIONS }),
        }
    }

    /// Body minus mask times key.
    pub(super) fn phase(&self, sent: &[u32]) -> Result<u64> {
        let key = self.output.as_lwe_secret_key();
        let wanted = self.params.output_dimension() + 1;
        match sent.split_last() {
            Some((body, mask)) if sent.len() == wanted => {
                let sum = mask.iter().zip(key.as_ref()).fold(0u64, |sum, (a, s)| sum.wrapping_add(whole(*a).wrapping_mul(*s)));
                Ok(whole(*body).wrapping_sub(sum))
            }
            _ => Err(Error::Length { what: "reply", wanted, found: sent.len() }),
        }
    }
}

impl SentImage {
    /// The seed, then the bodies; little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.seed.to_le_bytes().into_iter().chain(self.bodies.iter().flat_map(|body| body.to_le_bytes())).collect()
    }

    /// From bytes that [`SentImage::to_bytes`] gave for a network of that encoding.
    ///
    /// # Errors
    /// [`Error::Bytes`] for another length.
    pub fn from_bytes(encoding: &Encoding, bytes: &[u8]) -> Result<Self> {
        let wanted = SEED + encoding.inputs * size_of::<u32>();
        match bytes.split_first_chunk::<SEED>() {
            Some((seed, rest)) if bytes.len() == wanted => Ok(Self { seed: u128::from_le_bytes(*seed), bodies: words(rest) }),
            _ => Err(Error::Bytes { what: "image", wanted, found: bytes.len() }),
        }
    }
}

impl Reply {
    /// The logits' ciphertexts one after the other; little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.logits.iter().flatten().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// From bytes that [`Reply::to_bytes`] gave under these parameters.
    ///
    /// # Errors
    /// [`Error::Bytes`] for another length.
    pub fn from_bytes(params: &TfheParams, bytes: &[u8]) -> Result<Self> {
        let size = (params.output_dimension() + 1) * size_of::<u32>();
        if bytes.len() != LOGITS * size {
            return Err(Error::Bytes { what: "reply", wanted: LOGITS * size, found: bytes.len() });
        }
        let mut logits = bytes.chunks_exact(size).map(words);
        Ok(Self { logits: std::array::from_fn(|_| logits.next().unwrap_or_default()) })
    }
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

/// The nearest multiple of 2^-32 of the torus.
pub(super) fn cut(value: u64) -> u32 {
    (value.wrapping_add(1 << 31) >> 32) as u32
}

/// Back on the torus of 64 bits.
pub(super) fn whole(value: u32) -> u64 {
    u64::from(value) << 32
}

/// The integer in [-modulus/2, modulus/2) whose torus element is nearest.
fn nearest(phase: u64, modulus: u32) -> i32 {
    let turns = (u128::from(phase) * u128::from(modulus) + (1 << 63)) >> 64;
    let value = (turns as u32) % modulus.max(1);
    if value > (modulus - 1) / 2 { value.wrapping_sub(modulus) as i32 } else { value as i32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_finds_the_nearest_integer_on_both_sides_of_zero() {
        for modulus in [5u32, 121, 245] {
            let step = Encoding::step(modulus);
            for wanted in -(modulus as i32 / 2)..=modulus as i32 / 2 {
                let phase = (i64::from(wanted) as u64).wrapping_mul(step);
                for error in [0, step / 5 * 2, (step / 5 * 2).wrapping_neg()] {
                    assert_eq!(nearest(phase.wrapping_add(error), modulus), wanted);
                }
            }
        }
    }
}
