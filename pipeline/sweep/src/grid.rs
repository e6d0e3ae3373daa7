//! What a sweep's TOML file says: grids over factor, latent, network, gate, activation, parameter set, data set and seed.

mod axes;
mod error;
mod experiment;
mod values;

pub use axes::{Activation, Backbone, Factor, Gate, Latent, SetName};
pub use error::{Error, Result};
pub(crate) use experiment::short_digest;
pub use experiment::{Encoder, Experiment, Inputs, Point};
pub use values::Values;

use crate::data::Derived;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use veilray_training::TrainConfig;

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
    pub data: Vec<Spanned<DataSource>>,
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
    #[serde(default, deserialize_with = "values::released")]
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
    #[serde(deserialize_with = "values::plain_name")]
    pub name: String,
    /// A known data set, or a folder with a `labels.csv`.
    #[serde(default, deserialize_with = "values::data_set")]
    pub set: Option<String>,
    /// A synthetic data set that the sweep draws.
    #[serde(default)]
    pub phantom: Option<PhantomSet>,
    /// The labels that are reported.
    pub labels: Values<String>,
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
    /// Films of the training split.
    pub train: usize,
    /// Films of the validation split.
    pub val: usize,
    /// Films of the test split.
    pub test: usize,
    /// Seed of the first film.
    #[serde(default)]
    pub seed: u64,
}

/// One grid: every combination of its lists is an experiment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Compression factors: image side over latent side; 1 is the image itself.
    pub factor: Values<Spanned<Factor>>,
    /// What of the latent the network reads.
    #[serde(default = "continuous")]
    pub latent: Values<Latent>,
    /// Networks without their gates and activations.
    pub network: Values<Backbone>,
    /// Gates of the networks' layers.
    #[serde(default = "ungated")]
    pub gate: Values<Gate>,
    /// Forms of the activations.
    #[serde(default = "published")]
    pub activation: Values<Activation>,
    /// Degrees of the activations: 2 is what the circuit has.
    #[serde(default = "quadratic")]
    pub degree: Values<axes::Degree>,
    /// Parameter sets; `auto` is the smallest with enough levels.
    #[serde(default = "auto")]
    pub params: Values<SetName>,
    /// Names of data sets.
    pub data: Values<Spanned<String>>,
    /// Seeds of the trainings; each gives an experiment.
    #[serde(default = "first_seed")]
    pub seed: Values<u64>,
}

fn continuous() -> Values<Latent> {
    Values::one(Latent::Continuous)
}

fn ungated() -> Values<Gate> {
    Values::one(Gate::None)
}

fn published() -> Values<Activation> {
    Values::one(Activation::Published)
}

fn quadratic() -> Values<axes::Degree> {
    Values::one(axes::Degree::default())
}

fn auto() -> Values<SetName> {
    Values::one(SetName::default())
}

fn first_seed() -> Values<u64> {
    Values::one(1)
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
    /// at every factor; a multiple of every factor.
    #[serde(default)]
    pub shift_pixels: Option<Spanned<usize>>,
}

/// What is measured on ciphertexts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Measure {
    /// The half width of the 95 % interval of the encrypted AUC that decides how many images are taken, from the interval in clear.
    #[serde(deserialize_with = "values::half_width")]
    pub half_width: f64,
    /// Most images that are evaluated encrypted.
    pub at_most: NonZeroUsize,
    /// Timed runs per number of threads.
    pub rounds: NonZeroUsize,
    /// Numbers of threads.
    pub threads: Values<NonZeroUsize>,
    /// Experiments whose runs are timed in turn, as far as memory allows.
    #[serde(skip_serializing)]
    pub interleave: NonZeroUsize,
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
        let count = |count: usize| NonZeroUsize::MIN.saturating_add(count.saturating_sub(1));
        Self {
            half_width: 0.03,
            at_most: count(500),
            rounds: count(20),
            threads: Values::pair(count(1), count(2)),
            interleave: count(3),
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
        experiment::experiments(self, base)
    }

    /// What serde cannot see: whether names that are used are there, and whether values fit together.
    fn check(&self) -> std::result::Result<(), Refused> {
        if self.data.is_empty() || self.grid.is_empty() {
            return Err((0..0, "the file needs at least one [[data]] and one [[grid]]".into()));
        }
        let names: Vec<&str> = self.data.iter().map(|data| data.get_ref().name.as_str()).collect();
        for (index, data) in self.data.iter().enumerate() {
            let DataSource { name, set, phantom, .. } = data.get_ref();
            if set.is_some() == phantom.is_some() {
                return Err((data.span(), format!("data set {name:?} needs either `set` or `phantom`")));
            }
            if names.iter().take(index).any(|before| before == name) {
                return Err((data.span(), format!("there is a [[data]] of the name {name:?} already; each needs its own")));
            }
        }
        let factors: Vec<Factor> = self.encoder.iter().map(|encoder| *encoder.factor.get_ref()).collect();
        for (index, encoder) in self.encoder.iter().enumerate() {
            let factor = encoder.factor.get_ref();
            let sound = match (&encoder.released, &encoder.shapes, &encoder.training) {
                (Some(_), None, None) | (None, Some(_), Some(_)) => true,
                _ => factor.is_pixels(),
            };
            if !sound {
                let why = "an encoder is either `released` or has `shapes` and `training`";
                return Err((encoder.factor.span(), format!("factor {factor}: {why}")));
            }
            if factors.iter().take(index).any(|before| before == factor) {
                return Err((
                    encoder.factor.span(),
                    format!("there is an [[encoder]] of the factor {factor} already; each needs its own"),
                ));
            }
        }
        self.grid.iter().try_for_each(|grid| grid.check(&names, &factors))?;
        self.check_shift()
    }

    /// A shift in whole cells of the latent is the same number of pixels at every factor only if all divide it.
    fn check_shift(&self) -> std::result::Result<(), Refused> {
        let Some(shift) = &self.training.shift_pixels else { return Ok(()) };
        let factors = self.grid.iter().flat_map(|grid| grid.factor.iter()).map(|factor| factor.get_ref().get() as usize);
        match factors.max().filter(|most| !shift.get_ref().is_multiple_of(*most)) {
            None => Ok(()),
            Some(most) => {
                let pixels = shift.get_ref();
                Err((
                    shift.span(),
                    format!("a shift of {pixels} pixels is no whole cell at f = {most}; allowed: multiples of {most}"),
                ))
            }
        }
    }
}

/// What is refused: where it stands in the text, and why.
type Refused = (Range<usize>, String);

impl Grid {
    fn check(&self, names: &[&str], factors: &[Factor]) -> std::result::Result<(), Refused> {
        if let Some(data) = self.data.iter().find(|data| !names.contains(&data.get_ref().as_str())) {
            let why = format!("no [[data]] has the name {:?}; allowed: {}", data.get_ref(), names.join(", "));
            return Err((data.span(), why));
        }
        let known = |factor: &Factor| factor.is_pixels() || factors.contains(factor);
        if let Some(factor) = self.factor.iter().find(|factor| !known(factor.get_ref())) {
            let allowed: Vec<String> = factors.iter().map(ToString::to_string).collect();
            let why = format!("no [[encoder]] has the factor {}; allowed: 1, {}", factor.get_ref(), allowed.join(", "));
            return Err((factor.span(), why));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
