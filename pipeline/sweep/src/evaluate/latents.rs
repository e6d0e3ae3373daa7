//! The images of a split as the model sees them.

use super::BATCH;
use crate::command::error::{Error, Result};
use crate::data::{Dataset, Refused, Split, UNKNOWN};
use indicatif::ProgressBar;
use rayon::prelude::*;
use veilray_encoder::input::InputEncoder;
use veilray_training::{Inputs, Samples};

/// The latents of a split, labelled as the model names its labels.
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// In the table's order.
    pub samples: Samples,
    /// Images that are not among them.
    pub skipped: Vec<Refused>,
}

impl Evaluated {
    /// Reads and encodes the split, all of it or its first `limit` images, labelled with `names` as `model` has them.
    ///
    /// # Errors
    /// A data set without any of the model's labels or without images; the encoder's errors. Images that are refused are skipped.
    pub fn encode(
        dataset: &Dataset,
        split: Split,
        limit: Option<usize>,
        encoder: &InputEncoder,
        model: &str,
        names: &[String],
    ) -> Result<Self> {
        let place = |label: &String| dataset.label_names.iter().position(|name| name == label);
        let places: Vec<Option<usize>> = names.iter().map(place).collect();
        if places.iter().all(Option::is_none) {
            let (wanted, found) = (names.to_vec(), dataset.label_names.clone());
            return Err(Error::Labels { dataset: dataset.name.clone(), model: model.into(), wanted, found });
        }
        let view = dataset.extra_names.iter().position(|name| name == "view");
        let chosen: Vec<_> = dataset.split(split).take(limit.unwrap_or(usize::MAX)).collect();
        let bar = ProgressBar::new(chosen.len() as u64);
        let (mut values, mut labels, mut patients, mut views, mut skipped) = (vec![], vec![], vec![], vec![], vec![]);
        for batch in chosen.chunks(BATCH) {
            let read: Vec<_> = batch.par_iter().map(|(index, item)| (*item, dataset.image(*index))).collect();
            let mut images = Vec::with_capacity(read.len());
            for (item, image) in read {
                match image {
                    Ok(loaded) => images.push(loaded.image),
                    Err(error) => {
                        skipped.push(Refused { place: item.place.clone(), reason: error.to_string() });
                        continue;
                    }
                }
                labels.extend(places.iter().map(|place| place.and_then(|p| item.labels.get(p)).copied().unwrap_or(UNKNOWN)));
                // Where no patient is known, every image is its own.
                let patient = if item.patient_id.is_empty() { &item.file } else { &item.patient_id };
                patients.push(patient.clone());
                views.push(view.and_then(|v| item.extra.get(v)).map_or_else(String::new, |text| text.trim().into()));
            }
            if !images.is_empty() {
                values.extend(encoder.encode(&images)?);
            }
            bar.inc(batch.len() as u64);
        }
        bar.finish_and_clear();
        if patients.is_empty() {
            return Err(Error::NothingToEvaluate { dataset: dataset.name.clone(), split, refused: skipped.len() });
        }
        let samples = Samples::new(Inputs::Latents(values), encoder.shape(), labels, names.to_vec(), patients, views)?;
        Ok(Self { samples, skipped })
    }
}
