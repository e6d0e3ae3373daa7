//! The command, where TFHE is built in.

use super::{Args, Summary};
use crate::data::{self, Dataset, Split};
use crate::evaluate::{self, Evaluated};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use veilray_base::file::write_atomically;
use veilray_classifier::fcnn_tfhe::{self, Fcnn, FcnnConfig, Manifest, NoiseBudget, Quantiser, Released, TfheParams};
use veilray_classifier::metrics::{self, Bootstrap, Criterion, OperatingPoint, Scored, SplitReport};
use veilray_classifier::release;
use veilray_classifier::train::{Inputs, Samples};
use veilray_encoder::eye::Eye;
use veilray_encoder::pixels::Pixels;

/// Why no network was trained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The experiment's file, or the report's.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The data set.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// Its images.
    #[error(transparent)]
    Images(#[from] Box<evaluate::Error>),
    /// The network or its training.
    #[error(transparent)]
    Fcnn(#[from] fcnn_tfhe::Error),
    /// The samples.
    #[error(transparent)]
    Samples(#[from] veilray_classifier::train::Error),
    /// The metrics.
    #[error(transparent)]
    Metrics(#[from] metrics::Error),
    /// A file that could not be written.
    #[error(transparent)]
    Write(#[from] veilray_nn::Error),
}

/// What an experiment's file says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The data set: a known name, or a folder with a `labels.csv`.
    pub data: String,
    /// The one label.
    pub label: String,
    /// The TFHE parameters' name.
    pub params: String,
    /// What the threshold is chosen for.
    #[serde(default)]
    pub thresholds: Criterion,
    /// Network and training.
    pub network: FcnnConfig,
}

impl Experiment {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that cannot be read, a field that is missing, unknown or out of its range.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let refuse = |why: String| Error::File { path: path.into(), why };
        let text = std::fs::read_to_string(path).map_err(|e| refuse(e.to_string()))?;
        let experiment: Self = toml::from_str(&text).map_err(|e| refuse(e.to_string()))?;
        TfheParams::named(&experiment.params)?;
        experiment.network.check()?;
        Ok(experiment)
    }
}

pub(super) fn run(args: &Args) -> Result<Summary, Error> {
    let experiment = Experiment::read(&args.config)?;
    let (quantiser, label) = (experiment.network.quantiser, std::slice::from_ref(&experiment.label));
    let side = quantiser.side;
    let pixels = Pixels::new(side)
        .ok_or_else(|| Error::File { path: args.config.clone(), why: format!("side {side} is not in 1..=256") })?;
    let eye = Eye::Pixels(pixels);
    let dataset = Dataset::find(&experiment.data, args.data_root.as_deref())?;
    let load = |split| {
        let evaluated = Evaluated::encode(&dataset, split, None, &eye, "train-fcnn", label).map_err(Box::new)?;
        Ok::<_, Error>(as_levels(evaluated.samples)?)
    };
    let (training, validation) = (load(Split::Train)?, load(Split::Val)?);
    let trained = fcnn_tfhe::train(&experiment.network, &training, &validation, &args.out)?;
    let params = TfheParams::named(&experiment.params)?;
    let budget = NoiseBudget::of(&trained.network, &params)?;
    let table = |samples: &Samples| scored(&trained.network, &quantiser, trained.logit_scale, samples);
    let of_validation = table(&validation)?;
    let point = OperatingPoint::choose(&of_validation, experiment.thresholds);
    let report = |split: &str, samples: &Samples, scored: &Scored| {
        SplitReport::of(split, scored, samples.patients(), samples.views(), &point, &Bootstrap::default())
    };
    let figures = report("val", &validation, &of_validation)?;
    if let Some(folder) = &args.release {
        let name = release::name_of(folder).map_err(|e| Error::File { path: folder.clone(), why: e.to_string() })?;
        let manifest = Manifest {
            format: fcnn_tfhe::FORMAT,
            kind: fcnn_tfhe::KIND.into(),
            name: name.into(),
            encoder: eye.name().into(),
            encoder_sha256: eye.digest().into(),
            params: experiment.params.clone(),
            weights_sha256: String::new(),
            logit_scale: trained.logit_scale,
            data: [(dataset.name.clone(), training.len())].into(),
            quantiser,
            operating_point: point.clone(),
        };
        Released::write(folder, manifest, &trained.network)?;
    }
    let test = match args.test {
        true => {
            let test = load(Split::Test)?;
            Some(report("test", &test, &table(&test)?)?)
        }
        false => None,
    };
    let summary = Summary {
        seed: trained.seed,
        auc_of_copies: trained.auc,
        weight_norm: trained.network.weight_norm(),
        output_modulus: trained.network.output_modulus(),
        log2_failure: budget.log2_failure,
        operating_point: point,
        steps: trained.outcomes.iter().map(|(seed, outcome)| (*seed, outcome.steps)).collect(),
        seconds: trained.outcomes.iter().map(|(seed, outcome)| (*seed, outcome.seconds)).collect(),
        validation: figures,
        test,
    };
    let path = args.out.join("report.json");
    let text = serde_json::to_string_pretty(&summary).map_err(|e| Error::File { path: path.clone(), why: e.to_string() })?;
    write_atomically(&path, text.as_bytes())?;
    Ok(summary)
}

/// Samples of pixels in [−1, 1] as 8-bit images.
pub(crate) fn as_levels(samples: Samples) -> Result<Samples, veilray_classifier::train::Error> {
    let Inputs::Latents(values) = samples.inputs() else { return Ok(samples) };
    let levels = values.iter().map(|value| ((value + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8).collect();
    let columns = (samples.labels().to_vec(), samples.names().to_vec(), samples.patients().to_vec(), samples.views().to_vec());
    Samples::new(Inputs::Images(levels), samples.shape(), columns.0, columns.1, columns.2, columns.3)
}

/// The table of the network's logits, yes minus no.
pub(crate) fn scored(network: &Fcnn, quantiser: &Quantiser, scale: f32, samples: &Samples) -> Result<Scored, fcnn_tfhe::Error> {
    let scores = fcnn_tfhe::scores(network, quantiser, scale, samples)?;
    Ok(Scored::new(scores, samples.labels().to_vec(), samples.names().to_vec())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_experiments_of_the_repository_are_understood() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/train");
        let experiment = Experiment::read(&folder.join("fcnn-tfhe-pneumonia.toml")).unwrap();
        assert_eq!((experiment.data.as_str(), experiment.network.quantiser.side), ("pneumoniamnist", 28));
        assert!(matches!(Experiment::read(&folder.join("kermany-f8.toml")), Err(Error::File { .. })));
    }

    #[test]
    fn pixels_come_back_as_the_levels_they_were() {
        let levels: Vec<u8> = (0..=255).collect();
        let values = levels.iter().map(|level| f32::from(*level) / 127.5 - 1.0).collect();
        let samples =
            Samples::new(Inputs::Latents(values), [1, 16, 16], vec![1], vec!["a".into()], vec!["p".into()], vec![String::new()]);
        assert_eq!(as_levels(samples.unwrap()).unwrap().inputs(), &Inputs::Images(levels));
    }
}
