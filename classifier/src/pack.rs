//! From a circuit over tensors to one over slots.
//!
//! [`pack`] chooses a [`Layout`] for every tensor and turns every linear map into its non-zero diagonals between layouts. The result, a
//! [`PackedCircuit`], is what all executors evaluate, in clear, simulated and on ciphertexts.

mod cost;
mod diagonals;
mod ends;
mod input;
mod layout;
mod linear_map;
mod measure;
mod search;
mod steps;

pub use cost::{CostModel, LevelCost};
pub use ends::Ends;
pub use input::PackedInput;
pub use layout::{Layout, Place};
pub(crate) use linear_map::chain;
pub use linear_map::{PackedLinear, PackedTerm, Part};
pub use steps::{StepCounts, Steps};

use crate::circuit::{Circuit, Op};
use crate::spec::Shape;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most ciphertexts of one tensor.
const MOST_BLOCKS: usize = 1024;

/// Why a circuit was not packed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// A number of slots that no parameter set has, or too few.
    #[error("{found} slots: the number of slots must be a power of two from {least} (one per label) to 32768; N = 2 · slots")]
    Slots {
        /// The number.
        found: usize,
        /// The least.
        least: usize,
    },
    /// A tensor of too many ciphertexts.
    #[error("{node} has {shape} values, more than {MOST_BLOCKS} ciphertexts of {slots} slots; take a larger N")]
    Blocks {
        /// The node.
        node: String,
        /// Its extents.
        shape: Shape,
        /// Slots of a ciphertext.
        slots: usize,
    },
    /// A layout that cannot hold a tensor.
    #[error(
        "a layout of {bits} bits over {slots} slots cannot hold {shape} values: every axis needs bits for its extent, windows' below the slots"
    )]
    Layout {
        /// Extents of the tensor.
        shape: Shape,
        /// Slots of a ciphertext.
        slots: usize,
        /// Bits of an address.
        bits: usize,
    },
    /// Tensors that must lie alike but cannot.
    #[error("{node}: {found} values must lie in the slots of {wanted} ones; put a convolution or linear layer between")]
    Conflict {
        /// The node.
        node: String,
        /// Extents of the one.
        found: Shape,
        /// Extents of the other.
        wanted: Shape,
    },
    /// Levels that the circuit does not have.
    #[error(
        "the input comes in at level {found}, but the circuit consumes {depth}; take a parameter set of at least {depth} levels"
    )]
    Levels {
        /// Level of the input.
        found: usize,
        /// Levels that the circuit consumes.
        depth: usize,
    },
    /// A budget of keys that no choice of steps meets.
    #[error(
        "evaluation keys of {budget:.1} MB are asked for, the fewest steps need {least:.1} MB; allow that many, or take a parameter set of \
         fewer levels or a smaller N"
    )]
    Keys {
        /// What was asked for, MB.
        budget: f64,
        /// What can be had, MB.
        least: f64,
    },
    /// What the engine refused.
    #[error("diagonals of {node}: {why}")]
    Diagonals {
        /// The node.
        node: String,
        /// Its reason.
        why: String,
    },
}

/// How a circuit is packed.
#[derive(Debug, Clone, PartialEq)]
pub struct PackOptions {
    /// Slots of a ciphertext, N/2; a power of two.
    pub slots: usize,
    /// Level at which the input arrives: at least the circuit's depth.
    pub level: usize,
    /// What operations cost.
    pub costs: CostModel,
    /// Passes of the layout search over all tensors; 0 keeps the layouts it starts from.
    pub passes: usize,
    /// Most megabytes (10^6 bytes) of evaluation keys: copies may then be chained ([`Steps::chained`]), and keys weigh more and more until
    /// they fit.
    pub key_budget: Option<f64>,
}

impl PackOptions {
    /// For a parameter set, with the input as low as the circuit allows and the costs of the reference machine.
    pub fn new(params: &veilray_he::Params, circuit: &Circuit) -> Self {
        Self { slots: params.slots(), level: circuit.depth(), costs: CostModel::reference(params), passes: 4, key_budget: None }
    }

    /// The same with at most so many megabytes (10^6 bytes) of evaluation keys, at the price of time.
    #[must_use]
    pub fn with_key_budget(self, megabytes: f64) -> Self {
        Self { key_budget: Some(megabytes), ..self }
    }
}

/// How a packed node's ciphertexts come about. Inputs are indices of earlier nodes; all have one ciphertext per block of their layout.
#[derive(Debug, Clone, PartialEq)]
pub enum PackedOp {
    /// Encrypted by the client from [`PackedInput::pack`].
    Input,
    /// Linear maps by diagonals; one level. On ciphertexts: the copies of each input ciphertext (`Evaluator::rotate_hoisted`, or one after
    /// the other where [`Steps::chained`]); then
    /// `Evaluator::linear_sum` per output ciphertext over its parts; then for each fold a rotation and an addition; then the bias.
    Linear(PackedLinear),
    /// Each ciphertext times itself, relinearised and rescaled; one level.
    Square {
        /// The node.
        input: usize,
    },
    /// Ciphertext by ciphertext, relinearised and rescaled; one level.
    Product {
        /// One factor.
        left: usize,
        /// The other.
        right: usize,
    },
    /// Σ factor · ciphertext + constant; no level. Terms of a higher level are first brought to the lowest level and its scale.
    Sum {
        /// Nodes and the small integers that multiply them.
        terms: Vec<(usize, i64)>,
        /// The constant of every ciphertext, by slots.
        constant: Vec<Vec<f64>>,
    },
    /// Ciphertext b starts as the sum of the input's ciphertexts `sources[b]`, usually b alone; then for each step in turn:
    /// x ← x + rotate(x, step), a rotation to the left; no level.
    WindowSum {
        /// The node.
        input: usize,
        /// Ciphertexts of the input that each output begins with, at least one.
        sources: Vec<Vec<usize>>,
        /// Rotations to the left, in slots.
        steps: Vec<usize>,
    },
    /// Ciphertext b starts as ciphertext `sources[b]` of the input; then for each step in turn: x ← x + rotate(x, −step), a rotation to
    /// the right; no level.
    Spread {
        /// The node.
        input: usize,
        /// Ciphertext of the input that each output begins with.
        sources: Vec<usize>,
        /// Rotations to the right, in slots.
        steps: Vec<usize>,
    },
}

impl PackedOp {
    /// Its name in plans and traces.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Linear(_) => "linear",
            Self::Square { .. } => "square",
            Self::Product { .. } => "product",
            Self::Sum { .. } => "sum",
            Self::WindowSum { .. } => "window sum",
            Self::Spread { .. } => "spread",
        }
    }
}

/// One tensor as ciphertexts.
#[derive(Debug, Clone, PartialEq)]
pub struct PackedNode {
    /// Path of the layer it computes.
    pub name: String,
    /// How it comes about.
    pub op: PackedOp,
    /// Where its values lie. It has [`Layout::blocks`] ciphertexts.
    pub layout: Arc<Layout>,
    /// Levels consumed from the input up to here: its ciphertexts are at level [`PackedCircuit::level`] − depth, and so are the inputs of
    /// a node of the same depth; those of a linear map, a square or a product are one higher. Inputs that are higher still are dropped.
    pub depth: usize,
}

/// A circuit over slots: node 0 is the input, the last node the logits, in slots 0, 1, … of one ciphertext.
#[derive(Debug, Clone, PartialEq)]
pub struct PackedCircuit {
    name: String,
    ends: Ends,
    nodes: Vec<PackedNode>,
}

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
        if padded.iter().product::<usize>() > MOST_BLOCKS * options.slots {
            return Err(PackError::Blocks { node: node.name.clone(), shape: node.shape, slots: options.slots });
        }
    }
    let values = circuit.nodes().first().map_or(0, |node| node.shape.len());
    let mut best: Option<(f64, PackedCircuit)> = None;
    let mut least = f64::INFINITY;
    for (input, circuit) in input::arrangements(circuit, options.slots) {
        let found = search::search(&circuit, log_slots, &options.costs, options.level, options.passes)?;
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

/// Milliseconds per megabyte at which weights end: a key is then dearer than most maps, and steps no longer change.
const MOST_WEIGHT: f64 = 128.0;

fn assemble(
    circuit: &Circuit,
    (windows, values): (Option<input::Windows>, usize),
    found: search::Found,
    options: &PackOptions,
) -> Result<PackedCircuit, PackError> {
    let mut nodes = Vec::with_capacity(circuit.nodes().len());
    for ((i, node), layout) in circuit.nodes().iter().enumerate().zip(&found.layouts) {
        let layout_of = |i: usize| found.layouts.get(i).unwrap_or(layout);
        let op = match &node.op {
            Op::Input => PackedOp::Input,
            Op::Linear { terms, bias } => {
                let (folds, phases) = found.folds.get(&i).cloned().unwrap_or_default();
                let term = |((id, matrix), phase): (&(crate::circuit::NodeId, Arc<crate::sparse::Sparse>), &usize)| {
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
                let steps = layout.steps(Place::Column).into_iter().chain(layout.steps(Place::Row));
                PackedOp::Spread { input: input.index(), sources, steps: steps.filter(|s| *s < from.period()).collect() }
            }
        };
        nodes.push(PackedNode { name: node.name.clone(), op, layout: Arc::clone(layout), depth: node.depth });
    }
    let input_layout = found.layouts.first().cloned().ok_or(PackError::Slots { found: options.slots, least: 2 })?;
    Ok(PackedCircuit {
        name: circuit.name().into(),
        ends: Ends {
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
    let low = |place: Place, side: usize| from.low_steps(place, layout::bits_for(side));
    let steps = low(Place::Column, wide).into_iter().chain(low(Place::Row, high)).collect();
    (sources.into_iter().map(source).collect(), steps)
}

impl PackedCircuit {
    /// The network's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of logits.
    pub fn labels(&self) -> usize {
        self.ends.labels
    }

    /// Slots of a ciphertext.
    pub fn slots(&self) -> usize {
        self.ends.slots()
    }

    /// Level of the input's ciphertexts.
    pub fn level(&self) -> usize {
        self.ends.level
    }

    /// Levels that the circuit consumes.
    pub fn depth(&self) -> usize {
        self.nodes.iter().map(|n| n.depth).max().unwrap_or(0)
    }

    /// How the client packs an image's values.
    pub fn input(&self) -> &PackedInput {
        &self.ends.input
    }

    /// What its client must know.
    pub fn ends(&self) -> &Ends {
        &self.ends
    }

    /// The nodes, each behind those it reads.
    pub fn nodes(&self) -> &[PackedNode] {
        &self.nodes
    }

    /// What each node costs by a model, in milliseconds on one thread.
    pub fn node_ms(&self, costs: &CostModel) -> Vec<f64> {
        let ms = |node: &PackedNode| {
            let level = self.level().saturating_sub(node.depth);
            let (before, after, blocks) = (costs.at(level + 1), costs.at(level), node.layout.blocks() as f64);
            let rotations = |count: usize| (after.rotate + after.add) * count as f64 * blocks;
            match &node.op {
                PackedOp::Input => 0.0,
                PackedOp::Linear(map) => map.ms(&before) + rotations(map.folds().count()),
                PackedOp::Square { .. } | PackedOp::Product { .. } => before.product * blocks,
                PackedOp::Sum { terms, .. } => after.add * terms.len() as f64 * blocks,
                PackedOp::WindowSum { steps, .. } | PackedOp::Spread { steps, .. } => rotations(steps.len()),
            }
        };
        self.nodes.iter().map(ms).collect()
    }

    /// What the whole circuit costs by a model, in milliseconds on one thread.
    pub fn total_ms(&self, costs: &CostModel) -> f64 {
        self.node_ms(costs).iter().sum()
    }

    /// Size of its Galois keys by a model, in MB (10^6 bytes).
    pub fn key_megabytes(&self, costs: &CostModel) -> f64 {
        self.rotations().values().map(|level| costs.at(*level).key_megabytes).sum()
    }

    /// Size of all its evaluation keys by a model, in MB (10^6 bytes).
    pub fn evaluation_key_megabytes(&self, costs: &CostModel) -> f64 {
        let products = self.nodes.iter().filter(|n| matches!(n.op, PackedOp::Square { .. } | PackedOp::Product { .. }));
        let level = products.map(|n| self.level().saturating_sub(n.depth) + 1).max();
        self.key_megabytes(costs) + level.map_or(0.0, |level| costs.at(level).key_megabytes)
    }

    /// Chooses steps of fewer keys until these take no more than the budget; returns what they take, MB.
    fn fewer_keys(&mut self, costs: &CostModel, budget: f64, choices: &steps::Choices) -> f64 {
        let mut dearer = costs.clone();
        let mut least = self.evaluation_key_megabytes(costs);
        let mut kept = self.clone();
        while least > budget && dearer.ms_per_key_megabyte < MOST_WEIGHT {
            self.choose_steps(&dearer, choices, true);
            dearer.ms_per_key_megabyte = (2.0 * dearer.ms_per_key_megabyte).max(0.125);
            let found = self.evaluation_key_megabytes(costs);
            if found < least {
                least = found;
                kept = self.clone();
            }
        }
        *self = kept;
        least
    }

    /// The logits in the slots of the last node's ciphertext, and the largest error elsewhere: [`Ends::logits`].
    #[must_use]
    pub fn logits(&self, slots: &[f64]) -> (Vec<f64>, f64) {
        self.ends.logits(slots)
    }

    /// Rotations to the left, in slots (0 < steps < slots), that need a Galois key, with the highest level of use.
    pub fn rotations(&self) -> BTreeMap<usize, usize> {
        let mut out = BTreeMap::new();
        for node in &self.nodes {
            for (steps, level) in self.node_rotations(node) {
                let known = out.entry(steps).or_insert(level);
                *known = level.max(*known);
            }
        }
        out
    }

    fn node_rotations(&self, node: &PackedNode) -> Vec<(usize, usize)> {
        let level = self.level().saturating_sub(node.depth);
        match &node.op {
            PackedOp::Linear(map) => {
                let steps = map.rotations().into_iter().map(|s| (s, level + 1));
                steps.chain(map.folds().map(|s| (s, level))).collect()
            }
            PackedOp::WindowSum { steps, .. } => steps.iter().map(|s| (*s, level)).collect(),
            PackedOp::Spread { steps, .. } => steps.iter().map(|s| (self.slots() - s, level)).collect(),
            _ => vec![],
        }
    }
}

impl AsRef<Ends> for PackedCircuit {
    fn as_ref(&self) -> &Ends {
        &self.ends
    }
}

#[cfg(test)]
mod tests;
