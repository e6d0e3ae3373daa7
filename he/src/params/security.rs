//! The bound on log2(QP) at 128 bits of classical security.

/// Largest log2(Q·P) for 128-bit classical security at ring degree 2^`log_n`, for a uniform ternary secret and σ = 3.2.
///
/// Source: Bossuat et al. 2024, "Security Guidelines for Implementing Homomorphic Encryption" (IACR CiC 1(4)), Table 5.2. `None`
/// where this library sets no parameters.
pub fn max_log_qp(log_n: u32) -> Option<u32> {
    match log_n {
        12 => Some(106),
        13 => Some(214),
        14 => Some(430),
        15 => Some(868),
        16 => Some(1747),
        _ => None,
    }
}
