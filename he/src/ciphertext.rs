//! Encrypted vectors; level, scale and parameters travel with the value.

use crate::error::Result;
use crate::params::Params;
use crate::rns::{Eval, Poly};
use crate::scale::same_scale;
use crate::seed::Seed;

/// An encrypted vector of slots: (c0, c1) with c0 + c1·s = message + noise modulo the primes of its level.
#[derive(Debug, Clone)]
pub struct Ciphertext {
    pub(crate) params: Params,
    pub(crate) c0: Poly<Eval>,
    pub(crate) c1: Poly<Eval>,
    pub(crate) level: usize,
    pub(crate) scale: f64,
    /// Where c1 was expanded from, while nothing has touched it: 32 bytes on the wire instead of a polynomial.
    pub(crate) seed: Option<Seed>,
}

/// A product before relinearisation: (d0, d1, d2) with d0 + d1·s + d2·s² = message + noise. Products of equal level and scale can be
/// summed before one relinearisation of the sum.
#[derive(Debug, Clone)]
pub struct Product {
    pub(crate) params: Params,
    pub(crate) d: [Poly<Eval>; 3],
    pub(crate) level: usize,
    pub(crate) scale: f64,
}

impl Ciphertext {
    /// Rescalings still possible.
    pub fn level(&self) -> usize {
        self.level
    }

    /// The exact scale of the message.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The same ciphertext at exactly `scale`, which its own may differ from by the rounding of a quotient of scales.
    ///
    /// # Errors
    /// [`Error::ScaleMismatch`](crate::Error::ScaleMismatch) for scales that differ by more than
    /// [`SCALE_TOLERANCE`](crate::SCALE_TOLERANCE).
    pub fn at_scale(&self, scale: f64) -> Result<Self> {
        same_scale(self.scale, scale)?;
        Ok(Self { scale, ..self.clone() })
    }

    /// The parameters it was made under.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Whether half of it is still only a seed on the wire.
    pub fn is_seeded(&self) -> bool {
        self.seed.is_some()
    }
}

impl Product {
    /// Rescalings still possible.
    pub fn level(&self) -> usize {
        self.level
    }

    /// The exact scale of the message.
    pub fn scale(&self) -> f64 {
        self.scale
    }
}
