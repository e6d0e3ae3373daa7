//! One node on slots in f64. The clear executor computes with it as it is, the simulator disturbs what ciphertexts would err by.

use crate::pack::{PackError, PackedCircuit, PackedLinear, PackedNode, PackedOp, Part};
use std::collections::{BTreeMap, BTreeSet};
use veilray_he::Diagonals;

/// The diagonals of each term of a linear map; empty for other nodes.
pub(super) type Maps = Vec<BTreeMap<Part, Diagonals>>;

/// The slots of each ciphertext of a node.
pub(super) type Blocks = Vec<Vec<f64>>;

/// Where an operation on ciphertexts brings in an error of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// Encryption of the input.
    Fresh,
    /// A rotated copy of a linear map's input (which is a node).
    Copy(usize),
    /// A linear map's sum of products, by output ciphertext.
    Row(usize),
    /// A rotation at the node's own level.
    Turn,
    /// A constant that is added.
    Constant,
    /// A product, relinearised and rescaled.
    Product,
    /// A term of a sum (its input) brought to the sum's scale.
    Lift(usize),
}

/// Called at every event, with the slots that it concerns.
pub(super) type Disturb<'a> = &'a mut dyn FnMut(Event, &mut [f64]);

/// The diagonals that [`evaluate`] wants for a node.
pub(super) fn diagonals(node: &PackedNode) -> Result<Maps, PackError> {
    let PackedOp::Linear(map) = &node.op else { return Ok(vec![]) };
    let refuse = |e: veilray_he::Error| PackError::Diagonals { node: node.name.clone(), why: e.to_string() };
    (0..map.terms().len()).map(|t| map.diagonals(t).map_err(refuse)).collect()
}

/// The slots of a node from those of the nodes before it.
pub(super) fn evaluate(
    circuit: &PackedCircuit,
    node: &PackedNode,
    maps: &Maps,
    image: &[f64],
    done: &[Blocks],
    disturb: Disturb<'_>,
) -> Blocks {
    let of = |i: usize| done.get(i).map_or(&[][..], Vec::as_slice);
    match &node.op {
        PackedOp::Input => {
            let mut blocks = circuit.input().pack(image);
            blocks.iter_mut().for_each(|x| disturb(Event::Fresh, x));
            blocks
        }
        PackedOp::Linear(map) => linear(circuit.slots(), map, maps, done, disturb),
        PackedOp::Square { input } => products(of(*input), of(*input), disturb),
        PackedOp::Product { left, right } => products(of(*left), of(*right), disturb),
        PackedOp::Sum { terms, constant } => {
            let mut sum = constant.clone();
            sum.iter_mut().filter(|s| s.iter().any(|v| *v != 0.0)).for_each(|s| disturb(Event::Constant, s));
            for (input, factor) in terms {
                for (sum, block) in sum.iter_mut().zip(of(*input)) {
                    let mut term = block.clone();
                    disturb(Event::Lift(*input), &mut term);
                    sum.iter_mut().zip(term).for_each(|(s, x)| *s += *factor as f64 * x);
                }
            }
            sum
        }
        PackedOp::WindowSum { input, sources, steps } => {
            let sum = |sources: &Vec<usize>| {
                let mut sum = vec![0.0; circuit.slots()];
                for block in sources.iter().filter_map(|b| of(*input).get(*b)) {
                    sum.iter_mut().zip(block).for_each(|(s, x)| *s += x);
                }
                steps.iter().for_each(|step| fold(&mut sum, *step, disturb));
                sum
            };
            sources.iter().map(sum).collect()
        }
        PackedOp::Spread { input, sources, steps } => {
            let source = |b: &usize| of(*input).get(*b).cloned().unwrap_or_default();
            let mut blocks: Blocks = sources.iter().map(source).collect();
            for x in &mut blocks {
                let slots = x.len();
                steps.iter().for_each(|step| fold(x, slots.saturating_sub(*step), disturb));
            }
            blocks
        }
    }
}

fn products(left: &[Vec<f64>], right: &[Vec<f64>], disturb: Disturb<'_>) -> Blocks {
    let mut blocks: Blocks = left.iter().zip(right).map(|(a, b)| a.iter().zip(b).map(|(x, y)| x * y).collect()).collect();
    blocks.iter_mut().for_each(|x| disturb(Event::Product, x));
    blocks
}

fn linear(slots: usize, map: &PackedLinear, maps: &Maps, done: &[Blocks], disturb: Disturb<'_>) -> Blocks {
    let mut out = vec![vec![0.0; slots]; map.output().blocks()];
    // Every copy is one ciphertext, whichever parts read it.
    let wanted: BTreeSet<[usize; 3]> =
        map.terms().iter().zip(maps).flat_map(|(term, parts)| parts.keys().map(|p| [term.input, p.input, p.copy])).collect();
    let mut copies: BTreeMap<[usize; 3], Vec<f64>> = BTreeMap::new();
    for [input, block, copy] in wanted {
        let Some(x) = done.get(input).and_then(|blocks| blocks.get(block)) else { continue };
        // Ascending: the copy before is the last one made, if it is of the same ciphertext.
        let before = copies.range([input, block, 0]..[input, block, copy]).next_back().filter(|_| map.steps().chained);
        let (done, mut x) = before.map_or((0, x.clone()), |(key, x)| (key[2], x.clone()));
        if copy != 0 {
            let length = x.len().max(1);
            x.rotate_left((copy - done) % length);
            disturb(Event::Copy(input), &mut x);
        }
        copies.insert([input, block, copy], x);
    }
    for (term, diagonals) in map.terms().iter().zip(maps) {
        for (part, diagonals) in diagonals {
            let input = copies.get(&[term.input, part.input, part.copy]);
            let (Some(y), Some(x)) = (out.get_mut(part.output), input) else { continue };
            for (steps, diagonal) in diagonals.iter() {
                let (low, high) = x.split_at(steps.min(x.len()));
                let (first, second) = y.split_at_mut(high.len().min(slots));
                add_products(first, high, diagonal, 0);
                add_products(second, low, diagonal, high.len() % diagonal.len().max(1));
            }
        }
    }
    for (row, (y, bias)) in out.iter_mut().zip(map.bias()).enumerate() {
        disturb(Event::Row(row), y);
        map.folds().for_each(|step| fold(y, step, disturb));
        if bias.iter().any(|b| *b != 0.0) {
            y.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
            disturb(Event::Constant, y);
        }
    }
    out
}

/// y ← y + diagonal · x slot by slot, the diagonal repeating and read from place `at`.
fn add_products(mut y: &mut [f64], mut x: &[f64], diagonal: &[f64], mut at: usize) {
    while let Some(run) = diagonal.get(at..).filter(|run| !run.is_empty() && !y.is_empty()) {
        let length = run.len().min(y.len()).min(x.len().max(1));
        let (y_now, y_later) = y.split_at_mut(length);
        let (x_now, x_later) = x.split_at(length.min(x.len()));
        y_now.iter_mut().zip(x_now).zip(run).for_each(|((y, x), d)| *y += d * x);
        (y, x, at) = (y_later, x_later, 0);
    }
}

/// x ← x + x rotated left.
fn fold(x: &mut [f64], steps: usize, disturb: Disturb<'_>) {
    let mut turned = x.to_vec();
    let length = turned.len().max(1);
    turned.rotate_left(steps % length);
    disturb(Event::Turn, &mut turned);
    x.iter_mut().zip(turned).for_each(|(x, t)| *x += t);
}
