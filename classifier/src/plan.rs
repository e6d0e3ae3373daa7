//! What an encrypted network will cost, known before any key exists: levels, keys, bytes, memory, time and precision.
//!
//! Bytes and keys are exact: the plan and the executor compute them by the same functions. Time follows from a [`CostModel`], memory from
//! counting the engine's buffers ([`PlannedMemory`]), precision from [`simulate`]: the errors of every operation are predicted, what
//! becomes of them is computed on images. Which images matters by a bit or so, since squares multiply errors by what they square; without
//! any, standard normal values are taken, what a latent is scaled to.

mod error;
mod fit;
mod memory;
mod sets;
mod table;

pub use error::PlanError;
pub use fit::{Limits, fit};
pub use memory::PlannedMemory;

use crate::execute::levels::{LevelScale, level_scales};
use crate::execute::{ExecuteError, Simulation, simulate};
use crate::pack::{CostModel, PackedCircuit, PackedNode, PackedOp, needs};
use serde::Serialize;
use sets::{name_of, wider};
use veilray_base::Rng;
use veilray_he::wire::{ciphertext_bytes, evaluation_keys_bytes};
use veilray_he::{KeySpec, Params};

/// Images of a plan that is given none.
const IMAGES: usize = 4;

/// What a plan supposes.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanOptions {
    /// What operations cost.
    pub costs: CostModel,
    /// Threads of the server.
    pub threads: usize,
    /// Values of images, as [channel, height, width], on which precision is computed; none for standard normal ones.
    pub images: Vec<Vec<f64>>,
    /// Whether precision is computed: for a large network it takes a second or more, and the diagonals in clear of its largest map.
    pub precision: bool,
}

impl PlanOptions {
    /// By those costs, on the threads they are of.
    pub fn new(costs: CostModel) -> Self {
        Self { threads: costs.threads, costs, images: Vec::new(), precision: true }
    }
}

/// One node of the circuit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedLayer {
    /// Path of the layer it computes.
    pub name: String,
    /// What it does: `linear`, `square` and so on.
    pub op: &'static str,
    /// Level of its ciphertexts.
    pub level: usize,
    /// log2 of their scale.
    pub log_scale: f64,
    /// Number of its ciphertexts.
    pub ciphertexts: usize,
    /// Number of encoded diagonals.
    pub diagonals: usize,
    /// Rotations that are computed, folds among them.
    pub rotations: usize,
    /// Predicted time, ms.
    pub ms: f64,
}

/// Bytes on the wire, exact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedBytes {
    /// An encrypted image: seeded ciphertexts.
    pub upload: usize,
    /// The encrypted logits.
    pub reply: usize,
    /// The evaluation keys, sent once.
    pub evaluation_keys: usize,
}

/// Predicted error of the logits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedPrecision {
    /// log2 of the expected largest error of an image's logits.
    pub log2_max: f64,
    /// log2 of the root mean square error.
    pub log2_rms: f64,
    /// Bits by which the modulus exceeds the largest value in any slot, at the node where that is least; negative where it does not.
    pub headroom_bits: f64,
}

/// What an encrypted network will cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// The network's name.
    pub network: String,
    /// Name of the parameter set, or `custom`.
    pub params: String,
    /// Ring degree N.
    pub n: usize,
    /// Slots of a ciphertext.
    pub slots: usize,
    /// Levels of the parameter set.
    pub levels: usize,
    /// Levels that the circuit consumes.
    pub depth: usize,
    /// log2 of Q·P.
    pub log_qp: f64,
    /// Bits of classical security that the set was checked for; 0 for sets of tests.
    pub security_bits: u32,
    /// log2 of the parameters' scale.
    pub log_scale: f64,
    /// Threads that times and memory are of.
    pub threads: usize,
    /// Node by node.
    pub layers: Vec<PlannedLayer>,
    /// Rotations that are computed.
    pub rotations: usize,
    /// Evaluation keys, relinearisation among them.
    pub keys: usize,
    /// On the wire.
    pub bytes: PlannedBytes,
    /// In the server's memory.
    pub memory: PlannedMemory,
    /// Predicted time of one image, ms.
    pub predicted_ms: f64,
    /// Predicted error of the logits, where it was asked for.
    pub precision: Option<PlannedPrecision>,
}

impl Plan {
    /// The plan of a packed circuit. Nothing is encoded, no key is made.
    ///
    /// # Errors
    /// [`PlanError::OtherParams`] for parameters that the circuit does not fit, [`PlanError::Overflow`] for values of the
    /// options' images beyond the modulus.
    pub fn new(circuit: &PackedCircuit, params: &Params, options: &PlanOptions) -> Result<Self, PlanError> {
        let level_scales = level_scales(circuit, params)?;
        let keys = circuit
            .nodes()
            .iter()
            .zip(&level_scales)
            .fold(KeySpec::new(), |keys, (node, at)| keys.union(&needs::node_keys(params, node, at.level)));
        let factor = options.costs.on_threads(options.threads);
        let layers: Vec<PlannedLayer> = circuit
            .nodes()
            .iter()
            .zip(&level_scales)
            .zip(circuit.node_ms(&options.costs))
            .map(|((node, at), ms)| PlannedLayer {
                name: node.name.clone(),
                op: node.op.kind(),
                level: at.level,
                log_scale: at.scale.log2(),
                ciphertexts: node.layout.blocks(),
                diagonals: diagonals(node),
                rotations: rotations(node),
                ms: ms * factor,
            })
            .collect();
        let engine = |e: veilray_he::Error| PlanError::Execute(ExecuteError::Engine(e));
        let upload = ciphertext_bytes(params, circuit.level(), true).map_err(engine)? * circuit.input().layout().blocks();
        let bytes = PlannedBytes {
            upload,
            reply: ciphertext_bytes(params, 0, false).map_err(engine)?,
            evaluation_keys: evaluation_keys_bytes(params, &keys).map_err(engine)?,
        };
        let precision = if options.precision { Some(precision(circuit, params, &level_scales, options)?) } else { None };
        Ok(Self {
            network: circuit.name().into(),
            params: name_of(params),
            n: params.n(),
            slots: params.slots(),
            levels: params.max_level(),
            depth: circuit.depth(),
            log_qp: params.log_qp(),
            security_bits: if params.is_secure() { 128 } else { 0 },
            log_scale: params.scale().log2(),
            threads: options.threads,
            rotations: layers.iter().map(|l| l.rotations).sum(),
            predicted_ms: layers.iter().map(|l| l.ms).sum(),
            layers,
            keys: keys.len(),
            bytes,
            memory: memory::memory(circuit, params, &keys, options.threads),
            precision,
        })
    }
}

fn diagonals(node: &PackedNode) -> usize {
    match &node.op {
        PackedOp::Linear(map) => needs::encoded_diagonals(map),
        _ => 0,
    }
}

fn rotations(node: &PackedNode) -> usize {
    let blocks = node.layout.blocks();
    match &node.op {
        PackedOp::Linear(map) => {
            let counts = map.counts();
            counts.baby_steps + counts.copies + counts.giant_steps + map.folds().count() * blocks
        }
        PackedOp::WindowSum { steps, .. } | PackedOp::Spread { steps, .. } => steps.len() * blocks,
        _ => 0,
    }
}

/// Precision on the options' images, or on standard normal ones.
fn precision(
    circuit: &PackedCircuit,
    params: &Params,
    level_scales: &[LevelScale],
    options: &PlanOptions,
) -> Result<PlannedPrecision, PlanError> {
    let image = |i: u64| {
        let mut rng = Rng::new(i, "plan");
        (0..circuit.input().values()).map(|_| rng.normal()).collect::<Vec<f64>>()
    };
    let drawn: Vec<Vec<f64>>;
    let images = if options.images.is_empty() {
        drawn = (0..IMAGES as u64).map(image).collect();
        &drawn
    } else {
        &options.images
    };
    let found: Simulation = simulate(circuit, params, images, 0)?;
    let mut headroom_bits = f64::INFINITY;
    for (node, at) in found.nodes.iter().zip(level_scales) {
        // The sign takes a bit.
        let left = params.log_q(at.level) - 1.0 - at.scale.log2();
        if !options.images.is_empty() && node.largest > left.exp2() {
            return Err(PlanError::Overflow {
                node: node.name.clone(),
                largest: node.largest,
                bound: left.exp2(),
                cure: wider(params, at.level, node.largest),
            });
        }
        headroom_bits = headroom_bits.min(left - node.largest.max(f64::MIN_POSITIVE).log2());
    }
    Ok(PlannedPrecision { log2_max: found.max_error().log2(), log2_rms: found.rms_error().log2(), headroom_bits })
}
