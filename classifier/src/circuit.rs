//! What the server evaluates: linear maps, squares, products and sums of tensors.
//!
//! Every network reaches encryption only through a [`Circuit`]. It knows nothing of slots: packing it is the next step.

mod sparse;

pub use sparse::Sparse;

use crate::spec::Shape;
use std::sync::Arc;

/// A node's place in its circuit; inputs of a node come before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

impl NodeId {
    /// Its index among [`Circuit::nodes`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// How a node's values come about.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// The values that the client encrypts.
    Input,
    /// Σ matrix · tensor + bias, over one or several tensors. One level.
    Linear {
        /// Tensors and what each is multiplied by; at least one.
        terms: Vec<(NodeId, Arc<Sparse>)>,
        /// Added to the sum.
        bias: Vec<f64>,
    },
    /// Every value squared. One level.
    Square(NodeId),
    /// Two tensors multiplied value by value. One level.
    Product(NodeId, NodeId),
    /// Σ ± tensor + constant. No level.
    Sum {
        /// Tensors and the small integers that multiply them; at least one.
        terms: Vec<(NodeId, i64)>,
        /// Added to the sum.
        constant: Vec<f64>,
    },
    /// Sums (not means) over windows that do not overlap; rows and columns that fill no window are left out. No level: rotations alone.
    WindowSum {
        /// The tensor's name.
        input: NodeId,
        /// Height and width of a window, powers of two.
        window: [usize; 2],
    },
    /// One value per channel, a vector, at every row and column. No level: rotations alone.
    Spread(NodeId),
}

/// One tensor of the circuit.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Path of the layer it computes, such as `layers.0.conv`.
    pub name: String,
    /// Extents of its values.
    pub shape: Shape,
    /// How its values come about.
    pub op: Op,
    /// Levels consumed from the input up to here.
    pub depth: usize,
}

impl Op {
    /// The nodes it reads.
    pub fn inputs(&self) -> Vec<NodeId> {
        match self {
            Self::Input => vec![],
            Self::Linear { terms, .. } => terms.iter().map(|(id, _)| *id).collect(),
            Self::Square(id) | Self::Spread(id) | Self::WindowSum { input: id, .. } => vec![*id],
            Self::Product(a, b) => vec![*a, *b],
            Self::Sum { terms, .. } => terms.iter().map(|(id, _)| *id).collect(),
        }
    }

    /// Levels it consumes.
    pub fn levels(&self) -> usize {
        match self {
            Self::Linear { .. } | Self::Square(_) | Self::Product(..) => 1,
            Self::Input | Self::Sum { .. } | Self::WindowSum { .. } | Self::Spread(_) => 0,
        }
    }
}

/// Linear maps, squares, products and sums from one input to the logits.
///
/// Node 0 is the input, the last node the logits, a linear map.
#[derive(Debug, Clone, PartialEq)]
pub struct Circuit {
    name: String,
    labels: usize,
    nodes: Vec<Node>,
}

impl Circuit {
    /// A circuit that so far has its input.
    pub(crate) fn new(name: &str, labels: usize, input: Shape) -> (Self, NodeId) {
        let node = Node { name: "input".into(), shape: input, op: Op::Input, depth: 0 };
        (Self { name: name.into(), labels, nodes: vec![node] }, NodeId(0))
    }

    /// Adds a node, unless there is one that computes the same.
    pub(crate) fn push(&mut self, name: &str, shape: Shape, op: Op) -> NodeId {
        if let Some(at) = self.nodes.iter().position(|n| n.op == op && n.shape == shape) {
            return NodeId(at);
        }
        let depth = op.inputs().iter().map(|id| self.depth_of(*id)).max().unwrap_or(0) + op.levels();
        self.nodes.push(Node { name: name.into(), shape, op, depth });
        NodeId(self.nodes.len() - 1)
    }

    /// The same circuit over an input of other extents, with another map at node `at` to read it.
    pub(crate) fn with_input(&self, input: Shape, at: usize, op: Op) -> Self {
        let mut out = self.clone();
        out.nodes.first_mut().into_iter().for_each(|n| n.shape = input);
        out.nodes.get_mut(at).into_iter().for_each(|n| n.op = op.clone());
        out
    }

    /// Leaves out nodes that the last one does not need.
    pub(crate) fn finish(mut self, output: NodeId) -> Self {
        self.nodes.truncate(output.0 + 1);
        let mut needed = vec![false; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate().rev() {
            if at == output.0 || at == 0 || needed.get(at) == Some(&true) {
                for i in node.op.inputs().iter().map(|id| id.0).chain([at]) {
                    needed.get_mut(i).into_iter().for_each(|n| *n = true);
                }
            }
        }
        let mut places = Vec::with_capacity(needed.len());
        let mut count = 0;
        for keep in &needed {
            places.push(NodeId(count));
            count += usize::from(*keep);
        }
        let moved = |id: &mut NodeId| *id = places.get(id.0).copied().unwrap_or(*id);
        let mut keep = needed.iter();
        self.nodes.retain(|_| keep.next() == Some(&true));
        for node in &mut self.nodes {
            match &mut node.op {
                Op::Input => {}
                Op::Linear { terms, .. } => terms.iter_mut().for_each(|(id, _)| moved(id)),
                Op::Sum { terms, .. } => terms.iter_mut().for_each(|(id, _)| moved(id)),
                Op::Square(id) | Op::Spread(id) | Op::WindowSum { input: id, .. } => moved(id),
                Op::Product(a, b) => {
                    moved(a);
                    moved(b);
                }
            }
        }
        self
    }

    /// The network's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of logits.
    pub fn labels(&self) -> usize {
        self.labels
    }

    /// The nodes, each behind those it reads.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node of that id; none where the circuit has fewer nodes.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0)
    }

    /// Levels that the whole circuit consumes.
    pub fn depth(&self) -> usize {
        self.nodes.iter().map(|n| n.depth).max().unwrap_or(0)
    }

    pub(crate) fn depth_of(&self, id: NodeId) -> usize {
        self.node(id).map_or(0, |n| n.depth)
    }

    /// Ids in order.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> {
        (0..self.nodes.len()).map(NodeId)
    }

    /// The logits of one image's values in f64, as [channel, height, width] row by row; missing values count as zero.
    #[must_use]
    pub fn evaluate(&self, input: &[f64]) -> Vec<f64> {
        self.trace(input).pop().unwrap_or_default()
    }

    /// The values of every node.
    #[must_use]
    pub fn trace(&self, input: &[f64]) -> Vec<Vec<f64>> {
        let mut done: Vec<Vec<f64>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let of = |id: &NodeId| done.get(id.0).map_or(&[][..], Vec::as_slice);
            let values = match &node.op {
                Op::Input => (0..node.shape.len()).map(|i| input.get(i).copied().unwrap_or(0.0)).collect(),
                Op::Linear { terms, bias } => {
                    let mut sum = bias.clone();
                    for (id, matrix) in terms {
                        add(&mut sum, matrix.apply(of(id)), 1.0);
                    }
                    sum
                }
                Op::Square(id) => of(id).iter().map(|x| x * x).collect(),
                Op::Product(a, b) => of(a).iter().zip(of(b)).map(|(x, y)| x * y).collect(),
                Op::Sum { terms, constant } => {
                    let mut sum = constant.clone();
                    for (id, factor) in terms {
                        add(&mut sum, of(id).iter().copied(), *factor as f64);
                    }
                    sum
                }
                Op::WindowSum { input, window } => {
                    let shape = self.node(*input).map_or(node.shape, |n| n.shape);
                    window_sums(shape, *window).apply(of(input))
                }
                Op::Spread(id) => {
                    let plane = node.shape.height * node.shape.width;
                    of(id).iter().flat_map(|v| std::iter::repeat_n(*v, plane)).collect()
                }
            };
            done.push(values);
        }
        done
    }
}

fn add(sum: &mut [f64], values: impl IntoIterator<Item = f64>, factor: f64) {
    sum.iter_mut().zip(values).for_each(|(s, v)| *s += factor * v);
}

/// The sums of [`Op::WindowSum`] as a matrix.
pub(crate) fn window_sums(input: Shape, [high, wide]: [usize; 2]) -> Sparse {
    let output = Shape::new(input.channels, input.height / high.max(1), input.width / wide.max(1));
    let row = |r: usize| {
        let (c, y, x) = output.position(r);
        let inside = (0..high).flat_map(move |dy| (0..wide).map(move |dx| (dy, dx)));
        inside.map(move |(dy, dx)| (input.index(c, y * high + dy, x * wide + dx), 1.0))
    };
    Sparse::from_rows(input.len(), (0..output.len()).map(row))
}
