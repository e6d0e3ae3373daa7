//! Named parameter sets, and what would fit under them.

use crate::circuit::{Circuit, Op};
use veilray_he::{Params, ParamsLiteral};

/// The name of a set of `configs/params/`.
pub(super) fn name_of(params: &Params) -> String {
    let known = ParamsLiteral::names().find(|name| ParamsLiteral::named(name).is_ok_and(|l| l == *params.literal()));
    known.unwrap_or("custom").into()
}

/// The smallest named set of one prime per level for which `f` holds.
pub(super) fn named(f: impl Fn(&ParamsLiteral) -> bool) -> Option<&'static str> {
    let fits = |name: &&str| ParamsLiteral::named(name).is_ok_and(|l| l.primes_per_level == 1 && f(&l));
    ParamsLiteral::names().filter(fits).min_by_key(|name| ParamsLiteral::named(name).map_or(u32::MAX, |l| l.log_n))
}

/// Levels if every product of two tensors were only its shallower operand, what a gated layer is without its gate.
pub(super) fn depth_without_gates(circuit: &Circuit) -> usize {
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
