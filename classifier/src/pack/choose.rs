//! The choice of rotations for every linear map of a circuit: time against keys.

use super::circuit::{PackedCircuit, PackedNode, PackedOp};
use super::cost::CostModel;
use super::diagonals::widths;
use super::linear_map::PackedLinear;
use super::steps::{StepCounts, Steps};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Milliseconds per megabyte beyond which no larger weight is tried: a key then costs more than most maps, and steps no longer change.
const MAX_WEIGHT: f64 = 128.0;

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

    /// Chooses steps of fewer keys until these take no more than the budget; returns what they take, MB.
    pub(super) fn fewer_keys(&mut self, costs: &CostModel, budget: f64, choices: &Choices) -> f64 {
        let mut dearer = costs.clone();
        let mut least = self.evaluation_key_megabytes(costs);
        let mut kept = self.clone();
        while least > budget && dearer.ms_per_key_megabyte < MAX_WEIGHT {
            self.choose_steps(&dearer, choices, true);
            dearer.ms_per_key_megabyte = (2.0 * dearer.ms_per_key_megabyte).max(0.125);
            let found = self.evaluation_key_megabytes(costs);
            if found < least {
                least = found;
                kept = self.clone();
            }
        }
        *self = kept;
        least
    }
}

impl PackedLinear {
    /// The ways to split its diagonals, chained copies among them where `chains` says so.
    fn choices(&self, chains: bool) -> Vec<Choice> {
        let widths: Vec<usize> = widths(self.period()).collect();
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
}
