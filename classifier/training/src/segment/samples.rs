//! Images with their masks, in memory.

use crate::augment::ImageAugmentation;
use crate::error::{Error, Result};
use crate::metrics::{Overlap, UNKNOWN};
use crate::samples::{Inputs, Samples};
use candle_core::{Device, Tensor};
use veilray_base::Rng;

/// A split of images, each with a mask of its extents.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskSamples {
    /// Their one label is the mask's name and never known.
    images: Samples,
    /// [sample, pixel], 0 or 1.
    masks: Vec<u8>,
}

impl MaskSamples {
    /// From 8-bit images and masks of 0 and 1, both [sample, row, column] of `side` x `side`, and each image's patient.
    ///
    /// # Errors
    /// Columns of different length, a mask of other values, a side of nothing.
    pub fn new(side: usize, images: Vec<u8>, masks: Vec<u8>, name: &str, patients: Vec<String>) -> Result<Self> {
        let refuse = |what, wanted: String, found: String| Err(Error::Samples { what, wanted, found });
        if masks.len() != images.len() {
            return refuse("masks", format!("{} pixels, as the images", images.len()), masks.len().to_string());
        }
        if let Some(value) = masks.iter().find(|value| **value > 1) {
            return refuse("masks", "0 or 1".into(), value.to_string());
        }
        let (labels, views) = (vec![UNKNOWN; patients.len()], vec![String::new(); patients.len()]);
        let images = Samples::new(Inputs::Images(images), [1, side, side], labels, vec![name.into()], patients, views)?;
        Ok(Self { images, masks })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// Pixels of a mask.
    pub fn pixels(&self) -> usize {
        self.images.shape().iter().product()
    }

    /// The images, as samples of one label that is never known: to predict on, and to measure ranges on.
    pub fn images(&self) -> &Samples {
        &self.images
    }

    /// The mask of sample `index`, row by row; empty beyond the last.
    pub fn mask(&self, index: usize) -> &[u8] {
        self.masks.get(index * self.pixels()..(index + 1) * self.pixels()).unwrap_or_default()
    }

    /// The samples at `indices`, in that order.
    ///
    /// # Errors
    /// An index beyond the last sample.
    pub fn select(&self, indices: &[usize]) -> Result<Self> {
        let images = self.images.select(indices)?;
        Ok(Self { images, masks: indices.iter().flat_map(|index| self.mask(*index)).copied().collect() })
    }

    /// How the pixels of logit `threshold` and above lie on each mask; `logits` [sample, pixel].
    pub fn overlaps(&self, logits: &[f32], threshold: f32) -> Vec<Overlap> {
        let pixels = self.pixels().max(1);
        let of = |(found, mask): (&[f32], &[u8])| {
            Overlap::of(found.iter().map(|logit| *logit >= threshold), mask.iter().map(|value| *value == 1))
        };
        logits.chunks(pixels).zip(self.masks.chunks(pixels)).map(of).collect()
    }

    /// The logit above which pixels belong to the mask so that the mean Dice coefficient is highest, among −2, −1.9, …, 2: of the
    /// validation split, and 0 where others do no better.
    pub fn best_threshold(&self, logits: &[f32]) -> f32 {
        let dice = |threshold: f32| Overlap::mean(&self.overlaps(logits, threshold), Overlap::dice);
        let mut best = (dice(0.0), 0.0);
        for threshold in (-20..=20).map(|step| step as f32 / 10.0) {
            let found = dice(threshold);
            if found > best.0 {
                best = (found, threshold);
            }
        }
        best.1
    }

    /// Images [sample, 1, row, column] in about [−1, 1] and masks [sample, pixel] of a batch, each image and its mask changed alike.
    pub(super) fn batch(
        &self,
        indices: &[usize],
        augmentation: &ImageAugmentation,
        rng: &mut Rng,
    ) -> veilray_nn::Result<(Tensor, Tensor)> {
        let (pixels, [_, height, width]) = (self.pixels(), self.images.shape());
        let (mut images, mut masks) = (Vec::with_capacity(indices.len() * pixels), Vec::with_capacity(indices.len() * pixels));
        let Inputs::Images(levels) = self.images.inputs() else { return tensors(images, masks, [0, height, width]) };
        for &index in indices {
            let change = augmentation.draw(width, height, rng);
            change.apply(levels.get(index * pixels..(index + 1) * pixels).unwrap_or_default(), width, &mut images);
            change.movement().apply(self.mask(index), width, &mut masks);
        }
        masks.iter_mut().for_each(|value| *value = if *value > 0.5 { 1.0 } else { 0.0 });
        tensors(images, masks, [indices.len(), height, width])
    }
}

fn tensors(images: Vec<f32>, masks: Vec<f32>, [count, height, width]: [usize; 3]) -> veilray_nn::Result<(Tensor, Tensor)> {
    let images = Tensor::from_vec(images, (count, 1, height, width), &Device::Cpu)?;
    Ok((images, Tensor::from_vec(masks, (count, height * width), &Device::Cpu)?))
}
