//! What an experiment's TOML file says.

use crate::command::error::{Error, Result};
use crate::data::Derived;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use veilray_classifier::networks;
use veilray_classifier::spec::{Form, NetworkSpec, Shape};
use veilray_training::metrics::Criterion;
use veilray_training::{ResNetConfig, Student, TrainConfig};

/// One network trained on one collection of data, in one or more stages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The labels that are reported, in the order of the logits.
    pub labels: Vec<String>,
    /// Further labels that the network learns beside them, to see more in an image; the released network has no logits for them.
    #[serde(default)]
    pub auxiliary: Vec<String>,
    /// Labels made of other columns.
    #[serde(default)]
    pub derived: Vec<Derived>,
    /// Where the samples come from, one after the other.
    pub data: Vec<Source>,
    /// Side to which images are brought for a network to be encrypted, 1 to 256; a teacher states its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixels: Option<usize>,
    /// The network that is trained.
    pub network: Network,
    /// Files of teacher probabilities (written by `--teach` or `veilray-sweep teach`), averaged; relative to the current folder.
    #[serde(default)]
    pub teachers: Vec<PathBuf>,
    /// Whether predictions are averaged over an image and its mirror image: for teachers only, as it doubles the cost.
    #[serde(default)]
    pub mirror: bool,
    /// What the released thresholds are chosen for.
    #[serde(default)]
    pub thresholds: Criterion,
    /// Stages of training; each starts from the weights of the one before.
    pub stages: Vec<Stage>,
}

/// One set of samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Source {
    /// Images: a known data set's name, or a folder with a `labels.csv`.
    Images(String),
    /// A file of latents, below `--latents`.
    Latents(PathBuf),
}

/// Which network. Its number of labels follows from the experiment's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Network {
    /// A residual network on pixels, not to be encrypted.
    Teacher(ResNetConfig),
    /// A network to be encrypted, by its name; its input is the latents'.
    Student(String),
    /// A network to be encrypted, as a TOML file of a specification, relative to the experiment's file.
    Specification(PathBuf),
}

impl Network {
    /// The network for inputs of `shape` and `labels` logits; `folder` is the experiment's.
    ///
    /// # Errors
    /// A name or a file that is none, a network that the input does not fit.
    pub fn student(&self, folder: &Path, shape: [usize; 3], labels: usize) -> Result<Option<Student>> {
        let [channels, height, width] = shape;
        let spec = match self {
            Self::Teacher(_) => return Ok(None),
            Self::Student(name) => networks::named(name, Shape::new(channels, height, width), labels)?,
            Self::Specification(file) => NetworkSpec::read(&folder.join(file))?,
        };
        Ok(Some(Student::new(spec)?.with_labels(labels)?))
    }
}

/// One run of the training loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Its name, and that of its folder.
    pub name: String,
    /// The form of a student's activations in this stage, where it is not the network's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Form>,
    /// Steps, batch, learning rate, losses and augmentation of this stage.
    pub train: TrainConfig,
}

impl Experiment {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that cannot be read, a field that is missing, unknown or of another type, or that contradicts another.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
        let config: Self = toml::from_str(&text).map_err(|e| Error::config(path, e.to_string()))?;
        config.check().map_err(|why| Error::config(path, why))?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if self.stages.is_empty() || self.data.is_empty() || self.labels.is_empty() {
            return Err("labels, data and stages must each have at least one entry".into());
        }
        let kind = |source: &Source| matches!(source, Source::Images(_));
        if self.data.iter().any(kind) && !self.data.iter().all(kind) {
            return Err("data: a network takes images or latents, not both".into());
        }
        let wants_pixels = self.data.iter().all(kind) && !matches!(self.network, Network::Teacher(_));
        if self.pixels.is_some() != wants_pixels {
            return Err(
                "pixels: a network to be encrypted that takes images needs their side, any other network must not have it".into(),
            );
        }
        for rule in &self.derived {
            if rule.any_of.is_empty() == rule.at_least.is_none() {
                return Err(format!("derived {}: give either any_of or at_least", rule.label));
            }
        }
        for (what, names) in [
            ("stage", self.stages.iter().map(|stage| &stage.name).collect::<Vec<_>>()),
            ("label", self.all_labels().into_iter().collect()),
        ] {
            let mut sorted = names;
            sorted.sort();
            if let Some(name) = sorted.iter().zip(sorted.iter().skip(1)).find(|(a, b)| a == b).map(|(a, _)| a) {
                return Err(format!("the {what} {name} is there twice"));
            }
        }
        let plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        match self.stages.iter().find(|stage| !plain(&stage.name)) {
            Some(stage) => Err(format!("stage {:?}: a name is letters, digits, - and _", stage.name)),
            None => Ok(()),
        }
    }

    /// The same up to the stage of that name.
    ///
    /// # Errors
    /// No stage of that name.
    pub fn until(mut self, stage: &str) -> Result<Self, String> {
        let Some(last) = self.stages.iter().position(|known| known.name == stage) else {
            let names: Vec<&str> = self.stages.iter().map(|known| known.name.as_str()).collect();
            return Err(format!("it has no stage {stage}; its stages are {}", names.join(", ")));
        };
        self.stages.truncate(last + 1);
        Ok(self)
    }

    /// Side of the images that the network sees; 0 where it sees latents.
    pub fn side(&self) -> usize {
        match &self.network {
            Network::Teacher(teacher) => teacher.input[2],
            Network::Student(_) | Network::Specification(_) => self.pixels.unwrap_or(0),
        }
    }

    /// The sources that are images, by name or folder.
    pub fn images(&self) -> Vec<String> {
        let name = |source: &Source| match source {
            Source::Images(name) => Some(name.clone()),
            Source::Latents(_) => None,
        };
        self.data.iter().filter_map(name).collect()
    }

    /// Reported labels, then auxiliary ones.
    pub fn all_labels(&self) -> Vec<&String> {
        self.labels.iter().chain(&self.auxiliary).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEACHER: &str = r#"
        labels = ["a"]
        auxiliary = ["old"]
        derived = [{ label = "old", column = "age", at_least = 60 }]
        data = [{ images = "nih14" }]
        stages = [{ name = "relu", train = { epochs = 3 } }]
        network.teacher = { input = [1, 8, 8], unshuffle = 1, stem = 4, widths = [6], blocks = [1], dropout = 0.1, labels = 2 }
    "#;

    fn read(text: &str) -> Result<Experiment, String> {
        let config: Experiment = toml::from_str(text).map_err(|e| e.to_string())?;
        config.check().map(|()| config)
    }

    #[test]
    fn a_teacher_is_read() {
        let config = read(TEACHER).unwrap();
        assert_eq!(config.all_labels(), ["a", "old"]);
        assert_eq!(config.stages[0].activation, None);
        let text = toml::to_string(&config).unwrap();
        assert_eq!(read(&text).unwrap(), config);
    }

    #[test]
    fn contradictions_are_named() {
        for (old, new, word) in [
            ("{ images = \"nih14\" }", "{ images = \"nih14\" }, { latents = \"x.h5\" }", "not both"),
            ("at_least = 60", "at_least = 60, any_of = [\"x\"]", "either any_of or at_least"),
            ("auxiliary = [\"old\"]", "auxiliary = [\"a\"]", "label a is there twice"),
            ("name = \"relu\"", "name = \"../relu\"", "letters, digits"),
            ("data = [", "pixels = 8\n        data = [", "must not have it"),
            ("epochs = 3", "epochs = 3, epoch = 4", "unknown field"),
            ("labels = [\"a\"]", "labels = []", "at least one entry"),
        ] {
            let text = TEACHER.replacen(old, new, 1);
            assert_ne!(text, TEACHER);
            let refused = read(&text).unwrap_err();
            assert!(refused.contains(word), "{refused}");
        }
    }
    #[test]
    fn the_experiments_of_the_repository_are_understood() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/train");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // Those of `train-fcnn` are read by a test of its own.
            if name.starts_with("fcnn-tfhe") {
                continue;
            }
            if name.starts_with("unet-") {
                crate::train_segmenter::Config::read(&path).unwrap();
                continue;
            }
            let experiment = Experiment::read(&path).unwrap();
            let labels = experiment.all_labels().len();
            experiment.network.student(path.parent().unwrap(), [4, 32, 32], labels).unwrap();
            count += 1;
        }
        assert!(count >= 5);
    }
}
