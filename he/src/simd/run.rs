//! What the scalar code and the kernels share.

use crate::modulus::{Modulus, Shoup};

/// Residues per run of the packed layouts: the widest vector's lanes.
pub(crate) const RUN: usize = 16;

/// One limb of the basis that an extension starts from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    pub modulus: Modulus,
    /// (D/q)^−1 mod q, D the product of the source moduli.
    pub factor: Shoup,
    /// ⌊2^(31 + bits(q)) / q⌋.
    pub reciprocal: u32,
    /// y · reciprocal >> shift is y / q with [`Source::FRACTION_BITS`] fractional bits.
    pub shift: u32,
}

impl Source {
    /// Fractional bits of the quotient's fixed-point sum.
    pub(crate) const FRACTION_BITS: u32 = 48;

    pub(crate) fn new(modulus: Modulus, factor: Shoup) -> Self {
        let bits = modulus.bits();
        Self {
            modulus,
            factor,
            reciprocal: ((1u64 << (31 + bits)) / u64::from(modulus.value())) as u32,
            shift: (31 + bits).saturating_sub(Self::FRACTION_BITS),
        }
    }
}

/// The multiple of q just above 2^62 that makes every |x| < 2^62 non-negative.
pub(super) fn offset_i64(m: &Modulus) -> u64 {
    ((1u64 << 62) / u64::from(m.value()) + 1) * u64::from(m.value())
}
