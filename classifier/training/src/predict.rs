//! From samples to tensors and logits.

use crate::augment::{ImageAugmentation, ImageChange, LatentAugmentation, LatentChange};
use crate::network::{Network, Pass};
use crate::samples::{Inputs, Samples};
use candle_core::{Device, Tensor};
use veilray_base::Rng;

/// What is done to each input on its way into a batch.
pub(crate) enum Change<'a> {
    /// Inputs stay as they are.
    None,
    /// Mirrored, left to right.
    Mirror,
    /// Drawn anew for each sample.
    Random(&'a ImageAugmentation, &'a LatentAugmentation, &'a mut Rng),
}

/// The inputs of `indices`, changed, as one row of values each.
pub(crate) fn gather(samples: &Samples, indices: &[usize], mut change: Change<'_>) -> Vec<f32> {
    let [channels, height, width] = samples.shape();
    let (size, plane) = (channels * height * width, height * width);
    let mut out = Vec::with_capacity(indices.len() * size);
    for &index in indices {
        let place = index * size..(index + 1) * size;
        match samples.inputs() {
            Inputs::Images(values) => {
                let drawn = match &mut change {
                    Change::None => ImageChange::NONE,
                    Change::Mirror => ImageChange::mirror(width),
                    Change::Random(images, _, rng) => images.draw(width, height, rng),
                };
                values.get(place).unwrap_or_default().chunks(plane).for_each(|values| drawn.apply(values, width, &mut out));
            }
            Inputs::Latents(values) => {
                let drawn = match &mut change {
                    Change::None => LatentChange::NONE,
                    Change::Mirror => LatentChange { mirrored: true, ..LatentChange::NONE },
                    Change::Random(_, latents, rng) => latents.draw(rng),
                };
                for values in values.get(place).unwrap_or_default().chunks(plane) {
                    drawn.apply(values, width, &mut out);
                }
                if let Change::Random(_, latents, rng) = &mut change {
                    latents.add_noise(&mut out, size, rng);
                }
            }
        }
    }
    out
}

/// Logits [sample, label] of all samples, `batch` at a time; with `mirror`, the mean of those of the input and of its mirror image.
///
/// # Errors
/// Samples of another shape than the network's input.
pub fn predict(network: &dyn Network, samples: &Samples, batch: usize, mirror: bool) -> veilray_nn::Result<Vec<f32>> {
    let all: Vec<usize> = (0..samples.len()).collect();
    let mut logits = Vec::new();
    for indices in all.chunks(batch.max(1)) {
        let forward = |change| {
            let input = tensor(samples, gather(samples, indices, change), indices.len())?;
            network.forward(&input, &mut Pass::evaluate())
        };
        let mut output = forward(Change::None)?;
        if mirror {
            output = ((output + forward(Change::Mirror)?)? / 2.0)?;
        }
        logits.extend(output.flatten_all()?.to_vec1::<f32>()?);
    }
    Ok(logits)
}

/// Rows of values as [batch, channel, height, width].
pub(crate) fn tensor(samples: &Samples, values: Vec<f32>, count: usize) -> veilray_nn::Result<Tensor> {
    let [channels, height, width] = samples.shape();
    Ok(Tensor::from_vec(values, (count, channels, height, width), &Device::Cpu)?)
}

/// 1 / (1 + e^-z) of every logit.
pub fn probabilities(logits: &[f32]) -> Vec<f32> {
    logits.iter().map(|z| 1.0 / (1.0 + (-z).exp())).collect()
}
