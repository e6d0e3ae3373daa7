//! The packed circuit on ciphertexts: what the server does.

use super::compile::{Compiler, Encoded};
use super::error::ExecuteError;
use super::levels::{LevelScale, level_scales, same_scale};
use super::run::Run;
use crate::pack::needs::node_keys;
use crate::pack::{PackedCircuit, PackedNode};
use std::time::Instant;
use veilray_he::{Ciphertext, Encoder, Evaluator, ExpandedKeys, KeySpec, Params};

/// A circuit whose diagonals and constants are encoded for one parameter set: made once per model, used for every image.
#[derive(Debug)]
pub struct EncryptedCircuit {
    circuit: PackedCircuit,
    params: Params,
    level_scales: Vec<LevelScale>,
    /// Every node's; empty if they are encoded when they are needed.
    nodes: Vec<Encoded>,
    keys: KeySpec,
    /// How many nodes read each node.
    readers: Vec<usize>,
}

/// What a node came to, shown as soon as it is computed.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Its place among the nodes.
    pub index: usize,
    /// The node that was computed.
    pub node: &'a PackedNode,
    /// Its ciphertexts, at the level and scale of the node.
    pub ciphertexts: &'a [Ciphertext],
    /// Wall time, ms.
    pub ms: f64,
}

impl EncryptedCircuit {
    /// Encodes every diagonal and constant.
    ///
    /// # Errors
    /// Parameters that the circuit does not fit, values that cannot be encoded.
    pub fn new(circuit: PackedCircuit, params: &Params) -> Result<Self, ExecuteError> {
        let mut out = Self::streamed(circuit, params)?;
        out.nodes =
            (0..out.level_scales.len()).filter_map(|index| out.compiler(index)).map(|c| c.compile()).collect::<Result<_, _>>()?;
        Ok(out)
    }

    /// Keeps nothing encoded: every run encodes the diagonals of each output ciphertext of each node when it comes to it and drops them
    /// behind it. For networks whose diagonals do not fit into memory; a run takes as much longer as encoding takes.
    ///
    /// # Errors
    /// Parameters that the circuit does not fit.
    pub fn streamed(circuit: PackedCircuit, params: &Params) -> Result<Self, ExecuteError> {
        let level_scales = level_scales(&circuit, params)?;
        let needed = circuit.nodes().iter().zip(&level_scales).map(|(node, here)| node_keys(params, node, here.level));
        let keys = needed.fold(KeySpec::new(), |keys, more| keys.union(&more));
        Ok(Self { params: params.clone(), level_scales, nodes: Vec::new(), keys, readers: circuit.readers(), circuit })
    }

    fn compiler(&self, index: usize) -> Option<Compiler<'_>> {
        let (node, here) = (self.circuit.nodes().get(index)?, self.level_scales.get(index)?);
        let (params, level_scales) = (&self.params, &self.level_scales);
        Some(Compiler { params, encoder: Encoder::new(params), level_scales, node, here: *here })
    }

    /// The packed circuit that is evaluated.
    pub fn circuit(&self) -> &PackedCircuit {
        &self.circuit
    }

    /// The parameters that it is evaluated under.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Level and scale of every node.
    pub fn level_scales(&self) -> &[LevelScale] {
        &self.level_scales
    }

    /// The keys that evaluation needs, each up to the level it is used at.
    pub fn key_spec(&self) -> &KeySpec {
        &self.keys
    }

    /// Bytes of memory that the kept diagonals take.
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
        let mut done: Vec<Vec<Ciphertext>> = Vec::with_capacity(self.level_scales.len());
        let mut left = self.readers.clone();
        for (index, (node, here)) in self.circuit.nodes().iter().zip(&self.level_scales).enumerate() {
            let start = Instant::now();
            let run = Run { evaluator: &evaluator, keys, done: &done, here: *here };
            let blocks = match (index, self.nodes.get(index), self.compiler(index)) {
                (0, ..) => input.to_vec(),
                (_, Some(encoded), _) => run.node(node, encoded)?,
                (_, None, Some(compiler)) => run.streamed(&compiler)?,
                (_, None, None) => Vec::new(),
            };
            trace(Step { index, node, ciphertexts: &blocks, ms: start.elapsed().as_secs_f64() * 1e3 });
            done.push(blocks);
            // What no later node reads is freed at once.
            for input in node.op.inputs() {
                if let (Some(left), Some(blocks)) = (left.get_mut(input), done.get_mut(input)) {
                    *left -= 1;
                    if *left == 0 {
                        blocks.clear();
                    }
                }
            }
        }
        let reply = done.last().and_then(|blocks| blocks.first()).ok_or(ExecuteError::Input { wanted: 1, found: 0 })?;
        let reply = evaluator.drop_to(reply, 0)?;
        // Quotients of scales are rounded: what is the parameters' own scale but for that goes out as exactly it.
        let same = same_scale(reply.scale(), self.params.scale());
        Ok(if same { reply.at_scale(self.params.scale())? } else { reply })
    }

    fn check_input(&self, input: &[Ciphertext]) -> Result<(), ExecuteError> {
        let wanted = self.circuit.input().layout().blocks();
        if input.len() != wanted {
            return Err(ExecuteError::Input { wanted, found: input.len() });
        }
        for ciphertext in input {
            if ciphertext.level() != self.circuit.level() || !same_scale(ciphertext.scale(), self.params.scale()) {
                return Err(ExecuteError::LevelScale {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::{FoldOptions, fold};
    use crate::pack::{PackOptions, PackedOp, needs, pack};
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
            for ((node, encoded), here) in packed.nodes().iter().zip(&server.nodes).zip(&server.level_scales) {
                match encoded {
                    Encoded::Linear { rows, copies, .. } => {
                        let PackedOp::Linear(map) = &node.op else { panic!("{} is no map", node.name) };
                        spec = rows.iter().flatten().fold(spec, |spec, (_, t)| spec.union(&t.key_spec()));
                        assert!(!map.steps().chained, "{name} has no budget");
                        spec = spec.with_rotations(&params, copies.iter().map(|c| c.steps as i64), here.level + 1);
                        spec = spec.with_rotations(&params, map.folds().map(|s| s as i64), here.level);
                    }
                    _ => spec = spec.union(&node_keys(&params, node, here.level)),
                }
            }
            assert_eq!(&spec, server.key_spec(), "{name}");
            assert_eq!(needs::diagonal_bytes(&params, &packed), server.diagonal_bytes(), "{name}");
        }
    }
}
