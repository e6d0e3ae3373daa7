//! Level and exact scale of every node's ciphertexts.
//!
//! Linear maps bring whatever scale comes in to the parameters' own: their diagonals are encoded for that. Squares and products leave
//! the scale that multiplication and rescaling give, which the next linear map corrects. All executors and the plan use these same values.

use crate::pack::{PackedCircuit, PackedOp};
use veilray_he::{Params, SCALE_TOLERANCE};

/// Level and scale of a node's ciphertexts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelScale {
    /// How many rescalings are left.
    pub level: usize,
    /// What the slots' values are multiplied by before they are rounded to integers.
    pub scale: f64,
}

/// Why a circuit cannot run under a parameter set.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LevelsError {
    /// Another number of slots.
    #[error("the circuit is packed for {wanted} slots, the parameters have {found}; pack it for them")]
    Slots {
        /// Of the circuit.
        wanted: usize,
        /// Of the parameters.
        found: usize,
    },
    /// Not enough levels.
    #[error("the circuit needs {wanted} levels, the parameters have {found}: {cure}")]
    Levels {
        /// Of the circuit.
        wanted: usize,
        /// Of the parameters.
        found: usize,
        /// What would help.
        cure: String,
    },
    /// Terms of a sum that have one level but different scales.
    #[error(
        "{node} adds ciphertexts of one level but scales 2^{first:.3} and 2^{second:.3}; put a linear layer behind one of them"
    )]
    Scales {
        /// Path of the layer that the node computes.
        node: String,
        /// log2 of the one scale.
        first: f64,
        /// log2 of the other.
        second: f64,
    },
}

/// Whether two scales are one.
pub fn same_scale(a: f64, b: f64) -> bool {
    (a / b - 1.0).abs() <= SCALE_TOLERANCE
}

/// Level and scale of all nodes, in order.
///
/// # Errors
/// Parameters of other slots or too few levels, a sum whose terms cannot be brought to one scale.
pub fn level_scales(circuit: &PackedCircuit, params: &Params) -> Result<Vec<LevelScale>, LevelsError> {
    if circuit.slots() != params.slots() {
        return Err(LevelsError::Slots { wanted: circuit.slots(), found: params.slots() });
    }
    if circuit.level() > params.max_level() {
        let (wanted, found) = (circuit.level(), params.max_level());
        return Err(LevelsError::Levels { wanted, found, cure: cure(wanted) });
    }
    let mut known: Vec<LevelScale> = Vec::with_capacity(circuit.nodes().len());
    for node in circuit.nodes() {
        let level = circuit.level().saturating_sub(node.depth);
        let scale_of = |input: &usize| known.get(*input).map_or(params.scale(), |at| at.scale);
        let rescaled = |scale: f64| scale / params.rescale_factor(level + 1);
        let scale = match &node.op {
            PackedOp::Input | PackedOp::Linear(_) => params.scale(),
            PackedOp::Square { input } => rescaled(scale_of(input).powi(2)),
            PackedOp::Product { left, right } => rescaled(scale_of(left) * scale_of(right)),
            PackedOp::WindowSum { input, .. } | PackedOp::Spread { input, .. } => scale_of(input),
            PackedOp::Sum { terms, .. } => {
                let lowest = terms.iter().filter(|(input, _)| known.get(*input).is_some_and(|at| at.level == level));
                let scales: Vec<f64> = lowest.map(|(input, _)| scale_of(input)).collect();
                let first = scales.first().copied().unwrap_or(params.scale());
                if let Some(other) = scales.iter().find(|scale| !same_scale(**scale, first)) {
                    let (node, first, second) = (node.name.clone(), first.log2(), other.log2());
                    return Err(LevelsError::Scales { node, first, second });
                }
                first
            }
        };
        known.push(LevelScale { level, scale });
    }
    Ok(known)
}

/// The smallest named set with that many levels.
fn cure(levels: usize) -> String {
    let sets = veilray_he::ParamsLiteral::names().filter_map(|name| {
        let literal = veilray_he::ParamsLiteral::named(name).ok()?;
        (literal.levels >= levels && literal.primes_per_level == 1).then_some((literal.log_n, name))
    });
    match sets.min() {
        Some((_, name)) => format!("take the set {name}, or a network with fewer layers or without a gate"),
        None => "no named set has as many; take out layers or the gate".into(),
    }
}
