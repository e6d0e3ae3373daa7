//! The packed circuit on slots in f64 with the errors that ciphertexts would have: logits and their precision without keys.
//!
//! Every operation adds a Gaussian error of the variance that `veilray_he::noise` predicts for it alone; what becomes of the error
//! behind it follows from the values themselves. So errors that are summed, squared or multiplied with what they came from keep their
//! correlations, and slots that no label reads do not count. What it supposes: errors are alike in all slots, and so are the slots of
//! the messages that a rounding is multiplied with.

use super::error::ExecuteError;
use super::levels::{LevelScale, level_scales, same_scale};
use super::slots::{Blocks, Event, Maps, diagonals, evaluate};
use crate::pack::{PackedCircuit, PackedLinear, PackedNode, PackedOp};
use serde::Serialize;
use std::collections::BTreeMap;
use veilray_base::Rng;
use veilray_he::Params;
use veilray_he::noise::{LinearShape, Message, Noise, NoiseModel};

/// One image, with and without errors.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// As decryption would give them.
    pub logits: Vec<f64>,
    /// As the circuit gives them without errors.
    pub clear: Vec<f64>,
}

/// What a node's values come to over all images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeError {
    /// Path of the layer.
    pub name: String,
    /// Level of its ciphertexts.
    pub level: usize,
    /// Largest magnitude in any slot, unspecified ones included: what the modulus must hold.
    pub largest: f64,
    /// Root mean square over the tensor's values.
    pub rms: f64,
    /// log2 of the root mean square error of those.
    pub log2_rms_error: f64,
    /// log2 of the largest error of an image's values, the mean over images.
    pub log2_max_error: f64,
}

/// What a simulation found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Simulation {
    /// One for each image, in order.
    pub samples: Vec<Sample>,
    /// One for each node, in order.
    pub nodes: Vec<NodeError>,
}

impl Simulation {
    /// Root mean square error of the logits.
    pub fn rms_error(&self) -> f64 {
        let (sum, count) = self.errors().flatten().fold((0.0, 0usize), |(sum, count), e| (sum + e * e, count + 1));
        (sum / count.max(1) as f64).sqrt()
    }

    /// Largest error of an image's logits, the mean over images.
    pub fn max_error(&self) -> f64 {
        let largest = self.errors().map(|errors| errors.fold(0.0f64, |m, e| m.max(e.abs())));
        largest.sum::<f64>() / self.samples.len().max(1) as f64
    }

    fn errors(&self) -> impl Iterator<Item = impl Iterator<Item = f64> + '_> + '_ {
        self.samples.iter().map(|s| s.logits.iter().zip(&s.clear).map(|(a, b)| a - b))
    }
}

/// Simulates a circuit on images' values, given as [channel, height, width] row by row; errors follow from `seed`.
///
/// # Errors
/// Parameters that the circuit does not fit; images of another length or with values that are not finite.
pub fn simulate(circuit: &PackedCircuit, params: &Params, images: &[Vec<f64>], seed: u64) -> Result<Simulation, ExecuteError> {
    let wanted = circuit.input().values();
    for image in images {
        if image.len() != wanted {
            return Err(ExecuteError::Values { wanted, found: image.len() });
        }
        if let Some(index) = image.iter().position(|v| !v.is_finite()) {
            return Err(ExecuteError::NotFinite { index });
        }
    }
    let level_scales = level_scales(circuit, params)?;
    let readers = circuit.readers();
    let model = NoiseModel::new(params);
    let mut states: Vec<State> = images
        .iter()
        .enumerate()
        .map(|(i, image)| State {
            image,
            rng: Rng::new(seed.wrapping_add(i as u64), "simulated errors"),
            clear: vec![],
            noisy: vec![],
        })
        .collect();
    let mut nodes = Vec::with_capacity(level_scales.len());
    let mut left = readers;
    for (index, (node, here)) in circuit.nodes().iter().zip(&level_scales).enumerate() {
        let maps = diagonals(node)?;
        // A map's errors depend on the sizes of its messages alone, which all images share; the first one's are taken.
        let messages: BTreeMap<usize, Message> =
            node.op.inputs().into_iter().filter_map(|i| Some((i, message(states.first()?.clear.get(i)?)))).collect();
        let errors = OwnErrors { model: &model, level_scales: &level_scales, node, here: *here, messages: &messages };
        let sigmas = errors.of_node(&maps)?;
        for state in &mut states {
            let clear = evaluate(circuit, node, &maps, state.image, &state.clear, &mut |_, _| {});
            let rng = &mut state.rng;
            let noisy = evaluate(circuit, node, &maps, state.image, &state.noisy, &mut |event, x| {
                if let Some(sigma) = sigmas.get(&key(event)).filter(|sigma| **sigma > 0.0) {
                    x.iter_mut().for_each(|v| *v += sigma * rng.normal());
                }
            });
            state.clear.push(clear);
            state.noisy.push(noisy);
        }
        nodes.push(node_error(node, here.level, index, &states));
        for input in node.op.inputs() {
            let done = left.get_mut(input).is_some_and(|left| {
                *left -= 1;
                *left == 0
            });
            if done {
                for state in &mut states {
                    [&mut state.clear, &mut state.noisy].into_iter().filter_map(|s| s.get_mut(input)).for_each(Vec::clear);
                }
            }
        }
    }
    let logits =
        |blocks: &[Blocks]| blocks.last().and_then(|b| b.first()).map(|slots| circuit.logits(slots).0).unwrap_or_default();
    let samples = states.iter().map(|s| Sample { logits: logits(&s.noisy), clear: logits(&s.clear) }).collect();
    Ok(Simulation { samples, nodes })
}

struct State<'a> {
    image: &'a [f64],
    rng: Rng,
    clear: Vec<Blocks>,
    noisy: Vec<Blocks>,
}

fn message(blocks: &Blocks) -> Message {
    Message::of(&blocks.concat())
}

/// Events as keys of a table.
fn key(event: Event) -> (u8, usize) {
    match event {
        Event::Fresh => (0, 0),
        Event::Copy(input) => (1, input),
        Event::Row(row) => (2, row),
        Event::Turn => (3, 0),
        Event::Constant => (4, 0),
        Event::Product => (5, 0),
        Event::Lift(input) => (6, input),
    }
}

fn node_error(node: &PackedNode, level: usize, index: usize, states: &[State<'_>]) -> NodeError {
    let (mut largest, mut squares, mut errors, mut maxima, mut count) = (0.0f64, 0.0, 0.0, 0.0, 0usize);
    for state in states {
        let (Some(clear), Some(noisy)) = (state.clear.get(index), state.noisy.get(index)) else { continue };
        largest = clear.iter().flatten().fold(largest, |m, v| m.max(v.abs()));
        let (clear, noisy) = (node.layout.unpack(clear), node.layout.unpack(noisy));
        let mut max = 0.0f64;
        for (c, n) in clear.iter().zip(&noisy) {
            squares += c * c;
            errors += (c - n).powi(2);
            max = max.max((c - n).abs());
        }
        maxima += max;
        count += clear.len();
    }
    let (count, images) = (count.max(1) as f64, states.len().max(1) as f64);
    NodeError {
        name: node.name.clone(),
        level,
        largest,
        rms: (squares / count).sqrt(),
        log2_rms_error: (errors / count).sqrt().log2(),
        log2_max_error: (maxima / images).log2(),
    }
}

/// Standard deviations, in units of the slots, of the errors that a node's operations bring in themselves.
struct OwnErrors<'a> {
    model: &'a NoiseModel,
    level_scales: &'a [LevelScale],
    node: &'a PackedNode,
    here: LevelScale,
    messages: &'a BTreeMap<usize, Message>,
}

impl OwnErrors<'_> {
    fn of_node(&self, maps: &Maps) -> Result<BTreeMap<(u8, usize), f64>, ExecuteError> {
        let (model, here) = (self.model, self.here);
        let mut out = BTreeMap::new();
        let small = Message::real(1.0, 1.0);
        let exact = model.encode(small, here.level, here.scale)?.without_errors();
        // Rotations and constants err without regard to the message.
        out.insert(key(Event::Turn), model.rotate(&exact).rms());
        out.insert(key(Event::Constant), model.add_plain(&exact, small).rms());
        match &self.node.op {
            PackedOp::Input => {
                out.insert(key(Event::Fresh), model.encrypt(small, here.level, here.scale)?.rms());
            }
            PackedOp::Linear(map) => self.linear(map, maps, &mut out)?,
            PackedOp::Square { input } => {
                out.insert(key(Event::Product), model.square_rescale(&self.exact(*input)?)?.rms());
            }
            PackedOp::Product { left, right } => {
                let product = model.multiply_rescale(&self.exact(*left)?, &self.exact(*right)?)?;
                out.insert(key(Event::Product), product.rms());
            }
            PackedOp::Sum { terms, .. } => {
                for (input, _) in terms.iter().filter(|(input, _)| self.is_lifted(*input)) {
                    let from = self.exact(*input)?;
                    let factor = here.scale * model.params().rescale_factor(here.level + 1) / from.scale();
                    let lifted = model.rescale(&model.mul_plain(&from, small, factor)?)?;
                    out.insert(key(Event::Lift(*input)), lifted.rms());
                }
            }
            PackedOp::WindowSum { .. } | PackedOp::Spread { .. } => {}
        }
        Ok(out)
    }

    fn linear(&self, map: &PackedLinear, maps: &Maps, out: &mut BTreeMap<(u8, usize), f64>) -> Result<(), ExecuteError> {
        let mut rows: Vec<Vec<(Noise, LinearShape)>> = Vec::new();
        rows.resize_with(map.output().blocks(), Vec::new);
        for (term, parts) in map.terms().iter().zip(maps) {
            let from = self.exact(term.input)?;
            out.insert(key(Event::Copy(term.input)), self.model.rotate(&from).rms());
            let scale = self.here.scale * self.model.params().rescale_factor(self.here.level + 1) / from.scale();
            for (part, diagonals) in parts {
                if let Some(row) = rows.get_mut(part.output) {
                    row.push((from, LinearShape::new(diagonals.iter(), scale, map.steps().width)));
                }
            }
        }
        for (row, inputs) in rows.iter().enumerate().filter(|(_, inputs)| !inputs.is_empty()) {
            let inputs: Vec<(&Noise, &LinearShape)> = inputs.iter().map(|(noise, shape)| (noise, shape)).collect();
            out.insert(key(Event::Row(row)), self.model.linear_sum(&inputs)?.rms());
        }
        Ok(())
    }

    /// An input without errors, one level above the node.
    fn exact(&self, input: usize) -> Result<Noise, ExecuteError> {
        let scale = self.level_scales.get(input).map_or(self.here.scale, |here| here.scale);
        let message = self.messages.get(&input).copied().unwrap_or(Message::real(1.0, 1.0));
        Ok(self.model.encode(message, self.here.level + 1, scale)?.without_errors())
    }

    fn is_lifted(&self, input: usize) -> bool {
        self.level_scales.get(input).is_some_and(|from| !same_scale(from.scale, self.here.scale))
    }
}
