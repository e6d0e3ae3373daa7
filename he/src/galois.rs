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

/// How X → X^g permutes evaluations in bit-reversed order: out[i] = in[index[i]].
///
/// Output i is the evaluation at ψ^(2·brv(i)+1); the low bits of brv(i) decide the high bits of the index and are mapped among
/// themselves, so every aligned power-of-two run goes to one aligned run: a vector's worth of evaluations stays together.
#[derive(Debug)]
pub(crate) struct Permutation {
    pub index: Vec<u32>,
    /// Where the run of 8 evaluations number i goes, as a run's number.
    pub runs: Vec<u32>,
}

impl Permutation {
    pub fn new(log_n: u32, g: u32) -> Self {
        let mask = (2u32 << log_n) - 1;
        let reverse = |x: u32| x.reverse_bits() >> (u32::BITS - log_n);
        let index: Vec<u32> = (0..1u32 << log_n).map(|i| reverse(((2 * reverse(i) + 1).wrapping_mul(g) & mask) >> 1)).collect();
        let mut runs = vec![0; index.len() / 8];
        for (to, from) in index.iter().step_by(8).enumerate() {
            if let Some(run) = runs.get_mut(*from as usize / 8) {
                *run = to as u32;
            }
        }
        Self { index, runs }
    }
}
