//! A run's stages, and what they leave.

use super::{Experiment, Named, Network, Probabilities, Roots, table};
use crate::command::error::{Error, Result};
use crate::command::output;
use crate::data::Split;
use candle_core::Tensor;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use veilray_base::file::write_atomically;
use veilray_classifier::operating_point::OperatingPoint;
use veilray_classifier::range::RangeContract;
use veilray_classifier::release::{self, Manifest, Model};
use veilray_classifier::spec::NetworkSpec;
use veilray_classifier::weights::Weights;
use veilray_nn::Bundle;
use veilray_training::metrics::{Bootstrap, SplitReport, choose_operating_point};
use veilray_training::{Architecture, ResNetConfig, Student, TrainingData};

/// The weights' file of a run.
pub(super) const WEIGHTS: &str = "model.safetensors";

/// What a run says of its network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The experiment, as it was read.
    pub experiment: Experiment,
    /// Images of the training and validation splits that ingest refused, with the reasons; none of them counts anywhere.
    pub refused: Vec<String>,
    /// Images of the training split, by data set.
    pub images: BTreeMap<String, usize>,
    /// Number of trained values.
    pub parameters: usize,
    /// Steps of each stage.
    pub steps: BTreeMap<String, u64>,
    /// Wall time of each stage, before and after resuming, s.
    pub seconds: BTreeMap<String, f64>,
    /// Temperature and thresholds, from the validation split.
    pub operating_point: OperatingPoint,
    /// How far pre-activations reach on the validation split; a teacher's has no layers.
    pub range: RangeContract,
    /// Figures of the validation split.
    pub validation: SplitReport,
}

/// A trained network, what it was trained on and its report.
pub struct Trained {
    network: Box<dyn veilray_training::Network>,
    spec: Option<NetworkSpec>,
    tensors: BTreeMap<String, Tensor>,
    /// Probabilities of the training split, for all labels.
    all_labels: Box<dyn veilray_training::Network>,
    training: Named,
    /// Images of the validation split, as the network sees them: what the noise of replies is predicted for.
    probes: Vec<Vec<f64>>,
    report: Report,
    batch: usize,
}

/// Images of the validation split that the noise of a release is predicted for.
const PROBES: usize = 4;

/// What is trained: either kind.
enum Architect {
    Teacher(ResNetConfig),
    Student(Student),
}

impl Architect {
    fn get(&self) -> &dyn Architecture {
        match self {
            Self::Teacher(teacher) => teacher,
            Self::Student(student) => student,
        }
    }
}

impl Trained {
    /// Trains every stage of `experiment`, or what is left of them, in `out`. `folder` is the experiment file's.
    ///
    /// # Errors
    /// Everything that an experiment can be refused for.
    pub fn train(experiment: &Experiment, folder: &Path, roots: &Roots, out: &Path) -> Result<Self> {
        let side = experiment.side();
        let training = table::load(experiment, roots, Split::Train, side)?;
        let Named { samples: validation, refused, .. } = table::load(experiment, roots, Split::Val, side)?;
        let teacher = Probabilities::average(&experiment.teachers, &training)?;
        let labels = experiment.all_labels().len();
        let student = experiment.network.student(folder, training.samples.shape(), labels)?;
        let (mut steps, mut seconds) = (BTreeMap::new(), BTreeMap::new());
        let mut last: Option<(Architect, BTreeMap<String, Tensor>)> = None;
        for stage in &experiment.stages {
            let architect = match (&experiment.network, &student) {
                (Network::Teacher(config), _) => Architect::Teacher(ResNetConfig { labels, ..config.clone() }),
                (_, Some(student)) => {
                    Architect::Student(stage.activation.map_or(student.clone(), |form| student.with_form(form)))
                }
                (_, None) => continue,
            };
            let data = TrainingData {
                train: &training.samples,
                validation: &validation,
                reported: experiment.labels.len(),
                teacher: teacher.as_deref(),
                start: last.as_ref().map(|(_, tensors)| tensors),
            };
            let done = veilray_training::train(architect.get(), &stage.train, data, &out.join(&stage.name), None)?;
            steps.insert(stage.name.clone(), done.outcome.steps);
            seconds.insert(stage.name.clone(), done.outcome.seconds);
            last = Some((architect, done.tensors));
        }
        let (architect, tensors) = last.ok_or_else(|| Error::config(folder, "the experiment has no stages".into()))?;
        let all_labels = veilray_training::frozen(architect.get(), &tensors)?;
        // A student is released without its auxiliary labels; a teacher teaches them too.
        let (architect, tensors) = match architect {
            Architect::Student(student) => {
                let count = experiment.labels.len();
                (Architect::Student(student.with_labels(count)?), student.trim(&tensors, count)?)
            }
            teacher => (teacher, tensors),
        };
        let network = veilray_training::frozen(architect.get(), &tensors)?;
        let spec = match &architect {
            Architect::Student(student) => Some(student.spec().clone()),
            Architect::Teacher(_) => None,
        };
        let batch = experiment.stages.iter().map(|stage| stage.train.batch).max().unwrap_or(1);
        let mut report = Report::measure(experiment, network.as_ref(), &validation, batch)?;
        report.images = training.sets.clone();
        report.parameters = veilray_training::trained_values(&tensors);
        report.steps = steps;
        report.seconds = seconds;
        report.refused = training.refused.iter().cloned().chain(refused).collect();
        let probes = validation.spread_values(PROBES);
        Ok(Self { network, spec, tensors, all_labels, training, probes, report, batch })
    }

    /// Writes `model.safetensors`, `report.json` and, of a student, `network.toml`.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let mut bundle = Bundle::new();
        bundle.put_tensors("", &self.tensors);
        bundle.save(&folder.join(WEIGHTS))?;
        if let Some(spec) = &self.spec {
            write_atomically(&folder.join("network.toml"), spec.to_toml()?.as_bytes())?;
        }
        output::write_json(&folder.join("report.json"), &self.report)
    }

    /// The network's probabilities for the training split, auxiliary labels included.
    ///
    /// # Errors
    /// As [`veilray_training::teacher_probabilities`].
    pub fn teach(&self) -> Result<Probabilities> {
        let mirror = self.report.experiment.mirror;
        let values =
            veilray_training::teacher_probabilities(self.all_labels.as_ref(), &self.training.samples, self.batch, mirror)?;
        Probabilities::new(&self.training, values)
    }

    /// Figures of the test split at the operating point that the validation split chose.
    ///
    /// # Errors
    /// A test split that cannot be read.
    pub fn test(&self, roots: &Roots) -> Result<SplitReport> {
        let experiment = &self.report.experiment;
        let test = table::load(experiment, roots, Split::Test, experiment.side())?.samples;
        let scored = scored(experiment, self.network.as_ref(), &test, self.batch)?;
        let point = &self.report.operating_point;
        Ok(SplitReport::of("test", &scored, test.patients(), test.views(), point, &Bootstrap::default())?)
    }

    /// Releases the student that was saved in `run` to `folder`, to be evaluated under the parameter set `params` with at most
    /// `key_budget` MB of keys; what does not fit is found here and leaves nothing.
    ///
    /// # Errors
    /// A teacher, a folder that cannot be written to, a network that does not fit the parameters.
    pub fn release(&self, run: &Path, folder: &Path, params: &str, key_budget: Option<f64>) -> Result<()> {
        let Some(spec) = &self.spec else {
            return Err(Error::Unreleasable { why: "only a network to be encrypted can be released; this is a teacher" });
        };
        let (encoder, digest) = &self.training.encoder;
        let name = release::name_of(folder).map_err(release::Error::from)?;
        let weights = Weights::read(&run.join(WEIGHTS))?;
        let manifest = Manifest {
            format: release::FORMAT,
            name: name.into(),
            encoder: encoder.clone(),
            encoder_sha256: digest.clone(),
            params: params.into(),
            network_sha256: String::new(),
            weights_sha256: String::new(),
            key_budget,
            reply_bits: None,
            data: self.report.images.clone(),
            mask: None,
            operating_point: self.report.operating_point.clone(),
            range: self.report.range.clone(),
        };
        Ok(Model::release(folder, manifest, spec, &weights, &self.probes)?)
    }

    /// What the training came to, as it is printed.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The report alone.
    pub fn into_report(self) -> Report {
        self.report
    }
}

impl Report {
    fn measure(
        experiment: &Experiment,
        network: &dyn veilray_training::Network,
        validation: &veilray_training::Samples,
        batch: usize,
    ) -> Result<Self> {
        let scored = scored(experiment, network, validation, batch)?;
        let point = choose_operating_point(&scored, experiment.thresholds);
        let (patients, views) = (validation.patients(), validation.views());
        Ok(Self {
            experiment: experiment.clone(),
            refused: Vec::new(),
            images: BTreeMap::new(),
            parameters: 0,
            steps: BTreeMap::new(),
            seconds: BTreeMap::new(),
            validation: SplitReport::of("val", &scored, patients, views, &point, &Bootstrap::default())?,
            operating_point: point,
            range: veilray_training::measure_range(network, validation, batch)?,
        })
    }
}

/// The reported labels' logits.
fn scored(
    experiment: &Experiment,
    network: &dyn veilray_training::Network,
    samples: &veilray_training::Samples,
    batch: usize,
) -> Result<veilray_training::metrics::Scored> {
    let logits = veilray_training::predict(network, samples, batch, experiment.mirror)?;
    // A released student has as many logits as there are reported labels, a teacher more.
    let samples = samples.clone().with_labels(&experiment.labels)?;
    let row = logits.len() / samples.len().max(1);
    let first = logits.chunks(row.max(1)).flat_map(|row| row.iter().take(experiment.labels.len())).copied().collect::<Vec<_>>();
    Ok(veilray_training::reported(&samples, &first, experiment.labels.len())?)
}
