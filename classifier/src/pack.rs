//! From a circuit over tensors to one over slots.
//!
//! [`pack`] chooses a [`Layout`] for every tensor and turns every linear map into its non-zero diagonals between layouts. The result, a
//! [`PackedCircuit`], is what all executors evaluate, in clear, simulated and on ciphertexts.

mod assemble;
mod choose;
mod circuit;
mod cost;
mod diagonals;
mod error;
mod input;
mod io_layout;
mod layout;
mod linear_map;
mod measure;
pub(crate) mod needs;
mod options;
mod search;
mod step_costs;
mod steps;

pub use circuit::{PackedCircuit, PackedNode, PackedOp};
pub use cost::{CostModel, LevelCost};
pub use error::PackError;
pub use input::PackedInput;
pub use io_layout::IoLayout;
pub use layout::{AddressBit, Layout};
pub(crate) use linear_map::chain;
pub use linear_map::{PackedLinear, PackedTerm, Part};
pub use options::PackOptions;
pub use steps::{StepCounts, Steps};

use crate::circuit::Circuit;
use assemble::assemble;
use error::MAX_BLOCKS;
use input::arrangements;
use search::search;

/// Packs a circuit.
///
/// # Errors
/// A number of slots or a level that does not fit, tensors that are too large or cannot share a layout.
pub fn pack(circuit: &Circuit, options: &PackOptions) -> Result<PackedCircuit, PackError> {
    let least = circuit.labels().next_power_of_two().max(2);
    if !options.slots.is_power_of_two() || options.slots < least || options.slots > 1 << 15 {
        return Err(PackError::Slots { found: options.slots, least });
    }
    if options.level < circuit.depth() {
        return Err(PackError::Levels { found: options.level, depth: circuit.depth() });
    }
    let log_slots = options.slots.trailing_zeros();
    for node in circuit.nodes() {
        let padded = [node.shape.channels, node.shape.height, node.shape.width].map(|n| n.next_power_of_two());
        if padded.iter().product::<usize>() > MAX_BLOCKS * options.slots {
            return Err(PackError::Blocks { node: node.name.clone(), shape: node.shape, slots: options.slots });
        }
    }
    let values = circuit.nodes().first().map_or(0, |node| node.shape.len());
    let mut best: Option<(f64, PackedCircuit)> = None;
    let mut least = f64::INFINITY;
    for (input, circuit) in arrangements(circuit, options.slots) {
        let found = search(&circuit, log_slots, &options.costs, options.level, options.passes)?;
        let mut packed = assemble(&circuit, (input, values), found, options)?;
        let choices = packed.choices(options.key_budget.is_some());
        packed.choose_steps(&options.costs, &choices, false);
        let mut weighed = packed.total_ms(&options.costs);
        match options.key_budget {
            None => weighed += options.costs.ms_per_key_megabyte * packed.key_megabytes(&options.costs),
            Some(budget) => {
                let fewest = packed.fewer_keys(&options.costs, budget, &choices);
                least = least.min(fewest);
                if fewest > budget {
                    continue;
                }
                weighed = packed.total_ms(&options.costs);
            }
        }
        if best.as_ref().is_none_or(|(ms, _)| weighed < *ms) {
            best = Some((weighed, packed));
        }
    }
    // The input as it is, is always an arrangement: without a budget there is one.
    best.map(|(_, packed)| packed).ok_or(PackError::Keys { budget: options.key_budget.unwrap_or(0.0), least })
}

#[cfg(test)]
mod tests;
