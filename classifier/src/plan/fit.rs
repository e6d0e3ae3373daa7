//! Whether a network fits, and the change that would make it.

use super::{Plan, PlanOptions};
use crate::circuit::{Circuit, Op};
use crate::execute::ExecuteError;
use crate::levels::LevelsError;
use crate::pack::{CostModel, PackError, PackOptions, PackedCircuit, pack};
use veilray_he::{Params, ParamsLiteral};

/// What a server allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Peak memory, bytes.
    pub memory: Option<usize>,
    /// Evaluation keys of one client, bytes.
    pub keys: Option<usize>,
}

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

/// Packs a circuit and plans it within limits. Keys beyond theirs are traded for time where that is possible.
///
/// # Errors
/// [`PlanError`], naming a change that was tried and found to fit where there is one.
pub fn fit(
    circuit: &Circuit,
    params: &Params,
    options: &PlanOptions,
    limits: &Limits,
) -> Result<(PackedCircuit, Plan), PlanError> {
    levels(circuit, params)?;
    let (packed, plan) = planned(circuit, params, options, limits.keys)?;
    let (network, set, mb) = (plan.network.clone(), plan.params.clone(), |bytes: usize| bytes.div_ceil(1_000_000));
    if let Some(limit) = limits.keys.filter(|limit| plan.bytes.evaluation_keys > *limit) {
        let wanted = mb(plan.bytes.evaluation_keys);
        let cure = cure(circuit, params, options, limits, &plan);
        return Err(PlanError::Keys { network, params: set, wanted, limit: limit / 1_000_000, cure });
    }
    if let Some(limit) = limits.memory.filter(|limit| plan.memory.peak > *limit) {
        let (wanted, cure) = (mb(plan.memory.peak), cure(circuit, params, options, limits, &plan));
        return Err(PlanError::Memory { network, params: set, wanted, limit: limit / 1_000_000, cure });
    }
    Ok((packed, plan))
}

/// Packed and planned, with as few keys as it takes if any number will do: where no choice of steps keeps to `keys` bytes, those of the
/// fewest keys.
fn planned(
    circuit: &Circuit,
    params: &Params,
    options: &PlanOptions,
    keys: Option<usize>,
) -> Result<(PackedCircuit, Plan), PlanError> {
    let plain = PackOptions::new(params, circuit);
    let packed = match keys {
        None => pack(circuit, &plain)?,
        Some(bytes) => match pack(circuit, &plain.clone().with_key_budget(bytes as f64 / 1e6)) {
            Err(PackError::Keys { least, .. }) => pack(circuit, &plain.with_key_budget(least * (1.0 + 1e-9)))?,
            other => other?,
        },
    };
    let plan = Plan::new(&packed, params, options)?;
    Ok((packed, plan))
}

/// Whether the levels suffice.
fn levels(circuit: &Circuit, params: &Params) -> Result<(), PlanError> {
    let (wanted, found) = (circuit.depth(), params.max_level());
    if wanted <= found {
        return Ok(());
    }
    let mut cures = Vec::new();
    if let Some(name) = named(|literal| literal.levels >= wanted) {
        cures.push(format!("use {name}"));
    }
    let without = depth_without_gates(circuit);
    if without < wanted {
        let verdict = if without <= found { "which fits" } else { "still too many" };
        cures.push(format!("drop the gate (it then needs {without}, {verdict})"));
    }
    if cures.is_empty() {
        cures.push(format!("take out {} levels: an activation and the layer before it take two", wanted - found));
    }
    let network = circuit.name().into();
    Err(PlanError::Levels { network, wanted, params: super::name_of(params), found, cure: cures.join(", or ") })
}

/// The smallest named set of one prime per level for which `f` holds.
fn named(f: impl Fn(&ParamsLiteral) -> bool) -> Option<&'static str> {
    let fits = |name: &&str| ParamsLiteral::named(name).is_ok_and(|l| l.primes_per_level == 1 && f(&l));
    ParamsLiteral::names().filter(fits).min_by_key(|name| ParamsLiteral::named(name).map_or(u32::MAX, |l| l.log_n))
}

/// Levels if every product of two tensors were only its shallower operand, what a gated layer is without its gate.
fn depth_without_gates(circuit: &Circuit) -> usize {
    let mut depths: Vec<usize> = Vec::with_capacity(circuit.nodes().len());
    for node in circuit.nodes() {
        let inputs: Vec<usize> = node.op.inputs().iter().filter_map(|id| depths.get(id.index()).copied()).collect();
        depths.push(match &node.op {
            Op::Product(..) => inputs.into_iter().min().unwrap_or(0),
            op => inputs.into_iter().max().unwrap_or(0) + op.levels(),
        });
    }
    depths.last().copied().unwrap_or(0)
}

/// A named set whose modulus at that level holds values up to `largest`.
pub(super) fn wider(params: &Params, level: usize, largest: f64) -> String {
    let holds = |l: &ParamsLiteral| l.base_bits * l.base_limbs as f64 - 1.0 - l.log_scale > largest.log2();
    match named(|l| l.levels >= params.max_level().min(level + 1) && holds(l)) {
        Some(name) => format!("use {name}, or train with a smaller range"),
        None => "train with a smaller range (`RangePenalty` of veilray-training)".into(),
    }
}

/// A change after which the limits hold, tried out: fewer keys, a smaller set, fewer threads.
fn cure(circuit: &Circuit, params: &Params, options: &PlanOptions, limits: &Limits, plan: &Plan) -> String {
    let within = |plan: &Plan| {
        limits.memory.is_none_or(|limit| plan.memory.peak <= limit)
            && limits.keys.is_none_or(|limit| plan.bytes.evaluation_keys <= limit)
    };
    let rough = PlanOptions { precision: false, ..options.clone() };
    let mut fewest = None;
    for quarters in [3, 2, 1, 0] {
        let budget = plan.bytes.evaluation_keys / 4 * quarters;
        let Ok((_, found)) = planned(circuit, params, &rough, Some(budget)) else { continue };
        if within(&found) {
            let (keys, times) = (found.bytes.evaluation_keys.div_ceil(1_000_000), found.predicted_ms / plan.predicted_ms);
            return format!("pack it with a key budget of {keys} MB, which takes {times:.1} times as long");
        }
        fewest = Some(found);
    }
    let others = ParamsLiteral::names().filter(|name| *name != plan.params);
    for name in others {
        let Some(other) = ParamsLiteral::named(name).ok().and_then(|l| l.check().ok()) else { continue };
        if other.max_level() < circuit.depth() || other.slots() >= params.slots() {
            continue;
        }
        let rough = PlanOptions { costs: CostModel::reference(&other), ..rough.clone() };
        if planned(circuit, &other, &rough, limits.keys).is_ok_and(|(_, plan)| within(&plan)) {
            return format!("use {name}");
        }
    }
    let mb = |f: &dyn Fn(&Plan) -> usize| {
        let least = fewest.as_ref().map_or(usize::MAX, f).min(f(plan));
        least.div_ceil(1_000_000)
    };
    format!(
        "allow {} MB of memory and {} MB of keys, or take a smaller network",
        mb(&|plan| plan.memory.peak),
        mb(&|plan| plan.bytes.evaluation_keys)
    )
}
