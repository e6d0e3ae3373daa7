//! The codebook: every latent vector becomes its nearest entry.

use super::config::Config;
use candle_core::{Device, Tensor};
use rayon::prelude::*;
use veilray_base::Rng;
use veilray_nn::layers::Conv2d;
use veilray_nn::{Buffer, Bundle, Init, Result, Scope, State};

/// The codebook and, where the configuration has them, the 1×1 convolutions into and out of it.
///
/// Entries are not moved by gradients but follow the means of the vectors they stand for ([`Tracker`]).
#[derive(Debug, Clone)]
pub struct Quantizer {
    entries: Buffer,
    projection: Option<[Conv2d; 2]>,
}

/// A latent with each position at an entry of the codebook.
#[derive(Debug, Clone)]
pub struct Quantized {
    /// The latent made of entries, in the decoder's channels; its gradient passes straight to the latent.
    pub latent: Tensor,
    /// Mean squared distance of the vectors from their entries, through which gradients reach the encoder alone.
    pub commitment: Tensor,
    /// The entry of each position, [batch × h × w], row by row.
    pub indices: Vec<u32>,
    /// The vectors that were quantised, [batch × h × w, entry values].
    pub vectors: Vec<f32>,
}

impl Quantizer {
    /// Takes its parameters from `scope`.
    ///
    /// # Errors
    /// Parameters that are missing or of another shape.
    pub fn new(scope: &Scope, config: &Config) -> Result<Self> {
        let dim = config.codebook_dim();
        let deviation = 1.0;
        let entries = scope.buffer("entries", &[config.codebook.size, dim], Init::Normal { mean: 0.0, deviation })?;
        let latent = config.latent_channels;
        let conv = |name: &str, inputs, outputs| super::blocks::conv(&scope.enter(name), inputs, outputs, 1);
        let projection = match config.codebook.projection {
            Some(_) => Some([conv("into", latent, dim)?, conv("out", dim, latent)?]),
            None => None,
        };
        Ok(Self { entries, projection })
    }

    /// The entries, [size, values].
    pub fn entries(&self) -> &Tensor {
        self.entries.tensor()
    }

    /// Quantises `latent` [batch, channel, h, w].
    ///
    /// # Errors
    /// A latent of other channels.
    pub fn forward(&self, latent: &Tensor) -> Result<Quantized> {
        let projected = match &self.projection {
            Some([into, _]) => into.forward(latent)?,
            None => latent.clone(),
        };
        let (batch, dim, height, width) = projected.dims4()?;
        let vectors = projected.detach().permute([0, 2, 3, 1])?.flatten_all()?.to_vec1::<f32>()?;
        let entries = self.entries().flatten_all()?.to_vec1::<f32>()?;
        let indices = nearest(&vectors, &entries, dim);
        let rows = Tensor::from_vec(indices.clone(), indices.len(), latent.device())?;
        let chosen = self.entries().index_select(&rows, 0)?.reshape((batch, height, width, dim))?.permute([0, 3, 1, 2])?;
        let chosen = chosen.contiguous()?.detach();
        let commitment = (&projected - &chosen)?.sqr()?.mean_all()?;
        let straight = (&projected + (&chosen - &projected.detach())?)?;
        let latent = match &self.projection {
            Some([_, out]) => out.forward(&straight)?,
            None => straight,
        };
        Ok(Quantized { latent, commitment, indices, vectors })
    }

    /// The latent that a decoder reads when nothing is quantised.
    ///
    /// # Errors
    /// A latent of other channels.
    pub(crate) fn bypass(&self, latent: &Tensor) -> Result<Tensor> {
        match &self.projection {
            Some([into, out]) => out.forward(&into.forward(latent)?),
            None => Ok(latent.clone()),
        }
    }
}

/// Index of the nearest of `entries` [size, dim] (squared Euclidean distance; the first of several) for each of `vectors` [n, dim].
pub fn nearest(vectors: &[f32], entries: &[f32], dim: usize) -> Vec<u32> {
    if dim == 0 {
        return Vec::new();
    }
    let search = Search::new(entries, dim);
    let rows: Vec<&[f32]> = vectors.chunks_exact(dim).collect();
    rows.par_chunks(64).flat_map_iter(|rows| search.rows(rows)).collect()
}

/// Entries in planes, one per coordinate, so that distances to a run of entries are vector arithmetic.
struct Search {
    /// Half the squared length of each entry.
    offsets: Vec<f32>,
    planes: Vec<Vec<f32>>,
}

/// Entries whose distances are computed before the smallest is sought.
const RUN: usize = 256;

impl Search {
    fn new(entries: &[f32], dim: usize) -> Self {
        let rows = entries.chunks_exact(dim);
        let offsets = rows.clone().map(|row| row.iter().map(|v| v * v).sum::<f32>() / 2.0).collect();
        let planes = (0..dim).map(|d| rows.clone().filter_map(|row| row.get(d).copied()).collect()).collect();
        Self { offsets, planes }
    }

    fn rows(&self, rows: &[&[f32]]) -> Vec<u32> {
        pulp::Arch::new().dispatch(|| rows.iter().map(|row| self.row(row)).collect())
    }

    /// argmin |v − e|² = argmin |e|² / 2 − v·e.
    #[inline(always)]
    fn row(&self, vector: &[f32]) -> u32 {
        let mut best = (f32::INFINITY, 0);
        let mut distances = [0f32; RUN];
        for (run, offsets) in self.offsets.chunks(RUN).enumerate() {
            let start = run * RUN;
            let Some(distances) = distances.get_mut(..offsets.len()) else { continue };
            distances.copy_from_slice(offsets);
            for (plane, &v) in self.planes.iter().zip(vector) {
                for (distance, &e) in distances.iter_mut().zip(plane.iter().skip(start)) {
                    *distance -= v * e;
                }
            }
            let least = distances.iter().copied().fold(f32::INFINITY, f32::min);
            if least < best.0 {
                let at = distances.iter().position(|&d| d == least).unwrap_or_default();
                best = (least, (start + at) as u32);
            }
        }
        best.1
    }
}

/// Moves a codebook's entries towards the means of the vectors they stand for (exponential moving averages: van den Oord, Vinyals and
/// Kavukcuoglu, NeurIPS 2017, appendix A.1), and gives entries that stand for nothing a new place.
#[derive(Debug)]
pub struct Tracker {
    dim: usize,
    decay: f32,
    /// Averaged number of vectors per step.
    counts: Vec<f32>,
    /// Averaged sums of those vectors, [size, dim].
    sums: Vec<f32>,
}

/// An entry whose averaged count falls below this part of an even share is moved.
const DEAD: f32 = 0.05;

impl Tracker {
    /// For a codebook of `size` entries of `dim` values; `decay` in [0, 1) is what a step keeps.
    pub fn new(size: usize, dim: usize, decay: f32) -> Self {
        Self { dim, decay, counts: vec![0.0; size], sums: vec![0.0; size * dim] }
    }

    /// Places every entry on a vector drawn at random.
    ///
    /// # Errors
    /// A tensor operation that candle refuses.
    pub fn start(&mut self, quantizer: &Quantizer, vectors: &[f32], rng: &mut Rng) -> Result<()> {
        self.counts.fill(0.0);
        self.revive(quantizer.entries().flatten_all()?.to_vec1()?, vectors, 1.0, quantizer, rng).map(|_| ())
    }

    /// Takes a batch's vectors and their entries into the averages and moves the entries. With `revive`, entries that stand for fewer
    /// than a twentieth of an even share go to vectors of the batch drawn at random. Returns how many did.
    ///
    /// # Errors
    /// A tensor operation that candle refuses.
    pub fn update(&mut self, quantizer: &Quantizer, batch: &Quantized, revive: bool, rng: &mut Rng) -> Result<usize> {
        let (keep, take) = (self.decay, 1.0 - self.decay);
        self.counts.iter_mut().chain(&mut self.sums).for_each(|value| *value *= keep);
        for (&index, vector) in batch.indices.iter().zip(batch.vectors.chunks_exact(self.dim)) {
            let index = index as usize;
            if let Some(count) = self.counts.get_mut(index) {
                *count += take;
            }
            for (sum, &v) in self.sums.iter_mut().skip(index * self.dim).zip(vector) {
                *sum += take * v;
            }
        }
        let share = batch.indices.len() as f32 / self.counts.len().max(1) as f32;
        let mut entries = quantizer.entries().flatten_all()?.to_vec1::<f32>()?;
        for ((entry, sum), &count) in entries.chunks_exact_mut(self.dim).zip(self.sums.chunks_exact(self.dim)).zip(&self.counts) {
            if count > DEAD * share {
                entry.iter_mut().zip(sum).for_each(|(e, s)| *e = s / count);
            }
        }
        let limit = if revive { DEAD * share } else { -1.0 };
        self.revive(entries, &batch.vectors, limit, quantizer, rng)
    }

    /// Moves entries with a count of at most `limit` to vectors drawn at random, with a count that survives some steps.
    fn revive(
        &mut self,
        mut entries: Vec<f32>,
        vectors: &[f32],
        limit: f32,
        quantizer: &Quantizer,
        rng: &mut Rng,
    ) -> Result<usize> {
        let available = vectors.len() / self.dim.max(1);
        let share = available as f32 / self.counts.len().max(1) as f32;
        let mut moved = 0;
        let slots = entries.chunks_exact_mut(self.dim).zip(self.sums.chunks_exact_mut(self.dim)).zip(&mut self.counts);
        for ((entry, sum), count) in slots {
            if *count > limit || available == 0 {
                continue;
            }
            let Some(vector) = vectors.chunks_exact(self.dim).nth(rng.below(available)) else { continue };
            *count = share / 2.0;
            entry.copy_from_slice(vector);
            sum.iter_mut().zip(vector).for_each(|(s, v)| *s = *count * v);
            moved += 1;
        }
        let shape = quantizer.entries().shape().clone();
        quantizer.entries.set(&Tensor::from_vec(entries, shape, &Device::Cpu)?.to_device(quantizer.entries().device())?)?;
        Ok(moved)
    }
}

impl State for Tracker {
    fn save(&self, bundle: &mut Bundle, name: &str) -> Result<()> {
        let tensor = |values: &[f32]| Tensor::from_slice(values, values.len(), &Device::Cpu);
        bundle.put_tensors(
            name,
            &[("counts".to_string(), tensor(&self.counts)?), ("sums".to_string(), tensor(&self.sums)?)].into(),
        );
        Ok(())
    }

    fn load(&mut self, bundle: &Bundle, name: &str) -> Result<()> {
        let stored = bundle.tensors(name);
        for (key, values) in [("counts", &mut self.counts), ("sums", &mut self.sums)] {
            let missing = || veilray_nn::Error::MissingTensor { name: format!("{name}.{key}") };
            let found: Vec<f32> = stored.get(key).ok_or_else(missing)?.to_vec1()?;
            if found.len() != values.len() {
                let (wanted, found) = (vec![values.len()], vec![found.len()]);
                return Err(veilray_nn::Error::TensorShape { name: format!("{name}.{key}"), wanted, found });
            }
            values.copy_from_slice(&found);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_agrees_with_the_naive_search() {
        let mut rng = Rng::new(1, "nearest");
        for (dim, size) in [(1, 1), (3, 300), (4, 1024), (8, 257)] {
            let mut draw = |n: usize| (0..n * dim).map(|_| rng.normal() as f32).collect::<Vec<_>>();
            let (vectors, entries) = (draw(97), draw(size));
            let found = nearest(&vectors, &entries, dim);
            for (vector, &index) in vectors.chunks_exact(dim).zip(&found) {
                let distance = |e: &[f32]| vector.iter().zip(e).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
                let least = entries.chunks_exact(dim).map(distance).fold(f64::INFINITY, f64::min);
                assert!(distance(&entries[index as usize * dim..][..dim]) < least + 1e-5);
            }
        }
    }
}
