//! `veilray-sweep train-segmenter`: from a TOML file to a network that gives masks, and what it achieves on the validation split.
//!
//! The run's folder holds, beside the checkpoints and logs of training:
//!
//! | file | holds |
//! |---|---|
//! | `model.safetensors` | the weights with the highest mean Dice coefficient on the validation split |
//! | `network.toml` | the network they belong to |
//! | `report.json` | threshold, range contract and figures on the validation split |
//! | `test.json` | the same figures on the test split, where `--test` asked for that one look |
//!
//! A run that was stopped continues where it stood. The test split is not opened without `--test`.

mod figures;

pub use figures::Figures;

use crate::command::arguments::Training;
use crate::command::error::{Error, Result};
use crate::command::output;
use crate::data::{Dataset, Masked, Split};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use veilray_base::file::write_atomically;
use veilray_classifier::mask::Mask;
use veilray_classifier::networks;
use veilray_classifier::operating_point::{OperatingPoint, Temperature, Thresholds};
use veilray_classifier::range::RangeContract;
use veilray_classifier::release::{self, Manifest, Model};
use veilray_classifier::spec::NetworkSpec;
use veilray_classifier::weights::Weights;
use veilray_imaging::pixels::Pixels;
use veilray_nn::Bundle;
use veilray_training;
use veilray_training::{SegmentConfig, Student, predict, train_segmenter, trained_values};

/// The weights' file of a run.
const WEIGHTS: &str = "model.safetensors";

/// Trains a network that gives a mask, such as a U-Net.
///
/// A run that was interrupted goes on where it was when started again with the same arguments.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = output::EXIT_CODES)]
pub struct Args {
    /// What is trained, and where the run goes.
    #[command(flatten)]
    pub training: Training,
    /// Reads at most this many images of each split: for a first look.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// The parameter set that the released network is evaluated under.
    #[arg(long, default_value = "n15", value_name = "NAME")]
    pub params: String,
}

/// What is trained on what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What the masks show, such as `lung`.
    pub mask: String,
    /// The images and their masks: a known data set's name, or a folder with a `labels.csv` that has the column `mask`.
    pub data: String,
    /// The network: its name, or a TOML file relative to this one's folder. Its input is a square image of one channel.
    pub network: String,
    /// Steps, batch, learning rate and losses of the training.
    pub train: SegmentConfig,
}

impl Config {
    /// Reads a file and the network it names.
    ///
    /// # Errors
    /// A file that cannot be read, a field that is missing, unknown or of another type; no such network.
    pub fn read(path: &Path) -> Result<(Self, Student, Pixels)> {
        let refuse = |why: String| Error::Config { path: path.into(), why };
        let text = std::fs::read_to_string(path).map_err(|e| refuse(e.to_string()))?;
        let config: Self = toml::from_str(&text).map_err(|e| refuse(e.to_string()))?;
        let spec = match config.network.ends_with(".toml") {
            true => NetworkSpec::read(&path.parent().unwrap_or(Path::new("")).join(&config.network))?,
            false => networks::default_for(&config.network)?,
        };
        let square = spec.input.channels == 1 && spec.input.height == spec.input.width;
        let pixels = Pixels::new(spec.input.height).filter(|_| square && spec.labels == spec.input.len());
        let pixels = pixels.ok_or_else(|| {
            refuse(format!(
                "{} takes {} and gives {} logits; wanted is a square image of one channel up to 256 x 256, and as many logits",
                spec.name, spec.input, spec.labels
            ))
        })?;
        Ok((config, Student::new(spec)?, pixels))
    }
}

/// What a run says of its network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The configuration, as it was read.
    pub config: Config,
    /// Images with masks of the training split.
    pub images: usize,
    /// Images that ingest refused, with the reasons; none of them counts anywhere.
    pub refused: Vec<String>,
    /// Number of trained values.
    pub parameters: usize,
    /// Steps of training.
    pub steps: u64,
    /// Wall time, before and after resuming, s.
    pub seconds: f64,
    /// The logit from which on a pixel belongs to the mask, from the validation split.
    pub threshold: f32,
    /// How far pre-activations reach on the validation split.
    pub range: RangeContract,
    /// Figures of the validation split.
    pub validation: Figures,
    /// Figures of the test split, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<Figures>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} parameters, {} images, {} steps in {:.0} s", self.parameters, self.images, self.steps, self.seconds)?;
        if !self.refused.is_empty() {
            write!(f, "\n{} images were refused, see report.json", self.refused.len())?;
        }
        write!(f, "\nthreshold {:.1}\n{}", self.threshold, self.validation)?;
        self.test.as_ref().map_or(Ok(()), |test| write!(f, "\n{test}"))
    }
}

/// Runs the command.
///
/// # Errors
/// A configuration, data or a folder that cannot be used.
pub fn run(args: &Args) -> Result<Report> {
    let (config, student, pixels) = Config::read(&args.training.config)?;
    let set = Dataset::find(&config.data, args.training.common.data_root.as_deref())?;
    let name = config.mask.clone();
    let read = |split| Masked::read(&set, split, &pixels, &name, args.limit);
    let (training, validation) = (read(Split::Train)?, read(Split::Val)?);
    let trained = train_segmenter(&student, &config.train, &training.samples, &validation.samples, &args.training.out, None)?;
    let network = veilray_training::frozen(&student, &trained.tensors)?;
    let batch = config.train.batch;
    let logits = predict(network.as_ref(), validation.samples.images(), batch, false)?;
    let threshold = validation.samples.best_threshold(&logits);
    let mut report = Report {
        images: training.samples.len(),
        refused: training.refused.into_iter().chain(validation.refused).collect(),
        parameters: trained_values(&trained.tensors),
        steps: trained.outcome.steps,
        seconds: trained.outcome.seconds,
        threshold,
        range: veilray_training::measure_range(network.as_ref(), validation.samples.images(), batch)?,
        validation: Figures::of("val", &validation.samples.overlaps(&logits, threshold)),
        test: None,
        config,
    };
    let mut bundle = Bundle::new();
    bundle.put_tensors("", &trained.tensors);
    bundle.save(&args.training.out.join(WEIGHTS))?;
    write_atomically(&args.training.out.join("network.toml"), student.spec().to_toml()?.as_bytes())?;
    output::write_json(&args.training.out.join("report.json"), &report)?;
    if let Some(folder) = &args.training.release {
        let probes = validation.samples.images().spread_values(PROBES);
        release(&report, &student, &pixels, (&set.name, &probes), args, folder)?;
    }
    if args.training.test {
        let test = read(Split::Test)?.samples;
        let logits = predict(network.as_ref(), test.images(), batch, false)?;
        let figures = Figures::of("test", &test.overlaps(&logits, threshold));
        output::write_json(&args.training.out.join("test.json"), &figures)?;
        report.test = Some(figures);
    }
    Ok(report)
}

/// Images of the validation split that the noise of a release is predicted for.
const PROBES: usize = 4;

/// Releases what the run saved, the noise of its replies predicted for images of the validation split; what does not fit is found here and leaves nothing.
fn release(
    report: &Report,
    student: &Student,
    pixels: &Pixels,
    data: (&str, &[Vec<f64>]),
    args: &Args,
    folder: &Path,
) -> Result<()> {
    let name = release::name_of(folder).map_err(release::Error::from)?;
    let thresholds = Thresholds { labels: vec![report.config.mask.clone()], values: vec![report.threshold] };
    let manifest = Manifest {
        format: release::FORMAT,
        name: name.into(),
        encoder: pixels.name().into(),
        encoder_sha256: pixels.digest().into(),
        params: args.params.clone(),
        network_sha256: String::new(),
        weights_sha256: String::new(),
        key_budget: None,
        reply_bits: None,
        data: [(data.0.to_string(), report.images)].into(),
        mask: Some(Mask { height: pixels.side(), width: pixels.side() }),
        operating_point: OperatingPoint { temperature: Temperature::ONE, thresholds },
        range: report.range.clone(),
    };
    let weights = Weights::read(&args.training.out.join(WEIGHTS))?;
    Ok(Model::release(folder, manifest, student.spec(), &weights, data.1)?)
}
