//! Linear maps of encrypted slots by their diagonals: baby-step giant-step with double hoisting.
//!
//! `y_i = Σ_d diagonal_d[i] · x_{i+d}`. With d = g + b the rotations by b (baby steps) share one decomposition of the input and stay
//! modulo QP, where products with the diagonals are summed; each giant step g then costs one key switch and everything is divided by P
//! once at the end (Bossuat, Mouchet, Troncoso-Pastoriza, Hubaux 2021, "Efficient bootstrapping for approximate homomorphic encryption
//! with non-sparse keys", §4).

mod apply;
mod diagonals;
mod transform;

pub use diagonals::Diagonals;
pub use transform::{LinearTransform, Split};
