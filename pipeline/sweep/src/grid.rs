//! What a sweep's TOML file says: grids over factor, latent, network, gate, activation, parameter set, data set and seed.

mod error;
mod points;
mod words;

pub use error::{Error, Result};
pub(crate) use points::short_digest;
pub use points::{Encoder, Experiment, Point};
pub use words::{Activation, Backbone, Factor, Gate, Latent, SetName};

use crate::train_classifier::Derived;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use toml::Spanned;
use veilray_classifier::train::TrainConfig;

/// A sweep, as its file describes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// Its name; it stands in every row of the ledger.
    pub name: String,
    /// Where the latents of each factor come from; pixels, factor 1, need no encoder.
    #[serde(default)]
    pub encoder: Vec<EncoderSource>,
    /// The data sets.
    pub data: Vec<DataSource>,
    /// The grids; an experiment that two of them name is run once.
    pub grid: Vec<Grid>,
    /// How students are trained.
    pub training: Training,
    /// What is measured on ciphertexts.
    #[serde(default)]
    pub measure: Measure,
}

/// An encoder of one factor: a released one, or one that the sweep trains.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderSource {
    /// Image side over latent side.
    pub factor: Spanned<Factor>,
    /// A released encoder: a folder, or its name in `weights/`.
    #[serde(default)]
    pub released: Option<String>,
    /// The shapes of one to train, relative to the sweep's file.
    #[serde(default)]
    pub shapes: Option<PathBuf>,
    /// How it is trained, relative to the sweep's file; its data sets are the sweep's or known ones.
    #[serde(default)]
    pub training: Option<PathBuf>,
}

/// A data set and the labels that are learned of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSource {
    /// Its name in the grids: letters, digits, `-` and `_`.
    pub name: String,
    /// A known data set, or a folder with a `labels.csv`.
    #[serde(default)]
    pub set: Option<String>,
    /// A synthetic data set that the sweep draws.
    #[serde(default)]
    pub phantom: Option<PhantomSet>,
    /// The labels that are reported.
    pub labels: Vec<String>,
    /// Further labels that networks learn beside them.
    #[serde(default)]
    pub auxiliary: Vec<String>,
    /// Labels made of other columns.
    #[serde(default)]
    pub derived: Vec<Derived>,
    /// Files of teacher probabilities, relative to the current folder.
    #[serde(default)]
    pub teachers: Vec<PathBuf>,
}

/// Numbers of synthetic films by split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhantomSet {
    /// Training split.
    pub train: usize,
    /// Validation split.
    pub val: usize,
    /// Test split.
    pub test: usize,
    /// Seed of the first film.
    #[serde(default)]
    pub seed: u64,
}

/// One grid: every combination of its lists is an experiment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Compression factors.
    pub factor: Vec<Spanned<Factor>>,
    /// What of the latent the network reads.
    #[serde(default = "continuous")]
    pub latent: Vec<Latent>,
    /// Backbones.
    pub network: Vec<Backbone>,
    /// Gates.
    #[serde(default = "ungated")]
    pub gate: Vec<Gate>,
    /// Activations.
    #[serde(default = "published")]
    pub activation: Vec<Activation>,
    /// Degrees of the activations: 2 is what the circuit has.
    #[serde(default = "quadratic")]
    pub degree: Vec<words::Degree>,
    /// Parameter sets; `auto` is the smallest with enough levels.
    #[serde(default = "auto")]
    pub params: Vec<SetName>,
    /// Names of data sets.
    pub data: Vec<Spanned<String>>,
    /// Seeds.
    #[serde(default = "first_seed")]
    pub seed: Vec<u64>,
}

fn continuous() -> Vec<Latent> {
    vec![Latent::Continuous]
}

fn ungated() -> Vec<Gate> {
    vec![Gate::None]
}

fn published() -> Vec<Activation> {
    vec![Activation::Published]
}

fn quadratic() -> Vec<words::Degree> {
    vec![words::Degree::default()]
}

fn auto() -> Vec<SetName> {
    vec![SetName::default()]
}

fn first_seed() -> Vec<u64> {
    vec![1]
}

/// How students are trained; each experiment's seed takes the place of the settings' own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The network with ReLU, which is what polynomials are compared with.
    pub relu: TrainConfig,
    /// The network that is encrypted.
    pub polynomial: TrainConfig,
    /// Whether the polynomial network starts from the ReLU network's weights.
    #[serde(default)]
    pub from_relu: bool,
    /// Largest shift of augmentation in pixels of the image: in place of the latents' own, which are in cells, so that it is the same
    /// at every factor.
    #[serde(default)]
    pub shift_pixels: Option<usize>,
}

/// What is measured on ciphertexts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Measure {
    /// The half width of the 95 % interval of the encrypted AUC that decides how many images are taken, from the interval in clear.
    pub half_width: f64,
    /// Most images that are evaluated encrypted.
    pub at_most: usize,
    /// Timed runs per number of threads.
    pub rounds: usize,
    /// Numbers of threads.
    pub threads: Vec<usize>,
    /// Experiments whose runs are timed in turn, as far as memory allows.
    #[serde(skip_serializing)]
    pub interleave: usize,
    /// Most memory of the server, MB (10^6 bytes); otherwise four fifths of the machine's.
    #[serde(skip_serializing)]
    pub memory_mb: Option<usize>,
    /// Whether a network whose diagonals do not fit into memory is measured with diagonals encoded anew for every image: minutes each where
    /// they are many. Otherwise it is refused.
    #[serde(skip_serializing)]
    pub stream: bool,
    /// Whether networks that cannot be encrypted here are trained and scored in clear.
    pub clear_of_refused: bool,
}

impl Default for Measure {
    fn default() -> Self {
        Self {
            half_width: 0.03,
            at_most: 500,
            rounds: 10,
            threads: vec![1, 2],
            interleave: 3,
            memory_mb: None,
            stream: true,
            clear_of_refused: false,
        }
    }
}

impl Sweep {
    /// Reads a file.
    ///
    /// # Errors
    /// As [`Sweep::parse`], or a file that cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Io { path: path.into(), source })?;
        Self::parse(&text, path)
    }

    /// Understands the text of the file `path`.
    ///
    /// # Errors
    /// [`Error::Line`]: the first line that cannot be used, with what may stand there.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let sweep: Self =
            toml::from_str(text).map_err(|e| Error::at(path, text, e.span().unwrap_or(0..0), e.message().into()))?;
        let refuse = |(span, why)| Error::at(path, text, span, why);
        sweep.check().map_err(refuse)?;
        Ok(sweep)
    }

    /// Every experiment of the grids, once; factors that are neighbours in the list are neighbours here. `base` is the file's folder.
    ///
    /// # Errors
    /// An encoder's settings that cannot be read.
    pub fn experiments(&self, base: &Path) -> Result<Vec<Experiment>> {
        points::experiments(self, base)
    }

    /// What serde cannot see: whether names that are used are there, and whether values fit together.
    fn check(&self) -> std::result::Result<(), (std::ops::Range<usize>, String)> {
        let none = || 0..0;
        if self.data.is_empty() || self.grid.is_empty() {
            return Err((none(), "the file needs at least one [[data]] and one [[grid]]".into()));
        }
        for data in &self.data {
            if !plain(&data.name) || data.set.is_some() == data.phantom.is_some() || data.labels.is_empty() {
                let why = "needs a name of letters, digits, - and _, labels, and one of set and phantom";
                return Err((none(), format!("data set {:?} {why}", data.name)));
            }
        }
        for encoder in &self.encoder {
            let sound = match (&encoder.released, &encoder.shapes, &encoder.training) {
                (Some(_), None, None) | (None, Some(_), Some(_)) => true,
                _ => encoder.factor.get_ref().is_pixels(),
            };
            if !sound {
                let why = "an encoder is either `released` or has `shapes` and `training`";
                return Err((encoder.factor.span(), format!("factor {}: {why}", encoder.factor.get_ref())));
            }
        }
        let sets: Vec<&str> = self.data.iter().map(|data| data.name.as_str()).collect();
        let factors: Vec<Factor> = self.encoder.iter().map(|encoder| *encoder.factor.get_ref()).collect();
        for grid in &self.grid {
            if let Some(data) = grid.data.iter().find(|data| !sets.contains(&data.get_ref().as_str())) {
                let why = format!("no [[data]] has the name {:?}; allowed: {}", data.get_ref(), sets.join(", "));
                return Err((data.span(), why));
            }
            let known = |factor: &Factor| factor.is_pixels() || factors.contains(factor);
            if let Some(factor) = grid.factor.iter().find(|factor| !known(factor.get_ref())) {
                let allowed: Vec<String> = factors.iter().map(ToString::to_string).collect();
                let why = format!("no [[encoder]] has the factor {}; allowed: 1, {}", factor.get_ref(), allowed.join(", "));
                return Err((factor.span(), why));
            }
        }
        let measure = &self.measure;
        if measure.at_most == 0 || measure.rounds == 0 || measure.interleave == 0 || measure.threads.is_empty() {
            return Err((none(), "measure: at_most, rounds, interleave and threads must be at least 1".into()));
        }
        if measure.threads.contains(&0) || !(measure.half_width > 0.0 && measure.half_width < 1.0) {
            return Err((none(), "measure: threads must be at least 1 each, half_width between 0 and 1".into()));
        }
        Ok(())
    }
}

/// Whether a name can be that of a folder.
fn plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests;
