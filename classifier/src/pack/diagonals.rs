//! Sets of diagonals: which rotations a map needs between two layouts, without its values.

use super::cost::LevelCost;
use std::collections::BTreeMap;

/// Places of diagonals modulo a power of two, one bit each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DiagonalSet {
    period: usize,
    words: Vec<u64>,
}

impl DiagonalSet {
    pub(super) fn empty(period: usize) -> Self {
        Self { period, words: vec![0; period.div_ceil(64)] }
    }

    pub(super) fn insert(&mut self, diagonal: usize) {
        let at = diagonal & (self.period - 1);
        if let Some(word) = self.words.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let bits = |(i, word): (usize, &u64)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                (left != 0).then(|| {
                    let bit = left.trailing_zeros() as usize;
                    left &= left - 1;
                    64 * i + bit
                })
            })
        };
        self.words.iter().enumerate().flat_map(bits)
    }

    pub(super) fn len(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// Adds every diagonal of `other`, moved up by `steps`.
    fn merge_moved(&mut self, other: &Self, steps: usize) {
        let steps = steps & (self.period - 1);
        if self.period < 64 {
            for (word, source) in self.words.iter_mut().zip(&other.words) {
                let moved = source << steps | source >> (self.period - steps);
                *word |= moved & ((1 << self.period) - 1);
            }
            return;
        }
        let (whole, part) = (steps / 64, (steps % 64) as u32);
        let count = self.words.len();
        for (i, source) in other.words.iter().enumerate().filter(|(_, w)| **w != 0) {
            if let Some(word) = self.words.get_mut((i + whole) % count) {
                *word |= source << part;
            }
            if part > 0
                && let Some(word) = self.words.get_mut((i + whole + 1) % count)
            {
                *word |= source >> (64 - part);
            }
        }
    }

    /// Every diagonal whose bit `step` is not as in `phase`, moved down by `step`: what is left when outputs may be summed in the slot
    /// `step` further as well.
    pub(super) fn folded(&self, step: usize, phase: usize) -> Self {
        let mut out = Self::empty(self.period);
        for d in self.iter() {
            out.insert(fold(d, step, phase, self.period));
        }
        out
    }
}

/// See [`DiagonalSet::folded`].
pub(super) fn fold(diagonal: usize, step: usize, phase: usize, period: usize) -> usize {
    if diagonal & step == phase & step { diagonal } else { diagonal.wrapping_sub(step) & (period - 1) }
}

/// Diagonals by (output ciphertext, input ciphertext).
pub(super) type BlockDiagonals = BTreeMap<(usize, usize), DiagonalSet>;

/// Which values of one axis read which: (output, input).
pub(super) type Relation = Vec<(u32, u32)>;

/// The diagonals of every map whose values read no more than the product of those relations allows.
pub(super) fn of_relations(
    relations: &[Relation; 3],
    output: [&[usize]; 3],
    input: [&[usize]; 3],
    slots: usize,
    period: usize,
) -> BlockDiagonals {
    let mut start = DiagonalSet::empty(period);
    start.insert(0);
    let mut all: BlockDiagonals = BTreeMap::from([((0, 0), start)]);
    for ((relation, output), input) in relations.iter().zip(output).zip(input) {
        let mut steps: BlockDiagonals = BTreeMap::new();
        let at = |axis: &[usize], v: u32| axis.get(v as usize).copied().unwrap_or(0);
        for (o, i) in relation {
            let (o, i) = (at(output, *o), at(input, *i));
            let set = steps.entry((o / slots, i / slots)).or_insert_with(|| DiagonalSet::empty(period));
            set.insert((i % slots).wrapping_sub(o % slots));
        }
        let mut next: BlockDiagonals = BTreeMap::new();
        for ((o, i), done) in &all {
            for ((p, j), steps) in &steps {
                let set = next.entry((o | p, i | j)).or_insert_with(|| DiagonalSet::empty(period));
                steps.iter().for_each(|step| set.merge_moved(done, step));
            }
        }
        all = next;
    }
    all
}

/// A width of baby steps and what it costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SplitCost {
    pub width: usize,
    /// Steps and products.
    pub ms: f64,
    /// Rotations that need a key.
    pub keys: usize,
}

/// Widths that are tried: powers of two and three times those.
pub(super) fn widths(period: usize) -> impl Iterator<Item = usize> {
    let powers = (0..=period.trailing_zeros()).map(|j| 1usize << j);
    powers.flat_map(|w| [w, 3 * w / 2]).filter(|w| *w > 0)
}

/// Cost of the steps and products of the terms' diagonals at the width that makes it least, keys weighing `ms_per_key` each.
pub(super) fn cheapest_split(terms: &[BlockDiagonals], slots: usize, cost: &LevelCost, ms_per_key: f64) -> SplitCost {
    let mut lists: Vec<(usize, Vec<usize>)> =
        terms.iter().flat_map(|t| t.iter().map(|((o, _), set)| (*o, set.iter().collect()))).collect();
    lists.sort_by_key(|(o, _)| *o);
    let products: usize = lists.iter().map(|(_, list)| list.len()).sum();
    let (mut babies, mut giants) = (Marks::new(slots), Marks::new(slots));
    let mut keys = Marks::new(slots);
    let mut split = |width: usize| {
        let (mut baby_steps, mut giant_steps) = (0, 0);
        keys.clear();
        let mut row = None;
        for (o, list) in &lists {
            if row.replace(*o) != Some(*o) {
                giants.clear();
            }
            babies.clear();
            for d in list {
                let (baby, giant) = (d % width, d / width * width);
                baby_steps += usize::from(baby != 0 && babies.mark(baby));
                giant_steps += usize::from(giant != 0 && giants.mark(giant));
                [baby, giant].into_iter().filter(|steps| *steps != 0).for_each(|steps| {
                    keys.mark(steps);
                });
            }
        }
        let ms = cost.baby * baby_steps as f64 + cost.giant * giant_steps as f64 + cost.diagonal * products as f64;
        SplitCost { width, ms, keys: keys.marked.len() }
    };
    let total = |s: &SplitCost| s.ms + ms_per_key * s.keys as f64;
    let best = widths(slots).map(&mut split).min_by(|a, b| total(a).total_cmp(&total(b)));
    best.unwrap_or(SplitCost { width: 1, ms: 0.0, keys: 0 })
}

/// A set of small numbers that is cleared in the time it took to fill.
pub(super) struct Marks {
    flags: Vec<bool>,
    marked: Vec<usize>,
}

impl Marks {
    pub(super) fn new(size: usize) -> Self {
        Self { flags: vec![false; size], marked: Vec::new() }
    }

    /// Whether it was new.
    pub(super) fn mark(&mut self, at: usize) -> bool {
        match self.flags.get_mut(at) {
            Some(flag) if !*flag => {
                *flag = true;
                self.marked.push(at);
                true
            }
            _ => false,
        }
    }

    pub(super) fn clear(&mut self) {
        for at in self.marked.drain(..) {
            self.flags.get_mut(at).into_iter().for_each(|flag| *flag = false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn moved_sets_are_sets_of_sums() {
        for period in [8, 32, 64, 256] {
            let mut a = DiagonalSet::empty(period);
            [0, 3, period / 2 - 1, period - 1].iter().for_each(|d| a.insert(*d));
            for steps in [0, 1, period / 2, period - 1] {
                let mut b = DiagonalSet::empty(period);
                b.insert(2);
                b.merge_moved(&a, steps);
                let wanted: BTreeSet<usize> = a.iter().map(|d| (d + steps) % period).chain([2]).collect();
                assert_eq!(b.iter().collect::<BTreeSet<_>>(), wanted, "{period} {steps}");
                assert_eq!(b.len(), wanted.len());
            }
        }
    }

    #[test]
    fn folding_merges_neighbours() {
        let mut taps = DiagonalSet::empty(64);
        [63, 0, 1, 2].iter().for_each(|d| taps.insert(*d));
        assert_eq!(taps.folded(1, 1).iter().collect::<Vec<_>>(), [1, 63]);
        assert_eq!(taps.folded(1, 0).len(), 3);
    }
}
