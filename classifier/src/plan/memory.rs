//! Memory of a server that runs one circuit for one client, counted buffer by buffer.
//!
//! The engine keeps freed buffers for reuse, by their length, so what it holds in the end is for every length the largest number that was
//! ever in use at once: while diagonals are encoded, while keys are expanded, and while the circuit runs.

use crate::execute::needs;
use crate::pack::{PackedCircuit, PackedLinear, PackedNode, PackedOp};
use serde::Serialize;
use std::collections::BTreeMap;
use veilray_he::{KeySpec, Params};

/// Bytes of memory, by what takes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedMemory {
    /// Encoded diagonals, exact.
    pub diagonals: usize,
    /// Expanded evaluation keys of one client, exact.
    pub keys: usize,
    /// The engine's buffers: ciphertexts, decompositions, sums, and what encoding and expansion left for them to reuse.
    pub working: usize,
    /// The network's matrices in clear, constants, and the diagonals in clear of the largest map while it is encoded.
    pub model: usize,
    /// The program, and the engine's tables.
    pub process: usize,
    /// All of it.
    pub peak: usize,
}

/// The program itself, bytes: resident size of an example before it does anything.
const PROGRAM: usize = 8 << 20;
/// Words of tables per prime and coefficient: transforms forward and back with their quotients; the embedding's come to a prime's more.
const TABLE_WORDS: usize = 5;

/// Counts buffers in use by length in words, and the most of each.
#[derive(Default)]
struct Buffers {
    now: BTreeMap<usize, usize>,
    most: BTreeMap<usize, usize>,
}

impl Buffers {
    fn take(&mut self, words: usize, count: usize) {
        let now = self.now.entry(words).or_default();
        *now += count;
        let most = self.most.entry(words).or_default();
        *most = (*now).max(*most);
    }

    fn give(&mut self, words: usize, count: usize) {
        let now = self.now.entry(words).or_default();
        *now = now.saturating_sub(count);
    }

    /// In use only while something lasts.
    fn briefly(&mut self, buffers: &[(usize, usize)]) {
        buffers.iter().for_each(|(words, count)| self.take(*words, *count));
        buffers.iter().for_each(|(words, count)| self.give(*words, *count));
    }

    fn bytes(&self) -> usize {
        self.most.iter().map(|(words, count)| 4 * words * count).sum()
    }
}

/// The memory of a circuit whose nodes need `keys`, on so many threads.
pub(super) fn memory(circuit: &PackedCircuit, params: &Params, keys: &KeySpec, threads: usize) -> PlannedMemory {
    let lengths = Lengths { params, threads: threads.max(1) };
    let mut buffers = Buffers::default();
    let maps = || circuit.nodes().iter().filter_map(|node| map_of(node).map(|map| (node, map)));
    for (node, map) in maps() {
        let level = circuit.level().saturating_sub(node.depth) + 1;
        for t in 0..map.terms().len() {
            // A part's diagonals are encoded together before they are packed.
            map.parts(t).values().for_each(|part| buffers.briefly(&[(lengths.raised(level), part.len())]));
        }
    }
    let encoding = buffers.bytes();
    let levels = || keys.relinearisation().into_iter().chain(keys.galois().values().copied());
    let sent: Vec<(usize, usize)> = levels().map(|level| (lengths.raised(level), params.digits(level))).collect();
    buffers.briefly(&sent);
    run(circuit, &lengths, &mut buffers);

    let n = params.n();
    let packed: usize = levels().map(|level| 2 * params.digits(level) * lengths.raised(level)).sum();
    let permutations = keys.galois().len() * (n + n / 8);
    let (diagonals, keys) = (needs::diagonal_bytes(params, circuit), 4 * (packed + permutations));
    let constants: usize = circuit
        .nodes()
        .iter()
        .map(|node| match &node.op {
            PackedOp::Linear(map) => 16 * map.entry_count() + 8 * map.output().blocks() * params.slots(),
            PackedOp::Sum { constant, .. } => 8 * constant.len() * params.slots(),
            _ => 0,
        })
        .sum();
    // In clear, a term's diagonals are all there at once.
    let clear = maps()
        .flat_map(|(_, map)| map.terms().iter().map(|t| 8 * map.period() * t.blocks().values().map(Vec::len).sum::<usize>()));
    let clear = clear.max().unwrap_or(0);
    let process = PROGRAM + 4 * TABLE_WORDS * n * (params.chain().len() + params.special().len() + 1);
    let working = buffers.bytes();
    let fixed = process + constants + diagonals;
    let peak = (fixed + clear + encoding).max(fixed + keys + working);
    PlannedMemory { diagonals, keys, working, model: constants + clear, process, peak }
}

fn map_of(node: &PackedNode) -> Option<&PackedLinear> {
    match &node.op {
        PackedOp::Linear(map) => Some(map),
        _ => None,
    }
}

/// Lengths of the engine's buffers, in words.
struct Lengths<'a> {
    params: &'a Params,
    threads: usize,
}

impl Lengths<'_> {
    /// A polynomial at a level.
    fn plain(&self, level: usize) -> usize {
        self.params.limbs(level) * self.params.n()
    }

    /// With the special primes.
    fn raised(&self, level: usize) -> usize {
        (self.params.limbs(level) + self.params.special().len()) * self.params.n()
    }

    /// The raised digits of one polynomial, each without its own primes.
    fn digits(&self, level: usize) -> Vec<(usize, usize)> {
        let p = self.params;
        let (limbs, count) = (p.limbs(level), p.digits(level));
        let width = p.limbs(p.max_level()).div_ceil(p.literal().digits);
        let own = |d: usize| width.min(limbs.saturating_sub(d * width));
        (0..count).map(|d| (self.raised(level) - own(d) * p.n(), 1)).collect()
    }

    /// One key switch and its division.
    fn switch(&self, level: usize) -> Vec<(usize, usize)> {
        let mut out = self.digits(level);
        out.extend([(self.raised(level), 2), (self.plain(level), 3)]);
        out
    }
}

/// The run, node by node.
fn run(circuit: &PackedCircuit, lengths: &Lengths<'_>, buffers: &mut Buffers) {
    let level = |node: &PackedNode| circuit.level().saturating_sub(node.depth);
    let mut left = crate::execute::readers(circuit);
    // What the client sent stays beside the input node's copy.
    buffers.take(lengths.plain(circuit.level()), 2 * circuit.input().layout().blocks());
    for node in circuit.nodes() {
        let (here, blocks) = (level(node), node.layout.blocks());
        match &node.op {
            PackedOp::Input => {}
            PackedOp::Linear(map) => linear(map, here + 1, lengths, buffers),
            PackedOp::Square { .. } | PackedOp::Product { .. } => {
                let mut all = lengths.switch(here + 1);
                all.push((lengths.plain(here + 1), 5));
                buffers.briefly(&all);
            }
            PackedOp::Sum { .. } => buffers.briefly(&[(lengths.plain(here), 6), (lengths.plain(here + 1), 4)]),
            PackedOp::WindowSum { .. } | PackedOp::Spread { .. } => {
                let mut all = lengths.switch(here);
                all.push((lengths.plain(here), 4));
                buffers.briefly(&all);
            }
        }
        buffers.take(lengths.plain(here), 2 * blocks);
        for input in crate::execute::inputs(&node.op) {
            let done = left.get_mut(input).is_some_and(|left| {
                *left = left.saturating_sub(1);
                *left == 0
            });
            if let Some(done) = circuit.nodes().get(input).filter(|_| done) {
                buffers.give(lengths.plain(level(done)), 2 * done.layout.blocks());
            }
        }
    }
}

fn linear(map: &PackedLinear, level: usize, lengths: &Lengths<'_>, buffers: &mut Buffers) {
    let (n, threads) = (lengths.params.n(), lengths.threads);
    let copies: usize = (0..map.terms().len()).map(|t| map.copies(t).values().map(|set| set.len()).sum::<usize>()).sum();
    let plain = lengths.plain(level);
    buffers.take(plain, 2 * copies);
    if copies > 0 {
        buffers.briefly(&lengths.switch(level));
    }
    // By output ciphertext: parts, their baby steps, and giant steps.
    let mut rows: BTreeMap<usize, (usize, usize, std::collections::BTreeSet<usize>)> = BTreeMap::new();
    for t in 0..map.terms().len() {
        for (part, indices) in map.parts(t) {
            let width = map.steps().width.max(1);
            let babies: std::collections::BTreeSet<usize> = indices.iter().map(|d| d % width).collect();
            let (parts, count, giants) = rows.entry(part.output).or_default();
            *parts += 1;
            *count += babies.len();
            giants.extend(indices.iter().map(|d| d / width));
        }
    }
    for (parts, babies, giants) in rows.values() {
        let sums = (lengths.raised(level), 2 * giants.len());
        let digits: Vec<(usize, usize)> =
            lengths.digits(level).into_iter().map(|(words, count)| (words, count * parts)).collect();
        let mut first = digits;
        first.extend([sums, (plain, 1), (babies * n, 2 * threads)]);
        buffers.briefly(&first);
        let mut second: Vec<(usize, usize)> =
            lengths.switch(level).into_iter().map(|(words, count)| (words, count * threads)).collect();
        second.push(sums);
        buffers.briefly(&second);
    }
    buffers.give(plain, 2 * copies);
}
