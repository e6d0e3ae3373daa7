//! Layer by layer from a network to its circuit.

use super::error::Result;
use super::expr::{Affine, Expr};
use super::maps::{self, channelwise, diagonals};
use super::options::FoldOptions;
use crate::circuit::{Circuit, Op, Sparse};
use crate::spec::{Activation, Form, Layer, NORM_EPS, Shape};
use crate::weights::{Weights, WeightsError};

/// A network being folded: the circuit so far.
pub(super) struct Folder<'a> {
    pub circuit: Circuit,
    pub weights: &'a Weights,
    pub options: &'a FoldOptions,
}

/// Diagonals that a level is worth.
const LEVEL: usize = 8;

impl Folder<'_> {
    pub(super) fn layers(&mut self, layers: &[Layer], list: &str, mut x: Expr) -> Result<Expr> {
        for (i, layer) in layers.iter().enumerate() {
            let behind = layers.iter().skip(i + 1).find(|l| !matches!(l, Layer::Flatten(_) | Layer::Dropout(_)));
            x = self.layer(layer, &layer.path(list, i), behind, x)?;
        }
        Ok(x)
    }

    /// `behind` is the next layer that does something.
    fn layer(&mut self, layer: &Layer, path: &str, behind: Option<&Layer>, x: Expr) -> Result<Expr> {
        let input = x.shape();
        let output = layer.output(path, input).map_err(WeightsError::from)?;
        Ok(match layer {
            Layer::Conv(conv) => {
                let bias = if conv.bias { Some(self.values(path, "bias")?) } else { None };
                let map = maps::conv(conv, &self.values(path, "weight")?, input, output);
                self.map(path, x, &map, bias.as_deref(), output)
            }
            Layer::ConvTranspose(conv) => {
                let bias = self.values(path, "bias")?;
                let map = maps::conv_transpose(conv, &self.values(path, "weight")?, input, output);
                self.map(path, x, &map, Some(&bias), output)
            }
            Layer::Linear(_) => self.dense(path, x, output.channels)?,
            Layer::BatchNorm(_) => {
                let [weight, bias, mean, variance] = [
                    self.values(path, "weight")?,
                    self.values(path, "bias")?,
                    self.values(path, "mean")?,
                    self.values(path, "variance")?,
                ];
                let scale: Vec<f64> = weight.iter().zip(&variance).map(|(w, v)| w / (v + NORM_EPS).sqrt()).collect();
                let shift: Vec<f64> = bias.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
                x.scaled(&channelwise(input, &scale)).plus(&channelwise(input, &shift))
            }
            Layer::Activation(activation) => {
                let coefficients = self.coefficients(*activation, path, input.channels)?;
                Expr::Affine(self.activation(path, x, &coefficients)?)
            }
            Layer::AvgPool(pool) => self.pool(path, pool, behind, x, output),
            Layer::GlobalAvgPool(_) => self.map(path, x, &maps::means(input), None, output),
            Layer::Flatten(_) => Expr::Affine(Affine { shape: output, ..self.affine(x) }),
            Layer::Dropout(_) => x,
            Layer::Residual(residual) => {
                let x = Expr::Affine(self.light(x));
                let body = self.layers(&residual.body, &format!("{path}.body"), x.clone())?;
                let shortcut = self.layers(&residual.shortcut, &format!("{path}.shortcut"), x)?;
                let (body, shortcut) = (self.affine(body), self.affine(shortcut));
                let sum = Affine { name: path.into(), ..body.add(shortcut) };
                // The factors of an activation join the maps of both branches, which is one level instead of two.
                if matches!(behind, Some(Layer::Activation(_))) {
                    return Ok(Expr::Affine(sum));
                }
                let node = sum.lower(&mut self.circuit);
                Expr::Affine(Affine::bare(path, output, node))
            }
            Layer::Se(squeeze) => {
                let x = Expr::Affine(self.affine(x));
                let means = self.map(path, x.clone(), &maps::means(input), None, Shape::flat(input.channels));
                let scores = self.excite(squeeze, path, means)?;
                self.sigmoid_gate(path, x, scores)?
            }
            Layer::Cbam(squeeze) => {
                let flat = Shape::flat(input.channels);
                let x = self.affine(x);
                let node = x.clone().lower(&mut self.circuit);
                let square = self.circuit.push(path, input, Op::Square(node));
                let mean = self.map(path, Expr::Affine(x.clone()), &maps::means(input), None, flat);
                let of_squares = Expr::Affine(Affine::bare(path, input, square));
                let of_squares = self.map(path, of_squares, &maps::means(input), None, flat);
                let (mean, of_squares) = (self.excite(squeeze, path, mean)?, self.excite(squeeze, path, of_squares)?);
                self.sigmoid_gate(path, Expr::Affine(x), mean.add(of_squares))?
            }
            Layer::Gated(gated) => {
                let x = Expr::Affine(self.light(x));
                let body = self.layers(&gated.body, &format!("{path}.body"), x.clone())?;
                let path = format!("{path}.gate");
                // A dense map of means to every row and column would have as many diagonals as a tensor has values.
                let x = self.affine(x);
                let means = match self.window_sums(&path, &x, [input.height, input.width], Shape::flat(input.channels)) {
                    Some(means) => means,
                    None => self.map(&path, Expr::Affine(x), &maps::means(input), None, Shape::flat(input.channels)),
                };
                let mut gate = self.dense(&path, means, output.channels)?;
                if gated.degree == 2 {
                    let path = format!("{path}.activation");
                    let settings = Activation { form: Form::Polynomial, shared: false };
                    let coefficients = self.coefficients(settings, &path, output.channels)?;
                    gate = Expr::Affine(self.activation(&path, gate, &coefficients)?);
                }
                let gate = self.spread(&path, gate, output);
                Expr::product(&path, body, gate)
            }
        })
    }

    /// The values of a parameter.
    pub(super) fn values(&self, path: &str, name: &str) -> Result<Vec<f64>> {
        Ok(self.weights.values(&format!("{path}.{name}"))?.iter().map(|v| f64::from(*v)).collect())
    }

    /// The expression as a sum of maps of nodes.
    pub(super) fn affine(&mut self, x: Expr) -> Affine {
        match x {
            Expr::Affine(x) => x,
            product => {
                let (name, shape) = (product.name().to_owned(), product.shape());
                let node = product.lower(&mut self.circuit);
                Affine::bare(&name, shape, node)
            }
        }
    }

    /// The same, but a node of its own where a map would otherwise be evaluated for two branches.
    fn light(&mut self, x: Expr) -> Affine {
        let x = self.affine(x);
        if x.terms.iter().all(|(_, map)| map.as_diagonal().is_some()) {
            return x;
        }
        let (name, shape) = (x.name.clone(), x.shape);
        let node = x.lower(&mut self.circuit);
        Affine::bare(&name, shape, node)
    }

    /// map · x + bias, with one bias per channel. Maps are multiplied together where that makes about as many diagonals as one after
    /// the other, and saves a level.
    pub(super) fn map(&mut self, name: &str, x: Expr, map: &Sparse, bias: Option<&[f64]>, output: Shape) -> Expr {
        let mut x = self.affine(x);
        let mut joined = x.mapped(name, map, output);
        if x.terms.iter().any(|(_, m)| m.as_diagonal().is_none()) && joined.diagonals() > x.diagonals() + diagonals(map) + LEVEL {
            let (before, shape) = (x.name.clone(), x.shape);
            let node = x.lower(&mut self.circuit);
            x = Affine::bare(&before, shape, node);
            joined = x.mapped(name, map, output);
        }
        let joined = Expr::Affine(joined);
        match bias {
            Some(bias) => joined.plus(&channelwise(output, bias)),
            None => joined,
        }
    }

    pub(super) fn dense(&mut self, path: &str, x: Expr, outputs: usize) -> Result<Expr> {
        let (weight, bias) = (self.values(path, "weight")?, self.values(path, "bias")?);
        let inputs = x.shape().len();
        let rows = weight.chunks(inputs.max(1)).map(|row| row.iter().copied().enumerate());
        Ok(self.map(path, x, &Sparse::from_rows(inputs, rows), Some(&bias), Shape::flat(outputs)))
    }

    /// One value per channel to every row and column.
    pub(super) fn broadcast(&mut self, path: &str, x: Expr, output: Shape) -> Expr {
        let rows = (0..output.len()).map(|r| [(output.position(r).0, 1.0)]);
        self.map(path, x, &Sparse::from_rows(output.channels, rows), None, output)
    }
}
