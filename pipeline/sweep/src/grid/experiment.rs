//! From grids to experiments.

use super::{
    Activation, Backbone, DataSource, EncoderSource, Factor, Gate, Grid, Latent, Measure, Result, SetName, Sweep, Training,
};
use serde::Serialize;
use std::path::Path;
use veilray_base::digest::sha256_hex;
use veilray_encoder::train::TrainConfig;
use veilray_encoder::vqgan::Config;

/// One combination of a grid.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// The data set's name.
    pub data: String,
    /// Image side over latent side.
    pub factor: Factor,
    /// What of the latent is read.
    pub latent: Latent,
    /// The network without its gate and activations.
    pub network: Backbone,
    /// The gate of its layers.
    pub gate: Gate,
    /// The form of its activations.
    pub activation: Activation,
    /// Degree of the activations' polynomials.
    pub degree: u32,
    /// The parameter set.
    pub params: SetName,
    /// Seed of the training.
    pub seed: u64,
}

/// Where latents come from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoder {
    /// Nowhere: the network reads the image.
    Pixels,
    /// A released encoder, a folder or its name in `weights/`.
    Released(String),
    /// One that the sweep trains.
    Trained {
        /// Extents of image and latent, channels, codebook.
        shapes: Box<Config>,
        /// Steps, batch, losses and data of its training.
        training: Box<TrainConfig>,
    },
}

/// SHA-256 of what an experiment reads and its settings only name, hexadecimal: filled in when a sweep runs, so that an experiment
/// whose files have changed is another one.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Inputs {
    /// Manifest of a released encoder.
    pub encoder: Option<String>,
    /// Table of a data set that the sweep does not draw itself.
    pub data: Option<String>,
    /// Files of teacher probabilities.
    pub teachers: Vec<String>,
}

/// One experiment with everything that its figures depend on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Experiment {
    /// The sweep's name.
    pub sweep: String,
    /// Its place in the grid.
    pub point: Point,
    /// Where its latents come from.
    pub encoder: Encoder,
    /// Its data set.
    pub data: DataSource,
    /// Digests of its inputs.
    pub inputs: Inputs,
    /// How its networks are trained.
    pub training: Training,
    /// What is measured.
    pub measure: Measure,
}

impl Experiment {
    /// What it is known by: the first 16 digits of the SHA-256 of all its settings.
    pub fn id(&self) -> String {
        short_digest(self)
    }

    /// What its trained networks are known by: as [`Self::id`], of the settings that they depend on. Settings of measuring may change
    /// without any training.
    pub fn networks_id(&self) -> String {
        short_digest(&(&self.point, &self.encoder, &self.data, &self.inputs, &self.training))
    }

    /// The network's name, its gate included.
    pub fn network(&self) -> String {
        self.point.network.with(self.point.gate)
    }
}

/// The first 16 digits of the SHA-256 of a value's JSON.
pub(crate) fn short_digest(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    sha256_hex(text.as_bytes()).chars().take(16).collect()
}

/// Every experiment of a sweep, once.
pub(super) fn experiments(sweep: &Sweep, base: &Path) -> Result<Vec<Experiment>> {
    let encoders: Vec<(Factor, Encoder)> =
        sweep.encoder.iter().map(|source| Ok((*source.factor.get_ref(), encoder(source, base)?))).collect::<Result<_>>()?;
    let mut all: Vec<Experiment> = Vec::new();
    let mut known = std::collections::BTreeSet::new();
    for point in sweep.grid.iter().flat_map(points) {
        let found = encoders.iter().find(|(factor, _)| *factor == point.factor).map(|(_, encoder)| encoder.clone());
        let Some(data) = sweep.data.iter().map(toml::Spanned::get_ref).find(|data| data.name == point.data) else { continue };
        let experiment = Experiment {
            sweep: sweep.name.clone(),
            encoder: found.unwrap_or(Encoder::Pixels),
            data: data.clone(),
            inputs: Inputs::default(),
            training: sweep.training.clone(),
            measure: sweep.measure.clone(),
            point,
        };
        if known.insert(experiment.id()) {
            all.push(experiment);
        }
    }
    Ok(all)
}

fn encoder(source: &EncoderSource, base: &Path) -> Result<Encoder> {
    Ok(match (&source.released, &source.shapes, &source.training) {
        (Some(name), ..) => Encoder::Released(name.clone()),
        (None, Some(shapes), Some(training)) => Encoder::Trained {
            shapes: Box::new(Config::read(&base.join(shapes))?),
            training: Box::new(TrainConfig::read(&base.join(training))?),
        },
        _ => Encoder::Pixels,
    })
}

/// Every combination; the factor changes first, so that what is compared is measured side by side.
fn points(grid: &Grid) -> Vec<Point> {
    let mut all = Vec::new();
    for data in grid.data.iter() {
        for (seed, params) in product(&grid.seed, &grid.params) {
            for (network, gate) in product(&grid.network, &grid.gate) {
                for (activation, degree) in product(&grid.activation, &grid.degree) {
                    for (latent, factor) in product(&grid.latent, &grid.factor) {
                        all.push(Point {
                            data: data.get_ref().clone(),
                            factor: *factor.get_ref(),
                            latent: *latent,
                            network: network.clone(),
                            gate: *gate,
                            activation: *activation,
                            degree: degree.get(),
                            params: params.clone(),
                            seed: *seed,
                        });
                    }
                }
            }
        }
    }
    all
}

fn product<'a, A, B>(first: &'a [A], second: &'a [B]) -> impl Iterator<Item = (&'a A, &'a B)> {
    first.iter().flat_map(move |a| second.iter().map(move |b| (a, b)))
}
