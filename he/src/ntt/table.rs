//! The tables of one prime's transform.

use super::wide::{WideTwiddles, wide_twiddles};
use crate::aligned::Aligned;
use crate::error::{Error, Result};
use crate::modulus::{Modulus, Shoup};
use crate::prime::primitive_root;

/// Twiddles of the transform of 2^log_n coefficients modulo one prime q ≡ 1 mod 2^(log_n+1).
///
/// Entry i of `forward` is ψ^brv(i), ψ the primitive 2N-th root and brv the reversal of log_n bits, so that the transform's output
/// number i is the evaluation at ψ^(2·brv(i)+1). `inverse` holds the entries' inverses.
#[derive(Debug)]
pub(crate) struct NttTable {
    pub(crate) modulus: Modulus,
    pub(crate) log_n: u32,
    pub(crate) forward: Aligned,
    pub(crate) forward_quotients: Aligned,
    pub(crate) inverse: Aligned,
    pub(crate) inverse_quotients: Aligned,
    /// N^−1.
    pub(crate) n_inverse: Shoup,
    /// N^−1 times the twiddle of the last inverse stage.
    pub(crate) n_inverse_last: Shoup,
    /// For the transform that uses IFMA.
    pub(crate) wide: Option<WideTwiddles>,
}

impl NttTable {
    /// The tables of 2^log_n coefficients, 2 ≤ log_n ≤ 20.
    ///
    /// # Errors
    /// [`Error::Modulus`] if the modulus is no prime ≡ 1 mod 2^(log_n+1).
    pub(crate) fn new(modulus: Modulus, log_n: u32) -> Result<Self> {
        if !(2..=20).contains(&log_n) {
            return Err(Error::Length { found: 1 << log_n.min(63), wanted: 1 << 20 });
        }
        let n = 1usize << log_n;
        let psi = primitive_root(&modulus, log_n)?;
        let table = |root: u32| {
            let step = modulus.shoup(root);
            let (mut values, mut quotients) = (Aligned::zeroed(n), Aligned::zeroed(n));
            let mut power = 1;
            for k in 0..n {
                let at = k.reverse_bits() >> (usize::BITS - log_n);
                let w = modulus.shoup(power);
                if let (Some(v), Some(q)) = (values.get_mut(at), quotients.get_mut(at)) {
                    (*v, *q) = (w.value, w.quotient);
                }
                power = modulus.mul_shoup(power, step);
            }
            (values, quotients)
        };
        let (forward, forward_quotients) = table(psi);
        let (inverse, inverse_quotients) = table(modulus.inv(psi));
        let n_inv = modulus.inv(modulus.reduce_u64(n as u64));
        let last = inverse.get(1).copied().unwrap_or(1);
        let wide = wide_twiddles(&modulus, log_n, &forward);
        Ok(Self {
            modulus,
            log_n,
            forward,
            forward_quotients,
            inverse,
            inverse_quotients,
            n_inverse: modulus.shoup(n_inv),
            n_inverse_last: modulus.shoup(modulus.mul(n_inv, last)),
            wide,
        })
    }
}
