//! A circuit over slots.

use super::cost::CostModel;
use super::input::PackedInput;
use super::io_layout::IoLayout;
use super::layout::Layout;
use super::linear_map::PackedLinear;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a packed node's ciphertexts come about. Inputs are indices of earlier nodes; all have one ciphertext per block of their layout.
#[derive(Debug, Clone, PartialEq)]
pub enum PackedOp {
    /// Encrypted by the client from [`PackedInput::pack`].
    Input,
    /// Linear maps by diagonals; one level. On ciphertexts: the copies of each input ciphertext (`Evaluator::rotate_hoisted`, or one after
    /// the other where [`Steps::chained`](super::Steps::chained)); then
    /// `Evaluator::linear_sum` per output ciphertext over its parts; then for each fold a rotation and an addition; then the bias.
    Linear(PackedLinear),
    /// Each ciphertext times itself, relinearised and rescaled; one level.
    Square {
        /// Index of the node that is read.
        input: usize,
    },
    /// Ciphertext by ciphertext, relinearised and rescaled; one level.
    Product {
        /// Index of the node that is one factor.
        left: usize,
        /// Index of the node that is the other factor.
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
        /// Index of the node that is read.
        input: usize,
        /// Ciphertexts of the input that each output begins with, at least one.
        sources: Vec<Vec<usize>>,
        /// Rotations to the left, in slots.
        steps: Vec<usize>,
    },
    /// Ciphertext b starts as ciphertext `sources[b]` of the input; then for each step in turn: x ← x + rotate(x, −step), a rotation to
    /// the right; no level.
    Spread {
        /// Index of the node that is read.
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

    /// The nodes it reads, each as often as it reads it.
    pub fn inputs(&self) -> Vec<usize> {
        match self {
            Self::Input => vec![],
            Self::Linear(map) => map.terms().iter().map(|term| term.input).collect(),
            Self::Square { input } | Self::WindowSum { input, .. } | Self::Spread { input, .. } => vec![*input],
            Self::Product { left, right } => vec![*left, *right],
            Self::Sum { terms, .. } => terms.iter().map(|(input, _)| *input).collect(),
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
    pub(super) name: String,
    pub(super) io: IoLayout,
    pub(super) nodes: Vec<PackedNode>,
}

impl PackedCircuit {
    /// The network's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of logits.
    pub fn labels(&self) -> usize {
        self.io.labels
    }

    /// Slots of a ciphertext.
    pub fn slots(&self) -> usize {
        self.io.slots()
    }

    /// Level of the input's ciphertexts.
    pub fn level(&self) -> usize {
        self.io.level
    }

    /// Levels that the circuit consumes.
    pub fn depth(&self) -> usize {
        self.nodes.iter().map(|n| n.depth).max().unwrap_or(0)
    }

    /// How the client packs an image's values.
    pub fn input(&self) -> &PackedInput {
        &self.io.input
    }

    /// What its client must know.
    pub fn io(&self) -> &IoLayout {
        &self.io
    }

    /// The nodes, each behind those it reads.
    pub fn nodes(&self) -> &[PackedNode] {
        &self.nodes
    }

    /// How often each node is read by others.
    pub(crate) fn readers(&self) -> Vec<usize> {
        let mut readers = vec![0; self.nodes.len()];
        for input in self.nodes.iter().flat_map(|node| node.op.inputs()) {
            readers.get_mut(input).into_iter().for_each(|count| *count += 1);
        }
        readers
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

    /// The logits in the slots of the last node's ciphertext, and the largest error elsewhere: [`IoLayout::logits`].
    #[must_use]
    pub fn logits(&self, slots: &[f64]) -> (Vec<f64>, f64) {
        self.io.logits(slots)
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

    pub(super) fn node_rotations(&self, node: &PackedNode) -> Vec<(usize, usize)> {
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

impl AsRef<IoLayout> for PackedCircuit {
    fn as_ref(&self) -> &IoLayout {
        &self.io
    }
}
