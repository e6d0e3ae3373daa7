//! Nodes encoded: diagonals and constants as the engine wants them.

use super::error::ExecuteError;
use super::levels::{LevelScale, same_scale};
use crate::pack::{PackedLinear, PackedNode, PackedOp};
use std::collections::{BTreeMap, BTreeSet};
use veilray_he::{Diagonals, Encoder, LinearTransform, Params, Plaintext};

/// What one output ciphertext takes from which rotated copy.
pub(super) type Row = Vec<(Copy, LinearTransform)>;

/// What a node needs beside its inputs.
#[derive(Debug)]
pub(super) enum Encoded {
    Nothing,
    Linear {
        /// Per output ciphertext.
        rows: Vec<Row>,
        /// The rotated copies, each made once.
        copies: BTreeSet<Copy>,
        /// Per output ciphertext; none where all are zero.
        bias: Vec<Option<Plaintext>>,
    },
    Sum {
        /// Per ciphertext; none where all are zero.
        constant: Vec<Option<Plaintext>>,
        /// By term: a plaintext 1 that brings it to the sum's scale, where dropping levels alone does not.
        lifts: BTreeMap<usize, Plaintext>,
    },
}

/// A ciphertext of an input, rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Copy {
    /// Index of the node that gives it.
    pub input: usize,
    /// Its ciphertext.
    pub block: usize,
    /// Slots to the left.
    pub steps: usize,
}

/// A linear map before it is encoded.
pub(super) struct ClearMap {
    /// Per output ciphertext: the copies it reads, and the diagonals for them.
    pub rows: Vec<ClearRow>,
    /// The rotated copies.
    pub copies: BTreeSet<Copy>,
}

/// A row of a [`ClearMap`].
pub(super) type ClearRow = Vec<(Copy, Diagonals)>;

/// Encodes one node.
pub(super) struct Compiler<'a> {
    pub params: &'a Params,
    pub encoder: Encoder,
    pub level_scales: &'a [LevelScale],
    pub node: &'a PackedNode,
    pub here: LevelScale,
}

impl Compiler<'_> {
    /// All of it.
    pub(super) fn compile(&self) -> Result<Encoded, ExecuteError> {
        match &self.node.op {
            PackedOp::Linear(map) => self.linear(map),
            PackedOp::Sum { terms, constant } => self.sum(terms, constant),
            _ => Ok(Encoded::Nothing),
        }
    }

    fn input(&self, input: usize) -> LevelScale {
        self.level_scales.get(input).copied().unwrap_or(self.here)
    }

    /// Scale of the factor that takes an input from `scale` at `level + 1` to the node's own scale by a rescaling.
    fn factor(&self, scale: f64) -> f64 {
        self.here.scale * self.params.rescale_factor(self.here.level + 1) / scale
    }

    /// The diagonals of a linear map's rows, none of them encoded.
    pub(super) fn clear(&self, map: &PackedLinear) -> Result<ClearMap, ExecuteError> {
        let mut rows: Vec<ClearRow> = Vec::new();
        rows.resize_with(map.output().blocks(), Vec::new);
        for (t, term) in map.terms().iter().enumerate() {
            for (part, diagonals) in map.diagonals(t)? {
                let copy = Copy { input: term.input, block: part.input, steps: part.copy };
                if let Some(row) = rows.get_mut(part.output) {
                    row.push((copy, diagonals));
                }
            }
        }
        // An output that nothing reaches still needs a ciphertext: zero times any input.
        if let Some(term) = map.terms().first() {
            for row in rows.iter_mut().filter(|row| row.is_empty()) {
                let mut zero = Diagonals::new(1)?;
                zero.add(0, &[0.0])?;
                row.push((Copy { input: term.input, block: 0, steps: 0 }, zero));
            }
        }
        let copies = rows.iter().flatten().map(|(copy, _)| *copy).collect();
        Ok(ClearMap { rows, copies })
    }

    /// A row encoded. Each part's diagonals in clear are dropped as soon as they are.
    pub(super) fn row(&self, map: &PackedLinear, row: ClearRow) -> Result<Row, ExecuteError> {
        let encode = |(copy, diagonals): (Copy, Diagonals)| {
            let scale = self.factor(self.input(copy.input).scale);
            let transform =
                LinearTransform::with_scale(self.params, &diagonals, self.here.level + 1, scale, Some(map.steps().width))?;
            Ok((copy, transform))
        };
        row.into_iter().map(encode).collect()
    }

    fn linear(&self, map: &PackedLinear) -> Result<Encoded, ExecuteError> {
        let ClearMap { rows, copies } = self.clear(map)?;
        let rows = rows.into_iter().map(|row| self.row(map, row)).collect::<Result<_, _>>()?;
        Ok(Encoded::Linear { rows, copies, bias: self.plaintexts(map.bias())? })
    }

    fn sum(&self, terms: &[(usize, i64)], constant: &[Vec<f64>]) -> Result<Encoded, ExecuteError> {
        let mut lifts = BTreeMap::new();
        for (input, _) in terms {
            let from = self.input(*input);
            if !same_scale(from.scale, self.here.scale) {
                let ones = vec![1.0; self.params.slots()];
                lifts.insert(*input, self.encoder.encode_at(&ones, self.here.level + 1, self.factor(from.scale))?);
            }
        }
        Ok(Encoded::Sum { constant: self.plaintexts(constant)?, lifts })
    }

    /// Constants at the node's level and scale.
    pub(super) fn plaintexts(&self, blocks: &[Vec<f64>]) -> Result<Vec<Option<Plaintext>>, ExecuteError> {
        let encode = |values: &Vec<f64>| {
            let zero = values.iter().all(|v| *v == 0.0);
            (!zero).then(|| self.encoder.encode_at(values, self.here.level, self.here.scale)).transpose()
        };
        Ok(blocks.iter().map(encode).collect::<Result<_, _>>()?)
    }
}
