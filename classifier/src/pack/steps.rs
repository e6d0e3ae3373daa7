//! How the diagonals of a linear map are split into rotations: the choice between time and keys.

use super::cost::{CostModel, LevelCost};
use super::diagonals::{self, Marks};
use super::{PackedCircuit, PackedLinear, PackedNode, PackedOp};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// How diagonals are split into three rotations, index = giant + copy + baby: baby below `width`, copy a multiple of it below `stride`, giant
/// a multiple of that. Fewer keys than with two: of n diagonals about 3·n^(1/3) instead of 2·n^(1/2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// Pass it to [`veilray_he::LinearTransform::with_scale`].
    pub width: usize,
    /// A multiple of `width`; equal to it where the input is not copied.
    pub stride: usize,
    /// Whether each copy is rotated from the one before instead of from the input: a key for every difference, usually one, instead of
    /// one for every copy, at the price of a decomposition each.
    pub chained: bool,
}

impl Steps {
    /// A rotation for every diagonal.
    pub(super) const NONE: Self = Self { width: 1, stride: 1, chained: false };

    /// The baby step, the copy and the giant step of a diagonal.
    pub fn of(self, diagonal: usize) -> [usize; 3] {
        let (baby, below) = (diagonal % self.width.max(1), diagonal % self.stride.max(1));
        [baby, below - baby, diagonal - below]
    }
}

/// One way to split a map's diagonals, and what it takes whatever that costs.
#[derive(Debug)]
struct Choice {
    steps: Steps,
    counts: StepCounts,
    /// Without repetition.
    rotations: Vec<usize>,
}

/// The ways to split each linear map of a circuit, by node: counted once, priced as often as prices change.
#[derive(Debug)]
pub(super) struct Choices(BTreeMap<usize, Vec<Choice>>);

impl PackedCircuit {
    /// The ways to split its maps, chained copies among them where `chains` says so.
    pub(super) fn choices(&self, chains: bool) -> Choices {
        let of_node = |(i, node): (usize, &PackedNode)| match &node.op {
            PackedOp::Linear(map) => Some((i, map.choices(chains))),
            _ => None,
        };
        Choices(self.nodes.iter().enumerate().filter_map(of_node).collect())
    }

    /// The steps of every map: each in turn gets those of its choices that cost least, keys that others need being free. Chained copies
    /// are considered where `chains` says so.
    pub(super) fn choose_steps(&mut self, costs: &CostModel, choices: &Choices, chains: bool) {
        let level = self.level();
        for round in 0..3 {
            for (at, choices) in &choices.0 {
                // In the first round maps further on have no steps yet.
                let is_map = |node: &PackedNode| matches!(node.op, PackedOp::Linear(_));
                let counts = |i: usize, node: &PackedNode| i != *at && (round > 0 || i < *at || !is_map(node));
                let mut others: BTreeMap<usize, usize> = BTreeMap::new();
                for (_, node) in self.nodes.iter().enumerate().filter(|(i, node)| counts(*i, node)) {
                    for (steps, level) in self.node_rotations(node) {
                        let known = others.entry(steps).or_insert(level);
                        *known = level.max(*known);
                    }
                }
                if let Some(PackedNode { op: PackedOp::Linear(map), depth, .. }) = self.nodes.get_mut(*at) {
                    let among = choices.iter().filter(|choice| chains || !choice.steps.chained);
                    let steps = map.cheapest_steps(among, level.saturating_sub(*depth) + 1, costs, &others);
                    map.set_steps(steps);
                }
            }
        }
    }
}

impl PackedLinear {
    /// The ways to split its diagonals, chained copies among them where `chains` says so.
    fn choices(&self, chains: bool) -> Vec<Choice> {
        let widths: Vec<usize> = diagonals::widths(self.period()).collect();
        let multiple = |width: usize| widths.iter().copied().filter(move |stride| stride % width == 0);
        let kinds = if chains { &[false, true][..] } else { &[false] };
        let all: Vec<Steps> = widths
            .iter()
            .flat_map(|width| multiple(*width).map(|stride| (*width, stride)))
            .flat_map(|(width, stride)| kinds.iter().map(move |chained| Steps { width, stride, chained: *chained }))
            .filter(|steps| steps.stride > steps.width || !steps.chained)
            .collect();
        let choice = |steps: &Steps| {
            let rotations = self.rotations_at(*steps).into_iter().collect();
            Choice { steps: *steps, counts: self.step_counts(*steps), rotations }
        };
        all.par_iter().map(choice).collect()
    }

    /// The steps that cost least with the keys they add, where `known` rotations have keys up to their levels anyway.
    fn cheapest_steps<'a>(
        &self,
        choices: impl Iterator<Item = &'a Choice>,
        level: usize,
        costs: &CostModel,
        known: &BTreeMap<usize, usize>,
    ) -> Steps {
        let cost = costs.at(level);
        let megabytes = |steps: &usize| match known.get(steps) {
            Some(had) if *had >= level => 0.0,
            Some(had) => cost.key_megabytes - costs.at(*had).key_megabytes,
            None => cost.key_megabytes,
        };
        let price = |choice: &Choice| {
            let keys: f64 = choice.rotations.iter().map(megabytes).sum();
            self.counts_ms(choice.counts, &cost) + costs.ms_per_key_megabyte * keys
        };
        let priced = choices.map(|choice| (choice.steps, price(choice)));
        priced.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(Steps::NONE, |(steps, _)| steps)
    }

    /// What it costs at a level, but for the folds, which are rotations one level below; milliseconds.
    pub fn ms(&self, cost: &LevelCost) -> f64 {
        let products = cost.diagonal * self.diagonal_count() as f64;
        products + cost.output * self.output().blocks() as f64 + self.counts_ms(self.counts(), cost)
    }

    /// What baby steps, copies, giant steps and decompositions cost.
    fn counts_ms(&self, count: StepCounts, cost: &LevelCost) -> f64 {
        let [babies, parts, copies] = [count.babies, count.parts, count.copies].map(|n| n as f64);
        let [giants, sources] = [count.giants, count.sources].map(|n| n as f64);
        let row = babies / self.output().blocks().max(1) as f64;
        cost.baby_in_row(row) * babies + (cost.baby + cost.output) * copies + cost.input * (parts + sources) + cost.giant * giants
    }

    /// How many steps of each kind its evaluation takes.
    pub fn counts(&self) -> StepCounts {
        self.step_counts(self.steps())
    }

    fn step_counts(&self, steps: Steps) -> StepCounts {
        let (mut babies, mut parts) = (0usize, 0usize);
        let (mut copies, mut giants) = (BTreeSet::new(), BTreeSet::new());
        let (mut below, mut above) = (Marks::new(self.period()), Marks::new(self.period()));
        for (t, term) in self.terms().iter().enumerate() {
            for ((o, i), diagonals) in term.blocks() {
                below.clear();
                above.clear();
                let mut own = BTreeSet::new();
                for diagonal in diagonals {
                    let [baby, copy, giant] = steps.of(*diagonal);
                    if below.mark(copy + baby) {
                        babies += usize::from(baby != 0);
                        own.insert(copy);
                    }
                    if above.mark(giant) && giant != 0 {
                        giants.insert((*o, giant));
                    }
                }
                parts += own.len();
                copies.extend(own.into_iter().filter(|copy| *copy != 0).map(|copy| (t, *i, copy)));
            }
        }
        let sources = copies.iter().map(|(t, i, _)| (*t, *i)).collect::<BTreeSet<_>>().len();
        let sources = if steps.chained { copies.len() } else { sources };
        StepCounts { babies, copies: copies.len(), giants: giants.len(), parts, sources }
    }
}

/// Steps of a linear map's evaluation, folds apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepCounts {
    /// Baby steps other than 0.
    pub babies: usize,
    /// Rotated copies of input ciphertexts.
    pub copies: usize,
    /// Giant steps other than 0.
    pub giants: usize,
    /// Decompositions inside the map: one per output ciphertext and copy it reads.
    pub parts: usize,
    /// Decompositions before it: one per input ciphertext that is copied, or per copy where these are chained.
    pub sources: usize,
}
