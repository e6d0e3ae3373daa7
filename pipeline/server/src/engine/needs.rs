//! What a model needs in memory, from its circuit and parameters alone.
//!
//! The figures are upper bounds by counting the buffers that the engine takes; a test compares them with what it took.

use std::collections::BTreeSet;
use veilray_classifier::execute::EncryptedCircuit;
use veilray_classifier::pack::{PackedLinear, PackedOp};
use veilray_classifier::served::Served;
use veilray_he::wire::{ciphertext_bytes, evaluation_keys_bytes};
use veilray_he::{KeySpec, Params};
use veilray_protocol::body::MAX_HEADER;

/// Bytes of memory, by what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Needs {
    /// Largest body of a request for inference.
    pub body: u64,
    /// One inference, its input included.
    pub work: u64,
    /// Expanded keys of one client.
    pub keys: u64,
    /// Reading keys, beside what they take when expanded.
    pub read_keys: u64,
    /// The keys as they are sent.
    pub sent_keys: u64,
}

impl Needs {
    /// The most that one request needs beside its body: the known answer, which makes the keys that a client would send.
    pub fn most(&self) -> u64 {
        [self.work, self.keys, self.read_keys, self.read_keys].into_iter().fold(0, u64::saturating_add)
    }

    /// Those of a model, on so many threads.
    ///
    /// # Errors
    /// A level that the parameters lack.
    pub fn of(served: &Served, threads: usize) -> veilray_he::Result<Self> {
        let (circuit, params) = (&served.circuit, served.model.params());
        let ends = circuit.circuit().io();
        let blocks = ends.input().layout().blocks() as u64;
        let sent = ciphertext_bytes(params, ends.level(), false)? as u64;
        Ok(Self {
            body: MAX_HEADER as u64 + blocks.saturating_mul(sent + 4),
            work: work(circuit, threads),
            keys: expanded(params, circuit.key_spec()),
            read_keys: read(params, circuit.key_spec()),
            sent_keys: evaluation_keys_bytes(params, circuit.key_spec())? as u64,
        })
    }
}

/// Bytes of one limb in memory.
fn limb(params: &Params) -> u64 {
    4 * params.n() as u64
}

/// Limbs modulo the primes of a level and the special ones.
fn extended(params: &Params, level: usize) -> u64 {
    (params.limbs(level) + params.special().len()) as u64
}

/// Levels of the keys.
fn levels(spec: &KeySpec) -> impl Iterator<Item = usize> {
    spec.relinearisation().into_iter().chain(spec.galois().values().copied())
}

/// Bytes of expanded keys: both halves of every digit, and the permutation of each automorphism.
pub(crate) fn expanded(params: &Params, spec: &KeySpec) -> u64 {
    let one = |level| extended(params, level) * 2 * params.digits(level) as u64 * limb(params) + limb(params) + limb(params) / 8;
    levels(spec).map(one).fold(0, u64::saturating_add)
}

/// Bytes of keys that have been read and not yet expanded, and of one limb per thread's worth of work.
fn read(params: &Params, spec: &KeySpec) -> u64 {
    let one = |level| extended(params, level) * params.digits(level) as u64 * limb(params);
    levels(spec).map(one).fold(64 * limb(params), u64::saturating_add)
}

/// Most bytes in use at one time while the circuit runs.
fn work(circuit: &EncryptedCircuit, threads: usize) -> u64 {
    let (params, nodes, level_scales) = (circuit.params(), circuit.circuit().nodes(), circuit.level_scales());
    let ciphertext = |level: usize| 2 * params.limbs(level) as u64 * limb(params);
    // The last reader of each node: what it holds is free after that.
    let mut last = vec![0; nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        for input in node.op.inputs() {
            if let Some(reader) = last.get_mut(input) {
                *reader = at;
            }
        }
    }
    let blocks: Vec<u64> = nodes
        .iter()
        .zip(level_scales)
        .map(|(node, level_scale)| node.layout.blocks() as u64 * ciphertext(level_scale.level))
        .collect();
    // The input is there twice: as it was parsed and as the circuit's first node.
    let input = blocks.first().copied().unwrap_or(0);
    let mut most = 0;
    for (at, (node, level_scale)) in nodes.iter().zip(level_scales).enumerate() {
        let live = |i: &usize| *i == at || last.get(*i).is_some_and(|reader| *reader >= at);
        let live: u64 = (0..=at).filter(live).filter_map(|i| blocks.get(i)).sum();
        let above = (level_scale.level + 1).min(params.max_level());
        let temporary = match &node.op {
            PackedOp::Linear(map) => linear(params, map, above, threads),
            // Copies at the level, a decomposition, three polynomials of a product and their extended sums.
            _ => 4 * ciphertext(above) + switching(params, above),
        };
        most = most.max(live + temporary);
    }
    input + most
}

/// One key switch: the digits raised to all primes, their source in coefficients, and the two sums.
fn switching(params: &Params, level: usize) -> u64 {
    (params.digits(level) as u64 + 4) * extended(params, level) * limb(params)
}

/// A linear map at `level`: its rotated copies, and its largest output.
fn linear(params: &Params, map: &PackedLinear, level: usize, threads: usize) -> u64 {
    let width = map.steps().width.max(1);
    let ciphertext = 2 * params.limbs(level) as u64 * limb(params);
    let mut copies = BTreeSet::new();
    // By output: inputs, baby steps, giant steps.
    let mut rows: Vec<(u64, u64, BTreeSet<usize>)> = vec![Default::default(); map.output().blocks()];
    for (t, term) in map.terms().iter().enumerate() {
        for (part, indices) in map.parts(t) {
            copies.insert((term.input, part.input, part.copy));
            if let Some((inputs, baby_steps, giant_steps)) = rows.get_mut(part.output) {
                *inputs += 1;
                *baby_steps += indices.iter().map(|d| d % width).collect::<BTreeSet<_>>().len() as u64;
                giant_steps.extend(indices.iter().map(|d| d / width));
            }
        }
    }
    let tasks = threads.max(1) as u64;
    let row = |(inputs, baby_steps, giant_steps): &(u64, u64, BTreeSet<usize>)| {
        let raised = inputs * (params.digits(level) as u64 + 1) * extended(params, level) * limb(params);
        let sums = 2 * giant_steps.len() as u64 * extended(params, level) * limb(params);
        // Every thread has the baby steps of one limb, then a giant step of its own.
        let turning = tasks.min(extended(params, level)) * 2 * baby_steps * limb(params);
        raised + sums + turning + tasks.min(giant_steps.len() as u64) * (switching(params, level) + 2 * ciphertext)
    };
    copies.len() as u64 * ciphertext + rows.iter().map(row).max().unwrap_or(0) + switching(params, level) + 2 * ciphertext
}
