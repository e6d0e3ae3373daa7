//! Why a circuit was not packed.

use crate::spec::Shape;

/// Most ciphertexts of one tensor.
pub(super) const MAX_BLOCKS: usize = 1024;

/// Why a circuit was not packed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// A number of slots that no parameter set has, or too few.
    #[error("{found} slots: the number of slots must be a power of two from {least} (one per label) to 32768; N = 2 · slots")]
    Slots {
        /// The number that was given.
        found: usize,
        /// The least that will do.
        least: usize,
    },
    /// A tensor of too many ciphertexts.
    #[error("{node} has {shape} values, more than {MAX_BLOCKS} ciphertexts of {slots} slots; take a larger N")]
    Blocks {
        /// Path of the layer that the node computes.
        node: String,
        /// Its extents.
        shape: Shape,
        /// Slots of a ciphertext.
        slots: usize,
    },
    /// A layout that cannot hold a tensor.
    #[error(
        "a layout of {bits} bits over {slots} slots cannot hold {shape} values: every axis needs bits for its extent, windows' below the slots"
    )]
    Layout {
        /// Extents of the tensor.
        shape: Shape,
        /// Slots of a ciphertext.
        slots: usize,
        /// Bits of an address.
        bits: usize,
    },
    /// Tensors that must lie alike but cannot.
    #[error("{node}: {found} values must lie in the slots of {wanted} ones; put a convolution or linear layer between")]
    Conflict {
        /// Path of the layer that the node computes.
        node: String,
        /// Extents of the one.
        found: Shape,
        /// Extents of the other.
        wanted: Shape,
    },
    /// Levels that the circuit does not have.
    #[error(
        "the input comes in at level {found}, but the circuit consumes {depth}; take a parameter set of at least {depth} levels"
    )]
    Levels {
        /// Level of the input.
        found: usize,
        /// Levels that the circuit consumes.
        depth: usize,
    },
    /// A budget of keys that no choice of steps meets.
    #[error(
        "evaluation keys of {budget:.1} MB are asked for, the fewest steps need {least:.1} MB; allow that many, or take a parameter set of \
         fewer levels or a smaller N"
    )]
    Keys {
        /// What was asked for, MB.
        budget: f64,
        /// What can be had, MB.
        least: f64,
    },
    /// What the engine refused.
    #[error("diagonals of {node}: {why}")]
    Diagonals {
        /// Path of the layer that the node computes.
        node: String,
        /// The engine's reason.
        why: String,
    },
}
