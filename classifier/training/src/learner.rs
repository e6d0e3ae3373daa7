//! What every run of this crate holds: weights, their average, optimiser, learning-rate schedule and the order of samples.

use crate::error::{Result, setting};
use crate::network::{Architecture, Network, Pass};
use crate::range::RangePenalty;
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use veilray_base::Rng;
use veilray_nn::training::{self, Batches, Best, LoopConfig, Metrics, Outcome, Task};
use veilray_nn::{Bundle, Ema, Optimiser, OptimiserConfig, ParamStore, Schedule, State};

/// What a run gives: the best weights, and how it ended.
#[derive(Debug, Clone)]
pub struct Trained {
    /// Parameters and buffers by name, of the evaluation with the highest validation macro-AUC.
    pub tensors: BTreeMap<String, Tensor>,
    /// How the loop ended.
    pub outcome: Outcome,
}

/// The weights that a checkpoint of [`crate::train`] evaluates: the moving average where there is one.
///
/// # Errors
/// A file that is no checkpoint.
pub fn best_weights(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let bundle = Bundle::open(path, &Device::Cpu)?;
    let average = bundle.tensors("average");
    Ok(if average.is_empty() { bundle.tensors("weights") } else { average })
}

/// The settings that runs of every kind have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunConfig {
    pub seed: u64,
    pub epochs: u64,
    pub batch: usize,
    pub optimiser: OptimiserConfig,
    pub rise: f64,
    pub average: Option<f64>,
    pub evaluate_every: u64,
    pub checkpoint_every: u64,
    pub range: RangePenalty,
}

impl RunConfig {
    /// Refuses settings outside their range.
    pub(crate) fn check(&self) -> Result<()> {
        if self.epochs == 0 || self.evaluate_every == 0 || self.checkpoint_every == 0 {
            let found = format!("{}, {} and {}", self.epochs, self.evaluate_every, self.checkpoint_every);
            return setting("epochs, evaluate_every and checkpoint_every", "at least 1", found);
        }
        if !(0.0..=1.0).contains(&self.rise) {
            return setting("rise", "in [0, 1]", self.rise);
        }
        self.range.check()
    }
}

/// A network in training.
pub(crate) struct Learner {
    config: RunConfig,
    params: ParamStore,
    network: Box<dyn Network>,
    /// What is evaluated: the same weights, or their average, without a graph.
    pub evaluated: Box<dyn Network>,
    average: Option<Ema>,
    optimiser: Optimiser,
    schedule: Schedule,
    batches: Batches,
}

impl Learner {
    /// `architecture` on `samples` training samples; `prepare` changes the seeded weights before the first step.
    pub(crate) fn new(
        architecture: &dyn Architecture,
        config: RunConfig,
        samples: usize,
        prepare: impl FnOnce(&mut BTreeMap<String, Tensor>) -> Result<()>,
    ) -> Result<Self> {
        let params = ParamStore::seeded(config.seed, &Device::Cpu);
        let network = architecture.build(&params.root())?;
        let mut tensors = params.tensors();
        // Copies: a variable cannot be set to its own memory.
        tensors.values_mut().try_for_each(|tensor| tensor.copy().map(|copy| *tensor = copy))?;
        prepare(&mut tensors)?;
        params.assign(&tensors)?;
        let average = config.average.map(|decay| Ema::new(decay, &params)).transpose()?;
        let frozen = average.as_ref().map_or_else(|| params.freeze(), Ema::params);
        let evaluated = architecture.build(&frozen.root())?;
        let optimiser = Optimiser::new(config.optimiser, &params)?;
        let batches = Batches::new(samples, config.batch, config.seed)?;
        let steps = batches.per_epoch() * config.epochs;
        let schedule = Schedule::OneCycle { steps, rise: config.rise, start: 25.0, end: 1e4 };
        Ok(Self { config, params, network, evaluated, average, optimiser, schedule, batches })
    }

    /// The samples of a step.
    pub(crate) fn indices(&mut self, step: u64) -> Vec<usize> {
        self.batches.at(step).to_vec()
    }

    /// One step down the gradient of `loss`, which is given the logits of `input`, and of the range penalty.
    pub(crate) fn step(
        &mut self,
        step: u64,
        rng: &mut Rng,
        input: &Tensor,
        loss: impl FnOnce(&Tensor) -> veilray_nn::Result<Tensor>,
    ) -> veilray_nn::Result<Metrics> {
        let mut pass = Pass::train(rng);
        if self.config.range.is_used() {
            pass = pass.watching();
        }
        let mut loss = loss(&self.network.forward(input, &mut pass)?)?;
        let mut metrics = Metrics::new().with("loss", loss.to_scalar::<f32>()?);
        if let Some(penalty) = self.config.range.of(&pass.watched())? {
            metrics = metrics.with("penalty", penalty.to_scalar::<f32>()?);
            loss = (loss + penalty)?;
        }
        let norm = self.optimiser.step(&loss.backward()?, self.schedule.factor(step))?;
        if let Some(average) = &mut self.average {
            average.update(&self.params)?;
        }
        Ok(metrics.with("gradient", norm))
    }

    /// Adds everything that a checkpoint holds.
    pub(crate) fn save(&self, bundle: &mut Bundle) -> veilray_nn::Result<()> {
        self.params.save(bundle, "weights")?;
        self.optimiser.save(bundle, "optimiser")?;
        self.average.as_ref().map_or(Ok(()), |average| average.save(bundle, "average"))
    }

    /// Takes it back.
    pub(crate) fn load(&mut self, bundle: &Bundle) -> veilray_nn::Result<()> {
        self.params.load(bundle, "weights")?;
        self.optimiser.load(bundle, "optimiser")?;
        self.average.as_mut().map_or(Ok(()), |average| average.load(bundle, "average"))
    }

    fn loop_config(&self, metric: &str) -> LoopConfig {
        let epoch = self.batches.per_epoch();
        LoopConfig {
            steps: epoch * self.config.epochs,
            seed: self.config.seed,
            log_every: epoch.div_ceil(4).max(1),
            evaluate_every: epoch * self.config.evaluate_every,
            checkpoint_every: self.config.checkpoint_every,
            best: Some(Best { metric: metric.into(), maximise: true }),
        }
    }
}

/// Runs or resumes `task`, whose learner `learner` gives, in `folder`, until the end or until `stop` is set. The weights returned are those
/// of the evaluation with the highest `metric`.
pub(crate) fn run<T: Task>(
    task: &mut T,
    learner: impl Fn(&T) -> &Learner,
    metric: &str,
    folder: &Path,
    stop: Option<&AtomicBool>,
) -> Result<Trained> {
    let config = learner(task).loop_config(metric);
    let outcome = training::run(task, &config, folder, stop)?;
    let best = folder.join("best.safetensors");
    let tensors = if best.exists() { best_weights(&best)? } else { learner(task).params.tensors() };
    Ok(Trained { tensors, outcome })
}
