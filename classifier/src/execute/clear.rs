//! The packed circuit on slots in f64: what the ciphertexts would hold without noise.

use super::slots::{Maps, diagonals, evaluate};
use crate::pack::{PackError, PackedCircuit, PackedNode};

/// What a node's slots hold, given to the trace as soon as it is computed.
#[derive(Debug, Clone, Copy)]
pub struct Traced<'a> {
    /// Its place among the nodes.
    pub index: usize,
    /// The node that was computed.
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
    maps: Vec<Maps>,
}

impl<'a> ClearExecutor<'a> {
    /// Builds the diagonals of every map.
    ///
    /// # Errors
    /// [`PackError::Diagonals`].
    pub fn new(circuit: &'a PackedCircuit) -> Result<Self, PackError> {
        let maps = circuit.nodes().iter().map(diagonals);
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
        for (index, (node, maps)) in self.circuit.nodes().iter().zip(&self.maps).enumerate() {
            let slots = evaluate(self.circuit, node, maps, image, &done, &mut |_, _| {});
            trace(Traced { index, node, slots: &slots });
            done.push(slots);
        }
        let last = done.last().and_then(|blocks| blocks.first());
        last.map(|slots| self.circuit.logits(slots).0).unwrap_or_default()
    }
}
