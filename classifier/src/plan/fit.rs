//! Whether a network fits, and the change that would make it.

use super::error::PlanError;
use super::sets::{depth_without_gates, name_of, named};
use super::{Plan, PlanOptions};
use crate::circuit::Circuit;
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
    Err(PlanError::Levels { network, wanted, params: name_of(params), found, cure: cures.join(", or ") })
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
