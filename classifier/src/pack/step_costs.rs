//! What the steps of a linear map take: their number, and time by a cost model.

use super::cost::LevelCost;
use super::diagonals::Marks;
use super::linear_map::PackedLinear;
use super::steps::{StepCounts, Steps};
use std::collections::BTreeSet;

impl PackedLinear {
    /// What it costs at a level, but for the folds, which are rotations one level below; milliseconds.
    pub fn ms(&self, cost: &LevelCost) -> f64 {
        let products = cost.diagonal * self.diagonal_count() as f64;
        products + cost.output * self.output().blocks() as f64 + self.counts_ms(self.counts(), cost)
    }

    /// What baby steps, copies, giant steps and decompositions cost.
    pub(super) fn counts_ms(&self, count: StepCounts, cost: &LevelCost) -> f64 {
        let [baby_steps, parts, copies] = [count.baby_steps, count.parts, count.copies].map(|n| n as f64);
        let [giant_steps, sources] = [count.giant_steps, count.sources].map(|n| n as f64);
        let row = baby_steps / self.output().blocks().max(1) as f64;
        cost.baby_in_row(row) * baby_steps
            + (cost.baby + cost.output) * copies
            + cost.input * (parts + sources)
            + cost.giant * giant_steps
    }

    /// How many steps of each kind its evaluation takes.
    pub fn counts(&self) -> StepCounts {
        self.step_counts(self.steps())
    }

    pub(super) fn step_counts(&self, steps: Steps) -> StepCounts {
        let (mut baby_steps, mut parts) = (0usize, 0usize);
        let (mut copies, mut giant_steps) = (BTreeSet::new(), BTreeSet::new());
        let (mut below, mut above) = (Marks::new(self.period()), Marks::new(self.period()));
        for (t, term) in self.terms().iter().enumerate() {
            for ((o, i), diagonals) in term.blocks() {
                below.clear();
                above.clear();
                let mut own = BTreeSet::new();
                for diagonal in diagonals {
                    let [baby, copy, giant] = steps.of(*diagonal);
                    if below.mark(copy + baby) {
                        baby_steps += usize::from(baby != 0);
                        own.insert(copy);
                    }
                    if above.mark(giant) && giant != 0 {
                        giant_steps.insert((*o, giant));
                    }
                }
                parts += own.len();
                copies.extend(own.into_iter().filter(|copy| *copy != 0).map(|copy| (t, *i, copy)));
            }
        }
        let sources = copies.iter().map(|(t, i, _)| (*t, *i)).collect::<BTreeSet<_>>().len();
        let sources = if steps.chained { copies.len() } else { sources };
        StepCounts { baby_steps, copies: copies.len(), giant_steps: giant_steps.len(), parts, sources }
    }
}
