//! From a trained network to its circuit.
//!
//! Whatever is linear is multiplied together: batch norm, pooling, flattening and the constants of activations join the maps beside
//! them. An activation a·x² + b·x + c is ±(√|a|·(x + b/2a))² + (c − b²/4a): √|a| and the shift go into the map before it, sign and
//! constant into the map after it, so it costs one level. Average pooling over windows of 2, 4, … becomes sums by rotation, which cost no
//! level, unless a fully connected layer follows, which takes it in. A gate multiplies; the factors that an activation behind it
//! asks for go into one of its operands.
//!
//! Where |a| is small, the shift b/2a is large and the square nearly cancels against the constant: beyond
//! [`FoldOptions::max_shift`] that is an error, or x goes beside x² into the next map ([`WideShift`]).

mod expr;
mod maps;

use crate::circuit::{Circuit, NodeId, Op};
use crate::sparse::Sparse;
use crate::spec::{Activation, AvgPool, Form, Layer, NORM_EPS, NetworkSpec, Shape, Squeeze};
use crate::weights::{Weights, WeightsError};
use expr::{Affine, Expr};

/// How a network is folded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoldOptions {
    /// Largest |b/2a| of an activation whose square is completed.
    pub max_shift: f64,
    /// What happens beyond.
    pub wide_shift: WideShift,
}

impl Default for FoldOptions {
    /// Shifts up to 16, beyond an error.
    fn default() -> Self {
        Self { max_shift: 16.0, wide_shift: WideShift::Refuse }
    }
}

/// What happens to an activation whose square cannot be completed within [`FoldOptions::max_shift`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WideShift {
    /// [`FoldError::Shift`] names layer and channel.
    Refuse,
    /// x goes beside x² into the next map, for those channels.
    FeedBeside,
}

/// Why a network has no circuit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError {
    /// An activation that is no polynomial.
    #[error("{layer} is a ReLU, which ciphertexts cannot compute; train on with the form `hermite`")]
    Relu {
        /// Path of the layer.
        layer: String,
    },
    /// A shift out of bounds.
    #[error(
        "{layer}, channel {channel}: b/2a of a·x² + b·x + c is {shift:.1}, beyond the bound {bound}, so the square would cancel against its \
         constant; keep |a| away from zero in training, or fold with `FeedBeside`"
    )]
    Shift {
        /// Path of the layer.
        layer: String,
        /// The channel.
        channel: usize,
        /// b/2a.
        shift: f64,
        /// The largest allowed.
        bound: f64,
    },
    /// Weights that are not the network's, or a network that does not fit together.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// The circuit of a trained network.
///
/// # Errors
/// Weights of another network, a ReLU, or a shift beyond the bound.
pub fn fold(spec: &NetworkSpec, weights: &Weights, options: &FoldOptions) -> Result<Circuit, FoldError> {
    weights.check(spec)?;
    let (circuit, input) = Circuit::new(&spec.name, spec.labels, spec.input);
    let mut folder = Folder { circuit, weights, options };
    let input = Expr::Affine(Affine::bare("input", spec.input, input));
    let logits = folder.layers(unflattened(spec)?, "layers", input)?;
    let output = folder.affine(logits).linear(&mut folder.circuit);
    Ok(folder.circuit.finish(output))
}

/// The layers without a last `flatten` that changes nothing: where each row and, of several channels, each plane fills a power of two,
/// values already lie in the order of the logits, and a layout tells rows from columns better than a vector's.
fn unflattened(spec: &NetworkSpec) -> Result<&[Layer]> {
    let shapes = spec.check().map_err(WeightsError::from)?;
    if let ([rest @ .., Layer::Flatten(_)], [.., mask, _]) = (spec.layers.as_slice(), shapes.as_slice()) {
        let dense = mask.width.is_power_of_two() && (mask.height.is_power_of_two() || mask.channels == 1);
        return Ok(if dense { rest } else { &spec.layers });
    }
    Ok(&spec.layers)
}

struct Folder<'a> {
    circuit: Circuit,
    weights: &'a Weights,
    options: &'a FoldOptions,
}

/// Diagonals that a level is worth.
const LEVEL: usize = 8;

type Result<T, E = FoldError> = std::result::Result<T, E>;

impl Folder<'_> {
    fn layers(&mut self, layers: &[Layer], list: &str, mut x: Expr) -> Result<Expr> {
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
    fn values(&self, path: &str, name: &str) -> Result<Vec<f64>> {
        Ok(self.weights.values(&format!("{path}.{name}"))?.iter().map(|v| f64::from(*v)).collect())
    }

    /// The expression as a sum of maps of nodes.
    fn affine(&mut self, x: Expr) -> Affine {
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
    fn map(&mut self, name: &str, x: Expr, map: &Sparse, bias: Option<&[f64]>, output: Shape) -> Expr {
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

    fn dense(&mut self, path: &str, x: Expr, outputs: usize) -> Result<Expr> {
        let (weight, bias) = (self.values(path, "weight")?, self.values(path, "bias")?);
        let inputs = x.shape().len();
        let rows = weight.chunks(inputs.max(1)).map(|row| row.iter().copied().enumerate());
        Ok(self.map(path, x, &Sparse::from_rows(inputs, rows), Some(&bias), Shape::flat(outputs)))
    }

    /// One value per channel to every row and column.
    fn broadcast(&mut self, path: &str, x: Expr, output: Shape) -> Expr {
        let rows = (0..output.len()).map(|r| [(output.position(r).0, 1.0)]);
        self.map(path, x, &Sparse::from_rows(output.channels, rows), None, output)
    }

    fn pool(&mut self, path: &str, pool: &AvgPool, behind: Option<&Layer>, x: Expr, output: Shape) -> Expr {
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
    fn window_sums(&mut self, path: &str, x: &Affine, window: [usize; 2], output: Shape) -> Option<Expr> {
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
    fn spread(&mut self, path: &str, x: Expr, output: Shape) -> Expr {
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

    /// a, b and c of every channel.
    fn coefficients(&self, settings: Activation, path: &str, channels: usize) -> Result<Vec<[f64; 3]>> {
        match settings.form {
            Form::Square => Ok(vec![[1.0, 0.0, 0.0]; channels]),
            Form::Relu | Form::NormRelu => Err(FoldError::Relu { layer: path.into() }),
            Form::Polynomial => {
                let values = self.values(path, "coefficients")?;
                let columns = if settings.shared { 1 } else { channels };
                let at = |row: usize, c: usize| values.get(row * columns + c % columns.max(1)).copied().unwrap_or(0.0);
                Ok((0..channels).map(|c| [0, 1, 2].map(|row| at(row, c))).collect())
            }
            Form::Hermite => {
                let [basis, bias] = [self.values(path, "basis")?, self.values(path, "bias")?];
                let [mean, variance] = [self.values(path, "mean")?, self.values(path, "variance")?];
                let at = |values: &[f64], i: usize| values.get(i).copied().unwrap_or(0.0);
                let polynomial = |c: usize| {
                    let scale = [0, channels].map(|row| at(&basis, row + c) / (at(&variance, row + c) + NORM_EPS).sqrt());
                    let [linear, square] = scale;
                    let constant = at(&bias, c) - linear * at(&mean, c) - square * at(&mean, channels + c);
                    [square, linear, constant]
                };
                Ok((0..channels).map(polynomial).collect())
            }
        }
    }

    fn activation(&mut self, path: &str, x: Expr, coefficients: &[[f64; 3]]) -> Result<Affine> {
        let shape = x.shape();
        // Per channel: factor and shift before the square; factors of the square and of its root behind it; constant.
        let mut folded = Vec::with_capacity(coefficients.len());
        for (channel, &[a, b, c]) in coefficients.iter().enumerate() {
            let shift = if b == 0.0 { 0.0 } else { b / (2.0 * a) };
            let root = a.abs().sqrt();
            folded.push(if shift.abs() <= self.options.max_shift {
                [root, root * shift, if a < 0.0 { -1.0 } else { 1.0 }, 0.0, c - a * shift * shift]
            } else if self.options.wide_shift == WideShift::FeedBeside {
                [1.0, 0.0, a, b, c]
            } else {
                return Err(FoldError::Shift { layer: path.into(), channel, shift, bound: self.options.max_shift });
            });
        }
        let column = |i: usize| {
            let values: Vec<f64> = folded.iter().map(|f| f.get(i).copied().unwrap_or(0.0)).collect();
            channelwise(shape, &values)
        };
        let before = x.scaled(&column(0)).plus(&column(1)).lower(&mut self.circuit);
        let inner = self.circuit.node(before).map_or(shape, |n| n.shape);
        let square = self.circuit.push(path, inner, Op::Square(before));
        let mut terms = vec![(square, Sparse::diagonal(&column(2)))];
        let beside = column(3);
        if beside.iter().any(|b| *b != 0.0) {
            terms.push((before, Sparse::diagonal(&beside)));
        }
        Ok(Affine { name: path.into(), shape, terms, bias: column(4) })
    }

    /// The two layers of a gate.
    fn excite(&mut self, squeeze: &Squeeze, path: &str, means: Expr) -> Result<Affine> {
        let channels = means.shape().channels;
        let hidden = self.dense(&format!("{path}.reduce"), means, squeeze.hidden(channels))?;
        let settings = Activation { form: squeeze.form, shared: false };
        let activation = format!("{path}.activation");
        let coefficients = self.coefficients(settings, &activation, hidden.shape().channels)?;
        let hidden = self.activation(&activation, hidden, &coefficients)?;
        let scores = self.dense(&format!("{path}.expand"), Expr::Affine(hidden), channels)?;
        Ok(self.affine(scores))
    }

    /// x · (αz³ + βz + c) = x · (z · (αz² + β) + c) for the scores z.
    fn sigmoid_gate(&mut self, path: &str, x: Expr, scores: Affine) -> Result<Expr> {
        let shape = x.shape();
        let sigmoid = format!("{path}.sigmoid");
        let coefficients = self.values(&sigmoid, "coefficients")?;
        let [alpha, beta, constant] = [0, 1, 2].map(|i| coefficients.get(i).copied().unwrap_or(0.0));
        let scores = self.broadcast(&sigmoid, Expr::Affine(scores), shape);
        let all = |value: f64| vec![value; shape.len()];
        let gate = if alpha == 0.0 {
            scores.scaled(&all(beta))
        } else {
            let slope = self.activation(&sigmoid, scores.clone(), &vec![[alpha, 0.0, beta]; shape.channels])?;
            Expr::product(&sigmoid, scores, Expr::Affine(slope))
        };
        Ok(Expr::product(path, x, gate.plus(&all(constant))))
    }
}

/// About as many diagonals as a good layout finds in a map.
fn diagonals(map: &Sparse) -> usize {
    map.len().div_ceil(map.rows().max(map.columns()).max(1))
}

/// One value per channel, repeated for every row and column.
fn channelwise(shape: Shape, values: &[f64]) -> Vec<f64> {
    let plane = shape.height * shape.width;
    values.iter().take(shape.channels).flat_map(|v| std::iter::repeat_n(*v, plane)).collect()
}

#[cfg(test)]
mod tests;
