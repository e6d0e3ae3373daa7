//! The error type of this crate: every variant says what was wanted, what came and what to do.

mod wire;

pub use wire::WireError;

/// Result of every fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation was refused, with the values that disagree.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system gave no randomness.
    #[error("the operating system's random source failed ({reason}); no key or ciphertext was made")]
    Randomness {
        /// What the source answered.
        reason: String,
    },
    /// `VEILRAY_SIMD` names no backend, or one this CPU cannot run.
    #[error("VEILRAY_SIMD={found}: {reason}; use one of {available}, or unset it")]
    Backend {
        /// The value found.
        found: String,
        /// Why it cannot be used.
        reason: &'static str,
        /// The backends of this CPU.
        available: String,
    },
    /// A modulus that the kernels cannot hold, or that has no root of unity.
    #[error("{found} cannot be a limb's modulus: an odd prime below 2^30 that is 1 modulo 2N is wanted")]
    Modulus {
        /// The value found.
        found: u32,
    },
    /// Not enough NTT primes of a size.
    #[error(
        "only {found} of {wanted} primes near 2^{log2} are 1 modulo 2^{}: ask for fewer limbs or other sizes", log_n + 1
    )]
    TooFewPrimes {
        /// log2 of the ring degree.
        log_n: u32,
        /// log2 of the wanted size.
        log2: f64,
        /// How many were wanted.
        wanted: usize,
        /// How many there are.
        found: usize,
    },
    /// A parameter outside its range.
    #[error("parameter {field} is {found}, wanted {wanted}")]
    Params {
        /// Name of the field, or of fields that depend on each other.
        field: &'static str,
        /// The value found.
        found: String,
        /// What would hold.
        wanted: String,
    },
    /// No parameter set of that name.
    #[error("there is no parameter set {found:?}: use one of {known}")]
    UnknownParams {
        /// The name found.
        found: String,
        /// The names there are.
        known: String,
    },
    /// A parameter file that cannot be read.
    #[error("the parameters cannot be read: {reason}")]
    ParamsSyntax {
        /// Line, and what was expected.
        reason: String,
    },
    /// Less than 128-bit security.
    #[error(
        "log2(QP) is {log_qp:.2} bits at N = 2^{log_n}, above the {max} that 128-bit security allows: drop levels, use smaller primes, or a larger ring"
    )]
    Insecure {
        /// log2 of the ring degree.
        log_n: u32,
        /// log2(QP) found, bits.
        log_qp: f64,
        /// Largest log2(QP), bits.
        max: u32,
    },
    /// Special primes too small for the digits.
    #[error(
        "the special primes hold {special_bits:.1} bits, less than the largest digit of key switching ({digit_bits:.1}): use more digits or more special primes"
    )]
    KeySwitchNoise {
        /// log2(P), P the product of the special primes; bits.
        special_bits: f64,
        /// log2 of the largest digit, bits.
        digit_bits: f64,
    },
    /// Two things of different parameters.
    #[error("parameters differ: wanted {wanted}, found {found}; use objects that were made under the same parameters")]
    ParamsMismatch {
        /// The parameters wanted.
        wanted: String,
        /// The parameters found.
        found: String,
    },
    /// A level that the parameters lack.
    #[error("level {found} is above {max}, the highest of these parameters: use a lower level, or parameters with more levels")]
    Level {
        /// The level found.
        found: usize,
        /// The highest level.
        max: usize,
    },
    /// Operands at different levels.
    #[error("levels differ: {left} and {right}; drop the higher one with drop_to (a plaintext must not be below its ciphertext)")]
    LevelMismatch {
        /// Level of the first operand.
        left: usize,
        /// Level of the second operand.
        right: usize,
    },
    /// Operands of different scales.
    #[error("scales differ: 2^{:.4} and 2^{:.4}; encode the plaintext at the ciphertext's scale, or multiply by one at the ratio", left.log2(), right.log2())]
    ScaleMismatch {
        /// Scale of the first operand.
        left: f64,
        /// Scale of the second operand.
        right: f64,
    },
    /// A scale that cannot be encoded with.
    #[error("scale {found}: a finite number of at least 1 is wanted")]
    Scale {
        /// The scale found.
        found: f64,
    },
    /// A scale that leaves no room for the message.
    #[error(
        "the product's scale would be 2^{log_scale:.1} where level {level} holds {log_q:.1} bits: rescale the factors first, or use parameters with more levels"
    )]
    ScaleTooLarge {
        /// log2 of the scale.
        log_scale: f64,
        /// log2(Q) at the level.
        log_q: f64,
        /// Level of the product.
        level: usize,
    },
    /// A rescaling that would divide the message away.
    #[error(
        "rescaling from level {level} would leave a scale of 2^{log_scale:.1}, and nothing of the message: rescale after a product, not before"
    )]
    ScaleTooSmall {
        /// log2 of the scale that would be left.
        log_scale: f64,
        /// Level that would be rescaled from.
        level: usize,
    },
    /// Nothing left to rescale by.
    #[error("no levels are left of {max_level}: use parameters with more, or a shallower circuit")]
    NoLevelsLeft {
        /// Levels of a fresh ciphertext.
        max_level: usize,
    },
    /// More values than slots.
    #[error("{found} values do not fit in {slots} slots: use a larger ring or several ciphertexts")]
    TooManyValues {
        /// Number of values.
        found: usize,
        /// Number of slots.
        slots: usize,
    },
    /// A value that is infinite or not a number.
    #[error("value {index} is infinite or not a number; encode finite values only")]
    NotFinite {
        /// Index of the value, from 0.
        index: usize,
    },
    /// Values too large for the modulus.
    #[error(
        "an encoded coefficient has {log_value:.1} bits where the level holds {log_max:.1}: scale the values down, or use a higher level"
    )]
    ValueTooLarge {
        /// log2 of the largest coefficient.
        log_value: f64,
        /// log2 of the bound.
        log_max: f64,
    },
    /// A Galois element that is no automorphism.
    #[error("{found} is no Galois element: an odd number below {} is wanted", 2 * n)]
    GaloisElement {
        /// The element found.
        found: u32,
        /// The ring degree.
        n: usize,
    },
    /// No relinearisation key of that level.
    #[error(
        "a product at level {level} needs a relinearisation key of that level, {}: add with_relinearisation({level}) to the key specification",
        found_level(found)
    )]
    MissingRelinearisationKey {
        /// Level of the product.
        level: usize,
        /// Level of the key there is.
        found: Option<usize>,
    },
    /// No Galois key of that element and level.
    #[error(
        "Galois element {element} at level {level} needs a key, {}: add its rotation at that level to the key specification",
        found_level(found)
    )]
    MissingGaloisKey {
        /// The Galois element.
        element: u32,
        /// Level of the ciphertext.
        level: usize,
        /// Level of the key there is.
        found: Option<usize>,
    },
    /// A period that slots cannot have, or a linear map without diagonals.
    #[error(
        "a linear map of period {found} cannot act on {slots} slots: a power of two up to that and at least one diagonal are wanted"
    )]
    Period {
        /// The period found.
        found: usize,
        /// Slots there are (0: not known yet).
        slots: usize,
    },
    /// A diagonal of the wrong length.
    #[error("diagonal or row {index} has {found} values where the period is {period}")]
    Diagonal {
        /// Index of the diagonal or row, from 0.
        index: usize,
        /// Number of its values.
        found: usize,
        /// Number of values wanted: the period of the map.
        period: usize,
    },
    /// More bits after the binary point than a decrypted value has.
    #[error("decryption to {found} bits after the binary point: 0 to {most} are wanted; `decrypt_raw` gives the value unrounded")]
    PrecisionBits {
        /// The number of bits found.
        found: u32,
        /// The largest number wanted.
        most: u32,
    },
    /// A slice of the wrong length.
    #[error("{found} values where {wanted} are wanted")]
    Length {
        /// The length found.
        found: usize,
        /// The length wanted.
        wanted: usize,
    },
    /// Bytes that are no object of this library, or an object that does not travel.
    #[error(transparent)]
    Wire(#[from] WireError),
}

fn found_level(found: &Option<usize>) -> String {
    found.map_or_else(|| "and there is none".into(), |level| format!("and there is one of level {level} only"))
}
