//! The network under training.

use super::images::{Films, PIXELS, changed, phantoms, turned, values};
use crate::command::error::Result;
use candle_core::{D, Device, Tensor};
use veilray_base::Rng;
use veilray_imaging::fitness::{KINDS, SIDE};
use veilray_nn::layers::{Conv2d, Linear};
use veilray_nn::ops::{self, Activation, Conv2dConfig};
use veilray_nn::training::{Metrics, Task};
use veilray_nn::{Bundle, Optimiser, OptimiserConfig, ParamStore, Schedule, State};

/// Channels after each convolution, as the released network has them.
const CHANNELS: [usize; 4] = [12, 24, 32, 48];
/// Values between the two maps.
const HIDDEN: usize = 32;
/// Images of a step.
const BATCH: usize = 64;
/// Synthetic chests among the films.
const PHANTOMS: usize = 300;

/// Parts of a step's images: made images without a chest; synthetic chests; the rest are films, from all sets alike.
const MADE: f64 = 0.3;
const PHANTOM: f64 = 0.03;

struct Layers {
    convolutions: Vec<Conv2d>,
    maps: [Linear; 2],
}

impl Layers {
    fn new(store: &ParamStore) -> veilray_nn::Result<Self> {
        let root = store.root();
        let mut inputs = 1;
        let mut convolutions = Vec::new();
        for (index, outputs) in CHANNELS.into_iter().enumerate() {
            let scope = root.enter(format!("convolution{index}"));
            convolutions.push(Conv2d::new(&scope, inputs, outputs, 3, Conv2dConfig::new(2, 1))?);
            inputs = outputs;
        }
        let flat = inputs * (SIDE / 16) * (SIDE / 16);
        let maps = [Linear::new(&root.enter("map0"), flat, HIDDEN)?, Linear::new(&root.enter("map1"), HIDDEN, KINDS)?];
        Ok(Self { convolutions, maps })
    }

    fn forward(&self, images: &Tensor) -> veilray_nn::Result<Tensor> {
        let mut planes = images.clone();
        for convolution in &self.convolutions {
            planes = ops::activate(&convolution.forward(&planes)?, Activation::Relu)?;
        }
        let [first, second] = &self.maps;
        let hidden = ops::activate(&first.forward(&planes.flatten_from(1)?)?, Activation::Relu)?;
        second.forward(&hidden)
    }
}

/// Weights, optimiser and the images that they learn from.
pub(super) struct Learner {
    store: ParamStore,
    layers: Layers,
    optimiser: Optimiser,
    schedule: Schedule,
    films: Vec<Films>,
    phantoms: Films,
    made: Films,
    settings: String,
}

impl Learner {
    /// A network with fresh weights.
    ///
    /// # Errors
    /// None is expected.
    pub(super) fn new(films: Vec<Films>, made: Films, steps: u64, seed: u64) -> Result<Self> {
        let store = ParamStore::seeded(seed, &Device::Cpu);
        let layers = Layers::new(&store)?;
        let config =
            OptimiserConfig { learning_rate: 2e-3, weight_decay: 0.02, clip_norm: Some(1.0), ..OptimiserConfig::default() };
        let optimiser = Optimiser::new(config, &store)?;
        let sizes: Vec<_> = films.iter().map(|set| (set.name.clone(), set.len())).collect();
        Ok(Self {
            store,
            layers,
            optimiser,
            schedule: Schedule::Cosine { warm_up: 200, steps, floor: 0.01 },
            settings: format!("fitness {sizes:?} {} {steps}", made.len()),
            films,
            phantoms: phantoms(PHANTOMS),
            made,
        })
    }

    /// All trained values, in the order of the released network.
    ///
    /// # Errors
    /// None is expected.
    pub(super) fn values(&self) -> Result<Vec<f32>> {
        let tensors = self.store.tensors();
        let mut values = Vec::new();
        let convolutions = (0..CHANNELS.len()).map(|index| format!("convolution{index}"));
        for layer in convolutions.chain(["map0".into(), "map1".into()]) {
            for part in ["weight", "bias"] {
                let tensor = tensors.get(&format!("{layer}.{part}"));
                let tensor = tensor.map(|tensor| tensor.flatten_all().and_then(|flat| flat.to_vec1::<f32>()));
                values.extend(tensor.transpose().map_err(veilray_nn::Error::from)?.unwrap_or_default());
            }
        }
        Ok(values)
    }

    /// An image and its kind.
    fn draw(&self, rng: &mut Rng) -> (Vec<f32>, usize) {
        let sort = rng.uniform();
        let (set, chest) = if sort < MADE {
            (&self.made, false)
        } else if sort < MADE + PHANTOM {
            (&self.phantoms, true)
        } else {
            (self.films.get(rng.below(self.films.len())).unwrap_or(&self.phantoms), true)
        };
        let levels = set.get(rng.below(set.len()));
        // One in six as it is.
        let image = if rng.uniform() < 1.0 / 6.0 { values(levels) } else { changed(levels, rng) };
        // Films as they should be are what must not be warned of: half of them stay upright, three in four positive.
        let quarters = if rng.uniform() < 0.5 { 0 } else { rng.below(4) };
        let negative = rng.uniform() < 0.25;
        let mut image = turned(&image, quarters);
        if negative {
            image.iter_mut().for_each(|value| *value = -*value);
        }
        (image, if chest { quarters + if negative { 4 } else { 0 } } else { KINDS - 1 })
    }
}

impl Task for Learner {
    fn step(&mut self, step: u64, rng: &mut Rng) -> veilray_nn::Result<Metrics> {
        let (mut images, mut kinds) = (Vec::with_capacity(BATCH * PIXELS), vec![0f32; BATCH * KINDS]);
        for wanted in kinds.chunks_exact_mut(KINDS) {
            let (image, kind) = self.draw(rng);
            images.extend(image);
            if let Some(one) = wanted.get_mut(kind) {
                *one = 1.0;
            }
        }
        let images = Tensor::from_vec(images, (BATCH, 1, SIDE, SIDE), &Device::Cpu)?;
        let kinds = Tensor::from_vec(kinds, (BATCH, KINDS), &Device::Cpu)?;
        let outputs = self.layers.forward(&images)?;
        let chosen = (&outputs * &kinds)?.sum(D::Minus1)?;
        let loss = (outputs.log_sum_exp(D::Minus1)? - chosen)?.mean_all()?;
        let gradients = loss.backward()?;
        self.optimiser.step(&gradients, self.schedule.factor(step))?;
        Ok(Metrics::new().with("loss", loss.to_scalar::<f32>()?))
    }

    fn save(&self, bundle: &mut Bundle) -> veilray_nn::Result<()> {
        self.store.save(bundle, "weights")?;
        self.optimiser.save(bundle, "optimiser")
    }

    fn load(&mut self, bundle: &Bundle) -> veilray_nn::Result<()> {
        self.store.load(bundle, "weights")?;
        self.optimiser.load(bundle, "optimiser")
    }

    fn settings(&self) -> String {
        self.settings.clone()
    }
}
