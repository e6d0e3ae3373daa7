//! The search for layouts: every tensor's bits are arranged so that the whole circuit costs least.
//!
//! Nodes that work slot by slot share one layout, a class. The search starts from multiplexed packing, the places of rows and columns
//! inherited and channels in those that strides freed, and swaps pairs of bits in one class after the other while the cost falls.

use super::cost::{CostModel, LevelCost};
use super::diagonals::{BlockDiagonals, Relation, cheapest_split, of_relations};
use super::error::PackError;
use super::layout::{AddressBit, Layout, bits_for};
use crate::circuit::{Circuit, NodeId, Op, Sparse};
use crate::spec::Shape;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Largest weight of keys in the search, ms per MB: it counts them for splits into two rotations, and would trade good layouts for keys
/// that the final split into three saves anyway.
const MAX_KEY_WEIGHT: f64 = 0.5;

/// How the layout of a class comes about.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rule {
    Own,
    /// The logits: label i in slot i.
    Logits,
    /// The corners of another class' windows.
    Corners {
        of: usize,
        rows: u32,
        columns: u32,
    },
    /// The channels of another class.
    ChannelsOf(usize),
}

#[derive(Debug)]
struct Class {
    shape: Shape,
    rule: Rule,
}

#[derive(Debug)]
struct Map {
    output: usize,
    terms: Vec<(usize, [Relation; 3])>,
    cost: LevelCost,
    /// Of the folds and keys behind it.
    below: LevelCost,
}

/// The chosen layouts.
pub(super) struct Found {
    /// The layout of each node, in order.
    pub layouts: Vec<Arc<Layout>>,
    /// By node, for linear maps: steps of the inner folds, and the phases of each term.
    pub folds: BTreeMap<usize, (Vec<usize>, Vec<usize>)>,
}

struct Search<'a> {
    circuit: &'a Circuit,
    model: &'a CostModel,
    log_slots: u32,
    class_of: Vec<usize>,
    classes: Vec<Class>,
    maps: BTreeMap<usize, Map>,
    layouts: Vec<Arc<Layout>>,
}

/// Layouts for a circuit whose input comes in at level `top`; `passes` over all classes at most.
pub(super) fn search(
    circuit: &Circuit,
    log_slots: u32,
    model: &CostModel,
    top: usize,
    passes: usize,
) -> Result<Found, PackError> {
    let mut search = Search::new(circuit, log_slots, model, top)?;
    search.start()?;
    search.improve(passes);
    Ok(search.found())
}

impl<'a> Search<'a> {
    fn new(circuit: &'a Circuit, log_slots: u32, model: &'a CostModel, top: usize) -> Result<Self, PackError> {
        let nodes = circuit.nodes();
        let mut class_of: Vec<usize> = (0..nodes.len()).collect();
        let mut tie = |a: usize, b: usize| {
            let (a, b) = (class_of.get(a).copied().unwrap_or(a), class_of.get(b).copied().unwrap_or(b));
            class_of.iter_mut().filter(|c| **c == a.max(b)).for_each(|c| *c = a.min(b));
        };
        for (i, node) in nodes.iter().enumerate() {
            if matches!(node.op, Op::Square(_) | Op::Product(..) | Op::Sum { .. }) {
                node.op.inputs().iter().for_each(|id| tie(id.index(), i));
            }
        }
        let class = |id: NodeId| class_of.get(id.index()).copied().unwrap_or(0);
        let mut classes: Vec<Class> = nodes.iter().map(|n| Class { shape: n.shape, rule: Rule::Own }).collect();
        let mut maps = BTreeMap::new();
        for (id, node) in circuit.ids().zip(nodes) {
            let level = |depth: usize| model.at(top.saturating_sub(depth));
            let (before, after) = (level(node.depth - node.op.levels()), level(node.depth));
            let conflict = |found: Shape| PackError::Conflict { node: node.name.clone(), found, wanted: node.shape };
            let mut derive = |class: usize, rule: Rule| match classes.get_mut(class) {
                Some(c) if c.rule == Rule::Own || c.rule == rule => {
                    c.rule = rule;
                    Ok(())
                }
                _ => Err(conflict(node.shape)),
            };
            match &node.op {
                Op::Input | Op::Square(_) | Op::Product(..) | Op::Sum { .. } => {}
                Op::Linear { terms, .. } => {
                    let relation = |(input, matrix): &(NodeId, Arc<Sparse>)| {
                        let shape = circuit.node(*input).map_or(node.shape, |n| n.shape);
                        (class(*input), relations(matrix, node.shape, shape))
                    };
                    let map = Map { output: class(id), terms: terms.iter().map(relation).collect(), cost: before, below: after };
                    maps.insert(id.index(), map);
                }
                Op::WindowSum { input, window: [high, wide] } => {
                    let (rows, columns) = (bits_for(*high), bits_for(*wide));
                    derive(class(id), Rule::Corners { of: class(*input), rows, columns })?;
                }
                Op::Spread(input) => derive(class(*input), Rule::ChannelsOf(class(id)))?,
            }
            if let Some(c) = classes.get(class(id)).filter(|c| c.shape != node.shape) {
                return Err(conflict(c.shape));
            }
        }
        if let Some(last) = class_of.last().and_then(|c| classes.get_mut(*c)) {
            last.rule = Rule::Logits;
        }
        Ok(Self { circuit, model, log_slots, class_of, classes, maps, layouts: Vec::new() })
    }

    /// A layout for every class, by inheritance.
    fn start(&mut self) -> Result<(), PackError> {
        let mut own: BTreeMap<usize, Arc<Layout>> = BTreeMap::new();
        for (i, at) in self.class_of.iter().enumerate().filter(|(i, at)| i == *at) {
            let Some(class) = self.classes.get(*at) else { continue };
            let layout = match class.rule {
                Rule::Own => {
                    let source = self.maps.get(&i).and_then(|m| m.terms.first()).and_then(|(input, _)| own.get(input));
                    let inherited = source.and_then(|from| inherit(from, class.shape, self.log_slots));
                    let dense = Layout::dense(class.shape, self.log_slots)?;
                    Arc::new(inherited.unwrap_or(dense))
                }
                Rule::Logits => Arc::new(Layout::dense(class.shape, self.log_slots)?.cleaned()),
                // It follows from another one.
                Rule::Corners { .. } | Rule::ChannelsOf(_) => continue,
            };
            own.extend(self.derived(*at, &layout)?);
            own.insert(*at, layout);
        }
        let mut layouts = Vec::with_capacity(self.classes.len());
        for (at, class) in self.classes.iter().enumerate() {
            let conflict = || PackError::Conflict { node: self.circuit.name().into(), found: class.shape, wanted: class.shape };
            let of = self.class_of.get(at).copied().unwrap_or(at);
            layouts.push(own.get(&of).cloned().ok_or_else(conflict)?);
        }
        self.layouts = layouts;
        Ok(())
    }

    #[allow(clippy::indexing_slicing, reason = "`start` gives every class a layout")]
    fn layout(&self, class: usize) -> Arc<Layout> {
        Arc::clone(&self.layouts[class])
    }

    /// The layouts that follow from one of class `at`.
    fn derived(&self, at: usize, layout: &Arc<Layout>) -> Result<Vec<(usize, Arc<Layout>)>, PackError> {
        let mut out = Vec::new();
        let mut todo = vec![(at, Arc::clone(layout))];
        while let Some((from, layout)) = todo.pop() {
            for (class, c) in self.classes.iter().enumerate() {
                let next = match c.rule {
                    Rule::Corners { of, rows, columns } if of == from => layout.without_low_bits(c.shape, rows, columns)?,
                    Rule::ChannelsOf(of) if of == from => layout.channels_only()?,
                    _ => continue,
                };
                let next = Arc::new(next);
                out.push((class, Arc::clone(&next)));
                if out.len() > self.classes.len() {
                    return Err(PackError::Conflict { node: self.circuit.name().into(), found: c.shape, wanted: c.shape });
                }
                todo.push((class, next));
            }
        }
        Ok(out)
    }

    /// Cost of a map, the steps of its inner folds and the phases of its terms.
    fn map_cost(&self, map: &Map, changed: &BTreeMap<usize, Arc<Layout>>) -> (f64, Vec<usize>, Vec<usize>) {
        let layout = |class: usize| changed.get(&class).cloned().unwrap_or_else(|| self.layout(class));
        let output = layout(map.output);
        let slots = output.slots();
        let inputs: Vec<Arc<Layout>> = map.terms.iter().map(|(class, _)| layout(*class)).collect();
        let mut sets: Vec<BlockDiagonals> = Vec::with_capacity(inputs.len());
        for ((_, relations), input) in map.terms.iter().zip(&inputs) {
            sets.push(of_relations(relations, output.axes(), input.axes(), slots, input.period().min(output.period())));
        }
        let widest = inputs.iter().map(|l| l.period()).max().unwrap_or(1);
        let outer = (widest / output.period()).max(1).trailing_zeros() as f64;
        let weight = self.model.ms_per_key_megabyte.min(MAX_KEY_WEIGHT);
        let key_ms = weight * map.cost.key_megabytes;
        let fold_ms = (map.below.rotate + map.below.add) * output.blocks() as f64 + weight * map.below.key_megabytes;
        let price = |sets: &[BlockDiagonals]| {
            let split = cheapest_split(sets, slots, &map.cost, key_ms);
            split.ms + key_ms * split.keys as f64
        };
        let mut ms = price(&sets);
        let (mut folds, mut phases) = (Vec::new(), vec![0; sets.len()]);
        // Widest steps first: they merge most.
        let gaps = if output.is_clean() { vec![] } else { output.gaps() };
        for step in gaps {
            let folded = |set: &BlockDiagonals, phase: usize| -> BlockDiagonals {
                set.iter().map(|(pair, set)| (*pair, set.folded(step, phase))).collect()
            };
            let count = |sets: &BlockDiagonals| sets.values().map(|s| s.len()).sum::<usize>();
            let best = sets.iter().map(|set| {
                let (off, on) = (folded(set, 0), folded(set, step));
                if count(&on) < count(&off) { (on, step) } else { (off, 0) }
            });
            let (next, chosen): (Vec<BlockDiagonals>, Vec<usize>) = best.unzip();
            let next_ms = price(&next);
            if next_ms + fold_ms < ms {
                ms = next_ms;
                sets = next;
                folds.push(step);
                phases.iter_mut().zip(chosen).for_each(|(p, c)| *p |= c);
            }
        }
        let blocks: usize = inputs.iter().map(|l| l.blocks()).sum();
        let fixed = map.cost.input * blocks as f64 + map.cost.output * output.blocks() as f64;
        (ms + fixed + fold_ms * (outer + folds.len() as f64), folds, phases)
    }

    /// Swaps bits, class by class, while the cost falls.
    fn improve(&mut self, passes: usize) {
        let none = BTreeMap::new();
        let mut costs: BTreeMap<usize, f64> = self.maps.iter().map(|(i, map)| (*i, self.map_cost(map, &none).0)).collect();
        for _ in 0..passes {
            let mut improved = false;
            for class in 0..self.classes.len() {
                let used = self.class_of.contains(&class);
                if !used || self.classes.get(class).is_none_or(|c| c.rule != Rule::Own) {
                    continue;
                }
                while let Some((changed, new_costs)) = self.best_swap(class, &costs) {
                    for (class, layout) in changed {
                        if let Some(place) = self.layouts.get_mut(class) {
                            *place = layout;
                        }
                    }
                    costs.extend(new_costs);
                    improved = true;
                }
            }
            if !improved {
                break;
            }
        }
    }

    /// The swap of two bits of a class that saves most, with the layouts and costs that it changes.
    #[allow(clippy::type_complexity, reason = "two small maps by index")]
    fn best_swap(
        &self,
        class: usize,
        costs: &BTreeMap<usize, f64>,
    ) -> Option<(BTreeMap<usize, Arc<Layout>>, BTreeMap<usize, f64>)> {
        let current = self.layout(class);
        let touched: Vec<usize> =
            std::iter::once(class).chain(self.derived(class, &current).ok()?.into_iter().map(|(c, _)| c)).collect();
        let concerns = |map: &Map| touched.contains(&map.output) || map.terms.iter().any(|(c, _)| touched.contains(c));
        let maps: Vec<(usize, &Map)> = self.maps.iter().filter(|(_, m)| concerns(m)).map(|(i, m)| (*i, m)).collect();
        let before: f64 = maps.iter().filter_map(|(i, _)| costs.get(i)).sum();
        // A fiftieth of a percent: below it two layouts count as equal.
        let mut best = (before * (1.0 - 2e-4), None);
        let places = current.address_bits();
        for i in 0..places.len() {
            for j in 0..i {
                if places.get(i) == places.get(j) {
                    continue;
                }
                let mut swapped = places.to_vec();
                swapped.swap(i, j);
                let Ok(layout) = Layout::new(current.shape(), self.log_slots, swapped) else { continue };
                if !layout.is_gapless() || layout.blocks() != current.blocks() {
                    continue;
                }
                let layout = Arc::new(layout);
                let Ok(derived) = self.derived(class, &layout) else { continue };
                let changed: BTreeMap<usize, Arc<Layout>> = derived.into_iter().chain([(class, layout)]).collect();
                let mut total = 0.0;
                let mut new_costs = BTreeMap::new();
                for (at, map) in &maps {
                    let (ms, ..) = self.map_cost(map, &changed);
                    total += ms;
                    new_costs.insert(*at, ms);
                    if total >= best.0 {
                        break;
                    }
                }
                if total < best.0 {
                    best = (total, Some((changed, new_costs)));
                }
            }
        }
        best.1
    }

    fn found(self) -> Found {
        let none = BTreeMap::new();
        let folds = self.maps.iter().map(|(i, map)| {
            let (_, steps, phases) = self.map_cost(map, &none);
            (*i, (steps, phases))
        });
        let folds = folds.collect();
        let layouts = self.class_of.iter().map(|class| self.layout(*class)).collect();
        Found { layouts, folds }
    }
}

/// Which channels, rows and columns of the output read which of the input.
fn relations(matrix: &Sparse, output: Shape, input: Shape) -> [Relation; 3] {
    let sides = [(output.channels, input.channels), (output.height, input.height), (output.width, input.width)];
    let mut seen = sides.map(|(o, i)| vec![false; o * i]);
    let rows: Vec<[usize; 3]> = (0..output.len()).map(|r| output.position(r).into()).collect();
    let columns: Vec<[usize; 3]> = (0..input.len()).map(|c| input.position(c).into()).collect();
    for (r, c, _) in matrix.iter() {
        let (Some(row), Some(column)) = (rows.get(r), columns.get(c)) else { continue };
        for (((o, i), (_, inputs)), seen) in row.iter().zip(column).zip(sides).zip(&mut seen) {
            if let Some(flag) = seen.get_mut(o * inputs + i) {
                *flag = true;
            }
        }
    }
    let pairs = |(seen, (_, inputs)): (Vec<bool>, (usize, usize))| {
        let set = seen.into_iter().enumerate().filter(|(_, flag)| *flag);
        set.map(|(at, _)| ((at / inputs) as u32, (at % inputs) as u32)).collect::<Relation>()
    };
    let [a, b, c] = seen;
    let [x, y, z] = sides;
    [pairs((a, x)), pairs((b, y)), pairs((c, z))]
}

/// The layout of a tensor computed from one in layout `from`: rows and columns stay where their high bits are, channels take their old
/// places from the top, then what strides freed, then free ones. None where that does not fit.
fn inherit(from: &Layout, shape: Shape, log_slots: u32) -> Option<Layout> {
    if shape == from.shape() {
        return Layout::new(shape, log_slots, from.address_bits().to_vec()).ok();
    }
    let [rows, columns, channels] = [shape.height, shape.width, shape.channels].map(|n| bits_for(n) as usize);
    let bits = (rows + columns + channels).max(log_slots as usize);
    let places = from.address_bits();
    let count = |p: AddressBit| places.iter().filter(|q| **q == p).count();
    if shape.is_flat() || rows > count(AddressBit::Row) || columns > count(AddressBit::Column) {
        return None;
    }
    let mut out = vec![AddressBit::Free; bits];
    for (bit, keep) in [(AddressBit::Row, rows), (AddressBit::Column, columns)] {
        for (i, _) in places.iter().enumerate().rev().filter(|(_, p)| **p == bit).take(keep) {
            *out.get_mut(i)? = bit;
        }
    }
    let old = places.iter().enumerate().rev().filter(|(_, p)| **p == AddressBit::Channel).map(|(i, _)| i);
    let freed = places.iter().enumerate().filter(|(_, p)| matches!(p, AddressBit::Row | AddressBit::Column)).map(|(i, _)| i);
    let order: Vec<usize> = old.chain(freed).chain(0..bits).collect();
    let mut left = channels;
    for i in order {
        if let Some(bit) = out.get_mut(i).filter(|p| left > 0 && **p == AddressBit::Free) {
            *bit = AddressBit::Channel;
            left -= 1;
        }
    }
    Layout::new(shape, log_slots, out).ok().filter(Layout::is_gapless)
}
