//! Residues ↔ real coefficients.

use crate::modulus::{Modulus, Shoup};
use crate::rns::{Coeff, Poly};
use crate::simd::mark_public;
use zeroize::Zeroizing;

/// round(x) mod q for any finite x: a double is an integer times a power of two.
pub(super) fn reduce_f64(m: &Modulus, x: f64) -> u32 {
    let x = x.round_ties_even();
    let bits = x.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32 - 1075;
    if exponent <= 0 {
        return m.reduce_i64(x as i64);
    }
    let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
    let magnitude = m.mul(m.reduce_u64(mantissa), m.pow(2, exponent.unsigned_abs().into()));
    if x < 0.0 { m.neg(magnitude) } else { magnitude }
}

/// The centred representatives of all coefficients, as doubles (53 bits are kept of larger ones).
///
/// Messages are small against the modulus: they are taken from the first limbs, and the others only confirm them. Where every coefficient
/// is below 2^62 and confirmed, which holds for every reply to an honest request, no branch and no address depends on a coefficient.
/// Whether it holds is one bit for all of them, and taken as public; where it does not, the others are reconstructed in more steps.
#[allow(clippy::indexing_slicing, reason = "limb and coefficient indices run below their counts")]
pub(super) fn centred(poly: &Poly<Coeff>) -> Zeroizing<Vec<f64>> {
    let (ring, limbs, n) = (&poly.ring, poly.basis.len(), poly.ring.n());
    let moduli: Vec<Modulus> = (0..limbs).map(|i| *ring.modulus(ring.id(poly.basis, i))).collect();
    let few = moduli
        .iter()
        .scan(0.0, |bits, m| {
            *bits += f64::from(m.value()).log2();
            Some(*bits)
        })
        .take_while(|bits| *bits < 120.0)
        .count();
    let garner = Garner::new(&moduli[..few]);
    let mut digits = Zeroizing::new(vec![0; limbs]);
    let mut values = Zeroizing::new(vec![0i128; n]);
    let mut narrow = Zeroizing::new(vec![0i64; n]);
    let mut above = 0u128;
    for (i, (value, narrow)) in values.iter_mut().zip(narrow.iter_mut()).enumerate() {
        garner.digits((0..few).map(|j| poly.limb(j)[i]), &mut digits[..few]);
        *value = garner.centred_i128(&digits[..few]);
        *narrow = *value as i64;
        // The magnitude, without a comparison.
        let sign = *value >> 127;
        above |= ((*value ^ sign) - sign).cast_unsigned() >> 62;
    }
    let wide = is_any_set(above);
    // One rounding from the same integer either way.
    let mut out: Zeroizing<Vec<f64>> = Zeroizing::new(if wide {
        values.iter().map(|v| *v as f64).collect()
    } else {
        narrow.iter().map(|v| *v as f64).collect()
    });
    // Not zero where the limbs beyond the first contradict the value taken from those.
    let mut unconfirmed = vec![u32::from(wide && few < limbs); n];
    if !wide {
        let mut expected = ring.pool.take_secret(n);
        for (j, m) in moduli.iter().enumerate().skip(few) {
            ring.backend.reduce_i64(m, &narrow, &mut expected);
            unconfirmed.iter_mut().zip(expected.iter()).zip(poly.limb(j)).for_each(|((u, a), b)| *u |= a ^ b);
        }
    }
    if is_any_set(unconfirmed.iter().fold(0, |any, u| any | u128::from(*u))) {
        let all = Garner::new(&moduli);
        for i in (0..n).filter(|i| unconfirmed[*i] != 0) {
            all.digits((0..limbs).map(|j| poly.limb(j)[i]), &mut digits);
            out[i] = all.centred_f64(&digits);
        }
    }
    out
}

/// Whether a bit is set; the answer is public from here on.
fn is_any_set(bits: u128) -> bool {
    // `black_box`: the answer must stand in memory where the check of constant time is told of it, not in the flags of a comparison.
    let bits = std::hint::black_box([(bits | (bits >> 64)) as u64]);
    mark_public(bytemuck::cast_slice(&bits));
    std::hint::black_box(bits) != [0]
}

/// Mixed-radix reconstruction: x = d_0 + q_0·(d_1 + q_1·(d_2 + …)).
struct Garner {
    moduli: Vec<Modulus>,
    /// `inverse[j][k]` = q_k^−1 mod q_j for k < j.
    inverse: Vec<Vec<Shoup>>,
    /// The factor 1 by modulus, which reduces any word without a division.
    one: Vec<Shoup>,
    /// Π q_j where it is below 2^127, which `centred_i128` needs; 0 otherwise.
    product: i128,
}

#[allow(clippy::indexing_slicing, reason = "digit indices run below the number of moduli")]
impl Garner {
    fn new(moduli: &[Modulus]) -> Self {
        let inverse = (0..moduli.len())
            .map(|j| (0..j).map(|k| moduli[j].shoup(moduli[j].inv(moduli[k].value() % moduli[j].value()))).collect())
            .collect();
        let product = moduli.iter().try_fold(1i128, |p, m| p.checked_mul(i128::from(m.value()))).unwrap_or(0);
        Self { moduli: moduli.to_vec(), inverse, one: moduli.iter().map(|m| m.shoup(1)).collect(), product }
    }

    fn digits(&self, residues: impl Iterator<Item = u32>, digits: &mut [u32]) {
        for (j, residue) in residues.enumerate() {
            let m = &self.moduli[j];
            digits[j] = (0..j).fold(residue, |x, k| {
                let reduced = m.mul_shoup(digits[k], self.one[j]);
                m.mul_shoup(m.sub(x, reduced), self.inverse[j][k])
            });
        }
    }

    fn centred_i128(&self, digits: &[u32]) -> i128 {
        let value = digits.iter().zip(&self.moduli).rev().fold(0, |acc, (d, m)| acc * i128::from(m.value()) + i128::from(*d));
        // The mask is all ones above half the product: no branch on a coefficient.
        value - (self.product & ((self.product / 2 - value) >> 127))
    }

    /// The sign is decided by comparing digits with those of (Q − 1)/2, so that small negative numbers keep all their bits.
    fn centred_f64(&self, digits: &[u32]) -> f64 {
        // Every modulus is odd, so (Q − 1)/2 has the digits (q_j − 1)/2.
        let negative = digits.iter().zip(&self.moduli).rev().find_map(|(d, m)| {
            let half = (m.value() - 1) / 2;
            (*d != half).then_some(*d > half)
        });
        let join = |d: &mut dyn DoubleEndedIterator<Item = f64>| {
            d.rev().zip(self.moduli.iter().rev()).fold(0.0, |acc, (d, m)| acc * f64::from(m.value()) + d)
        };
        if negative == Some(true) {
            // Q − x has the digits q_j − 1 − d_j, plus one at the bottom.
            -(join(&mut digits.iter().zip(&self.moduli).map(|(d, m)| f64::from(m.value() - 1 - d))) + 1.0)
        } else {
            join(&mut digits.iter().map(|d| f64::from(*d)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reconstruction_finds_small_and_large_numbers_of_both_signs() {
        let moduli: Vec<Modulus> =
            crate::prime::nearest(12, 29.5, 9, &[]).unwrap().into_iter().map(|q| Modulus::new(q).unwrap()).collect();
        let garner = Garner::new(&moduli);
        for x in [0.0, 1.0, -1.0, 123_456_789.0, -9.007_199_254_740_991e15, 2f64.powi(200) + 2f64.powi(160), -(2f64.powi(250))] {
            let mut digits = vec![0; moduli.len()];
            garner.digits(moduli.iter().map(|m| reduce_f64(m, x)), &mut digits);
            assert_eq!(garner.centred_f64(&digits), x);
            if x.abs() < 2f64.powi(100) {
                let few = Garner::new(&moduli[..4]);
                assert_eq!(few.centred_i128(&digits[..4]) as f64, x);
            }
        }
    }

    #[test]
    fn reduction_of_doubles_rounds_half_to_even() {
        let m = Modulus::new(998_244_353).unwrap();
        for (x, expected) in [(0.5, 0), (1.5, 2), (-0.5, 0), (-1.5, -2), (2.5, 2)] {
            assert_eq!(reduce_f64(&m, x), m.reduce_i64(expected));
        }
        assert_eq!(reduce_f64(&m, -(2f64.powi(70))), m.neg(m.pow(2, 70)));
    }
}
