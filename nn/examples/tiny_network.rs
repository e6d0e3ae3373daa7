//! Trains a small network to tell rings from discs and stores its averaged weights:
//! `cargo run --release -p veilray-nn --example tiny_network`.

use candle_core::{D, Device, Tensor};
use veilray_base::Rng;
use veilray_nn::layers::{Conv2d, GroupNorm, Linear};
use veilray_nn::ops::{self, Conv2dConfig};
use veilray_nn::{Ema, Optimiser, OptimiserConfig, ParamStore, Result, Schedule, Scope};

/// A convolution, a normalisation with SiLU, the mean over the image and a linear layer.
struct Net(Conv2d, GroupNorm, Linear);

impl Net {
    fn new(scope: &Scope) -> Result<Self> {
        let conv = Conv2d::new(&scope.enter("conv"), 1, 16, 5, Conv2dConfig::new(1, 2))?;
        Ok(Self(conv, GroupNorm::new(&scope.enter("norm"), 4, 16, 1e-5)?, Linear::new(&scope.enter("linear"), 16, 2)?))
    }

    /// Images [batch, 1, height, width] to logits [batch, 2].
    fn logits(&self, images: &Tensor) -> Result<Tensor> {
        let features = self.1.forward_silu(&self.0.forward(images)?)?;
        self.2.forward(&ops::global_avg_pool2d(&features)?.flatten_from(1)?)
    }
}

/// Noisy images [count, 1, 16, 16] of a disc, every second one with a hole; labels are 1 for those with it.
fn images(count: usize, rng: &mut Rng) -> Result<(Tensor, Vec<u32>)> {
    let (mut pixels, labels) = (Vec::new(), (0..count).map(|i| i as u32 % 2).collect::<Vec<_>>());
    for label in &labels {
        let (x, y, radius) = (6.0 + 4.0 * rng.uniform(), 6.0 + 4.0 * rng.uniform(), 3.0 + 2.0 * rng.uniform());
        for i in 0..256 {
            let distance = (f64::from(i % 16) - x).hypot(f64::from(i / 16) - y);
            let inside = distance < radius && (*label == 0 || distance > radius / 2.0);
            pixels.push((f64::from(u8::from(inside)) + 0.3 * rng.normal()) as f32);
        }
    }
    Ok((Tensor::from_vec(pixels, (count, 1, 16, 16), &Device::Cpu)?, labels))
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let (params, steps) = (ParamStore::seeded(7, &Device::Cpu), 300);
    let net = Net::new(&params.root())?;
    let mut optimiser = Optimiser::new(OptimiserConfig { learning_rate: 0.02, ..OptimiserConfig::default() }, &params)?;
    let schedule = Schedule::OneCycle { steps, rise: 0.3, start: 25.0, end: 1e4 };
    let (mut average, mut rng) = (Ema::new(0.98, &params)?, Rng::new(7, "training images"));
    for step in 0..steps {
        let (images, labels) = images(32, &mut rng)?;
        let loss = candle_nn::loss::cross_entropy(&net.logits(&images)?, &Tensor::new(labels, &Device::Cpu)?)?;
        optimiser.step(&loss.backward()?, schedule.factor(step))?;
        average.update(&params)?;
    }
    // A network takes the averages, which go to a safetensors file; read again, they are parameters that no training moves.
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("net.safetensors");
    let averaged = average.params();
    Net::new(&averaged.root())?;
    averaged.write(&path)?;
    let stored = ParamStore::open(&path, &Device::Cpu)?;
    let (net, (images, labels)) = (Net::new(&stored.root())?, images(500, &mut Rng::new(7, "held-out images"))?);
    let found = net.logits(&images)?.argmax(D::Minus1)?.to_vec1::<u32>()?;
    let right = found.iter().zip(&labels).filter(|(found, label)| found == label).count();
    println!("{right} of {} held-out images are told right, by {} parameters", labels.len(), stored.count());
    Ok(())
}
