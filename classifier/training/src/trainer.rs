//! One run: steps, evaluations and checkpoints of a network on a split.

use crate::config::TrainConfig;
use crate::error::{Result, setting};
use crate::learner::{self, Learner, Trained};
use crate::loss::{Target, cross_entropy};
use crate::metrics::{Evaluation, Scored};
use crate::network::{Architecture, Network};
use crate::predict::{Change, gather, predict, probabilities, tensor};
use crate::samples::{Samples, digest_of};
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use veilray_base::Rng;
use veilray_nn::training::{Metrics, Task};
use veilray_nn::{Bundle, ParamStore};

/// The evaluation's metric by which the best checkpoint is chosen.
const SELECTED_BY: &str = "auc_macro";

/// What a run learns from.
#[derive(Debug, Clone, Copy)]
pub struct TrainingData<'a> {
    /// The training split.
    pub train: &'a Samples,
    /// The split by which the best weights are chosen.
    pub validation: &'a Samples,
    /// How many of the labels, from the first, count in the choice; those behind are auxiliary: trained on and not reported.
    pub reported: usize,
    /// A teacher's probabilities for the training split [sample, label]; NaN where it has none.
    pub teacher: Option<&'a [f32]>,
    /// Weights to start from: those whose name and shape the network has; the others start from the seed.
    pub start: Option<&'a BTreeMap<String, Tensor>>,
}

/// Trains `architecture` in `folder`, or resumes what the folder holds, until the end or until `stop` is set.
///
/// The test split has no part in it. The weights returned are the best by macro-AUC over the reported labels of the validation split:
/// their moving average, where the configuration asks for one.
///
/// # Errors
/// Settings outside their range, samples that do not fit the network, a folder of another run, a gradient that is not finite.
pub fn train(
    architecture: &dyn Architecture,
    config: &TrainConfig,
    data: TrainingData<'_>,
    folder: &Path,
    stop: Option<&AtomicBool>,
) -> Result<Trained> {
    let mut trainer = Trainer::new(architecture, config, data)?;
    learner::run(&mut trainer, |trainer| &trainer.learner, SELECTED_BY, folder, stop)
}

/// Number of values that training moved: all but the running statistics.
pub fn trained_values(tensors: &BTreeMap<String, Tensor>) -> usize {
    let running = |name: &str| name.ends_with(".mean") || name.ends_with(".variance");
    tensors.iter().filter(|(name, _)| !running(name)).map(|(_, tensor)| tensor.elem_count()).sum()
}

/// A frozen network of `tensors`.
///
/// # Errors
/// Tensors of another network.
pub fn frozen(architecture: &dyn Architecture, tensors: &BTreeMap<String, Tensor>) -> Result<Box<dyn Network>> {
    let params = ParamStore::frozen(tensors.clone(), &Device::Cpu);
    let network = architecture.build(&params.root())?;
    params.expect_all_taken()?;
    Ok(network)
}

struct Trainer<'a> {
    config: &'a TrainConfig,
    data: TrainingData<'a>,
    learner: Learner,
    yes_weights: Vec<f32>,
    label_weights: Vec<f32>,
    settings: String,
}

impl<'a> Trainer<'a> {
    fn new(architecture: &dyn Architecture, config: &'a TrainConfig, data: TrainingData<'a>) -> Result<Self> {
        config.check()?;
        check(architecture, &data)?;
        let started = |tensors: &mut BTreeMap<String, Tensor>| {
            for (name, tensor) in tensors {
                let given = data.start.and_then(|start| start.get(name)).filter(|given| given.dims() == tensor.dims());
                *tensor = given.unwrap_or(tensor).copy()?;
            }
            Ok(())
        };
        let learner = Learner::new(architecture, config.run_config(), data.train.len(), started)?;
        let count = data.train.names().len();
        let mut yes_weights = config.loss.yes_weights(data.train.labels(), count);
        yes_weights.truncate(count);
        let label_weights = config.loss.label_weights(data.train.labels(), count, data.reported);
        let settings = format!(
            "{} | {config:?} | {} training and {} validation samples of {:?}, SHA-256 {} and {}, teacher {}",
            architecture.describe(),
            data.train.len(),
            data.validation.len(),
            data.train.names(),
            data.train.digest(),
            data.validation.digest(),
            data.teacher.map_or("none".into(), digest_of),
        );
        Ok(Self { config, data, learner, yes_weights, label_weights, settings })
    }

    /// What the samples of a batch are to be taken for [sample, label].
    fn targets(&self, indices: &[usize]) -> Vec<Target> {
        let count = self.yes_weights.len();
        let loss = &self.config.loss;
        let of_sample = |index: &usize| {
            let labels = self.data.train.labels_of(*index);
            let teacher = self.data.teacher.and_then(|all| all.get(index * count..(index + 1) * count));
            let weights = self.yes_weights.iter().zip(&self.label_weights);
            labels.iter().zip(weights).enumerate().map(move |(label, (value, (yes_weight, label_weight)))| {
                let target = Target::new(
                    *value,
                    *yes_weight,
                    teacher.and_then(|row| row.get(label)).copied().filter(|p| !p.is_nan()),
                    loss,
                );
                Target { weight: target.weight * label_weight, ..target }
            })
        };
        indices.iter().flat_map(of_sample).collect()
    }

    /// Inputs and targets of a batch, augmented and mixed.
    fn batch(&self, indices: &[usize], rng: &mut Rng) -> veilray_nn::Result<(Tensor, Vec<Target>)> {
        let samples = self.data.train;
        let change = Change::Random(&self.config.images, &self.config.latents, rng);
        let mut values = gather(samples, indices, change);
        let mut targets = self.targets(indices);
        if self.config.mixup > 0.0 {
            let shares: Vec<f32> = indices.iter().map(|_| beta(self.config.mixup, rng) as f32).collect();
            mix(&mut values, &shares, |a, b, share| (1.0 - share) * a + share * b);
            mix(&mut targets, &shares, |a, b, share| a.mix(b, 1.0 - share, share));
        }
        Ok((tensor(samples, values, indices.len())?, targets))
    }
}

/// Refuses samples that the network or each other do not fit.
fn check(architecture: &dyn Architecture, data: &TrainingData<'_>) -> Result<()> {
    for (what, samples) in [("training samples", data.train), ("validation samples", data.validation)] {
        if samples.shape() != architecture.input() {
            return setting(what, format!("of the network's input {:?}", architecture.input()), format!("{:?}", samples.shape()));
        }
        if samples.names().len() != architecture.labels() {
            return setting(
                what,
                format!("with the network's {} labels", architecture.labels()),
                format!("{:?}", samples.names()),
            );
        }
    }
    if data.train.names() != data.validation.names() {
        let wanted = format!("with the training split's labels {:?}", data.train.names());
        return setting("validation samples", wanted, format!("{:?}", data.validation.names()));
    }
    let count = data.train.names().len();
    if data.reported == 0 || data.reported > count {
        return setting("reported labels", format!("in 1..={count}"), data.reported);
    }
    if let Some(teacher) = data.teacher {
        let wanted = data.train.len() * count;
        if teacher.len() != wanted || teacher.iter().any(|p| !(p.is_nan() || (0.0..=1.0).contains(p))) {
            return setting(
                "teacher probabilities",
                format!("{wanted} numbers in [0, 1] or NaN"),
                format!("{} numbers", teacher.len()),
            );
        }
    }
    Ok(())
}

/// Blends each row with the next one (the last with the first) by its share.
pub(crate) fn mix<T: Copy>(rows: &mut [T], shares: &[f32], blend: impl Fn(T, T, f32) -> T) {
    let width = rows.len() / shares.len().max(1);
    let mut partners = rows.to_vec();
    partners.rotate_left(width);
    for ((row, partner), share) in rows.chunks_mut(width.max(1)).zip(partners.chunks(width.max(1))).zip(shares) {
        row.iter_mut().zip(partner).for_each(|(a, b)| *a = blend(*a, *b, *share));
    }
}

/// A draw from Beta(a, a), a in (0, 1] (Jöhnk 1964).
pub(crate) fn beta(a: f64, rng: &mut Rng) -> f64 {
    loop {
        // In logarithms, as the powers underflow where a is small.
        let mut power = || (1.0 - rng.uniform()).ln() / a;
        let (x, y) = (power(), power());
        let top = x.max(y);
        if (x - top).exp() + (y - top).exp() <= (-top).exp() {
            return (x - top).exp() / ((x - top).exp() + (y - top).exp());
        }
    }
}

impl Task for Trainer<'_> {
    fn step(&mut self, step: u64, rng: &mut Rng) -> veilray_nn::Result<Metrics> {
        let indices = self.learner.indices(step);
        let (input, targets) = self.batch(&indices, rng)?;
        self.learner.step(step, rng, &input, |logits| cross_entropy(logits, &targets))
    }

    fn evaluate(&mut self, _: u64) -> veilray_nn::Result<Metrics> {
        let samples = self.data.validation;
        let logits = predict(self.learner.evaluated.as_ref(), samples, self.config.batch, false)?;
        let loss = cross_entropy(
            &Tensor::from_slice(&logits, (samples.len(), samples.names().len()), &Device::Cpu)?,
            &samples.labels().iter().map(|label| Target::new(*label, 1.0, None, &self.config.loss)).collect::<Vec<_>>(),
        )?;
        // Logits that are no numbers cannot be ranked: such weights are never the best.
        let auc = reported(samples, &logits, self.data.reported)
            .map(|scored| Evaluation::of(&scored).roc_auc.macro_mean.map(|mean| mean.value));
        let auc = auc.ok().flatten().unwrap_or(f64::NAN);
        Ok(Metrics::new().with(SELECTED_BY, auc).with("loss", loss.to_scalar::<f32>()?))
    }

    fn save(&self, bundle: &mut Bundle) -> veilray_nn::Result<()> {
        self.learner.save(bundle)
    }

    fn load(&mut self, bundle: &Bundle) -> veilray_nn::Result<()> {
        self.learner.load(bundle)
    }

    fn settings(&self) -> String {
        self.settings.clone()
    }
}

/// The first `count` labels of `samples` with their logits, as a table for the metrics.
///
/// # Errors
/// Logits that are not finite or not one per sample and label.
pub fn reported(samples: &Samples, logits: &[f32], count: usize) -> Result<Scored> {
    let all = samples.names().len().max(1);
    fn first<T: Copy>(values: &[T], all: usize, count: usize) -> Vec<T> {
        values.chunks(all).flat_map(|row| row.iter().take(count)).copied().collect()
    }
    let names = samples.names().iter().take(count).cloned().collect();
    Ok(Scored::new(first(logits, all, count), first(samples.labels(), all, count), names)?)
}

/// Probabilities of a teacher for every label of `samples`, from its logits; with `mirror` averaged over mirror images.
///
/// # Errors
/// Samples of another shape than the teacher's input.
pub fn teacher_probabilities(teacher: &dyn Network, samples: &Samples, batch: usize, mirror: bool) -> Result<Vec<f32>> {
    Ok(probabilities(&predict(teacher, samples, batch, mirror)?))
}
