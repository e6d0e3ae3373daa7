//! The negacyclic number-theoretic transform: Z_q[X]/(X^N + 1) ↔ its N evaluations at the odd powers of a 2N-th root.

mod table;
mod wide;

pub(crate) use table::NttTable;
#[cfg(target_arch = "x86_64")]
pub(crate) use wide::{MIN_LOG_N, WideTwiddles};
