//! What is known of a tensor before it becomes a node: maps still to be joined, products not yet taken.

use super::maps::diagonals;
use crate::circuit::{Circuit, NodeId, Op, Sparse};
use crate::spec::Shape;
use std::sync::Arc;

/// Σ map · node + bias.
#[derive(Debug, Clone)]
pub(super) struct Affine {
    pub name: String,
    pub shape: Shape,
    pub terms: Vec<(NodeId, Sparse)>,
    pub bias: Vec<f64>,
}

/// Nodes with one factor per channel.
pub(super) type Scales = Vec<(NodeId, Vec<f64>)>;

/// A tensor that is not yet a node.
#[derive(Debug, Clone)]
pub(super) enum Expr {
    Affine(Affine),
    /// left · right + bias.
    Product {
        name: String,
        left: Box<Expr>,
        right: Box<Expr>,
        bias: Vec<f64>,
    },
}

impl Affine {
    /// A node as it is.
    pub(super) fn bare(name: &str, shape: Shape, node: NodeId) -> Self {
        let bias = vec![0.0; shape.len()];
        Self { name: name.into(), shape, terms: vec![(node, Sparse::identity(shape.len()))], bias }
    }

    /// About as many diagonals as a good layout finds in its maps.
    pub(super) fn diagonals(&self) -> usize {
        self.terms.iter().map(|(_, map)| diagonals(map)).sum()
    }

    /// map · self, under a new name.
    pub(super) fn mapped(&self, name: &str, map: &Sparse, shape: Shape) -> Self {
        let terms = self.terms.iter().map(|(node, inner)| (*node, map.after(inner))).collect();
        Self { name: name.into(), shape, terms, bias: map.apply(&self.bias) }
    }

    /// self + other, terms of one node joined.
    pub(super) fn add(mut self, other: Self) -> Self {
        for (node, map) in other.terms {
            match self.terms.iter_mut().find(|(known, _)| *known == node) {
                Some((_, known)) => *known = known.plus(&map),
                None => self.terms.push((node, map)),
            }
        }
        self.bias.iter_mut().zip(other.bias).for_each(|(x, y)| *x += y);
        self
    }

    /// Scales per channel and constants per channel, if it is nothing more than that.
    pub(super) fn per_channel(&self) -> Option<(Scales, Vec<f64>)> {
        let plane = (self.shape.height * self.shape.width).max(1);
        let constant = |values: &[f64]| {
            let one = |chunk: &[f64]| chunk.first().copied().filter(|first| chunk.iter().all(|v| v == first));
            values.chunks(plane).map(one).collect::<Option<Vec<f64>>>()
        };
        let scale = |(node, map): &(NodeId, Sparse)| Some((*node, constant(&map.as_diagonal()?)?));
        Some((self.terms.iter().map(scale).collect::<Option<_>>()?, constant(&self.bias)?))
    }

    /// The node, if it is one as it is and of the same extents.
    fn as_bare(&self, circuit: &Circuit) -> Option<NodeId> {
        match (self.signs(circuit)?.as_slice(), self.bias.iter().all(|b| *b == 0.0)) {
            ([(node, 1)], true) => Some(*node),
            _ => None,
        }
    }

    /// The nodes with the signs that multiply them as a whole, if it is Σ ± node + constant and no more.
    fn signs(&self, circuit: &Circuit) -> Option<Vec<(NodeId, i64)>> {
        let sign = |(node, map): &(NodeId, Sparse)| {
            let diagonal = map.as_diagonal().filter(|_| circuit.node(*node).is_some_and(|n| n.shape == self.shape))?;
            let all = |wanted: f64| diagonal.iter().all(|v| *v == wanted);
            if all(1.0) {
                Some((*node, 1))
            } else if all(-1.0) {
                Some((*node, -1))
            } else {
                None
            }
        };
        self.terms.iter().map(sign).collect()
    }

    /// A linear map, even where none is needed.
    pub(super) fn linear(self, circuit: &mut Circuit) -> NodeId {
        let terms = self.terms.into_iter().map(|(node, map)| (node, Arc::new(map))).collect();
        circuit.push(&self.name, self.shape, Op::Linear { terms, bias: self.bias })
    }

    /// The node that computes it: one there is, a sum, or a linear map.
    pub(super) fn lower(self, circuit: &mut Circuit) -> NodeId {
        if let Some(node) = self.as_bare(circuit) {
            return node;
        }
        match self.signs(circuit) {
            Some(terms) => circuit.push(&self.name, self.shape, Op::Sum { terms, constant: self.bias }),
            None => self.linear(circuit),
        }
    }
}

impl Expr {
    /// left · right. A sign per value that stands before a node on the right goes to the left, if a map is still to be evaluated there.
    pub(super) fn product(name: &str, mut left: Self, mut right: Self) -> Self {
        if let Self::Affine(Affine { terms, .. }) = &right
            && let [(_, map)] = terms.as_slice()
            && let Some(signs) = map.as_diagonal().filter(|d| d.iter().all(|v| v.abs() == 1.0))
            && left.takes_scale()
        {
            left = left.scaled(&signs);
            right = right.scaled(&signs);
        }
        let bias = vec![0.0; left.shape().len()];
        Self::Product { name: name.into(), left: Box::new(left), right: Box::new(right), bias }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Affine(x) => &x.name,
            Self::Product { name, .. } => name,
        }
    }

    pub(super) fn shape(&self) -> Shape {
        match self {
            Self::Affine(x) => x.shape,
            Self::Product { left, .. } => left.shape(),
        }
    }

    /// Whether a factor per value costs nothing, because a map is still to be evaluated that takes it in.
    fn takes_scale(&self) -> bool {
        match self {
            Self::Affine(x) => x.terms.iter().any(|(_, map)| map.as_diagonal().is_none()),
            Self::Product { left, right, .. } => left.takes_scale() || right.takes_scale(),
        }
    }

    /// Each value times its factor.
    pub(super) fn scaled(self, factors: &[f64]) -> Self {
        let times = |bias: Vec<f64>| bias.iter().zip(factors).map(|(b, f)| b * f).collect();
        match self {
            Self::Affine(x) => {
                let terms = x.terms.iter().map(|(node, map)| (*node, map.scale_rows(factors))).collect();
                Self::Affine(Affine { terms, bias: times(x.bias), ..x })
            }
            Self::Product { name, left, right, bias } => {
                let bias = times(bias);
                // The right operand is the gate, whose map is the smaller one.
                let (left, right) = if right.takes_scale() {
                    (left, Box::new(right.scaled(factors)))
                } else {
                    (Box::new(left.scaled(factors)), right)
                };
                Self::Product { name, left, right, bias }
            }
        }
    }

    /// Each value plus its constant.
    pub(super) fn plus(mut self, constants: &[f64]) -> Self {
        let bias = match &mut self {
            Self::Affine(x) => &mut x.bias,
            Self::Product { bias, .. } => bias,
        };
        bias.iter_mut().zip(constants).for_each(|(b, c)| *b += c);
        self
    }

    /// The node that computes it.
    pub(super) fn lower(self, circuit: &mut Circuit) -> NodeId {
        match self {
            Self::Affine(x) => x.lower(circuit),
            Self::Product { name, left, right, bias } => {
                let shape = left.shape();
                let (left, right) = (left.lower(circuit), right.lower(circuit));
                let product = circuit.push(&name, shape, Op::Product(left, right));
                if bias.iter().all(|b| *b == 0.0) {
                    return product;
                }
                circuit.push(&name, shape, Op::Sum { terms: vec![(product, 1)], constant: bias })
            }
        }
    }
}
