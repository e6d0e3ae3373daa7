//! What every run of this crate holds, whatever it learns: weights, their average, optimiser, schedule and the order of samples.

use super::error::setting;
use super::network::{Architecture, Network, Pass};
use super::range::RangePenalty;
use super::{Result, Trained, best_weights};
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use veilray_base::Rng;
use veilray_nn::training::{self, Batches, Best, LoopConfig, Metrics, Task};
use veilray_nn::{Bundle, Ema, Optimiser, OptimiserConfig, Params, Schedule, State};

/// The settings that runs of every kind have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Course {
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

impl Course {
    /// Refuses settings outside their range.
    pub fn check(&self) -> Result<()> {
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

/// A network on its course.
pub(super) struct Learner {
    course: Course,
    params: Params,
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
    pub fn new(
        architecture: &dyn Architecture,
        course: Course,
        samples: usize,
        prepare: impl FnOnce(&mut BTreeMap<String, Tensor>) -> Result<()>,
    ) -> Result<Self> {
        let params = Params::seeded(course.seed, &Device::Cpu);
        let network = architecture.build(&params.root())?;
        let mut tensors = params.tensors();
        // Copies: a variable cannot be set to its own memory.
        tensors.values_mut().try_for_each(|tensor| tensor.copy().map(|copy| *tensor = copy))?;
        prepare(&mut tensors)?;
        params.assign(&tensors)?;
        let average = course.average.map(|decay| Ema::new(decay, &params)).transpose()?;
        let frozen = average.as_ref().map_or_else(|| params.freeze(), Ema::params);
        let evaluated = architecture.build(&frozen.root())?;
        let optimiser = Optimiser::new(course.optimiser, &params)?;
        let batches = Batches::new(samples, course.batch, course.seed)?;
        let steps = batches.per_epoch() * course.epochs;
        let schedule = Schedule::OneCycle { steps, rise: course.rise, start: 25.0, end: 1e4 };
        Ok(Self { course, params, network, evaluated, average, optimiser, schedule, batches })
    }

    /// The samples of a step.
    pub fn indices(&mut self, step: u64) -> Vec<usize> {
        self.batches.at(step).to_vec()
    }

    /// One step down the gradient of `loss`, which is given the logits of `input`, and of the range penalty.
    pub fn step(
        &mut self,
        step: u64,
        rng: &mut Rng,
        input: &Tensor,
        loss: impl FnOnce(&Tensor) -> veilray_nn::Result<Tensor>,
    ) -> veilray_nn::Result<Metrics> {
        let mut pass = Pass::train(rng);
        if self.course.range.is_used() {
            pass = pass.watching();
        }
        let mut loss = loss(&self.network.forward(input, &mut pass)?)?;
        let mut metrics = Metrics::new().with("loss", loss.to_scalar::<f32>()?);
        if let Some(penalty) = self.course.range.of(&pass.watched())? {
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
    pub fn save(&self, bundle: &mut Bundle) -> veilray_nn::Result<()> {
        self.params.save(bundle, "weights")?;
        self.optimiser.save(bundle, "optimiser")?;
        self.average.as_ref().map_or(Ok(()), |average| average.save(bundle, "average"))
    }

    /// Takes it back.
    pub fn load(&mut self, bundle: &Bundle) -> veilray_nn::Result<()> {
        self.params.load(bundle, "weights")?;
        self.optimiser.load(bundle, "optimiser")?;
        self.average.as_mut().map_or(Ok(()), |average| average.load(bundle, "average"))
    }

    fn loop_config(&self, metric: &str) -> LoopConfig {
        let epoch = self.batches.per_epoch();
        LoopConfig {
            steps: epoch * self.course.epochs,
            seed: self.course.seed,
            log_every: epoch.div_ceil(4).max(1),
            evaluate_every: epoch * self.course.evaluate_every,
            checkpoint_every: self.course.checkpoint_every,
            best: Some(Best { metric: metric.into(), maximise: true }),
        }
    }
}

/// Runs or resumes `task`, whose learner `learner` gives, in `folder`, until the end or until `stop` is set. The weights returned are those
/// of the evaluation with the highest `metric`.
pub(super) fn run<T: Task>(
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
