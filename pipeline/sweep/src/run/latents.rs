//! Films, encoders and latents: what experiments of one data set and factor share.

use crate::command::error::{Error, Result};
use crate::data::{Dataset, Split};
use crate::encode::{self, LatentEncoder, Options};
use crate::encoders::train as train_encoder;
use crate::grid::{DataSource, Encoder, Experiment, Latent, PhantomSet};
use indicatif::ProgressBar;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use veilray_base::Rng;
use veilray_base::digest::sha256_hex;
use veilray_base::file::write_atomically;
use veilray_base::release::MANIFEST;
use veilray_base::release::find;
use veilray_encoder::input::InputEncoder;
use veilray_encoder::release::Released;
use veilray_encoder::train::TrainConfig;
use veilray_encoder::vqgan::Config;
use veilray_imaging::ingest::{Canonical, SIDE};
use veilray_imaging::phantom::{Finding, Phantom, Side};
use veilray_latents::{Info, Reader};

/// Side of a synthetic film, pixels.
const FILM: usize = 256;
/// What a synthetic film may show: the labels of its data set.
pub(super) const FINDINGS: [&str; 3] = ["opacity", "effusion", "cardiomegaly"];

/// The folders that a sweep writes to and reads, and its data sets.
#[derive(Debug, Clone)]
pub struct SweepFolders {
    /// The sweep's folder.
    pub out: PathBuf,
    /// The folder of the known data sets.
    pub data_root: Option<PathBuf>,
    /// The sweep's data sets.
    pub sets: Vec<DataSource>,
}

/// The latents of an experiment.
#[derive(Debug, Clone)]
pub struct Latents {
    /// Their file, below the sweep's `latents`.
    pub file: PathBuf,
    /// What the file says of itself.
    pub info: Info,
    /// Wall time of the encoder's training, s.
    pub encoder_seconds: Option<f64>,
}

/// What makes latents of images.
enum Maker {
    Continuous(InputEncoder),
    Quantised { encoder: Box<Released>, name: String, digest: String },
}

impl Maker {
    fn of(released: Released, latent: Latent) -> Self {
        match latent {
            Latent::Continuous => Self::Continuous(InputEncoder::Encoder(Box::new(released))),
            Latent::Quantised => Self::Quantised {
                name: format!("{}-quantised", released.manifest().name),
                digest: sha256_hex(format!("quantised {}", released.digest()).as_bytes()),
                encoder: Box::new(released),
            },
        }
    }
}

impl LatentEncoder for Maker {
    fn name(&self) -> &str {
        match self {
            Self::Continuous(encoder) => encoder.name(),
            Self::Quantised { name, .. } => name,
        }
    }

    fn digest(&self) -> &str {
        match self {
            Self::Continuous(encoder) => encoder.digest(),
            Self::Quantised { digest, .. } => digest,
        }
    }

    fn shape(&self) -> [usize; 3] {
        match self {
            Self::Continuous(encoder) => encoder.shape(),
            Self::Quantised { encoder, .. } => encoder.manifest().latent,
        }
    }

    fn encode(&mut self, images: &[Canonical]) -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(match self {
            Self::Continuous(encoder) => encoder.encode(images)?,
            Self::Quantised { encoder, .. } => encoder.encode_quantized(images)?,
        })
    }
}

impl SweepFolders {
    /// The folder of an experiment's own files.
    pub fn folder(&self, experiment: &Experiment) -> PathBuf {
        self.out.join("experiments").join(experiment.networks_id())
    }

    /// The folder of the files of latents.
    pub fn latents_folder(&self) -> PathBuf {
        self.out.join("latents")
    }

    /// A data set; synthetic films are drawn where they are not there yet.
    ///
    /// # Errors
    /// A data set that is not found, a folder that cannot be written to.
    pub fn dataset(&self, source: &DataSource) -> Result<Dataset> {
        match (&source.phantom, &source.set) {
            (Some(set), _) => Ok(Dataset::folder(&self.phantom(&source.name, *set)?)?),
            (None, Some(name)) => Ok(Dataset::find(name, self.data_root.as_deref())?),
            (None, None) => Ok(Dataset::find(&source.name, self.data_root.as_deref())?),
        }
    }

    /// The latents of an experiment, made where they are not there yet.
    ///
    /// # Errors
    /// A data set or an encoder that cannot be used, a folder that cannot be written to.
    pub fn latents(&self, experiment: &Experiment) -> Result<Latents> {
        let (mut maker, encoder_seconds) = match &experiment.encoder {
            Encoder::Pixels => (Maker::Continuous(InputEncoder::open(&format!("pixels-{SIDE}"))?), None),
            Encoder::Released(name) => self.maker(experiment, Released::open(&find(name)?)?)?,
            Encoder::Trained { shapes, training } => {
                let folder = self.encoder(experiment, shapes, training)?;
                self.maker(experiment, Released::open(&folder)?)?
            }
        };
        let digest: String = maker.digest().chars().take(8).collect();
        let drawn = experiment.data.phantom.map(|set| crate::grid::short_digest(&set));
        let of_data = drawn.or_else(|| Some(experiment.inputs.data.as_ref()?.chars().take(8).collect())).unwrap_or_default();
        let file = PathBuf::from(format!("{}-{of_data}-{}-{digest}.h5", experiment.data.name, maker.name()));
        let path = self.latents_folder().join(&file);
        if !path.is_file() {
            std::fs::create_dir_all(self.latents_folder()).map_err(Error::file("create", &self.latents_folder()))?;
            eprintln!("  latents {}", file.display());
            encode::encode(&self.dataset(&experiment.data)?, &mut maker, &path, &Options::default(), &ProgressBar::new(0))?;
        }
        let info = Reader::open(&path)?.info().clone();
        Ok(Latents { file, info, encoder_seconds })
    }

    fn maker(&self, experiment: &Experiment, released: Released) -> Result<(Maker, Option<f64>)> {
        let manifest = released.manifest();
        let wanted = experiment.point.factor.get();
        if manifest.factor != wanted as usize {
            return Err(Error::OtherFactor { name: manifest.name.clone(), wanted, found: manifest.factor });
        }
        let seconds = manifest.training.seconds;
        Ok((Maker::of(released, experiment.point.latent), Some(seconds)))
    }

    /// The folder of an encoder of the sweep's own, trained where it is not there yet.
    fn encoder(&self, experiment: &Experiment, shapes: &Config, training: &TrainConfig) -> Result<PathBuf> {
        let sets: Vec<&DataSource> =
            training.data.iter().filter_map(|source| self.sets.iter().find(|set| set.name == source.name)).collect();
        let name =
            format!("{}-f{}-{}", experiment.sweep, experiment.point.factor, crate::grid::short_digest(&(shapes, training, sets)));
        let folder = self.out.join("encoders").join(&name);
        if folder.join(MANIFEST).is_file() {
            return Ok(folder);
        }
        eprintln!("  encoder {name}");
        let find = |wanted: &str| match self.sets.iter().find(|set| set.name == wanted) {
            Some(set) => self.dataset(set).map_err(Box::new),
            None => Dataset::find(wanted, self.data_root.as_deref()).map_err(|e| Box::new(e.into())),
        };
        let sets: Vec<Dataset> =
            training.data.iter().map(|source| find(&source.name)).collect::<Result<_, Box<Error>>>().map_err(|e| *e)?;
        // A release is written in steps: it takes its place when it is whole.
        let half = self.out.join("encoders.partial").join(&name);
        let run = self.out.join("runs").join(&name);
        train_encoder::train(shapes, training, &sets, None, &run, Some(&half))?;
        let parent = self.out.join("encoders");
        std::fs::create_dir_all(&parent).map_err(Error::file("create", &parent))?;
        std::fs::rename(&half, &folder).map_err(Error::file("write", &folder))?;
        Ok(folder)
    }

    /// The folder of a synthetic data set; its table is written when all its films are.
    fn phantom(&self, name: &str, set: PhantomSet) -> Result<PathBuf> {
        let folder = self.out.join("data").join(format!("{name}-{}", crate::grid::short_digest(&set)));
        let labels = folder.join("labels.csv");
        if labels.is_file() {
            return Ok(folder);
        }
        let images = folder.join("images");
        std::fs::create_dir_all(&images).map_err(Error::file("create", &images))?;
        let count = set.train + set.val + set.test;
        let lines: Vec<String> = (0..count).into_par_iter().map(|index| film(&folder, set, index)).collect::<Result<_>>()?;
        let description = format!(
            "name = {name:?}\nassume = \"photometric=MONOCHROME2,view=FRONTAL,modality=CR\"\n\
             labels = [{}]\n",
            FINDINGS.map(|name| format!("{{ name = {name:?} }}")).join(", ")
        );
        write_atomically(&folder.join("dataset.toml"), description.as_bytes())?;
        let table = format!("file,split,patient_id,{}\n{}\n", FINDINGS.join(","), lines.join("\n"));
        write_atomically(&labels, table.as_bytes())?;
        Ok(folder)
    }
}

/// Draws the film of that index, and gives its line of the table.
fn film(folder: &Path, set: PhantomSet, index: usize) -> Result<String> {
    let mut rng = Rng::new(set.seed.wrapping_add(index as u64), "phantom set");
    let mut finding = || {
        let (there, side, amount) = (rng.below(2) == 1, rng.below(2), 0.6 + 0.4 * rng.uniform());
        there.then_some(Finding { side: if side == 0 { Side::Right } else { Side::Left }, amount })
    };
    let (opacity, effusion, heart) = (finding(), finding(), finding());
    let phantom = Phantom {
        seed: set.seed.wrapping_mul(1 << 32).wrapping_add(index as u64),
        size: FILM,
        opacity,
        effusion,
        cardiomegaly: heart.map_or(0.0, |found| found.amount),
        noise: 0.2,
    };
    let split = match index {
        index if index < set.train => Split::Train,
        index if index < set.train + set.val => Split::Val,
        _ => Split::Test,
    };
    let file = format!("images/{index}.png");
    write_atomically(&folder.join(&file), &phantom.film()?.to_png()?)?;
    let yes = |there: bool| u8::from(there);
    let (opacity, effusion, heart) = (yes(opacity.is_some()), yes(effusion.is_some()), yes(heart.is_some()));
    Ok(format!("{file},{split},p{index},{opacity},{effusion},{heart}"))
}
