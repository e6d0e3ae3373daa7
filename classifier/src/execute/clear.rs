//! The packed circuit on slots in f64: what the ciphertexts would hold without noise.

use crate::pack::{PackError, PackedCircuit, PackedLinear, PackedNode, PackedOp, Part};
use std::collections::BTreeMap;
use veilray_he::Diagonals;

/// What a node's slots hold, given to the trace as soon as it is computed.
#[derive(Debug, Clone, Copy)]
pub struct Traced<'a> {
    /// Its place among the nodes.
    pub index: usize,
    /// The node.
    pub node: &'a PackedNode,
    /// The slots of each of its ciphertexts, unspecified ones included: all of them count against the range of the modulus.
    pub slots: &'a [Vec<f64>],
}

impl Traced<'_> {
    /// Smallest and largest value in any slot.
    pub fn range(&self) -> (f64, f64) {
        let all = self.slots.iter().flatten();
        all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)))
    }

    /// The tensor's values, in its own order.
    pub fn values(&self) -> Vec<f64> {
        self.node.layout.unpack(self.slots)
    }
}

/// The packed circuit with its diagonals at hand, for many images.
#[derive(Debug)]
pub struct ClearExecutor<'a> {
    circuit: &'a PackedCircuit,
    /// By node, for linear maps: the diagonals of each term.
    maps: Vec<Vec<BTreeMap<Part, Diagonals>>>,
}

impl<'a> ClearExecutor<'a> {
    /// Builds the diagonals of every map.
    ///
    /// # Errors
    /// [`PackError::Diagonals`].
    pub fn new(circuit: &'a PackedCircuit) -> Result<Self, PackError> {
        let maps = circuit.nodes().iter().map(|node| match &node.op {
            PackedOp::Linear(map) => {
                let refuse = |e: veilray_he::Error| PackError::Diagonals { node: node.name.clone(), why: e.to_string() };
                (0..map.terms().len()).map(|t| map.diagonals(t).map_err(refuse)).collect()
            }
            _ => Ok(vec![]),
        });
        Ok(Self { circuit, maps: maps.collect::<Result<_, _>>()? })
    }

    /// The logits of an image's values, given as [channel, height, width] row by row.
    #[must_use]
    pub fn run(&self, image: &[f64]) -> Vec<f64> {
        self.run_traced(image, |_| {})
    }

    /// As [`ClearExecutor::run`], showing every node's slots to `trace`.
    #[must_use]
    pub fn run_traced(&self, image: &[f64], mut trace: impl FnMut(Traced<'_>)) -> Vec<f64> {
        let mut done: Vec<Vec<Vec<f64>>> = Vec::with_capacity(self.circuit.nodes().len());
        for (index, node) in self.circuit.nodes().iter().enumerate() {
            let slots = self.node(index, node, image, &done);
            trace(Traced { index, node, slots: &slots });
            done.push(slots);
        }
        let last = done.last().and_then(|blocks| blocks.first());
        last.map(|slots| self.circuit.logits(slots).0).unwrap_or_default()
    }

    fn node(&self, index: usize, node: &PackedNode, image: &[f64], done: &[Vec<Vec<f64>>]) -> Vec<Vec<f64>> {
        let of = |i: usize| done.get(i).map_or(&[][..], Vec::as_slice);
        match &node.op {
            PackedOp::Input => self.circuit.input().pack(image),
            PackedOp::Linear(map) => self.linear(index, map, done),
            PackedOp::Square { input } => of(*input).iter().map(|b| b.iter().map(|x| x * x).collect()).collect(),
            PackedOp::Product { left, right } => {
                let blocks = of(*left).iter().zip(of(*right));
                blocks.map(|(a, b)| a.iter().zip(b).map(|(x, y)| x * y).collect()).collect()
            }
            PackedOp::Sum { terms, constant } => {
                let mut sum = constant.clone();
                for (input, factor) in terms {
                    for (sum, block) in sum.iter_mut().zip(of(*input)) {
                        sum.iter_mut().zip(block).for_each(|(s, x)| *s += *factor as f64 * x);
                    }
                }
                sum
            }
            PackedOp::WindowSum { input, sources, steps } => {
                let sum = |sources: &Vec<usize>| {
                    let mut sum = vec![0.0; self.circuit.slots()];
                    for block in sources.iter().filter_map(|b| of(*input).get(*b)) {
                        sum.iter_mut().zip(block).for_each(|(s, x)| *s += x);
                    }
                    steps.iter().for_each(|step| add_rotated(&mut sum, *step));
                    sum
                };
                sources.iter().map(sum).collect()
            }
            PackedOp::Spread { input, sources, steps } => {
                let source = |b: &usize| of(*input).get(*b).cloned().unwrap_or_default();
                let mut blocks: Vec<Vec<f64>> = sources.iter().map(source).collect();
                for x in &mut blocks {
                    let slots = x.len();
                    steps.iter().for_each(|step| add_rotated(x, slots.saturating_sub(*step)));
                }
                blocks
            }
        }
    }

    fn linear(&self, index: usize, map: &PackedLinear, done: &[Vec<Vec<f64>>]) -> Vec<Vec<f64>> {
        let slots = self.circuit.slots();
        let mut out = vec![vec![0.0; slots]; map.output().blocks()];
        let maps = self.maps.get(index).into_iter().flatten();
        for (term, diagonals) in map.terms().iter().zip(maps) {
            for (part, diagonals) in diagonals {
                let input = done.get(term.input).and_then(|b| b.get(part.input));
                let (Some(y), Some(x)) = (out.get_mut(part.output), input) else { continue };
                for (steps, diagonal) in diagonals.iter() {
                    let turned = x.iter().cycle().skip(part.copy + steps);
                    y.iter_mut().zip(turned).zip(diagonal.iter().cycle()).for_each(|((y, x), d)| *y += d * x);
                }
            }
        }
        for (y, bias) in out.iter_mut().zip(map.bias()) {
            map.folds().for_each(|step| add_rotated(y, step));
            y.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
        }
        out
    }
}

/// x ← x + x rotated left.
fn add_rotated(x: &mut [f64], steps: usize) {
    let turned: Vec<f64> = x.iter().cycle().skip(steps).take(x.len()).copied().collect();
    x.iter_mut().zip(turned).for_each(|(x, t)| *x += t);
}
