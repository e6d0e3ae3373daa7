//! What a packed circuit needs beside its input, known before anything is encoded. The executor and the plan share it.

use super::circuit::{PackedCircuit, PackedNode, PackedOp};
use super::linear_map::PackedLinear;
use veilray_he::{KeySpec, Params};

/// The keys of one node, whose ciphertexts are at `level`.
pub(crate) fn node_keys(params: &Params, node: &PackedNode, level: usize) -> KeySpec {
    let rotations = |steps: &mut dyn Iterator<Item = i64>, level: usize| KeySpec::new().with_rotations(params, steps, level);
    match &node.op {
        PackedOp::Input | PackedOp::Sum { .. } => KeySpec::new(),
        PackedOp::Linear(map) => {
            let inner = rotations(&mut map.rotations().into_iter().map(|s| s as i64), level + 1);
            inner.with_rotations(params, map.folds().map(|s| s as i64), level)
        }
        PackedOp::Square { .. } | PackedOp::Product { .. } => KeySpec::new().with_relinearisation(level + 1),
        PackedOp::WindowSum { steps, .. } => rotations(&mut steps.iter().map(|s| *s as i64), level),
        PackedOp::Spread { steps, .. } => rotations(&mut steps.iter().map(|s| -(*s as i64)), level),
    }
}

/// Diagonals that are encoded for a map: its own, and a zero for each output ciphertext that nothing reaches.
pub(crate) fn encoded_diagonals(map: &PackedLinear) -> usize {
    let reached: std::collections::BTreeSet<usize> =
        map.terms().iter().flat_map(|term| term.blocks().keys().map(|(output, _)| *output)).collect();
    map.diagonal_count() + map.output().blocks().saturating_sub(reached.len())
}

/// Diagonals that the engine encodes at once, each as a whole polynomial.
pub(crate) const BATCH: usize = veilray_he::LinearTransform::BATCH;

/// The most diagonals of a map that are whole polynomials at one time.
pub(crate) fn encoded_at_once(map: &PackedLinear) -> usize {
    let longest = (0..map.terms().len()).flat_map(|t| map.parts(t).into_values().map(|part| part.len())).max();
    longest.unwrap_or(0).min(BATCH)
}

/// Bytes of one diagonal encoded at a level: real slots make a polynomial's evaluations symmetric, so that half of them are kept, over the
/// level's primes and the special ones.
pub(crate) fn diagonal_memory(params: &Params, level: usize) -> usize {
    (params.limbs(level) + params.special().len()) * params.n() / 2 * 4
}

/// Bytes of the encoded diagonals.
pub(crate) fn diagonal_bytes(params: &Params, circuit: &PackedCircuit) -> usize {
    let of = |node: &PackedNode| match &node.op {
        PackedOp::Linear(map) => {
            let level = circuit.level().saturating_sub(node.depth) + 1;
            encoded_diagonals(map) * diagonal_memory(params, level)
        }
        _ => 0,
    };
    circuit.nodes().iter().map(of).sum()
}
