//! One training run as the loop of `veilray-nn` sees it.

use super::config::{Adversarial, TrainConfig};
use super::images::Images;
use crate::metrics::{CodebookUse, Pair, Range};
use crate::vqgan::loss::Reconstruction;
use crate::vqgan::{Config, Discriminator, Error, Judgement, Quantized, Result, Tracker, Vqgan, loss};
use candle_core::{Device, Tensor, Var};
use veilray_base::Rng;
use veilray_imaging::ingest::SIDE;
use veilray_nn::training::{Metrics, Task};
use veilray_nn::{Bundle, Ema, Optimiser, ParamStore, State};

/// An autoencoder in training.
#[derive(Debug)]
pub struct Training {
    config: TrainConfig,
    shapes: Config,
    params: ParamStore,
    net: Vqgan,
    optimiser: Optimiser,
    pub(super) average: Ema,
    averaged: Vqgan,
    tracker: Tracker,
    critic: Option<Critic>,
    train: Images,
    validation: Vec<Tensor>,
}

/// The discriminator in training.
#[derive(Debug)]
struct Critic {
    config: Adversarial,
    params: ParamStore,
    net: Discriminator,
    optimiser: Optimiser,
}

impl Critic {
    fn new(config: &Adversarial, seed: u64, image_channels: usize) -> Result<Self> {
        let params = ParamStore::seeded(seed, &Device::Cpu);
        let net = Discriminator::new(&params.root(), image_channels, &config.discriminator)?;
        let optimiser = Optimiser::new(config.optimiser, &params)?;
        Ok(Self { config: config.clone(), params, net, optimiser })
    }
}

impl Training {
    /// A run from the start.
    ///
    /// # Errors
    /// Settings that cannot be built, no images.
    pub fn new(shapes: &Config, config: &TrainConfig, train: Images, validation: &Images) -> Result<Self> {
        if train.is_empty() {
            return Err(Error::Data { why: "there are no training images".into() });
        }
        let params = ParamStore::seeded(config.seed, &Device::Cpu);
        let net = Vqgan::new(&params, shapes)?;
        let optimiser = Optimiser::new(config.optimiser, &params)?;
        let average = Ema::new(config.average, &params)?;
        let averaged = Vqgan::new(&average.params(), shapes)?;
        let tracker = Tracker::new(shapes.codebook.size, shapes.codebook_dim(), config.codebook.decay);
        let critic = config.adversarial.as_ref().map(|c| Critic::new(c, config.seed, shapes.image_channels)).transpose()?;
        let validation = validation.some(config.evaluate_images, shapes.image_channels)?;
        let (config, shapes) = (config.clone(), shapes.clone());
        Ok(Self { config, shapes, params, net, optimiser, average, averaged, tracker, critic, train, validation })
    }

    /// Number of trained values.
    pub fn parameters(&self) -> usize {
        self.params.count()
    }

    /// Shapes of encoder, codebook and decoder.
    pub fn shapes(&self) -> &Config {
        &self.shapes
    }

    /// The images that are trained on.
    pub fn images(&self) -> &Images {
        &self.train
    }

    /// Fills the codebook with vectors of random images.
    fn start_codebook(&mut self, rng: &mut Rng) -> Result<()> {
        let frozen = Vqgan::new(&self.params.freeze(), &self.shapes)?;
        let wanted = 2 * self.shapes.codebook.size * self.shapes.codebook_dim();
        let mut vectors = Vec::new();
        while vectors.len() < wanted {
            let image = self.train.crops(1, SIDE, self.shapes.image_channels, rng)?;
            vectors.extend(frozen.quantizer().forward(&frozen.raw_latent(&image)?)?.vectors);
        }
        Ok(self.tracker.start(self.net.quantizer(), &vectors, rng)?)
    }

    /// The latent that the decoder reads: the first part of the batch quantised, the rest as it is.
    fn mixed(&mut self, step: u64, latent: &Tensor, rng: &mut Rng) -> Result<(Tensor, Option<Quantized>)> {
        let settings = self.config.codebook;
        let batch = latent.dim(0)?;
        let count = (settings.share * batch as f64 + rng.uniform()).floor() as usize;
        let count = count.min(batch);
        if step < settings.from || count == 0 {
            return Ok((self.net.quantizer().bypass(latent)?, None));
        }
        if step == settings.from {
            self.start_codebook(rng)?;
        }
        let quantized = self.net.quantizer().forward(&latent.narrow(0, 0, count)?)?;
        let mut parts = vec![quantized.latent.clone()];
        if count < batch {
            parts.push(self.net.quantizer().bypass(&latent.narrow(0, count, batch - count)?)?);
        }
        Ok((Tensor::cat(&parts, 0)?, Some(quantized)))
    }

    fn try_step(&mut self, step: u64, rng: &mut Rng) -> Result<Metrics> {
        let phase = *self.config.phase(step).ok_or_else(|| Error::Config { why: "phases needs at least one entry".into() })?;
        let image = self.train.crops(phase.batch, phase.side, self.shapes.image_channels, rng)?;
        let latent = self.net.raw_latent(&image)?;
        let (read, quantized) = self.mixed(step, &latent, rng)?;
        let features = self.net.decoder().features(&read)?;
        let output = self.net.decoder().finish(&features)?;
        let error = (&output.detach() - &image)?.sqr()?.mean_all()?.to_scalar::<f32>()?;
        let mut metrics = Metrics::new().with("psnr", 10.0 * (4.0 / f64::from(error)).log10());

        let factor = self.config.schedule.factor(step);
        let mut total = self.config.reconstruction.loss(&output, &image)?;
        if let Some(critic) = self.critic.as_mut().filter(|critic| step >= critic.config.from) {
            let (pull, seen) = critic.gradient(&self.net, &features, &output, &image, self.config.reconstruction, factor)?;
            total = (total + (&output * &pull)?.sum_all()?)?;
            metrics = metrics.with("critic", seen.loss).with("adaptive", seen.weight);
        }
        if let Some(quantized) = &quantized {
            let variance = latent.detach().flatten_all()?.var(0)?.to_scalar::<f32>()?;
            let commitment = (&quantized.commitment / f64::from(variance.max(1e-6)))?;
            metrics = metrics.with("commitment", commitment.to_scalar::<f32>()?);
            total = (total + (commitment * self.config.codebook.commitment)?)?;
        }
        let norm = self.optimiser.step(&total.backward()?, factor)?;
        if let Some(quantized) = &quantized {
            let revive = step.is_multiple_of(self.config.codebook.revive_every.max(1));
            let moved = self.tracker.update(self.net.quantizer(), quantized, revive, rng)?;
            metrics = if revive { metrics.with("revived", moved as f64) } else { metrics };
        }
        self.average.update(&self.params)?;
        Ok(metrics.with("gradient", norm))
    }

    fn try_evaluate(&self, step: u64) -> Result<Metrics> {
        let count = self.validation.len().max(1) as f64;
        let (mut psnr, mut ssim, mut psnr_quantised, mut indices) = (0.0, 0.0, 0.0, Vec::new());
        let quantised = step > self.config.codebook.from;
        for image in &self.validation {
            let latent = self.averaged.encode(image)?;
            let values = first_channel(image)?;
            let pair = |output: &Tensor| -> Result<(f64, f64)> {
                let output = first_channel(output)?;
                let pair = Pair::new(image.dim(3)?, image.dim(2)?, &values, &output, Range::Symmetric)?;
                Ok((pair.psnr(), pair.ssim()?))
            };
            let whole = pair(&self.averaged.decode(&latent)?)?;
            (psnr, ssim) = (psnr + whole.0, ssim + whole.1);
            if quantised {
                let (output, used) = self.averaged.decode_quantized(&latent)?;
                psnr_quantised += pair(&output)?.0;
                indices.extend(used);
            }
        }
        let metrics = Metrics::new().with("psnr", psnr / count).with("ssim", ssim / count);
        if !quantised {
            return Ok(metrics);
        }
        let used = CodebookUse::of(&indices, self.shapes.codebook.size)?;
        Ok(metrics.with("psnr_quantised", psnr_quantised / count).with("codebook_use", used.share()))
    }
}

/// The first image's first channel.
fn first_channel(image: &Tensor) -> Result<Vec<f32>> {
    Ok(image.get(0)?.get(0)?.flatten_all()?.to_vec1()?)
}

/// What a step's log says of the discriminator.
struct Seen {
    loss: f64,
    weight: f64,
}

impl Critic {
    /// Trains the discriminator on the batch, and gives the gradient of the adversarial and feature matching losses at the output.
    ///
    /// Both losses' gradients at the output are taken first; those at the decoder's last weight follow from them through one layer, so
    /// that a step goes back through the whole autoencoder once.
    fn gradient(
        &mut self,
        net: &Vqgan,
        features: &Tensor,
        output: &Tensor,
        image: &Tensor,
        reconstruction: Reconstruction,
        factor: f64,
    ) -> Result<(Tensor, Seen)> {
        let real = self.net.forward(image)?;
        let leaf = Var::from_tensor(&output.detach())?;
        let fake: Judgement = self.net.forward(leaf.as_tensor())?;
        let at_output = |loss: &Tensor, of: &Tensor| -> Result<Tensor> {
            Ok(loss.backward()?.get(of).map_or_else(|| of.zeros_like(), |g| Ok(g.detach()))?)
        };
        let adversarial = at_output(&loss::adversarial(&fake.scores)?, leaf.as_tensor())?;
        let matching = at_output(&loss::feature_matching(&real, &fake)?, leaf.as_tensor())?;
        let reconstruction = at_output(&reconstruction.loss(leaf.as_tensor(), image)?, leaf.as_tensor())?;
        let last = net.decoder().last_weight();
        let replay = net.decoder().finish(&features.detach())?;
        let norm = |gradient: &Tensor| -> Result<f64> {
            let gradient = at_output(&(&replay * gradient)?.sum_all()?, last)?;
            Ok(f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?).sqrt())
        };
        let weight = loss::adaptive_weight(norm(&reconstruction)?, norm(&adversarial)?);
        let pull = ((adversarial * (self.config.weight * weight))? + (matching * self.config.matching)?)?;

        let fake = self.net.forward(&output.detach())?;
        let hinge = loss::hinge(&real.scores, &fake.scores)?;
        self.optimiser.step(&hinge.backward()?, factor)?;
        Ok((pull, Seen { loss: f64::from(hinge.to_scalar::<f32>()?), weight }))
    }
}

fn in_network(error: Error) -> veilray_nn::Error {
    match error {
        Error::Network(error) => error,
        other => veilray_nn::Error::Tensor(candle_core::Error::msg(other)),
    }
}

impl Task for Training {
    fn step(&mut self, step: u64, rng: &mut Rng) -> veilray_nn::Result<Metrics> {
        self.try_step(step, rng).map_err(in_network)
    }

    fn evaluate(&mut self, step: u64) -> veilray_nn::Result<Metrics> {
        if self.validation.is_empty() { Ok(Metrics::new()) } else { self.try_evaluate(step).map_err(in_network) }
    }

    fn save(&self, bundle: &mut Bundle) -> veilray_nn::Result<()> {
        self.params.save(bundle, "net")?;
        self.optimiser.save(bundle, "optimiser")?;
        self.average.save(bundle, "average")?;
        self.tracker.save(bundle, "codebook")?;
        if let Some(critic) = &self.critic {
            critic.params.save(bundle, "critic.net")?;
            critic.optimiser.save(bundle, "critic.optimiser")?;
        }
        Ok(())
    }

    fn load(&mut self, bundle: &Bundle) -> veilray_nn::Result<()> {
        self.params.load(bundle, "net")?;
        self.optimiser.load(bundle, "optimiser")?;
        self.average.load(bundle, "average")?;
        self.tracker.load(bundle, "codebook")?;
        if let Some(critic) = &mut self.critic {
            critic.params.load(bundle, "critic.net")?;
            critic.optimiser.load(bundle, "critic.optimiser")?;
        }
        Ok(())
    }

    fn settings(&self) -> String {
        let of = |settings: &dyn std::fmt::Debug| format!("{settings:?}");
        format!("{} {}", of(&self.shapes), of(&self.config))
    }
}
