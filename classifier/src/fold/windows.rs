//! Pooling and spreading: sums and copies by rotation, which cost no level.

use super::expr::{Affine, Expr};
use super::folder::Folder;
use super::maps::{self, channelwise};
use crate::circuit::{NodeId, Op, Sparse};
use crate::spec::{AvgPool, Layer, Shape};

impl Folder<'_> {
    pub(super) fn pool(&mut self, path: &str, pool: &AvgPool, behind: Option<&Layer>, x: Expr, output: Shape) -> Expr {
        let x = self.affine(x);
        let joins = matches!(behind, Some(Layer::Linear(_) | Layer::GlobalAvgPool(_)));
        if !joins
            && pool.kernel == pool.stride
            && pool.padding == 0
            && pool.kernel > 1
            && let Some(means) = self.window_sums(path, &x, [pool.kernel; 2], output)
        {
            return means;
        }
        let map = maps::pool(pool, x.shape, output);
        self.map(path, Expr::Affine(x), &map, None, output)
    }

    /// Means over windows by rotations alone, if x is no more than nodes with one factor per channel and the windows are powers of two.
    pub(super) fn window_sums(&mut self, path: &str, x: &Affine, window: [usize; 2], output: Shape) -> Option<Expr> {
        if !window.iter().all(|side| side.is_power_of_two()) {
            return None;
        }
        if window == [1, 1] {
            return Some(Expr::Affine(Affine { shape: output, ..x.clone() }));
        }
        let (terms, bias) = x.per_channel()?;
        let share = 1.0 / window.iter().product::<usize>() as f64;
        let sums = terms.into_iter().map(|(input, scale)| {
            let scale: Vec<f64> = channelwise(output, &scale).iter().map(|s| s * share).collect();
            (self.circuit.push(path, output, Op::WindowSum { input, window }), Sparse::diagonal(&scale))
        });
        let terms = sums.collect();
        Some(Expr::Affine(Affine { name: path.into(), shape: output, terms, bias: channelwise(output, &bias) }))
    }

    /// A vector as a tensor that is the same at every row and column, by rotations alone.
    pub(super) fn spread(&mut self, path: &str, x: Expr, output: Shape) -> Expr {
        let mut x = self.affine(x);
        // Between the values of what is spread there must be zeros, as a linear map leaves them, and as squares keep them.
        let clean = x.terms.iter().all(|(node, _)| self.is_from_linear(*node));
        let (terms, bias) = match x.per_channel().filter(|_| clean) {
            Some(simple) => simple,
            None => {
                let zeros = vec![0.0; x.shape.len()];
                x = Affine::bare(path, x.shape, x.linear(&mut self.circuit));
                (x.terms.iter().map(|(node, _)| (*node, vec![1.0; zeros.len()])).collect(), zeros)
            }
        };
        let spread = terms.into_iter().map(|(node, scale)| {
            let node = self.circuit.push(path, output, Op::Spread(node));
            (node, Sparse::diagonal(&channelwise(output, &scale)))
        });
        let terms = spread.collect();
        Expr::Affine(Affine { name: path.into(), shape: output, terms, bias: channelwise(output, &bias) })
    }

    fn is_from_linear(&self, node: NodeId) -> bool {
        match self.circuit.node(node).map(|n| &n.op) {
            Some(Op::Linear { .. }) => true,
            Some(Op::Square(input)) => self.is_from_linear(*input),
            _ => false,
        }
    }
}
