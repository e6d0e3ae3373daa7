//! Galois elements: the automorphisms X → X^g of the ring, which rotate and conjugate slots.

use crate::params::Params;

/// The element whose automorphism rotates slots left by `steps` (slot i receives slot i + steps); negative steps rotate right.
pub fn rotation_element(params: &Params, steps: i64) -> u32 {
    let (order, modulus) = (params.slots() as u64, 2 * params.n() as u64);
    let mut exponent = steps.rem_euclid(order as i64) as u64;
    let (mut base, mut out) = (5u64, 1u64);
    while exponent > 0 {
        if exponent & 1 == 1 {
            out = out * base % modulus;
        }
        base = base * base % modulus;
        exponent >>= 1;
    }
    out as u32
}

/// The element whose automorphism conjugates every slot.
pub fn conjugation_element(params: &Params) -> u32 {
    (2 * params.n() - 1) as u32
}

/// The inverse of an odd g modulo 2N.
pub(crate) fn inverse_element(n: usize, g: u32) -> u32 {
    let mut inv = g;
    for _ in 0..4 {
        inv = inv.wrapping_mul(2u32.wrapping_sub(g.wrapping_mul(inv)));
    }
    inv & (2 * n - 1) as u32
}
