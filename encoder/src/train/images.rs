//! Training images in memory, and crops of them.

use crate::vqgan::{Error, Result};
use candle_core::{Device, Tensor};
use std::fmt;
use veilray_base::Rng;
use veilray_imaging::ingest::SIDE;

const PIXELS: usize = SIDE * SIDE;

/// Canonical images in 8-bit grey levels, by data set.
#[derive(Default)]
pub struct Images {
    sets: Vec<Set>,
}

struct Set {
    name: String,
    /// Sum of the weights up to and with this set's.
    up_to: f64,
    levels: Vec<u8>,
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<_> = self.sets.iter().map(|set| (&set.name, set.len())).collect();
        write!(f, "Images {{ {counts:?}, pixels not shown }}")
    }
}

impl Set {
    fn len(&self) -> usize {
        self.levels.len() / PIXELS
    }

    fn image(&self, index: usize) -> &[u8] {
        self.levels.get(index * PIXELS..(index + 1) * PIXELS).unwrap_or_default()
    }
}

impl Images {
    /// A collection without images.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a data set that is drawn from in proportion to `weight`; `levels` holds its images, as of [`Canonical::to_levels`], one after
    /// the other.
    ///
    /// # Errors
    /// [`Error::Data`] for a set without whole images or a weight that is not positive.
    ///
    /// [`Canonical::to_levels`]: veilray_imaging::ingest::Canonical::to_levels
    pub fn add(&mut self, name: &str, weight: f64, levels: Vec<u8>) -> Result<()> {
        if levels.is_empty() || !levels.len().is_multiple_of(PIXELS) || !(weight.is_finite() && weight > 0.0) {
            let why = format!(
                "{name} needs a positive weight and images of {PIXELS} pixels, found a weight of {weight} and {} pixels",
                levels.len()
            );
            return Err(Error::Data { why });
        }
        let up_to = self.sets.last().map_or(0.0, |set| set.up_to) + weight;
        self.sets.push(Set { name: name.into(), up_to, levels });
        Ok(())
    }

    /// Images in all sets.
    pub fn len(&self) -> usize {
        self.sets.iter().map(Set::len).sum()
    }

    pub(super) fn names_and_lengths(&self) -> impl Iterator<Item = (&str, usize)> {
        self.sets.iter().map(|set| (set.name.as_str(), set.len()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// `count` images, the first ones of each set in turn, [1, channels, 256, 256] each.
    ///
    /// # Errors
    /// A tensor operation that candle refuses.
    pub fn some(&self, count: usize, channels: usize) -> Result<Vec<Tensor>> {
        let longest = self.sets.iter().map(Set::len).max().unwrap_or_default();
        let in_turn = (0..longest).flat_map(|i| self.sets.iter().filter(move |set| i < set.len()).map(move |set| set.image(i)));
        in_turn.take(count).map(|image| tensor(image.iter().map(|&v| to_grey(v)).collect(), 1, SIDE, channels)).collect()
    }

    /// `batch` random crops of `side` × `side` pixels, [batch, channels, side, side] in [−1, 1], mirrored half of the time: set by weight,
    /// image and place uniformly.
    ///
    /// # Errors
    /// [`Error::Data`] without images or for a side above 256.
    pub fn crops(&self, batch: usize, side: usize, channels: usize, rng: &mut Rng) -> Result<Tensor> {
        if side > SIDE || side == 0 {
            return Err(Error::Data { why: format!("crops need a side of 1 to {SIDE} pixels, found {side}") });
        }
        let mut values = Vec::with_capacity(batch * side * side);
        for _ in 0..batch {
            let set = self.draw(rng.uniform()).ok_or_else(|| Error::Data { why: "there are no images".into() })?;
            let image = set.image(rng.below(set.len()));
            let (top, left, mirrored) = (rng.below(SIDE - side + 1), rng.below(SIDE - side + 1), rng.below(2) == 1);
            for row in image.chunks_exact(SIDE).skip(top).take(side) {
                let row = row.iter().skip(left).take(side).map(|&v| to_grey(v));
                if mirrored { values.extend(row.rev()) } else { values.extend(row) }
            }
        }
        tensor(values, batch, side, channels)
    }

    fn draw(&self, at: f64) -> Option<&Set> {
        let total = self.sets.last()?.up_to;
        self.sets.iter().find(|set| at * total < set.up_to).or(self.sets.last())
    }
}

fn to_grey(level: u8) -> f32 {
    f32::from(level) / 127.5 - 1.0
}

/// The grey images, repeated over the channels.
fn tensor(values: Vec<f32>, batch: usize, side: usize, channels: usize) -> Result<Tensor> {
    let grey = Tensor::from_vec(values, (batch, 1, side, side), &Device::Cpu)?;
    Ok(if channels == 1 { grey } else { grey.repeat((1, channels, 1, 1))? })
}
