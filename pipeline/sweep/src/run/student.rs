//! The networks of an experiment: whether they fit, their training, their figures in clear, the release.

use super::latents::{Latents, SweepFolders};
use crate::command::error::{Error, Result};
use crate::grid::Experiment;
use crate::ledger::{Outcome, Row};
use crate::measure::{Clear, Ready};
use crate::train_classifier::{self, Network, Roots, Source, Stage, Trained};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;
use veilray_base::file::write_atomically;
use veilray_classifier::circuit::Circuit;
use veilray_classifier::fold::{FoldOptions, fold};
use veilray_classifier::networks;
use veilray_classifier::pack::CostModel;
use veilray_classifier::plan::{Limits, PlanOptions, fit};
use veilray_classifier::release;
use veilray_classifier::spec::{Form, NetworkSpec, Shape};
use veilray_classifier::weights::Weights;
use veilray_he::ParamsLiteral;
use veilray_training::metrics::Criterion;
use veilray_training::{Student, TrainConfig};

/// The figures in clear: a stage's file.
const CLEAR: &str = "clear.json";
/// What the plan says: a stage's file.
const FITTING: &str = "fitting.json";
/// The folder of checkpoints and weights.
const RUN: &str = "run";

/// What became of an experiment before any key.
pub enum Prepared {
    /// It can be measured.
    Ready(Box<Ready>),
    /// It cannot run here; its row says why.
    Refused(Box<Row>),
}

/// Why an experiment cannot run, and what is known of it.
struct Refusal(String);

/// What fits: its memory, and whether diagonals must be encoded for every image. A stage's file, as layouts of large networks take
/// minutes to find.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fitting {
    memory: usize,
    streamed: bool,
    /// The source that planned it: another one may plan otherwise.
    commit: String,
}

/// What the server may take.
#[derive(Debug, Clone, Copy)]
struct Allowed {
    bytes: usize,
    /// Whether diagonals may be encoded for every image.
    stream: bool,
}

impl Allowed {
    fn holds(&self, fitting: &Fitting) -> bool {
        fitting.memory <= self.bytes && (self.stream || !fitting.streamed)
    }
}

/// Everything up to the release, or why not. `limit` is the memory that a server may take, bytes.
///
/// # Errors
/// Data or files that cannot be used; a network that does not fit is no error.
pub(super) fn prepare(experiment: &Experiment, folders: &SweepFolders, limit: usize) -> Result<Prepared> {
    let latents = folders.latents(experiment)?;
    let mut row = Row {
        encoder: latents.info.encoder.clone(),
        encoder_sha256: latents.info.encoder_digest.clone(),
        latent_values: latents.info.values(),
        encoder_seconds: latents.encoder_seconds,
        ..Row::new(experiment)
    };
    let folder = folders.folder(experiment);
    let refused = |row: Row, Refusal(reason): Refusal| {
        let row = Row { outcome: Outcome::Refused, reason: Some(reason), ..row };
        Ok(Prepared::Refused(Box::new(row)))
    };
    let spec = match spec(experiment, latents.info.shape) {
        Ok(spec) => spec,
        Err(refusal) => return refused(row, refusal),
    };
    let circuit = match circuit(&spec) {
        Ok(circuit) => circuit,
        Err(refusal) => return refused(row, refusal),
    };
    row.levels = Some(circuit.depth());
    row.params = experiment.point.params.for_depth(circuit.depth());
    // Another machine may hold less than the one that wrote the file.
    let allowed = Allowed { bytes: limit, stream: experiment.measure.stream };
    let known = read::<Fitting>(&folder.join(FITTING)).filter(|known| allowed.holds(known) && known.commit == row.commit);
    let fitting = known.map_or_else(|| fitting(&circuit, &row.params, allowed, &row.commit), Ok);
    if fitting.is_ok() || experiment.measure.clear_of_refused {
        std::fs::create_dir_all(&folder).map_err(Error::file("create", &folder))?;
    }
    if let Ok(found) = &fitting {
        write(&folder.join(FITTING), found)?;
    }
    let networks = Networks { experiment, latents: &latents, folders, folder: &folder };
    match fitting {
        Err(refusal) => {
            if experiment.measure.clear_of_refused {
                match diverged(networks.clear(&row.commit))? {
                    Ok(clear) => clear.fill(&mut row),
                    Err(Refusal(why)) => return refused(row, Refusal(format!("{}; and {why}", refusal.0))),
                }
            }
            refused(row, refusal)
        }
        Ok(Fitting { memory, streamed, .. }) => {
            row.streamed = streamed;
            row.planned_memory_mb = Some(memory as f64 / 1e6);
            let model = folder.join(format!("{}-f{}", spec.name, experiment.point.factor));
            let clear = match diverged(networks.clear(&row.commit))? {
                Ok(clear) => clear,
                Err(refusal) => return refused(row, refusal),
            };
            clear.fill(&mut row);
            match networks.release(&model, &row.params) {
                // Trained coefficients may lie beyond what folding takes, logits beyond what a reply shows.
                Err(Error::Release(why @ (release::Error::Fold(_) | release::Error::Room { .. }))) => {
                    return refused(row, Refusal(why.to_string()));
                }
                released => released?,
            }
            let (data, roots) = (networks.polynomial(), networks.roots());
            let experiment = experiment.clone();
            Ok(Prepared::Ready(Box::new(Ready { experiment, row, model, folder, data, roots, clear, memory, streamed })))
        }
    }
}

/// The network on latents of `shape`, with the experiment's activations.
fn spec(experiment: &Experiment, [channels, height, width]: [usize; 3]) -> Result<NetworkSpec, Refusal> {
    let refuse = |e: &dyn std::fmt::Display| Refusal(e.to_string());
    let shape = Shape::new(channels, height, width);
    let spec = networks::named(&experiment.network(), shape, experiment.data.labels.len()).map_err(|e| refuse(&e))?;
    let student = Student::new(spec).map_err(|e| refuse(&e))?;
    Ok(experiment.point.activation.form().map_or(student.clone(), |form| student.with_form(form)).spec().clone())
}

/// The network's circuit on random weights: what it costs does not depend on them.
fn circuit(spec: &NetworkSpec) -> Result<Circuit, Refusal> {
    let weights = Weights::random(spec, 1).map_err(|e| Refusal(e.to_string()))?;
    fold(spec, &weights, &FoldOptions::default()).map_err(|e| Refusal(e.to_string()))
}

/// Whether the circuit runs under a parameter set in so much memory, its diagonals kept or, where that is too much, not.
fn fitting(circuit: &Circuit, params: &str, allowed: Allowed, commit: &str) -> Result<Fitting, Refusal> {
    let refuse = |e: &dyn std::fmt::Display| Refusal(e.to_string());
    let params = ParamsLiteral::named(params).and_then(|literal| literal.check()).map_err(|e| refuse(&e))?;
    let options = PlanOptions { precision: false, ..PlanOptions::new(CostModel::reference(&params)) };
    let (_, plan) = fit(circuit, &params, &options, &Limits::default()).map_err(|e| refuse(&e))?;
    let kept = Fitting { memory: plan.memory.peak, streamed: false, commit: commit.into() };
    let without = Fitting { memory: plan.memory.streamed_peak, streamed: true, commit: commit.into() };
    [&kept, &without].into_iter().find(|fitting| allowed.holds(fitting)).cloned().ok_or_else(|| {
        let mb = |bytes: usize| bytes.div_ceil(1_000_000);
        let (network, set, limit) = (circuit.name(), &plan.params, allowed.bytes / 1_000_000);
        let cure = match without.memory <= allowed.bytes {
            true => ", which measure.stream = true allows, at minutes an image: take that, a larger factor or a machine of more memory",
            false => ": take a larger factor or a machine of more memory",
        };
        Refusal(format!(
            "{network} under {set} needs {} MB of memory and {limit} MB are allowed; {} MB with diagonals encoded for every image{cure}",
            mb(kept.memory),
            mb(without.memory)
        ))
    })
}

/// The two networks of an experiment.
struct Networks<'a> {
    experiment: &'a Experiment,
    latents: &'a Latents,
    folders: &'a SweepFolders,
    folder: &'a Path,
}

impl Networks<'_> {
    fn roots(&self) -> Roots {
        Roots { data: self.folders.data_root.clone(), latents: self.folders.latents_folder() }
    }

    /// Settings with the experiment's seed and shift.
    fn settings(&self, config: &TrainConfig) -> TrainConfig {
        let mut config = TrainConfig { seed: self.experiment.point.seed, ..config.clone() };
        if let Some(pixels) = &self.experiment.training.shift_pixels {
            config.latents.shift = pixels.get_ref() / self.experiment.point.factor.get().max(1) as usize;
        }
        config
    }

    fn with(&self, stages: Vec<Stage>) -> train_classifier::Experiment {
        let data = &self.experiment.data;
        train_classifier::Experiment {
            labels: data.labels.to_vec(),
            auxiliary: data.auxiliary.clone(),
            derived: data.derived.clone(),
            data: vec![Source::Latents(self.latents.file.clone())],
            pixels: None,
            network: Network::Student(self.experiment.network()),
            teachers: data.teachers.clone(),
            mirror: false,
            thresholds: Criterion::default(),
            stages,
        }
    }

    fn relu_stage(&self) -> Stage {
        let train = self.settings(&self.experiment.training.relu);
        Stage { name: "relu".into(), activation: Some(Form::NormRelu), train }
    }

    fn relu(&self) -> train_classifier::Experiment {
        self.with(vec![self.relu_stage()])
    }

    /// The network that is encrypted, behind the one with ReLU where it starts from that.
    fn polynomial(&self) -> train_classifier::Experiment {
        let train = self.settings(&self.experiment.training.polynomial);
        let stage = Stage { name: "polynomial".into(), activation: self.experiment.point.activation.form(), train };
        let before = self.experiment.training.from_relu.then(|| self.relu_stage());
        self.with(before.into_iter().chain([stage]).collect())
    }

    /// Trains both and scores them on the test split.
    fn clear(&self, commit: &str) -> Result<Clear> {
        let path = self.folder.join(CLEAR);
        if let Some(clear) = read::<Clear>(&path) {
            return Ok(clear);
        }
        let (roots, run) = (self.roots(), self.folder.join(RUN));
        let relu = Trained::train(&self.relu(), Path::new("."), &roots, &run)?;
        let polynomial = Trained::train(&self.polynomial(), Path::new("."), &roots, &run)?;
        polynomial.save(&run)?;
        let seconds = |trained: &Trained, stage: &str| trained.report().seconds.get(stage).copied().unwrap_or(0.0);
        let clear = Clear {
            relu: relu.test(&roots)?,
            polynomial: polynomial.test(&roots)?,
            parameters: polynomial.report().parameters,
            seconds: seconds(&relu, "relu") + seconds(&polynomial, "polynomial"),
            threads: rayon::current_num_threads(),
            commit: commit.into(),
        };
        write(&path, &clear)?;
        Ok(clear)
    }

    /// Releases the polynomial network to the folder `model`, under the parameter set, where that is not done.
    fn release(&self, model: &Path, params: &str) -> Result<()> {
        if model.join(release::MANIFEST).is_file() {
            return Ok(());
        }
        // Trained to its end, it is read from its last checkpoint.
        let (roots, run) = (self.roots(), self.folder.join(RUN));
        let polynomial = Trained::train(&self.polynomial(), Path::new("."), &roots, &run)?;
        polynomial.save(&run)?;
        polynomial.release(&run, model, params, None)
    }
}

/// A training whose gradient is not finite any more says nothing about the machine: its row says so, and the sweep goes on.
fn diverged(clear: Result<Clear>) -> Result<Result<Clear, Refusal>> {
    use veilray_training::Error as Training;
    match clear {
        Err(Error::Train(Training::Network(why @ veilray_nn::Error::NotFinite { .. }))) => {
            Ok(Err(Refusal(format!("its training diverged: {why}"))))
        }
        clear => clear.map(Ok),
    }
}

/// The stage's file, where it is whole.
fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
}

fn write(path: &Path, stage: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(stage).map_err(Error::file("write", path))?;
    Ok(write_atomically(path, text.as_bytes())?)
}
