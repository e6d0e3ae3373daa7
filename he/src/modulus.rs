//! One NTT prime below 2^30 and arithmetic modulo it.
//!
//! Three products are used, each where it is cheapest: Shoup's (one factor known ahead, with its quotient), Montgomery's (one factor
//! stored multiplied by 2^32, sums of products reduced once) and Barrett's (neither known ahead; set-up only).

use crate::error::{Error, Result};

/// Number of terms of a sum of products that may be accumulated in a `u64` before a reduction: 16 · (2^30 − 1)^2 < 2^64.
pub(crate) const MAX_TERMS: usize = 16;

/// An odd modulus 3 ≤ q < 2^30 with its precomputed constants.
///
/// The bound leaves two bits in a `u32`, so that Harvey's lazy butterflies keep values in [0, 4q).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Modulus {
    q: u32,
    /// q^−1 mod 2^32.
    inv: u32,
    /// 2^32 mod q: the Montgomery form of 1.
    r: u32,
    /// 2^64 mod q: multiplying by it enters Montgomery form.
    r2: u32,
}

/// A constant factor `w` with Shoup's quotient ⌊w · 2^32 / q⌋.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shoup {
    /// The factor, in [0, q).
    pub(crate) value: u32,
    /// ⌊value · 2^32 / q⌋.
    pub(crate) quotient: u32,
}

impl Modulus {
    /// Largest bit length of a modulus.
    pub const MAX_BITS: u32 = 30;

    /// A modulus from an odd 3 ≤ q < 2^30 (whether it is a prime is not looked at).
    ///
    /// # Errors
    /// [`Error::Modulus`] outside that range.
    pub fn new(q: u32) -> Result<Self> {
        if q < 3 || q.is_multiple_of(2) || q >> Self::MAX_BITS != 0 {
            return Err(Error::Modulus { found: q });
        }
        // Newton's iteration doubles the number of correct low bits; q is its own inverse modulo 8.
        let mut inv = q;
        for _ in 0..4 {
            inv = inv.wrapping_mul(2u32.wrapping_sub(q.wrapping_mul(inv)));
        }
        let r = ((1u64 << 32) % u64::from(q)) as u32;
        let r2 = (u64::from(r) * u64::from(r) % u64::from(q)) as u32;
        Ok(Self { q, inv, r, r2 })
    }

    /// The modulus q.
    #[inline(always)]
    pub fn value(&self) -> u32 {
        self.q
    }

    /// q^−1 mod 2^32.
    #[inline(always)]
    pub(crate) fn inverse_mod_word(&self) -> u32 {
        self.inv
    }

    /// 2^64 mod q.
    #[inline(always)]
    pub(crate) fn r2(&self) -> u32 {
        self.r2
    }

    /// 2^32 mod q.
    #[inline(always)]
    pub(crate) fn r(&self) -> u32 {
        self.r
    }

    /// Bits needed to store a residue: the bit length of q − 1.
    pub fn bits(&self) -> u32 {
        32 - (self.q - 1).leading_zeros()
    }

    /// a + b mod q for a, b in [0, q).
    #[inline(always)]
    pub(crate) fn add(&self, a: u32, b: u32) -> u32 {
        let s = a + b;
        s.min(s.wrapping_sub(self.q))
    }

    /// a − b mod q for a, b in [0, q).
    #[inline(always)]
    pub(crate) fn sub(&self, a: u32, b: u32) -> u32 {
        let d = a.wrapping_sub(b);
        d.min(d.wrapping_add(self.q))
    }

    /// −a mod q for a in [0, q).
    #[inline(always)]
    pub(crate) fn neg(&self, a: u32) -> u32 {
        self.sub(0, a)
    }

    /// a · b mod q for any a, b (division; for set-up and tests).
    #[inline]
    pub(crate) fn mul(&self, a: u32, b: u32) -> u32 {
        (u64::from(a) * u64::from(b) % u64::from(self.q)) as u32
    }

    /// a^e mod q.
    pub(crate) fn pow(&self, a: u32, mut e: u64) -> u32 {
        let (mut base, mut out) = (a % self.q, 1 % self.q);
        while e > 0 {
            if e & 1 == 1 {
                out = self.mul(out, base);
            }
            base = self.mul(base, base);
            e >>= 1;
        }
        out
    }

    /// a^−1 mod q for a prime q and a not divisible by it (Fermat).
    pub(crate) fn inv(&self, a: u32) -> u32 {
        self.pow(a, u64::from(self.q) - 2)
    }

    /// v mod q, in [0, q), for a signed v.
    #[inline]
    pub(crate) fn reduce_i64(&self, v: i64) -> u32 {
        v.rem_euclid(i64::from(self.q)) as u32
    }

    /// v mod q.
    #[inline]
    pub(crate) fn reduce_u64(&self, v: u64) -> u32 {
        (v % u64::from(self.q)) as u32
    }

    /// The constant factor w mod q with its quotient.
    pub(crate) fn shoup(&self, w: u32) -> Shoup {
        let value = w % self.q;
        Shoup { value, quotient: ((u64::from(value) << 32) / u64::from(self.q)) as u32 }
    }

    /// x · w mod q in [0, 2q), for **any** 32-bit x (Harvey 2014, "Faster arithmetic for number-theoretic transforms", §3).
    #[inline(always)]
    pub(crate) fn mul_shoup_lazy(&self, x: u32, w: Shoup) -> u32 {
        let h = ((u64::from(x) * u64::from(w.quotient)) >> 32) as u32;
        x.wrapping_mul(w.value).wrapping_sub(h.wrapping_mul(self.q))
    }

    /// x · w mod q in [0, q), for any 32-bit x.
    #[inline(always)]
    pub(crate) fn mul_shoup(&self, x: u32, w: Shoup) -> u32 {
        let r = self.mul_shoup_lazy(x, w);
        r.min(r.wrapping_sub(self.q))
    }

    /// a · 2^32 mod q: enters Montgomery form.
    #[inline]
    pub(crate) fn to_montgomery(self, a: u32) -> u32 {
        self.mul(a, self.r)
    }

    /// acc · 2^−32 mod q in [0, q), for acc < 2^32 · 4q (any sum of up to [`MAX_TERMS`] products of residues).
    #[inline(always)]
    pub(crate) fn montgomery_reduce(&self, acc: u64) -> u32 {
        let q2 = self.q << 1;
        let hi = (acc >> 32) as u32;
        let m = (acc as u32).wrapping_mul(self.inv);
        let mq = ((u64::from(m) * u64::from(self.q)) >> 32) as u32;
        let hi = hi.min(hi.wrapping_sub(q2)); // [0, 2q)
        let t = hi + (self.q - mq); // (0, 3q)
        let t = t.min(t.wrapping_sub(q2));
        t.min(t.wrapping_sub(self.q))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EDGES: [u32; 5] = [3, 7681, 786_433, 998_244_353, (1 << 30) - 35];

    #[test]
    fn refuses_moduli_that_the_kernels_cannot_hold() {
        for q in [0, 1, 2, 4, 1 << 30, (1 << 30) + 1, u32::MAX] {
            assert_eq!(Modulus::new(q), Err(Error::Modulus { found: q }));
        }
    }

    #[test]
    fn montgomery_reduction_holds_at_the_largest_sum() {
        for q in EDGES {
            let m = Modulus::new(q).unwrap();
            let acc = MAX_TERMS as u64 * u64::from(q - 1) * u64::from(q - 1);
            let expected = (u128::from(acc) * u128::from(m.pow(m.r(), u64::from(q) - 2)) % u128::from(q)) as u32;
            assert_eq!(m.montgomery_reduce(acc), expected, "q = {q}");
        }
    }

    proptest! {
        #[test]
        fn products_agree_with_division(i in 0..EDGES.len(), x: u32, y: u32) {
            let m = Modulus::new(EDGES[i]).unwrap();
            let (q, w) = (u64::from(m.value()), y % m.value());
            let expected = (u64::from(x) * u64::from(w) % q) as u32;
            prop_assert_eq!(m.mul_shoup(x, m.shoup(w)), expected);
            prop_assert!(u64::from(m.mul_shoup_lazy(x, m.shoup(w))) < 2 * q);
            let a = x % m.value();
            prop_assert_eq!(m.montgomery_reduce(u64::from(a) * u64::from(m.to_montgomery(w))), m.mul(a, w));
        }

        #[test]
        fn sums_stay_reduced(i in 0..EDGES.len(), x: u32, y: u32, v: i64) {
            let m = Modulus::new(EDGES[i]).unwrap();
            let (a, b) = (x % m.value(), y % m.value());
            prop_assert_eq!(u64::from(m.add(a, b)), (u64::from(a) + u64::from(b)) % u64::from(m.value()));
            prop_assert_eq!(m.add(m.sub(a, b), b), a);
            prop_assert_eq!(m.add(a, m.neg(a)), 0);
            prop_assert_eq!(i128::from(m.reduce_i64(v)), i128::from(v).rem_euclid(i128::from(m.value())));
        }
    }
}
