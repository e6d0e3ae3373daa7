//! From a training run's averaged weights to a release.

use super::images::Images;
use super::task::Training;
use crate::release::{FORMAT, Manifest, Provenance, Released};
use crate::vqgan::{Config, Error, Result, Vqgan, nearest};
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::path::Path;
use veilray_base::Rng;
use veilray_imaging::ingest::checks::TrainingLimits;
use veilray_imaging::ingest::{Canonical, PREPROCESSING, SIDE};
use veilray_nn::ParamStore;

/// Whole training images that the codebook is fitted to and the latent's mean and deviation come from.
const SAMPLE: usize = 512;
/// Rounds of Lloyd's algorithm.
const ROUNDS: usize = 8;
/// How far beyond the validation images' worst an image may lie before it is warned of.
const MARGIN: f64 = 1.5;

/// Writes the averaged weights of a finished run as the release `name` in the folder `path`.
///
/// Before, the codebook is fitted to the averaged encoder's latents (Lloyd's algorithm from the trained entries), the latent's mean and
/// deviation per channel are measured, and the limits of `validation` images.
///
/// # Errors
/// No validation images; a folder that cannot be written to.
pub fn release(run: &Training, name: &str, seconds: f64, steps: u64, validation: &[Canonical], path: &Path) -> Result<()> {
    let shapes = run.shapes();
    let averaged = run.averaged();
    let net = Vqgan::new(&averaged, shapes)?;
    let mut weights = averaged.tensors();
    let sample = Sample::draw(&net, run.images(), shapes)?;
    let entries = net.quantizer().entries();
    let fitted = lloyd(entries.flatten_all()?.to_vec1()?, &sample.vectors, shapes.codebook_dim());
    weights.insert("codebook.entries".into(), Tensor::from_vec(fitted, entries.shape(), &Device::Cpu)?);
    let (mean, deviation) = sample.standard();
    for (key, values) in [("latent.mean", mean), ("latent.deviation", deviation)] {
        let shape = (1, values.len(), 1, 1);
        weights.insert(key.into(), Tensor::from_vec(values, shape, &Device::Cpu)?);
    }
    let mut manifest = Manifest {
        format: FORMAT,
        name: name.into(),
        preprocessing: PREPROCESSING.into(),
        factor: shapes.factor(),
        latent: shapes.latent_shape(SIDE)?,
        weights_sha256: String::new(),
        limits: TrainingLimits { reconstruction_error: f64::MAX, latent_min: f64::MIN, latent_max: f64::MAX },
        training: Provenance {
            data: run.images().counts(),
            steps,
            seconds: seconds.round(),
            threads: rayon::current_num_threads(),
            parameters: run.parameters(),
        },
        shapes: shapes.clone(),
    };
    // Once without limits, to measure them with the released weights.
    Released::write(path, manifest.clone(), &weights)?;
    manifest.limits = limits(&Released::open(path)?, validation)?;
    Released::write(path, manifest, &weights)
}

/// The worst of `images`, with a margin.
fn limits(encoder: &Released, images: &[Canonical]) -> Result<TrainingLimits> {
    if images.is_empty() {
        return Err(Error::Data { why: "a release needs validation images for its limits".into() });
    }
    let mut worst = TrainingLimits { reconstruction_error: 0.0, latent_min: 0.0, latent_max: 0.0 };
    for image in images {
        let found = encoder.compress(image)?.found;
        worst.reconstruction_error = worst.reconstruction_error.max(MARGIN * found.reconstruction_error);
        worst.latent_min = worst.latent_min.min(MARGIN * found.latent_min);
        worst.latent_max = worst.latent_max.max(MARGIN * found.latent_max);
    }
    Ok(worst)
}

/// Latents of random training images.
struct Sample {
    /// What the codebook quantises, [positions, entry values].
    vectors: Vec<f32>,
    /// Per latent channel: count, sum, sum of squares.
    moments: Vec<[f64; 3]>,
}

impl Sample {
    fn draw(net: &Vqgan, images: &Images, shapes: &Config) -> Result<Self> {
        let mut rng = Rng::new(0, "release sample");
        let mut sample = Self { vectors: Vec::new(), moments: vec![[0.0; 3]; shapes.latent_channels] };
        for _ in 0..SAMPLE {
            let image = images.crops(1, SIDE, shapes.image_channels, &mut rng)?;
            let raw = net.raw_latent(&image)?;
            sample.vectors.extend(net.quantizer().forward(&raw)?.vectors);
            for (channel, sums) in raw.get(0)?.to_vec3::<f32>()?.iter().zip(&mut sample.moments) {
                for value in channel.iter().flatten().map(|&v| f64::from(v)) {
                    let [count, sum, squares] = sums;
                    (*count, *sum, *squares) = (*count + 1.0, *sum + value, value.mul_add(value, *squares));
                }
            }
        }
        Ok(sample)
    }

    /// Mean and deviation per channel.
    fn standard(&self) -> (Vec<f32>, Vec<f32>) {
        let of = |[count, sum, squares]: &[f64; 3]| {
            let mean = sum / count;
            (mean as f32, (squares / count - mean * mean).max(1e-12).sqrt() as f32)
        };
        self.moments.iter().map(of).unzip()
    }
}

/// Lloyd's algorithm: every entry to the mean of the vectors nearest to it. An entry without any goes to a vector of the largest cell
/// that has not been split in this round.
fn lloyd(mut entries: Vec<f32>, vectors: &[f32], dim: usize) -> Vec<f32> {
    for _ in 0..ROUNDS {
        let indices = nearest(vectors, &entries, dim);
        let mut cells: Vec<(usize, Vec<f64>, usize)> = vec![(0, vec![0.0; dim], 0); entries.len() / dim.max(1)];
        for (at, (&index, vector)) in indices.iter().zip(vectors.chunks_exact(dim)).enumerate() {
            if let Some((count, sum, last)) = cells.get_mut(index as usize) {
                *count += 1;
                *last = at;
                sum.iter_mut().zip(vector).for_each(|(s, &v)| *s += f64::from(v));
            }
        }
        let mut largest: Vec<usize> = (0..cells.len()).collect();
        largest.sort_by_key(|&i| std::cmp::Reverse(cells.get(i).map_or(0, |cell| cell.0)));
        let mut donors = largest.into_iter();
        for (entry, (count, sum, _)) in entries.chunks_exact_mut(dim).zip(&cells) {
            if *count > 0 {
                entry.iter_mut().zip(sum).for_each(|(e, s)| *e = (s / *count as f64) as f32);
            } else if let Some(vector) =
                donors.next().and_then(|i| cells.get(i)).and_then(|cell| vectors.chunks_exact(dim).nth(cell.2))
            {
                entry.copy_from_slice(vector);
            }
        }
    }
    entries
}

impl Images {
    /// Number of images of each data set, by its name.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        self.names_and_lengths().map(|(name, count)| (name.to_string(), count)).collect()
    }
}

impl Training {
    /// The averaged weights, to be released.
    fn averaged(&self) -> ParamStore {
        self.average.params()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lloyd_lowers_the_error_and_leaves_no_entry_unused() {
        let mut rng = Rng::new(5, "lloyd");
        let vectors: Vec<f32> = (0..3000).map(|_| rng.normal() as f32).collect();
        // Half of the entries far from everything.
        let start: Vec<f32> = (0..60 * 3).map(|i| if i < 90 { rng.normal() as f32 } else { 50.0 + i as f32 }).collect();
        let error = |entries: &[f32]| {
            let of = |(v, i): (&[f32], u32)| v.iter().zip(&entries[i as usize * 3..]).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
            vectors.chunks_exact(3).zip(nearest(&vectors, entries, 3)).map(of).sum::<f32>()
        };
        let fitted = lloyd(start.clone(), &vectors, 3);
        assert!(error(&fitted) < 0.7 * error(&start), "{} {}", error(&fitted), error(&start));
        let used: std::collections::BTreeSet<u32> = nearest(&vectors, &fitted, 3).into_iter().collect();
        assert_eq!(used.len(), 60);
    }
}
