//! One pass over a data set: images are decoded on all cores while the encoder works on the batch before.

use super::summary::Summary;
use crate::command::error::{Error, Result};
use crate::data::{self, Dataset, Item, Loaded, Refused, Split, Variant};
use indicatif::ProgressBar;
use rayon::prelude::*;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::Instant;
use veilray_encoder::input::InputEncoder;
use veilray_imaging::ingest::{Canonical, SIDE};
use veilray_latents::{Info, Row, Writer};

/// What turns canonical images into latents.
pub trait LatentEncoder {
    /// The encoder's name, which the file of latents states.
    fn name(&self) -> &str;
    /// SHA-256 of its manifest, 64 lower-case hexadecimal digits.
    fn digest(&self) -> &str;
    /// Shape of a latent, `[channel, height, width]`.
    fn shape(&self) -> [usize; 3];
    /// The latents of `images`, `[images, channel, height, width]`.
    ///
    /// # Errors
    /// The encoder's own.
    fn encode(&mut self, images: &[Canonical]) -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>>;
}

impl LatentEncoder for InputEncoder {
    fn name(&self) -> &str {
        Self::name(self)
    }

    fn digest(&self) -> &str {
        Self::digest(self)
    }

    fn shape(&self) -> [usize; 3] {
        Self::shape(self)
    }

    fn encode(&mut self, images: &[Canonical]) -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self::encode(self, images)?)
    }
}

/// How to go over a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Splits to encode.
    pub splits: Vec<Split>,
    /// Whether each training image is encoded mirrored too.
    pub flips: bool,
    /// A random change of every image before it is encoded; for training splits.
    pub variant: Option<Variant>,
    /// Images encoded at a time, at least 1.
    pub batch: usize,
    /// Rows after which they are brought to the disk, at least 1.
    pub flush: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { splits: Split::ALL.to_vec(), flips: false, variant: None, batch: 8, flush: 256 }
    }
}

/// Encodes what `output` does not have yet, and finishes it.
///
/// # Errors
/// [`Error::Latents`] if `output` was made from something else or cannot be written, [`Error::LatentEncoder`], [`Error::NothingToEncode`]. Rows encoded
/// before an error are in the output's parts.
pub fn encode(
    dataset: &Dataset,
    encoder: &mut impl LatentEncoder,
    output: &Path,
    options: &Options,
    bar: &ProgressBar,
) -> Result<Summary> {
    let start = Instant::now();
    let info = Info {
        encoder: encoder.name().into(),
        encoder_digest: encoder.digest().into(),
        dataset: dataset.name.clone(),
        dataset_digest: dataset.digest(),
        shape: encoder.shape(),
        label_names: dataset.label_names.clone(),
        extra_names: dataset.extra_names.clone(),
        flips: options.flips,
        variant: options.variant.map(|variant| variant.to_string()).unwrap_or_default(),
    };
    let mut writer = Writer::open(output, &info)?;
    let rows_before = writer.len();
    let todo = jobs(dataset, options, &writer);
    let chosen = dataset.items.iter().filter(|item| options.splits.contains(&item.split)).count();
    bar.set_length(chosen as u64);
    bar.set_position((chosen - todo.len()) as u64);
    bar.reset_eta();
    let (mut refused, mut warned) = (vec![], 0);
    let encoded = std::thread::scope(|scope| {
        let (send, receive) = sync_channel(1);
        scope.spawn(|| {
            let send = send;
            for batch in todo.chunks(options.batch.max(1)) {
                let decoded: Vec<Decoded<'_>> = batch.par_iter().map(|job| (*job, dataset.image(job.index))).collect();
                // The other end is gone after an error.
                if send.send(decoded).is_err() {
                    break;
                }
            }
        });
        for decoded in receive {
            let count = decoded.len();
            warned += one_batch(encoder, &mut writer, decoded, options, &mut refused)?;
            if writer.pending() >= options.flush.max(1) {
                writer.flush()?;
            }
            bar.inc(count as u64);
        }
        Ok(())
    });
    if let Err(error) = encoded {
        // The first error is the one to report.
        let _ = writer.flush();
        return Err(error);
    }
    writer.flush()?;
    if writer.is_empty() {
        return Err(Error::NothingToEncode { dataset: dataset.name.clone(), refused });
    }
    let count = |split: Split| (split, writer.rows().iter().filter(|row| row.split == split).count());
    let rows = Split::ALL.into_iter().map(count).collect();
    writer.finish()?;
    Ok(Summary {
        output: output.into(),
        output_bytes: std::fs::metadata(output).map_or(0, |metadata| metadata.len()),
        dataset: info.dataset,
        encoder: info.encoder,
        encoder_digest: info.encoder_digest,
        shape: info.shape,
        rows,
        rows_before,
        warned,
        refused,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// An image to encode.
#[derive(Debug, Clone, Copy)]
struct Job<'a> {
    index: usize,
    item: &'a Item,
    plain: bool,
    flipped: bool,
}

type Decoded<'a> = (Job<'a>, data::Result<Loaded>);

/// The images of which `writer` lacks a latent.
fn jobs<'a>(dataset: &'a Dataset, options: &Options, writer: &Writer) -> Vec<Job<'a>> {
    let job = |(index, item): (usize, &'a Item)| Job {
        index,
        item,
        plain: !writer.contains(&item.file, false),
        flipped: options.flips && item.split == Split::Train && !writer.contains(&item.file, true),
    };
    let chosen = dataset.items.iter().enumerate().filter(|(_, item)| options.splits.contains(&item.split));
    chosen.map(job).filter(|job| job.plain || job.flipped).collect()
}

/// Encodes and appends a batch, adds to `refused`, and counts the images with warnings.
fn one_batch(
    encoder: &mut impl LatentEncoder,
    writer: &mut Writer,
    decoded: Vec<Decoded<'_>>,
    options: &Options,
    refused: &mut Vec<Refused>,
) -> Result<usize> {
    let (mut rows, mut images, mut warned) = (vec![], vec![], 0);
    for (job, loaded) in decoded {
        let item = job.item;
        let Loaded { image, warnings } = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                refused.push(Refused { place: item.place.clone(), reason: error.to_string() });
                continue;
            }
        };
        warned += usize::from(!warnings.is_empty());
        let image = match &options.variant {
            Some(variant) => variant.of(&image, &item.file)?,
            None => image,
        };
        let row = |flipped| Row {
            file: item.file.clone(),
            split: item.split,
            patient_id: item.patient_id.clone(),
            labels: item.labels.clone(),
            extra: item.extra.clone(),
            flipped,
        };
        if job.flipped {
            rows.push(row(true));
            images.push(mirrored(&image)?);
        }
        if job.plain {
            rows.push(row(false));
            images.push(image);
        }
    }
    if !images.is_empty() {
        let latents = encoder.encode(&images).map_err(Error::LatentEncoder)?;
        writer.append(&rows, &latents)?;
    }
    Ok(warned)
}

/// The image mirrored left to right.
fn mirrored(image: &Canonical) -> Result<Canonical> {
    let values = image.values().chunks_exact(SIDE).flat_map(|row| row.iter().rev().copied()).collect();
    Ok(Canonical::from_values(values).map_err(data::Error::from)?)
}
