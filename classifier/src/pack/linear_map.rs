//! A linear map between layouts, by its non-zero generalised diagonals.

use super::diagonals::{Marks, fold};
use super::layout::Layout;
use super::steps::Steps;
use crate::circuit::Sparse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use veilray_he::Diagonals;

/// Part of a linear map: what one output ciphertext takes from one rotated copy of one input ciphertext.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// Which ciphertext of the output.
    pub output: usize,
    /// Which ciphertext of the input.
    pub input: usize,
    /// Slots by which that is rotated to the left before anything else.
    pub copy: usize,
}

/// One input of a linear map.
#[derive(Debug, Clone, PartialEq)]
pub struct PackedTerm {
    /// Index of the node that gives it.
    pub input: usize,
    matrix: Arc<Sparse>,
    layout: Arc<Layout>,
    /// For each step of the map's inner folds, the bit that its diagonals keep.
    phase: usize,
    /// Indices of the diagonals by (output ciphertext, input ciphertext), ascending.
    blocks: BTreeMap<(usize, usize), Vec<usize>>,
}

/// Σ matrix · tensor + bias between layouts: per output ciphertext o,
///
/// y_o = Σ over terms and parts (o, i, copy) of the part's diagonals applied to rotate(x_i, copy); then, for each step in
/// [`PackedLinear::folds`], y_o ← y_o + rotate(y_o, step); then y_o + bias_o.
///
/// Diagonal d multiplies its input rotated left by d slots: y\[s\] = Σ_d diagonal_d\[s\] · x\[s + d\]. The folds sum what was computed in
/// several slots for one output: where an output's slots repeat, each copy sums its share of the products, so that a map needs as many
/// diagonals as the smaller period has (the hybrid method of Juvekar et al. 2018, GAZELLE); a free slot beside an output's does the same
/// and is left with an unspecified value.
#[derive(Debug, Clone, PartialEq)]
pub struct PackedLinear {
    terms: Vec<PackedTerm>,
    output: Arc<Layout>,
    inner_folds: Vec<usize>,
    outer_folds: Vec<usize>,
    bias: Vec<Vec<f64>>,
    steps: Steps,
}

impl PackedLinear {
    /// The map of those terms (input node, matrix, layout, phases of the inner folds) to `output`.
    pub(super) fn new(
        terms: Vec<(usize, Arc<Sparse>, Arc<Layout>, usize)>,
        output: &Arc<Layout>,
        inner_folds: &[usize],
        bias: &[f64],
    ) -> Self {
        let widest = terms.iter().map(|(_, _, layout, _)| layout.period()).max().unwrap_or(1);
        let ratio = (widest / output.period()).max(1);
        let outer_folds = (0..ratio.trailing_zeros()).map(|j| output.period() << j).collect();
        let terms = terms.into_iter().map(|(input, matrix, layout, phase)| PackedTerm {
            input,
            matrix,
            layout,
            phase,
            blocks: BTreeMap::new(),
        });
        let bias = output.pack(bias);
        let mut out = Self {
            terms: terms.collect(),
            output: Arc::clone(output),
            inner_folds: inner_folds.to_vec(),
            outer_folds,
            bias,
            steps: Steps::NONE,
        };
        for t in 0..out.terms.len() {
            let mut seen: BTreeMap<(usize, usize), Vec<bool>> = BTreeMap::new();
            let period = out.period();
            out.entries(t, |pair, diagonal, _, _| {
                let flags = seen.entry(pair).or_insert_with(|| vec![false; period]);
                flags.get_mut(diagonal).into_iter().for_each(|flag| *flag = true);
            });
            if let Some(term) = out.terms.get_mut(t) {
                let set = |flags: Vec<bool>| flags.into_iter().enumerate().filter(|(_, flag)| *flag).map(|(d, _)| d).collect();
                term.blocks = seen.into_iter().map(|(pair, flags)| (pair, set(flags))).collect();
            }
        }
        out
    }

    pub(super) fn set_steps(&mut self, steps: Steps) {
        self.steps = steps;
    }

    /// Calls `f((output ciphertext, input ciphertext), diagonal, slot, value)` for every entry of a term's matrix.
    fn entries(&self, term: usize, mut f: impl FnMut((usize, usize), usize, usize, f64)) {
        let Some(PackedTerm { matrix, layout, phase, .. }) = self.terms.get(term) else { return };
        let (slots, period) = (layout.slots(), layout.period().min(self.output.period()));
        let columns: Vec<usize> = (0..matrix.columns()).map(|c| layout.address(c)).collect();
        for row in 0..matrix.rows() {
            let to = self.output.address(row);
            for (column, value) in matrix.row(row) {
                let from = columns.get(*column as usize).copied().unwrap_or(0);
                let mut diagonal = (from % slots).wrapping_sub(to % slots) & (period - 1);
                let mut slot = to % slots;
                for step in &self.inner_folds {
                    let folded = fold(diagonal, *step, *phase, period);
                    if folded != diagonal {
                        (diagonal, slot) = (folded, slot + step);
                    }
                }
                if layout.period() > self.output.period() {
                    // The copy of the output whose share this entry is.
                    slot = (from % slots).wrapping_sub(diagonal) & (layout.period() - 1);
                }
                f((to / slots, from / slots), diagonal, slot, *value);
            }
        }
    }

    /// Its inputs.
    pub fn terms(&self) -> &[PackedTerm] {
        &self.terms
    }

    /// The layout of its output.
    pub fn output(&self) -> &Layout {
        &self.output
    }

    /// Steps of the rotations that sum each output up, to be taken one after the other behind the map, one level below its input.
    pub fn folds(&self) -> impl Iterator<Item = usize> + '_ {
        self.inner_folds.iter().chain(&self.outer_folds).copied()
    }

    /// The constants of each output ciphertext, added last.
    pub fn bias(&self) -> &[Vec<f64>] {
        &self.bias
    }

    /// How its diagonals are split.
    pub fn steps(&self) -> Steps {
        self.steps
    }

    /// Rotations of input ciphertexts that the parts of a term read, by input ciphertext, ascending; 0 is the ciphertext itself.
    pub fn copies(&self, term: usize) -> BTreeMap<usize, BTreeSet<usize>> {
        let mut out: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for part in self.parts(term).keys() {
            out.entry(part.input).or_default().insert(part.copy);
        }
        out
    }

    /// Indices of the diagonals of a term's parts, ascending, behind their copies: baby + giant step.
    pub fn parts(&self, term: usize) -> BTreeMap<Part, Vec<usize>> {
        let mut out: BTreeMap<Part, Vec<usize>> = BTreeMap::new();
        for ((output, input), diagonals) in self.terms.get(term).into_iter().flat_map(|t| &t.blocks) {
            for diagonal in diagonals {
                let [baby, copy, giant] = self.steps.of(*diagonal);
                out.entry(Part { output: *output, input: *input, copy }).or_default().push(baby + giant);
            }
        }
        out
    }

    /// The period of the diagonals: no input's is longer.
    pub fn period(&self) -> usize {
        let widest = self.terms.iter().map(|t| t.layout.period()).max().unwrap_or(1);
        widest.max(self.output.period())
    }

    /// Number of diagonals, over all terms and pairs of ciphertexts.
    pub fn diagonal_count(&self) -> usize {
        self.terms.iter().flat_map(|t| t.blocks.values()).map(Vec::len).sum()
    }

    /// Number of matrix entries other than zero, over all terms.
    pub fn entry_count(&self) -> usize {
        self.terms.iter().map(|t| t.matrix.len()).sum()
    }

    /// Steps that need a key at the level of the inputs: baby steps, copies and giant steps.
    pub fn rotations(&self) -> BTreeSet<usize> {
        self.rotations_at(self.steps)
    }

    pub(super) fn rotations_at(&self, steps: Steps) -> BTreeSet<usize> {
        let mut seen = Marks::new(self.period());
        let diagonals = self.terms.iter().flat_map(|t| t.blocks.values()).flatten();
        if !steps.chained {
            return diagonals.flat_map(|d| steps.of(*d)).filter(|step| *step != 0 && seen.mark(*step)).collect();
        }
        let inner = diagonals.flat_map(|d| {
            let [baby, _, giant] = steps.of(*d);
            [baby, giant]
        });
        let mut out: BTreeSet<usize> = inner.filter(|step| *step != 0 && seen.mark(*step)).collect();
        let mut copies: BTreeMap<(usize, usize), BTreeSet<usize>> = BTreeMap::new();
        for term in &self.terms {
            for ((_, input), diagonals) in &term.blocks {
                let copies = copies.entry((term.input, *input)).or_default();
                let mut seen = Marks::new(self.period());
                copies.extend(diagonals.iter().map(|d| steps.of(*d)[1]).filter(|copy| seen.mark(*copy)));
            }
        }
        for copies in copies.values() {
            out.extend(chain(copies.iter().copied()).filter(|difference| *difference != 0));
        }
        out
    }

    /// The diagonals of a term's parts, built anew by every call.
    ///
    /// # Errors
    /// The engine's; none for a map that [`super::pack`] made.
    pub fn diagonals(&self, term: usize) -> veilray_he::Result<BTreeMap<Part, Diagonals>> {
        let period = self.period();
        let blocks = self.terms.get(term).map(|t| &t.blocks);
        let mut values: BTreeMap<(usize, usize), Vec<Option<Vec<f64>>>> = BTreeMap::new();
        for (pair, diagonals) in blocks.into_iter().flatten() {
            let table = values.entry(*pair).or_insert_with(|| vec![None; period]);
            for diagonal in diagonals {
                table.get_mut(*diagonal).into_iter().for_each(|d| *d = Some(vec![0.0; period]));
            }
        }
        self.entries(term, |pair, diagonal, slot, value| {
            let diagonal = values.get_mut(&pair).and_then(|t| t.get_mut(diagonal)).and_then(Option::as_mut);
            if let Some(place) = diagonal.and_then(|d| d.get_mut(slot)) {
                *place += value;
            }
        });
        let mut parts: BTreeMap<Part, Vec<(usize, Vec<f64>)>> = BTreeMap::new();
        for ((output, input), table) in values {
            for (index, values) in table.into_iter().enumerate() {
                if let Some(values) = values {
                    let [baby, copy, giant] = self.steps.of(index);
                    parts.entry(Part { output, input, copy }).or_default().push((baby + giant, values));
                }
            }
        }
        let build = |(part, diagonals): (Part, Vec<(usize, Vec<f64>)>)| {
            let mut out = Diagonals::new(period)?;
            for (index, values) in diagonals {
                out.add(index as i64, &values)?;
            }
            Ok((part, out))
        };
        parts.into_iter().map(build).collect()
    }
}

/// What each of some ascending steps adds to the one before, the first to 0.
pub(crate) fn chain(steps: impl Iterator<Item = usize>) -> impl Iterator<Item = usize> {
    steps.scan(0, |before, step| Some(step - std::mem::replace(before, step)))
}

impl PackedTerm {
    /// The layout of this input.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Indices of the diagonals by (output ciphertext, input ciphertext), ascending, before any is split.
    pub fn blocks(&self) -> &BTreeMap<(usize, usize), Vec<usize>> {
        &self.blocks
    }
}
