//! Training with the quantisation in the loop: forward in integers, backward as if there were no rounding.

use super::network::LOGITS;
use super::{Error, Fcnn, Parts, Quantiser, Result};
use candle_core::{D, Device, Tensor};
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;
use std::path::Path;
use veilray_base::Rng;
use veilray_nn::training::{self, Batches, Best, LoopConfig, Metrics, Outcome, Task};
use veilray_nn::{Bundle, Init, Optimiser, OptimiserConfig, ParamStore, Schedule, State};
use veilray_training::metrics::{Evaluation, Scored};
use veilray_training::{ImageAugmentation, Inputs, Samples};

/// The evaluation's metric by which the best checkpoint is chosen.
const SELECTED_BY: &str = "auc";

/// How an [`Fcnn`] is shaped and trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FcnnConfig {
    /// The client's quantisation.
    pub quantiser: Quantiser,
    /// Neurons of the hidden layer.
    pub hidden: usize,
    /// Values of a neuron's sum; even.
    pub modulus: u32,
    /// Largest |weight| of the hidden layer.
    pub weight_limit: i8,
    /// Largest |value| of a neuron.
    pub amplitude: i8,
    /// Largest |weight| of the output layer.
    pub output_limit: i8,
    /// Seeds of the runs, of which validation chooses one.
    pub seeds: Vec<u64>,
    /// Passes over the training split.
    pub epochs: u64,
    /// Samples per step.
    pub batch: usize,
    /// The optimiser; its learning rate, in units of the integers, is the highest of the run.
    pub optimiser: OptimiserConfig,
    /// Part of the run in which the learning rate rises (one cycle).
    pub rise: f64,
    /// Weight of a yes against a no: (no / yes)^balance of the training split.
    #[serde(default)]
    pub balance: f64,
    /// Labels are moved towards 1/2 by this much.
    #[serde(default)]
    pub smoothing: f64,
    /// Weight of the squared excess of a sum's size over a quarter of the modulus, where the sine turns back.
    #[serde(default)]
    pub fold_back: f64,
    /// Standard deviation of the noise added to a grey value, of 255.
    #[serde(default)]
    pub noise: f64,
    /// Changes to images.
    #[serde(default)]
    pub images: ImageAugmentation,
    /// Largest |natural logarithm| of the power to which grey values are raised: films are developed differently.
    #[serde(default)]
    pub gamma: f64,
    /// Largest part by which an image grows brighter or darker from its middle to a border: chests are lit unevenly.
    #[serde(default)]
    pub shade: f64,
    /// Changed copies of the validation split that are evaluated beside it: a network that only knows one scanner's films shows there.
    #[serde(default)]
    pub validation_copies: usize,
}

impl FcnnConfig {
    /// Refuses settings outside their range.
    ///
    /// # Errors
    /// [`Error::Setting`], by name.
    pub fn check(&self) -> Result<()> {
        self.quantiser.check()?;
        let limits = [("weight limit", self.weight_limit), ("amplitude", self.amplitude), ("output limit", self.output_limit)];
        if let Some((what, limit)) = limits.into_iter().find(|(_, limit)| !(1..=63).contains(limit)) {
            return Err(Error::setting(what, "in 1..=63", limit));
        }
        if !(1..=256).contains(&self.hidden) {
            return Err(Error::setting("hidden", "in 1..=256", self.hidden));
        }
        if !self.modulus.is_multiple_of(2) || !(4..=1024).contains(&self.modulus) {
            return Err(Error::setting("modulus", "even and in 4..=1024", self.modulus));
        }
        if self.epochs == 0 || self.seeds.is_empty() {
            return Err(Error::setting("epochs and seeds", "at least one", format!("{} and {:?}", self.epochs, self.seeds)));
        }
        let parts = [("rise", self.rise, 1.0), ("balance", self.balance, 1.0), ("smoothing", self.smoothing, 0.5)];
        if let Some((what, value, _)) = parts.into_iter().find(|(_, value, most)| !(0.0..=*most).contains(value)) {
            return Err(Error::setting(what, "in [0, 1], smoothing below 1/2", value));
        }
        let amounts = [("fold_back", self.fold_back), ("noise", self.noise), ("gamma", self.gamma), ("shade", self.shade)];
        if let Some((what, value)) = amounts.into_iter().find(|(_, value)| !(value.is_finite() && *value >= 0.0)) {
            return Err(Error::setting(what, "finite and not negative", value));
        }
        Ok(self.images.check()?)
    }
}

/// What training leaves.
#[derive(Debug, Clone)]
pub struct TrainedFcnn {
    /// The network of the best evaluation of the best run.
    pub network: Fcnn,
    /// A step of the difference of its logits, in units of a natural logit.
    pub logit_scale: f32,
    /// The run's seed.
    pub seed: u64,
    /// ROC-AUC on the validation split and its changed copies.
    pub auc: f64,
    /// How each run ended, by seed.
    pub outcomes: Vec<(u64, Outcome)>,
}

/// Trains one network per seed in folders of `folder`, or resumes them, and keeps the best by ROC-AUC on the validation split and its
/// changed copies.
///
/// # Errors
/// Settings outside their range, samples of another shape or of more than one label, a folder of another run.
pub fn train(config: &FcnnConfig, training: &Samples, validation: &Samples, folder: &Path) -> Result<TrainedFcnn> {
    config.check()?;
    let held_out = Table::changed(config, validation)?;
    let mut best: Option<TrainedFcnn> = None;
    let mut outcomes = Vec::new();
    for seed in &config.seeds {
        let folder = folder.join(format!("seed-{seed}"));
        let mut run = Run::new(config, *seed, images(training, config)?, training, &held_out)?;
        let loop_config = run.loop_config();
        outcomes.push((*seed, training::run(&mut run, &loop_config, &folder, None)?));
        run.load(&Bundle::open(&folder.join("best.safetensors"), &Device::Cpu)?)?;
        let (network, logit_scale) = run.weights.integers(config)?;
        let auc = held_out.auc(&network)?;
        if best.as_ref().is_none_or(|best| auc > best.auc) {
            best = Some(TrainedFcnn { network, logit_scale, seed: *seed, auc, outcomes: Vec::new() });
        }
    }
    let best = best.ok_or_else(|| Error::setting("seeds", "at least one", "none"))?;
    Ok(TrainedFcnn { outcomes, ..best })
}

/// The difference of the logits, yes minus no, in natural units, of every sample.
///
/// # Errors
/// Samples of another shape.
pub fn scores(network: &Fcnn, quantiser: &Quantiser, logit_scale: f32, samples: &Samples) -> Result<Vec<f32>> {
    let Inputs::Images(pixels) = samples.inputs() else {
        return Err(Error::setting("samples", "8-bit images", "latents"));
    };
    let of_image = |image: &[u8]| Ok(score(network.evaluate(&quantiser.levels(image)?)?, logit_scale));
    pixels.chunks(quantiser.values()).map(of_image).collect()
}

/// The difference of two integer logits in natural units.
pub fn score([no, yes]: [i32; LOGITS], logit_scale: f32) -> f32 {
    (yes - no) as f32 * logit_scale
}

/// The 8-bit images of samples.
fn images<'a>(samples: &'a Samples, config: &FcnnConfig) -> Result<&'a [u8]> {
    let side = config.quantiser.side;
    match samples.inputs() {
        Inputs::Images(pixels) if samples.shape() == [1, side, side] && samples.names().len() == 1 => Ok(pixels),
        _ => {
            let found = format!("{:?} with the labels {:?}", samples.shape(), samples.names());
            Err(Error::setting("samples", "8-bit grey images of the quantiser's side with one label", found))
        }
    }
}

/// A changed image, as the quantiser sees it.
fn changed(config: &FcnnConfig, image: &[u8], rng: &mut Rng) -> Result<Vec<i8>> {
    let side = config.quantiser.side;
    let mut values = config.images.apply(image, side, rng);
    let mut amount = |most: f64| (most * (2.0 * rng.uniform() - 1.0)) as f32;
    let (power, across, down) = (amount(config.gamma).exp(), amount(config.shade), amount(config.shade));
    let place = |at: usize| 2.0 * (at as f32 + 0.5) / side as f32 - 1.0;
    for (row, values) in values.chunks_mut(side).enumerate() {
        for (column, value) in values.iter_mut().enumerate() {
            let grey = (f32::midpoint(*value, 1.0)).max(0.0).powf(power);
            *value = grey * (1.0 + across * place(column) + down * place(row)) + (config.noise * rng.normal() / 255.0) as f32;
        }
    }
    config.quantiser.image(&values)
}

/// Quantised inputs with labels.
struct Table {
    inputs: Vec<Vec<i8>>,
    labels: Vec<u8>,
}

impl Table {
    /// The split as it is, then its changed copies.
    fn changed(config: &FcnnConfig, samples: &Samples) -> Result<Self> {
        let pixels = images(samples, config)?;
        let mut rng = Rng::new(0, "changed copies of the validation split");
        let images = || pixels.chunks(config.quantiser.values());
        let mut inputs: Vec<Vec<i8>> = images().map(|image| config.quantiser.levels(image)).collect::<Result<_>>()?;
        for _ in 0..config.validation_copies {
            for image in images() {
                inputs.push(changed(config, image, &mut rng)?);
            }
        }
        Ok(Self { inputs, labels: samples.labels().repeat(config.validation_copies + 1) })
    }

    fn auc(&self, network: &Fcnn) -> Result<f64> {
        let logits = self.inputs.iter().map(|inputs| Ok(score(network.evaluate(inputs)?, 1.0)));
        let scored = Scored::new(logits.collect::<Result<_>>()?, self.labels.clone(), vec!["yes".into()])?;
        Ok(Evaluation::of(&scored).roc_auc.macro_mean.map_or(f64::NAN, |mean| mean.value))
    }
}

/// The trained tensors, all in units of the integers they are rounded to.
struct Weights {
    /// [hidden, inputs].
    hidden: Tensor,
    bias: Tensor,
    /// [LOGITS, hidden].
    output: Tensor,
    output_bias: Tensor,
    /// Natural logarithm of a logit's step.
    scale: Tensor,
}

impl Weights {
    fn new(config: &FcnnConfig, params: &ParamStore) -> Result<Self> {
        let (inputs, hidden) = (config.quantiser.values(), config.hidden);
        let layer = params.root().enter("hidden");
        let output = params.root().enter("output");
        let spread = |limit: i8| Init::Uniform { low: -f64::from(limit), high: f64::from(limit) };
        // First logits of about 1: a neuron's value times a weight, over all neurons.
        let reach = f64::from(config.amplitude) * f64::from(config.output_limit) * (hidden as f64).sqrt() / 3.0;
        Ok(Self {
            hidden: layer.parameter("weight", &[hidden, inputs], Init::Uniform { low: -0.7, high: 0.7 })?,
            bias: layer.parameter("bias", &[hidden], Init::ZEROS)?,
            output: output.parameter("weight", &[LOGITS, hidden], spread(config.output_limit))?,
            output_bias: output.parameter("bias", &[LOGITS], Init::ZEROS)?,
            scale: output.parameter("scale", &[1], Init::Constant(-reach.ln()))?,
        })
    }

    /// Logits [batch, LOGITS] in natural units and the penalty for sums that fold back; `inputs` are [batch, inputs].
    fn forward(&self, config: &FcnnConfig, inputs: &Tensor) -> candle_core::Result<(Tensor, Tensor)> {
        let modulus = f64::from(config.modulus);
        let sums = inputs.matmul(&rounded(&self.hidden, config.weight_limit)?.t()?)?;
        let sums = sums.broadcast_add(&straight_through(&self.bias)?)?;
        let wave = (sums.affine(TAU / modulus, 0.0)?.sin()? * f64::from(config.amplitude))?;
        let values = straight_through(&wave)?;
        let logits = values.matmul(&rounded(&self.output, config.output_limit)?.t()?)?;
        let logits = logits.broadcast_add(&straight_through(&self.output_bias)?)?.broadcast_mul(&self.scale.exp()?)?;
        let excess = sums.affine(1.0 / modulus, 0.0)?.abs()?.affine(1.0, -0.25)?.relu()?;
        Ok((logits, (excess.sqr()?.mean_all()? * config.fold_back)?))
    }

    /// The integers, and a logit's step.
    fn integers(&self, config: &FcnnConfig) -> Result<(Fcnn, f32)> {
        let values = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
        let small = |tensor: &Tensor, limit: i8| {
            let most = f32::from(limit);
            Ok::<_, Error>(values(tensor)?.into_iter().map(|v| v.round().clamp(-most, most) as i8).collect::<Vec<i8>>())
        };
        let whole = |tensor: &Tensor| Ok::<_, Error>(values(tensor)?.into_iter().map(|v| v.round() as i32).collect::<Vec<i32>>());
        let network = Fcnn::new(Parts {
            largest_input: config.quantiser.largest,
            modulus: config.modulus,
            weights: small(&self.hidden, config.weight_limit)?,
            biases: whole(&self.bias)?.into_iter().map(|bias| bias.rem_euclid(config.modulus as i32)).collect(),
            table: Fcnn::sine(config.modulus, config.amplitude),
            output: small(&self.output, config.output_limit)?,
            output_biases: whole(&self.output_bias)?,
        })?;
        Ok((network, values(&self.scale)?.first().map_or(1.0, |scale| scale.exp())))
    }
}

/// Rounded forward, the identity backward (Bengio, Léonard and Courville 2013, section 4).
fn straight_through(x: &Tensor) -> candle_core::Result<Tensor> {
    x + (x.round()? - x)?.detach()
}

/// Limited, then rounded straight through; what lies beyond the limit gets no gradient.
fn rounded(x: &Tensor, limit: i8) -> candle_core::Result<Tensor> {
    straight_through(&x.clamp(-f32::from(limit), f32::from(limit))?)
}

struct Run<'a> {
    config: &'a FcnnConfig,
    seed: u64,
    images: &'a [u8],
    labels: &'a [u8],
    held_out: &'a Table,
    params: ParamStore,
    weights: Weights,
    optimiser: Optimiser,
    schedule: Schedule,
    batches: Batches,
    yes_weight: f32,
}

impl<'a> Run<'a> {
    fn new(config: &'a FcnnConfig, seed: u64, images: &'a [u8], training: &'a Samples, held_out: &'a Table) -> Result<Self> {
        let params = ParamStore::seeded(seed, &Device::Cpu);
        let weights = Weights::new(config, &params)?;
        let optimiser = Optimiser::new(config.optimiser, &params)?;
        let batches = Batches::new(training.len(), config.batch, seed)?;
        let steps = batches.per_epoch() * config.epochs;
        let schedule = Schedule::OneCycle { steps, rise: config.rise, start: 25.0, end: 1e4 };
        let labels = training.labels();
        let count = |value: u8| labels.iter().filter(|label| **label == value).count().max(1) as f64;
        let yes_weight = (count(0) / count(1)).powf(config.balance) as f32;
        Ok(Self { config, seed, images, labels, held_out, params, weights, optimiser, schedule, batches, yes_weight })
    }

    fn loop_config(&self) -> LoopConfig {
        let epoch = self.batches.per_epoch();
        LoopConfig {
            steps: epoch * self.config.epochs,
            seed: self.seed,
            log_every: epoch,
            evaluate_every: epoch,
            checkpoint_every: epoch * 10,
            best: Some(Best { metric: SELECTED_BY.into(), maximise: true }),
        }
    }

    /// Inputs [batch, inputs], what to aim at [batch, LOGITS], and each sample's weight [batch].
    fn batch(&self, indices: &[usize], rng: &mut Rng) -> Result<(Tensor, Tensor, Tensor)> {
        let size = self.config.quantiser.values();
        let (mut inputs, mut aims, mut weights) = (Vec::with_capacity(indices.len() * size), Vec::new(), Vec::new());
        for index in indices {
            let image = self.images.get(index * size..(index + 1) * size).unwrap_or_default();
            inputs.extend(changed(self.config, image, rng)?.into_iter().map(f32::from));
            let yes = self.labels.get(*index).is_some_and(|label| *label == 1);
            let sure = 1.0 - self.config.smoothing as f32;
            let aim = if yes { sure } else { 1.0 - sure };
            aims.extend([1.0 - aim, aim]);
            weights.push(if yes { self.yes_weight } else { 1.0 });
        }
        let count = indices.len();
        let tensor = |values: Vec<f32>, shape: &[usize]| Ok::<_, Error>(Tensor::from_vec(values, shape, &Device::Cpu)?);
        Ok((tensor(inputs, &[count, size])?, tensor(aims, &[count, LOGITS])?, tensor(weights, &[count])?))
    }
}

impl Task for Run<'_> {
    fn step(&mut self, step: u64, rng: &mut Rng) -> veilray_nn::Result<Metrics> {
        let indices = self.batches.at(step).to_vec();
        let (inputs, aims, weights) = self.batch(&indices, rng).map_err(|e| candle_core::Error::Msg(e.to_string()))?;
        let (logits, penalty) = self.weights.forward(self.config, &inputs)?;
        // Cross-entropy; the largest logit comes out first, so that the exponentials stay finite.
        let logits = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
        let surprise = (logits.exp()?.sum_keepdim(D::Minus1)?.log()?.broadcast_sub(&logits)? * aims)?.sum(D::Minus1)?;
        let loss = ((surprise * &weights)?.sum_all()? / weights.sum_all()?)?;
        let metrics = Metrics::new().with("loss", loss.to_scalar::<f32>()?).with("penalty", penalty.to_scalar::<f32>()?);
        let norm = self.optimiser.step(&(loss + penalty)?.backward()?, self.schedule.factor(step))?;
        Ok(metrics.with("gradient", norm))
    }

    fn evaluate(&mut self, _: u64) -> veilray_nn::Result<Metrics> {
        let auc = self.weights.integers(self.config).and_then(|(network, _)| self.held_out.auc(&network));
        Ok(Metrics::new().with(SELECTED_BY, auc.map_err(|e| candle_core::Error::Msg(e.to_string()))?))
    }

    fn save(&self, bundle: &mut Bundle) -> veilray_nn::Result<()> {
        self.params.save(bundle, "weights")?;
        self.optimiser.save(bundle, "optimiser")
    }

    fn load(&mut self, bundle: &Bundle) -> veilray_nn::Result<()> {
        self.params.load(bundle, "weights")?;
        self.optimiser.load(bundle, "optimiser")
    }

    fn settings(&self) -> String {
        format!("{:?} | {} training and {} validation images", self.config, self.labels.len(), self.held_out.labels.len())
    }
}
