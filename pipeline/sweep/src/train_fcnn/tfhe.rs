//! The command, where TFHE is built in.

use super::{Args, Summary};
use crate::command::error::{Error, Result};
use crate::data::{Dataset, Split};
use crate::evaluate::Evaluated;
use crate::evaluate::fcnn::{as_levels, scored};
use serde::{Deserialize, Serialize};
use std::path::Path;
use veilray_base::file::write_atomically;
use veilray_classifier::release;
use veilray_encoder::input::InputEncoder;
use veilray_fcnn_tfhe::{FcnnConfig, Manifest, NoiseBudget, Released, TfheParams};
use veilray_imaging::pixels::Pixels;
use veilray_training::Samples;
use veilray_training::metrics::{Bootstrap, Criterion, Scored, SplitReport};

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
    pub fn read(path: &Path) -> Result<Self> {
        let refuse = |why: String| Error::Config { path: path.into(), why };
        let text = std::fs::read_to_string(path).map_err(|e| refuse(e.to_string()))?;
        let experiment: Self = toml::from_str(&text).map_err(|e| refuse(e.to_string()))?;
        TfheParams::named(&experiment.params)?;
        experiment.network.check()?;
        Ok(experiment)
    }
}

pub(super) fn run(args: &Args) -> Result<Summary> {
    let experiment = Experiment::read(&args.training.config)?;
    let (quantiser, label) = (experiment.network.quantiser, std::slice::from_ref(&experiment.label));
    let side = quantiser.side;
    let pixels = Pixels::new(side)
        .ok_or_else(|| Error::Config { path: args.training.config.clone(), why: format!("side {side} is not in 1..=256") })?;
    let encoder = InputEncoder::Pixels(pixels);
    let dataset = Dataset::find(&experiment.data, args.training.common.data_root.as_deref())?;
    let load = |split| {
        let evaluated = Evaluated::encode(&dataset, split, None, &encoder, "train-fcnn", label)?;
        Ok::<_, Error>(as_levels(evaluated.samples)?)
    };
    let (training, validation) = (load(Split::Train)?, load(Split::Val)?);
    let trained = veilray_fcnn_tfhe::train(&experiment.network, &training, &validation, &args.training.out)?;
    let params = TfheParams::named(&experiment.params)?;
    let budget = NoiseBudget::of(&trained.network, &params)?;
    let table = |samples: &Samples| scored(&trained.network, &quantiser, trained.logit_scale, samples);
    let of_validation = table(&validation)?;
    let point = veilray_training::metrics::choose_operating_point(&of_validation, experiment.thresholds);
    let report = |split: &str, samples: &Samples, scored: &Scored| {
        SplitReport::of(split, scored, samples.patients(), samples.views(), &point, &Bootstrap::default())
    };
    let figures = report("val", &validation, &of_validation)?;
    if let Some(folder) = &args.training.release {
        let name = release::name_of(folder).map_err(|e| Error::Config { path: folder.clone(), why: e.to_string() })?;
        let manifest = Manifest {
            format: veilray_fcnn_tfhe::FORMAT,
            kind: veilray_fcnn_tfhe::KIND.into(),
            name: name.into(),
            encoder: encoder.name().into(),
            encoder_sha256: encoder.digest().into(),
            params: experiment.params.clone(),
            weights_sha256: String::new(),
            logit_scale: trained.logit_scale,
            data: [(dataset.name.clone(), training.len())].into(),
            quantiser,
            operating_point: point.clone(),
        };
        Released::write(folder, manifest, &trained.network)?;
    }
    let test = match args.training.test {
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
    let path = args.training.out.join("report.json");
    let text = serde_json::to_string_pretty(&summary).map_err(|e| Error::Config { path: path.clone(), why: e.to_string() })?;
    write_atomically(&path, text.as_bytes())?;
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_experiments_of_the_repository_are_understood() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/train");
        let experiment = Experiment::read(&folder.join("fcnn-tfhe-pneumonia.toml")).unwrap();
        assert_eq!((experiment.data.as_str(), experiment.network.quantiser.side), ("pneumoniamnist", 28));
        assert!(matches!(Experiment::read(&folder.join("kermany-f8.toml")), Err(Error::Config { .. })));
    }
}
