//! Residue number system: polynomials modulo a product of NTT primes, one limb of residues per prime.

mod basis;
mod extend;
mod poly;
#[cfg(test)]
mod tests;

pub(crate) use basis::{Basis, Ring};
pub(crate) use extend::{Extension, group};
pub(crate) use poly::{Coeff, Eval, Poly};
