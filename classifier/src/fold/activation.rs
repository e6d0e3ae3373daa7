//! Activations and gates.

use super::error::{FoldError, Result};
use super::expr::{Affine, Expr};
use super::folder::Folder;
use super::maps::channelwise;
use super::options::WideShift;
use crate::circuit::{Op, Sparse};
use crate::spec::{Activation, Form, NORM_EPS, Squeeze};

impl Folder<'_> {
    /// a, b and c of every channel.
    pub(super) fn coefficients(&self, settings: Activation, path: &str, channels: usize) -> Result<Vec<[f64; 3]>> {
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

    pub(super) fn activation(&mut self, path: &str, x: Expr, coefficients: &[[f64; 3]]) -> Result<Affine> {
        let shape = x.shape();
        // Per channel: factor and shift before the square; factors of the square and of its root behind it; constant.
        let mut folded = Vec::with_capacity(coefficients.len());
        for (channel, &[a, b, c]) in coefficients.iter().enumerate() {
            let shift = if b == 0.0 { 0.0 } else { b / (2.0 * a) };
            let root = a.abs().sqrt();
            folded.push(if shift.abs() <= self.options.max_shift {
                [root, root * shift, if a < 0.0 { -1.0 } else { 1.0 }, 0.0, c - a * shift * shift]
            } else if self.options.wide_shift == WideShift::KeepLinearTerm {
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
    pub(super) fn excite(&mut self, squeeze: &Squeeze, path: &str, means: Expr) -> Result<Affine> {
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
    pub(super) fn sigmoid_gate(&mut self, path: &str, x: Expr, scores: Affine) -> Result<Expr> {
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
