//! A trained teacher of an earlier run, loaded to predict.

use super::trained::WEIGHTS;
use super::{Experiment, Named, Network, Probabilities};
use crate::command::error::{Error, Result};
use candle_core::Device;
use serde::Deserialize;
use std::path::Path;
use veilray_nn::Bundle;
use veilray_training;
use veilray_training::ResNetConfig;

/// A trained network on pixels, with the experiment that it is of.
pub struct Teacher {
    experiment: Experiment,
    network: Box<dyn veilray_training::Network>,
}

/// What is read of a run's report.
#[derive(Deserialize)]
struct Known {
    experiment: Experiment,
}

impl Teacher {
    /// Opens the folder of a finished run.
    ///
    /// # Errors
    /// A folder without a report or weights, a run of a network that is not a teacher on images, weights of another network.
    pub fn open(folder: &Path) -> Result<Self> {
        let report = folder.join("report.json");
        let text = std::fs::read_to_string(&report).map_err(Error::file("read", &report))?;
        let Known { experiment } = serde_json::from_str(&text).map_err(|e| Error::config(&report, e.to_string()))?;
        let Network::Teacher(config) = &experiment.network else {
            let why = "its network is a student's or a specification, which is not asked again; wanted is a run on images with network.teacher";
            return Err(Error::config(&report, why.into()));
        };
        if experiment.images().is_empty() || config.input.first() != Some(&1) {
            let why = format!("its network reads {:?} of {:?}; wanted is one of grey images", config.input, experiment.data);
            return Err(Error::config(&report, why));
        }
        let config = ResNetConfig { labels: experiment.all_labels().len(), ..config.clone() };
        let tensors = Bundle::open(&folder.join(WEIGHTS), &Device::Cpu)?.into_tensors();
        let network = veilray_training::frozen(&config, &tensors)?;
        Ok(Self { experiment, network })
    }

    /// The experiment that it was trained by.
    pub fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// The probabilities of images at the teacher's side; averaged over mirror images where the experiment says so.
    ///
    /// # Errors
    /// Images of another shape.
    pub fn teach(&self, named: &Named) -> Result<Probabilities> {
        let batch = self.experiment.stages.iter().map(|stage| stage.train.batch).max().unwrap_or(1);
        let values =
            veilray_training::teacher_probabilities(self.network.as_ref(), &named.samples, batch, self.experiment.mirror)?;
        Probabilities::new(named, values)
    }
}
