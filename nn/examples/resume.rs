//! A training run that stops half way and continues to the same bits: `cargo run --release -p veilray-nn --example resume`.

use candle_core::{Device, Tensor};
use std::path::Path;
use veilray_base::Rng;
use veilray_nn::layers::Linear;
use veilray_nn::ops::{Activation, activate};
use veilray_nn::training::{LoopConfig, Metrics, Outcome, Task, run};
use veilray_nn::{Bundle, Optimiser, OptimiserConfig, ParamStore, Result, State};

/// A network of two layers that learns sin(3x) on [−1, 1].
struct Sine {
    params: ParamStore,
    layers: [Linear; 2],
    optimiser: Optimiser,
}

impl Sine {
    fn new() -> Result<Self> {
        // First weights follow from the seed and the parameters' names.
        let params = ParamStore::seeded(7, &Device::Cpu);
        let layers = [Linear::new(&params.root().enter("in"), 1, 32)?, Linear::new(&params.root().enter("out"), 32, 1)?];
        let optimiser = Optimiser::new(OptimiserConfig { learning_rate: 0.05, ..OptimiserConfig::default() }, &params)?;
        Ok(Self { params, layers, optimiser })
    }

    /// Mean square error on inputs `x`.
    fn loss(&self, x: Vec<f32>) -> Result<Tensor> {
        let (x, [first, second]) = (Tensor::from_vec(x, ((), 1), &Device::Cpu)?, &self.layers);
        let found = second.forward(&activate(&first.forward(&x)?, Activation::Silu)?)?;
        Ok((found - (x * 3.0)?.sin()?)?.sqr()?.mean_all()?)
    }
}

impl Task for Sine {
    fn step(&mut self, _: u64, rng: &mut Rng) -> Result<Metrics> {
        let loss = self.loss((0..64).map(|_| 2.0 * rng.uniform() as f32 - 1.0).collect())?;
        self.optimiser.step(&loss.backward()?, 1.0)?;
        Ok(Metrics::new().with("loss", loss.to_scalar::<f32>()?))
    }

    fn evaluate(&mut self, _: u64) -> Result<Metrics> {
        let loss = self.loss((-100..=100).map(|i| i as f32 / 100.0).collect())?;
        Ok(Metrics::new().with("loss", loss.to_scalar::<f32>()?))
    }

    fn save(&self, bundle: &mut Bundle) -> Result<()> {
        self.params.save(bundle, "params")?;
        self.optimiser.save(bundle, "optimiser")
    }

    fn load(&mut self, bundle: &Bundle) -> Result<()> {
        self.params.load(bundle, "params")?;
        self.optimiser.load(bundle, "optimiser")
    }
}

/// Runs up to step `steps` from what `folder` holds, with a checkpoint every 100 steps.
fn train(steps: u64, folder: &Path) -> Result<Outcome> {
    run(&mut Sine::new()?, &LoopConfig { steps, ..LoopConfig::default() }, folder, None)
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let place = tempfile::tempdir()?;
    let whole = train(600, &place.path().join("whole"))?;
    train(300, &place.path().join("parts"))?;
    let parts = train(600, &place.path().join("parts"))?;
    println!("{:?} at once, {:?} resumed at step {:?}", whole.evaluation, parts.evaluation, parts.resumed_at);
    Ok(())
}
