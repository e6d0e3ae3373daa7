//! From layouts to nodes over slots.

use super::circuit::{PackedCircuit, PackedNode, PackedOp};
use super::error::PackError;
use super::input::{PackedInput, Windows};
use super::io_layout::IoLayout;
use super::layout::{AddressBit, Layout, bits_for};
use super::linear_map::PackedLinear;
use super::options::PackOptions;
use super::search::Found;
use crate::circuit::{Circuit, NodeId, Op, Sparse};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A circuit in the layouts that were found, its linear maps not yet split.
pub(super) fn assemble(
    circuit: &Circuit,
    (windows, values): (Option<Windows>, usize),
    found: Found,
    options: &PackOptions,
) -> Result<PackedCircuit, PackError> {
    let mut nodes = Vec::with_capacity(circuit.nodes().len());
    for ((i, node), layout) in circuit.nodes().iter().enumerate().zip(&found.layouts) {
        let layout_of = |i: usize| found.layouts.get(i).unwrap_or(layout);
        let op = match &node.op {
            Op::Input => PackedOp::Input,
            Op::Linear { terms, bias } => {
                let (folds, phases) = found.folds.get(&i).cloned().unwrap_or_default();
                let term = |((id, matrix), phase): (&(NodeId, Arc<Sparse>), &usize)| {
                    (id.index(), Arc::clone(matrix), Arc::clone(layout_of(id.index())), *phase)
                };
                PackedOp::Linear(PackedLinear::new(terms.iter().zip(&phases).map(term).collect(), layout, &folds, bias))
            }
            Op::Square(id) => PackedOp::Square { input: id.index() },
            Op::Product(a, b) => PackedOp::Product { left: a.index(), right: b.index() },
            Op::Sum { terms, constant } => {
                PackedOp::Sum { terms: terms.iter().map(|(id, k)| (id.index(), *k)).collect(), constant: layout.pack(constant) }
            }
            Op::WindowSum { input, window } => {
                let from = layout_of(input.index());
                let (sources, steps) = window_sums(from, layout, *window);
                PackedOp::WindowSum { input: input.index(), sources, steps }
            }
            Op::Spread(input) => {
                let from = layout_of(input.index());
                let mut sources = vec![0; layout.blocks()];
                for index in 0..node.shape.len() {
                    let (channel, ..) = node.shape.position(index);
                    let block = layout.address(index) / options.slots;
                    sources.get_mut(block).into_iter().for_each(|s| *s = from.address(channel) / options.slots);
                }
                let steps = layout.steps(AddressBit::Column).into_iter().chain(layout.steps(AddressBit::Row));
                PackedOp::Spread { input: input.index(), sources, steps: steps.filter(|s| *s < from.period()).collect() }
            }
        };
        nodes.push(PackedNode { name: node.name.clone(), op, layout: Arc::clone(layout), depth: node.depth });
    }
    let input_layout = found.layouts.first().cloned().ok_or(PackError::Slots { found: options.slots, least: 2 })?;
    Ok(PackedCircuit {
        name: circuit.name().into(),
        io: IoLayout {
            input: PackedInput::new(windows, input_layout, values),
            level: options.level,
            labels: circuit.labels(),
            period: nodes.last().map_or(options.slots, |n| n.layout.period()),
        },
        nodes,
    })
}

/// Sources and steps of [`PackedOp::WindowSum`].
fn window_sums(from: &Layout, to: &Layout, [high, wide]: [usize; 2]) -> (Vec<Vec<usize>>, Vec<usize>) {
    let mut sources: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); to.blocks()];
    for index in 0..to.shape().len() {
        let (c, y, x) = to.shape().position(index);
        let Some(sources) = sources.get_mut(to.address(index) / to.slots()) else { continue };
        for (dy, dx) in (0..high).flat_map(|dy| (0..wide).map(move |dx| (dy, dx))) {
            sources.insert(from.address(from.shape().index(c, y * high + dy, x * wide + dx)) / from.slots());
        }
    }
    // A ciphertext without values may hold anything.
    let source = |set: BTreeSet<usize>| if set.is_empty() { vec![0] } else { set.into_iter().collect() };
    let low = |bit: AddressBit, side: usize| from.low_steps(bit, bits_for(side));
    let steps = low(AddressBit::Column, wide).into_iter().chain(low(AddressBit::Row, high)).collect();
    (sources.into_iter().map(source).collect(), steps)
}
