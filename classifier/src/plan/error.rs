//! Why there is no plan.

use crate::execute::ExecuteError;
use crate::execute::levels::LevelsError;
use crate::pack::PackError;

/// Why there is no plan, with the change that would give one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Fewer levels than the circuit consumes.
    #[error("{network} needs {wanted} levels, {params} gives {found}: {cure}")]
    Levels {
        /// The network's name.
        network: String,
        /// Levels of the circuit.
        wanted: usize,
        /// The parameter set's name.
        params: String,
        /// Levels of the parameter set.
        found: usize,
        /// What would help.
        cure: String,
    },
    /// More memory than allowed.
    #[error("{network} under {params} needs {wanted} MB of memory, {limit} are allowed: {cure}")]
    Memory {
        /// The network's name.
        network: String,
        /// The parameter set's name.
        params: String,
        /// Predicted peak, MB (10^6 bytes).
        wanted: usize,
        /// The limit, MB.
        limit: usize,
        /// What would help.
        cure: String,
    },
    /// More bytes of keys than allowed.
    #[error("{network} under {params} needs {wanted} MB of evaluation keys, {limit} are allowed: {cure}")]
    Keys {
        /// The network's name.
        network: String,
        /// The parameter set's name.
        params: String,
        /// Their size, MB (10^6 bytes), rounded up.
        wanted: usize,
        /// The limit, MB.
        limit: usize,
        /// What would help.
        cure: String,
    },
    /// Values of a given image that the modulus cannot hold.
    #[error("{node} reaches {largest:.1}, its modulus holds values below {bound:.1}: {cure}")]
    Overflow {
        /// Path of the layer.
        node: String,
        /// Largest magnitude in a slot.
        largest: f64,
        /// What the modulus holds.
        bound: f64,
        /// What would help.
        cure: String,
    },
    /// A circuit packed for other parameters.
    #[error(transparent)]
    OtherParams(#[from] LevelsError),
    /// A circuit that cannot be packed.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// An image that does not fit, or what the engine refused.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
}
