//! Memory of a server that runs one circuit for one client, counted buffer by buffer.
//!
//! The engine keeps freed buffers for reuse where about as many words are asked for. What it holds in the end is found by taking and
//! giving back what encoding, the expansion of keys and a run take and give back, in their order.

use crate::pack::{PackedCircuit, PackedLinear, PackedNode, PackedOp, needs};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
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
    /// All of it where no diagonals are kept but each row's encoded for every image.
    pub streamed_peak: usize,
}

/// The program itself, bytes: resident size of an example before it does anything.
const PROGRAM: usize = 8 << 20;
/// Words of tables per prime and coefficient: transforms forward and back with their quotients; the embedding's come to a prime's more.
const TABLE_WORDS: usize = 5;

/// Counts buffers as the engine keeps them: what is given back serves what is no shorter than two thirds of it.
#[derive(Default)]
struct Buffers {
    /// Number by length, in words.
    free: BTreeMap<usize, usize>,
    /// Their lengths by the length that was asked for.
    used: BTreeMap<usize, Vec<usize>>,
    /// All of them.
    words: usize,
}

impl Buffers {
    fn take(&mut self, words: usize, count: usize) {
        for _ in 0..count {
            let free = self.free.range_mut(words..=words + words / 2).find(|(_, count)| **count > 0);
            let found = free.map(|(length, count)| {
                *count -= 1;
                *length
            });
            self.words += if found.is_none() { words } else { 0 };
            self.used.entry(words).or_default().push(found.unwrap_or(words));
        }
    }

    fn give(&mut self, words: usize, count: usize) {
        for length in (0..count).filter_map(|_| self.used.get_mut(&words).and_then(Vec::pop)).collect::<Vec<_>>() {
            *self.free.entry(length).or_default() += 1;
        }
    }

    /// In use only while something lasts.
    fn briefly(&mut self, buffers: &[(usize, usize)]) {
        buffers.iter().for_each(|(words, count)| self.take(*words, *count));
        buffers.iter().for_each(|(words, count)| self.give(*words, *count));
    }

    fn bytes(&self) -> usize {
        4 * self.words
    }
}

/// The memory of a circuit whose nodes need `keys`, on so many threads.
pub(super) fn memory(circuit: &PackedCircuit, params: &Params, keys: &KeySpec, threads: usize) -> PlannedMemory {
    let lengths = Lengths { params, threads: threads.max(1) };
    let mut buffers = Buffers::default();
    let maps = || circuit.nodes().iter().filter_map(|node| map_of(node).map(|map| (node, map)));
    for (node, map) in maps() {
        let level = circuit.level().saturating_sub(node.depth) + 1;
        buffers.briefly(&[(lengths.raised(level), needs::encoded_at_once(map))]);
    }
    let encoding = buffers.bytes();
    let levels = || keys.relinearisation().into_iter().chain(keys.galois().values().copied());
    let sent: Vec<(usize, usize)> = levels().map(|level| (lengths.raised(level), params.digits(level))).collect();
    buffers.briefly(&sent);
    run(circuit, &lengths, &mut buffers, false);
    let mut streaming = Buffers::default();
    streaming.briefly(&sent);
    run(circuit, &lengths, &mut streaming, true);

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
    // In clear, a map's diagonals are all there at once.
    let clear = maps().map(|(_, map)| 8 * map.period() * map.diagonal_count()).max().unwrap_or(0);
    let process = PROGRAM + 4 * TABLE_WORDS * n * (params.chain().len() + params.special().len() + 1);
    let working = buffers.bytes();
    let fixed = process + constants;
    let peak = diagonals + (fixed + clear + encoding).max(fixed + keys + working);
    let streamed_peak = fixed + clear + keys + streaming.bytes();
    PlannedMemory { diagonals, keys, working, model: constants + clear, process, peak, streamed_peak }
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

/// The run, node by node; with the encoding of each row's diagonals where they are not kept.
fn run(circuit: &PackedCircuit, lengths: &Lengths<'_>, buffers: &mut Buffers, streamed: bool) {
    let level = |node: &PackedNode| circuit.level().saturating_sub(node.depth);
    let mut left = circuit.readers();
    // What the client sent stays beside the input node's copy.
    buffers.take(lengths.plain(circuit.level()), 2 * circuit.input().layout().blocks());
    for node in circuit.nodes() {
        let (here, blocks) = (level(node), node.layout.blocks());
        match &node.op {
            PackedOp::Input => {}
            PackedOp::Linear(map) => linear(map, here + 1, lengths, buffers, streamed),
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
        for input in node.op.inputs() {
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

fn linear(map: &PackedLinear, level: usize, lengths: &Lengths<'_>, buffers: &mut Buffers, streamed: bool) {
    let (n, threads) = (lengths.params.n(), lengths.threads);
    let copies: usize = (0..map.terms().len()).map(|t| map.copies(t).values().map(|set| set.len()).sum::<usize>()).sum();
    let plain = lengths.plain(level);
    buffers.take(plain, 2 * copies);
    if copies > 0 {
        buffers.briefly(&lengths.switch(level));
    }
    let mut rows: BTreeMap<usize, Row> = BTreeMap::new();
    let width = map.steps().width.max(1);
    for t in 0..map.terms().len() {
        for (part, indices) in map.parts(t) {
            let row = rows.entry(part.output).or_default();
            row.parts += 1;
            row.baby_steps += indices.iter().map(|d| d % width).collect::<BTreeSet<_>>().len();
            row.giant_steps.extend(indices.iter().map(|d| d / width));
            row.encoded.push(indices.len());
            let mut terms: BTreeMap<usize, usize> = BTreeMap::new();
            indices.iter().for_each(|d| *terms.entry(d / width).or_default() += 1);
            row.terms.extend(terms.into_values());
        }
    }
    let limbs = lengths.params.limbs(level) + lengths.params.special().len();
    for Row { parts, baby_steps, giant_steps, encoded, terms } in rows.values() {
        if streamed {
            terms.iter().for_each(|terms| buffers.take(terms * n / 2, limbs));
            encoded.iter().for_each(|count| buffers.briefly(&[(lengths.raised(level), *count.min(&needs::BATCH))]));
        }
        let sums = (lengths.raised(level), 2 * giant_steps.len());
        let digits: Vec<(usize, usize)> =
            lengths.digits(level).into_iter().map(|(words, count)| (words, count * parts)).collect();
        let mut first = digits;
        first.extend([sums, (plain, 1), (baby_steps * n, 2 * threads)]);
        buffers.briefly(&first);
        let mut second: Vec<(usize, usize)> =
            lengths.switch(level).into_iter().map(|(words, count)| (words, count * threads)).collect();
        second.push(sums);
        buffers.briefly(&second);
        if streamed {
            terms.iter().for_each(|terms| buffers.give(terms * n / 2, limbs));
        }
    }
    buffers.give(plain, 2 * copies);
}

/// What one output ciphertext of a linear map needs.
#[derive(Default)]
struct Row {
    /// Its inputs.
    parts: usize,
    /// Their baby steps.
    baby_steps: usize,
    /// Its giant steps.
    giant_steps: BTreeSet<usize>,
    /// Diagonals by part.
    encoded: Vec<usize>,
    /// Diagonals by part and giant step.
    terms: Vec<usize>,
}
