//! Nodes evaluated on ciphertexts.

use super::compile::{Compiler, Copy, Encoded, Row};
use super::error::ExecuteError;
use super::levels::LevelScale;
use crate::pack::{PackedLinear, PackedNode, PackedOp, chain};
use std::collections::{BTreeMap, BTreeSet};
use veilray_he::{Ciphertext, Evaluator, ExpandedKeys, Plaintext};

/// Evaluates one node.
pub(super) struct Run<'a> {
    pub evaluator: &'a Evaluator,
    pub keys: &'a ExpandedKeys,
    /// By node before this one; empty where nothing reads it any more.
    pub done: &'a [Vec<Ciphertext>],
    pub here: LevelScale,
}

impl Run<'_> {
    /// A node encoded only now, a linear map row by row: no more than one row's diagonals are in memory at one time.
    pub(super) fn streamed(&self, compiler: &Compiler<'_>) -> Result<Vec<Ciphertext>, ExecuteError> {
        let PackedOp::Linear(map) = &compiler.node.op else { return self.node(compiler.node, &compiler.compile()?) };
        let clear = compiler.clear(map)?;
        let copies = self.copies(&clear.copies, map.steps().chained)?;
        let bias = compiler.plaintexts(map.bias())?;
        let row = |(row, bias): (_, &Option<_>)| self.linear(map, &compiler.row(map, row)?, &copies, bias.as_ref());
        clear.rows.into_iter().zip(&bias).map(row).collect()
    }

    /// A node with what it needs.
    pub(super) fn node(&self, node: &PackedNode, encoded: &Encoded) -> Result<Vec<Ciphertext>, ExecuteError> {
        match (&node.op, encoded) {
            (PackedOp::Linear(map), Encoded::Linear { rows, copies, bias }) => {
                let copies = self.copies(copies, map.steps().chained)?;
                rows.iter().zip(bias).map(|(row, bias)| self.linear(map, row, &copies, bias.as_ref())).collect()
            }
            (PackedOp::Square { input }, _) => self.of(*input)?.iter().map(|x| self.product(x, x)).collect(),
            (PackedOp::Product { left, right }, _) => {
                self.of(*left)?.iter().zip(self.of(*right)?).map(|(a, b)| self.product(a, b)).collect()
            }
            (PackedOp::Sum { terms, .. }, Encoded::Sum { constant, lifts }) => {
                (0..constant.len()).map(|block| self.sum(terms, block, constant.get(block), lifts)).collect()
            }
            (PackedOp::WindowSum { input, sources, steps }, _) => {
                let steps: Vec<i64> = steps.iter().map(|s| *s as i64).collect();
                let summed = |blocks: &Vec<usize>| self.folded(self.total(*input, blocks)?, &steps);
                sources.iter().map(summed).collect()
            }
            (PackedOp::Spread { input, sources, steps }, _) => {
                let steps: Vec<i64> = steps.iter().map(|s| -(*s as i64)).collect();
                let blocks = self.of(*input)?;
                let source = |b: &usize| blocks.get(*b).ok_or(ExecuteError::Input { wanted: b + 1, found: blocks.len() });
                sources.iter().map(|b| self.folded(self.lowered(source(b)?, self.here.level)?, &steps)).collect()
            }
            _ => Err(ExecuteError::Input { wanted: 1, found: 0 }),
        }
    }

    fn of(&self, input: usize) -> Result<&[Ciphertext], ExecuteError> {
        let blocks = self.done.get(input).map(Vec::as_slice).filter(|blocks| !blocks.is_empty());
        blocks.ok_or(ExecuteError::Input { wanted: 1, found: 0 })
    }

    fn lowered(&self, x: &Ciphertext, level: usize) -> Result<Ciphertext, ExecuteError> {
        Ok(if x.level() == level { x.clone() } else { self.evaluator.drop_to(x, level)? })
    }

    /// The copies; those of one ciphertext share its decomposition, unless they are chained.
    fn copies(&self, copies: &BTreeSet<Copy>, chained: bool) -> Result<BTreeMap<Copy, Ciphertext>, ExecuteError> {
        let mut sources: BTreeMap<(usize, usize), Vec<i64>> = BTreeMap::new();
        copies.iter().for_each(|copy| sources.entry((copy.input, copy.block)).or_default().push(copy.steps as i64));
        let mut out = BTreeMap::new();
        for ((input, block), steps) in sources {
            let blocks = self.of(input)?;
            let x = blocks.get(block).ok_or(ExecuteError::Input { wanted: block + 1, found: blocks.len() })?;
            let x = self.lowered(x, self.here.level + 1)?;
            let turned = if chained {
                let mut turned: Vec<Ciphertext> = Vec::with_capacity(steps.len());
                for difference in chain(steps.iter().map(|s| *s as usize)) {
                    let before = turned.last().unwrap_or(&x);
                    turned.push(self.evaluator.rotate(before, difference as i64, self.keys)?);
                }
                turned
            } else if steps == [0] {
                vec![x]
            } else {
                self.evaluator.rotate_hoisted(&x, &steps, self.keys)?
            };
            out.extend(steps.iter().zip(turned).map(|(steps, x)| (Copy { input, block, steps: *steps as usize }, x)));
        }
        Ok(out)
    }

    fn linear(
        &self,
        map: &PackedLinear,
        row: &Row,
        copies: &BTreeMap<Copy, Ciphertext>,
        bias: Option<&Plaintext>,
    ) -> Result<Ciphertext, ExecuteError> {
        let pairs = row.iter().filter_map(|(copy, map)| Some((copies.get(copy)?, map))).collect::<Vec<_>>();
        let steps: Vec<i64> = map.folds().map(|s| s as i64).collect();
        let sum = self.folded(self.evaluator.linear_sum(&pairs, self.keys)?, &steps)?;
        Ok(match bias {
            Some(bias) => self.evaluator.add_plain(&sum, bias)?,
            None => sum,
        })
    }

    /// The sum of some of an input's ciphertexts, at the node's level.
    fn total(&self, input: usize, blocks: &[usize]) -> Result<Ciphertext, ExecuteError> {
        let all = self.of(input)?;
        let mut sum: Option<Ciphertext> = None;
        for block in blocks {
            let x = all.get(*block).ok_or(ExecuteError::Input { wanted: block + 1, found: all.len() })?;
            sum = Some(match sum {
                Some(sum) => self.evaluator.add(&sum, &self.lowered(x, self.here.level)?)?,
                None => self.lowered(x, self.here.level)?,
            });
        }
        sum.ok_or(ExecuteError::Input { wanted: 1, found: 0 })
    }

    fn product(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, ExecuteError> {
        let level = self.here.level + 1;
        Ok(self.evaluator.multiply_rescale(&self.lowered(a, level)?, &self.lowered(b, level)?, self.keys)?)
    }

    /// x ← x + rotate(x, step) for each step in turn.
    fn folded(&self, mut x: Ciphertext, steps: &[i64]) -> Result<Ciphertext, ExecuteError> {
        for step in steps {
            let turned = self.evaluator.rotate(&x, *step, self.keys)?;
            self.evaluator.add_assign(&mut x, &turned)?;
        }
        Ok(x)
    }

    fn sum(
        &self,
        terms: &[(usize, i64)],
        block: usize,
        constant: Option<&Option<Plaintext>>,
        lifts: &BTreeMap<usize, Plaintext>,
    ) -> Result<Ciphertext, ExecuteError> {
        let mut sum: Option<Ciphertext> = None;
        for (input, factor) in terms {
            let blocks = self.of(*input)?;
            let x = blocks.get(block).ok_or(ExecuteError::Input { wanted: block + 1, found: blocks.len() })?;
            let mut x = match lifts.get(input) {
                Some(one) => {
                    let raised = self.lowered(x, self.here.level + 1)?;
                    self.evaluator.rescale(&self.evaluator.mul_plain(&raised, one)?)?
                }
                None => self.lowered(x, self.here.level)?,
            };
            if *factor != 1 {
                x = self.evaluator.mul_integer(&x, *factor)?;
            }
            sum = Some(match sum {
                Some(sum) => self.evaluator.add(&sum, &x)?,
                None => x,
            });
        }
        let sum = sum.ok_or(ExecuteError::Input { wanted: 1, found: 0 })?;
        Ok(match constant {
            Some(Some(constant)) => self.evaluator.add_plain(&sum, constant)?,
            _ => sum,
        })
    }
}
