//! The negacyclic number-theoretic transform: Z_q[X]/(X^N + 1) ↔ its N evaluations at the odd powers of a 2N-th root.

#[cfg(test)]
mod naive;
mod plan;

pub use plan::NttTable;
