//! The packed circuit on ciphertexts: what the server does.

use super::ExecuteError;
use super::needs::node_keys;
use crate::pack::{PackedCircuit, PackedLinear, PackedNode, PackedOp, chain};
use crate::schedule::{Place, same_scale, schedule};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;
use veilray_he::{Ciphertext, Diagonals, Encoder, Evaluator, ExpandedKeys, KeySpec, LinearTransform, Params, Plaintext};

/// A circuit whose diagonals and constants are encoded for one parameter set: made once per model, used for every image.
#[derive(Debug)]
pub struct EncryptedCircuit {
    circuit: PackedCircuit,
    params: Params,
    places: Vec<Place>,
    nodes: Vec<Encoded>,
    keys: KeySpec,
    /// How many nodes read each node.
    readers: Vec<usize>,
}

/// What a node needs beside its inputs.
#[derive(Debug)]
enum Encoded {
    Nothing,
    Linear {
        /// Per output ciphertext: what it takes from which rotated copy.
        rows: Vec<Vec<(Copy, LinearTransform)>>,
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
struct Copy {
    /// The node.
    input: usize,
    /// Its ciphertext.
    block: usize,
    /// Slots to the left.
    steps: usize,
}

/// What a node came to, shown as soon as it is computed.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Its place among the nodes.
    pub index: usize,
    /// The node.
    pub node: &'a PackedNode,
    /// Its ciphertexts.
    pub ciphertexts: &'a [Ciphertext],
    /// Wall time.
    pub ms: f64,
}

impl EncryptedCircuit {
    /// Encodes every diagonal and constant.
    ///
    /// # Errors
    /// Parameters that the circuit does not fit, values that cannot be encoded.
    pub fn new(circuit: PackedCircuit, params: &Params) -> Result<Self, ExecuteError> {
        let places = schedule(&circuit, params)?;
        let mut keys = KeySpec::new();
        let mut nodes = Vec::with_capacity(places.len());
        for (node, place) in circuit.nodes().iter().zip(&places) {
            let encoder = Compiler { params, encoder: Encoder::new(params), places: &places, node, place: *place };
            nodes.push(encoder.compile()?);
            keys = keys.union(&node_keys(params, node, *place));
        }
        Ok(Self { params: params.clone(), places, nodes, keys, readers: readers(&circuit), circuit })
    }

    /// The circuit.
    pub fn circuit(&self) -> &PackedCircuit {
        &self.circuit
    }

    /// The parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Level and scale of every node.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// The keys that evaluation needs, each up to the level it is used at.
    pub fn key_spec(&self) -> &KeySpec {
        &self.keys
    }

    /// Bytes of memory that the encoded diagonals take.
    pub fn diagonal_bytes(&self) -> usize {
        let of = |node: &Encoded| match node {
            Encoded::Linear { rows, .. } => rows.iter().flatten().map(|(_, map)| map.memory_bytes()).sum(),
            _ => 0,
        };
        self.nodes.iter().map(of).sum()
    }

    /// The encrypted logits of an encrypted image, dropped to level 0.
    ///
    /// # Errors
    /// Another number of ciphertexts than the input has, ciphertexts of other parameters, level or scale, missing keys.
    pub fn run(&self, input: &[Ciphertext], keys: &ExpandedKeys) -> Result<Ciphertext, ExecuteError> {
        self.run_traced(input, keys, |_| {})
    }

    /// As [`EncryptedCircuit::run`], showing every node's ciphertexts to `trace`.
    ///
    /// # Errors
    /// As [`EncryptedCircuit::run`].
    pub fn run_traced(
        &self,
        input: &[Ciphertext],
        keys: &ExpandedKeys,
        mut trace: impl FnMut(Step<'_>),
    ) -> Result<Ciphertext, ExecuteError> {
        self.check_input(input)?;
        let evaluator = Evaluator::new(&self.params);
        let mut done: Vec<Vec<Ciphertext>> = Vec::with_capacity(self.nodes.len());
        let mut left = self.readers.clone();
        for (index, ((node, place), encoded)) in self.circuit.nodes().iter().zip(&self.places).zip(&self.nodes).enumerate() {
            let start = Instant::now();
            let run = Run { evaluator: &evaluator, keys, done: &done, place: *place };
            let blocks = if index == 0 { input.to_vec() } else { run.node(node, encoded)? };
            trace(Step { index, node, ciphertexts: &blocks, ms: start.elapsed().as_secs_f64() * 1e3 });
            done.push(blocks);
            // What no later node reads is freed at once.
            for input in inputs(&node.op) {
                if let (Some(left), Some(blocks)) = (left.get_mut(input), done.get_mut(input)) {
                    *left -= 1;
                    if *left == 0 {
                        blocks.clear();
                    }
                }
            }
        }
        let reply = done.last().and_then(|blocks| blocks.first()).ok_or(ExecuteError::Input { wanted: 1, found: 0 })?;
        Ok(evaluator.drop_to(reply, 0)?)
    }

    fn check_input(&self, input: &[Ciphertext]) -> Result<(), ExecuteError> {
        let wanted = self.circuit.input().layout().blocks();
        if input.len() != wanted {
            return Err(ExecuteError::Input { wanted, found: input.len() });
        }
        for ciphertext in input {
            if ciphertext.level() != self.circuit.level() || !same_scale(ciphertext.scale(), self.params.scale()) {
                return Err(ExecuteError::Place {
                    wanted_level: self.circuit.level(),
                    wanted_scale: self.params.scale().log2(),
                    found_level: ciphertext.level(),
                    found_scale: ciphertext.scale().log2(),
                });
            }
        }
        Ok(())
    }
}

/// How often each node is read.
pub(crate) fn readers(circuit: &PackedCircuit) -> Vec<usize> {
    let mut readers = vec![0; circuit.nodes().len()];
    for input in circuit.nodes().iter().flat_map(|node| inputs(&node.op)) {
        readers.get_mut(input).into_iter().for_each(|count| *count += 1);
    }
    readers
}

/// Nodes that an operation reads, as often as it reads them.
pub fn inputs(op: &PackedOp) -> Vec<usize> {
    match op {
        PackedOp::Input => vec![],
        PackedOp::Linear(map) => map.terms().iter().map(|term| term.input).collect(),
        PackedOp::Square { input } | PackedOp::WindowSum { input, .. } | PackedOp::Spread { input, .. } => vec![*input],
        PackedOp::Product { left, right } => vec![*left, *right],
        PackedOp::Sum { terms, .. } => terms.iter().map(|(input, _)| *input).collect(),
    }
}

/// Encodes one node.
struct Compiler<'a> {
    params: &'a Params,
    encoder: Encoder,
    places: &'a [Place],
    node: &'a PackedNode,
    place: Place,
}

impl Compiler<'_> {
    fn compile(&self) -> Result<Encoded, ExecuteError> {
        match &self.node.op {
            PackedOp::Linear(map) => self.linear(map),
            PackedOp::Sum { terms, constant } => self.sum(terms, constant),
            _ => Ok(Encoded::Nothing),
        }
    }

    fn input(&self, input: usize) -> Place {
        self.places.get(input).copied().unwrap_or(self.place)
    }

    /// Scale of the factor that takes an input from `scale` at `level + 1` to the node's own scale by a rescaling.
    fn factor(&self, scale: f64) -> f64 {
        self.place.scale * self.params.rescale_factor(self.place.level + 1) / scale
    }

    fn linear(&self, map: &PackedLinear) -> Result<Encoded, ExecuteError> {
        let level = self.place.level;
        let mut rows: Vec<Vec<(Copy, LinearTransform)>> = Vec::new();
        rows.resize_with(map.output().blocks(), Vec::new);
        let encode = |diagonals: &Diagonals, input: usize| {
            let scale = self.factor(self.input(input).scale);
            LinearTransform::with_scale(self.params, diagonals, level + 1, scale, Some(map.steps().width))
        };
        for (t, term) in map.terms().iter().enumerate() {
            for (part, diagonals) in map.diagonals(t)? {
                let transform = encode(&diagonals, term.input)?;
                let copy = Copy { input: term.input, block: part.input, steps: part.copy };
                if let Some(row) = rows.get_mut(part.output) {
                    row.push((copy, transform));
                }
            }
        }
        // An output that nothing reaches still needs a ciphertext: zero times any input.
        if let Some(term) = map.terms().first() {
            for row in rows.iter_mut().filter(|row| row.is_empty()) {
                let mut zero = Diagonals::new(1)?;
                zero.add(0, &[0.0])?;
                row.push((Copy { input: term.input, block: 0, steps: 0 }, encode(&zero, term.input)?));
            }
        }
        let copies = rows.iter().flatten().map(|(copy, _)| *copy).collect();
        Ok(Encoded::Linear { rows, copies, bias: self.plaintexts(map.bias())? })
    }

    fn sum(&self, terms: &[(usize, i64)], constant: &[Vec<f64>]) -> Result<Encoded, ExecuteError> {
        let mut lifts = BTreeMap::new();
        for (input, _) in terms {
            let from = self.input(*input);
            if !same_scale(from.scale, self.place.scale) {
                let ones = vec![1.0; self.params.slots()];
                lifts.insert(*input, self.encoder.encode_at(&ones, self.place.level + 1, self.factor(from.scale))?);
            }
        }
        Ok(Encoded::Sum { constant: self.plaintexts(constant)?, lifts })
    }

    /// Constants at the node's level and scale.
    fn plaintexts(&self, blocks: &[Vec<f64>]) -> Result<Vec<Option<Plaintext>>, ExecuteError> {
        let encode = |values: &Vec<f64>| {
            let zero = values.iter().all(|v| *v == 0.0);
            (!zero).then(|| self.encoder.encode_at(values, self.place.level, self.place.scale)).transpose()
        };
        Ok(blocks.iter().map(encode).collect::<Result<_, _>>()?)
    }
}

/// Evaluates one node.
struct Run<'a> {
    evaluator: &'a Evaluator,
    keys: &'a ExpandedKeys,
    done: &'a [Vec<Ciphertext>],
    place: Place,
}

impl Run<'_> {
    fn node(&self, node: &PackedNode, encoded: &Encoded) -> Result<Vec<Ciphertext>, ExecuteError> {
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
                sources.iter().map(|b| self.folded(self.lowered(source(b)?, self.place.level)?, &steps)).collect()
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
            let x = self.lowered(x, self.place.level + 1)?;
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
        row: &[(Copy, LinearTransform)],
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
                Some(sum) => self.evaluator.add(&sum, &self.lowered(x, self.place.level)?)?,
                None => self.lowered(x, self.place.level)?,
            });
        }
        sum.ok_or(ExecuteError::Input { wanted: 1, found: 0 })
    }

    fn product(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, ExecuteError> {
        let level = self.place.level + 1;
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
                    let raised = self.lowered(x, self.place.level + 1)?;
                    self.evaluator.rescale(&self.evaluator.mul_plain(&raised, one)?)?
                }
                None => self.lowered(x, self.place.level)?,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::needs;
    use crate::fold::{FoldOptions, fold};
    use crate::pack::{PackOptions, pack};
    use crate::{networks, spec::Shape, weights::Weights};
    use veilray_he::ParamsLiteral;

    /// Keys and bytes that a plan states must be those that the encoded maps come to.
    #[test]
    fn keys_and_diagonal_bytes_without_encoding_are_those_of_the_encoded_maps() {
        let params = ParamsLiteral::named("n13").unwrap().check().unwrap();
        for (name, side, slots) in [("veilnet-xs", 32, 4096), ("veilnet-xs", 64, 4096), ("tenseal-mnist", 28, 4096)] {
            let channels = if name == "veilnet-xs" { 3 } else { 1 };
            let spec = networks::named(name, Shape::new(channels, side, side), 5).unwrap();
            let circuit = fold(&spec, &Weights::random(&spec, 1).unwrap(), &FoldOptions::default()).unwrap();
            let packed = pack(&circuit, &PackOptions { passes: 0, slots, ..PackOptions::new(&params, &circuit) }).unwrap();
            let server = EncryptedCircuit::new(packed.clone(), &params).unwrap();
            let mut spec = KeySpec::new();
            for ((node, encoded), place) in packed.nodes().iter().zip(&server.nodes).zip(&server.places) {
                match encoded {
                    Encoded::Linear { rows, copies, .. } => {
                        let PackedOp::Linear(map) = &node.op else { panic!("{} is no map", node.name) };
                        spec = rows.iter().flatten().fold(spec, |spec, (_, t)| spec.union(&t.key_spec()));
                        assert!(!map.steps().chained, "{name} has no budget");
                        spec = spec.with_rotations(&params, copies.iter().map(|c| c.steps as i64), place.level + 1);
                        spec = spec.with_rotations(&params, map.folds().map(|s| s as i64), place.level);
                    }
                    _ => spec = spec.union(&node_keys(&params, node, *place)),
                }
            }
            assert_eq!(&spec, server.key_spec(), "{name}");
            assert_eq!(needs::diagonal_bytes(&params, &packed), server.diagonal_bytes(), "{name}");
        }
    }
}
