//! `veilray-sweep teach`: the probabilities that a trained teacher gives to images, as they are and changed, for a student to learn from.

use crate::command::arguments::Common;
use crate::command::error::{Error, Result};
use crate::command::output;
use crate::data::{Dataset, Split, Variant};
use crate::train_classifier::{Probabilities, Teacher, training_images};
use indicatif::ProgressBar;
use serde::Serialize;
use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;

/// Shows a trained teacher the training images of its data, or of other sets, and writes the probabilities it gives them.
///
/// With `--augment` also the images changed at random, once for each of `--seeds`: the same changes as `encode` makes by the same amounts and
/// seed, so that a student that learns from those latents learns from the probabilities of the very image that it sees (Beyer et al. 2022).
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = output::EXIT_CODES)]
pub struct Args {
    /// The folder of the teacher's run: `train-classifier` on images, with a network of the kind `teacher`.
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Data sets, by name or folder, separated by commas; otherwise those of the teacher's experiment. They need none of its labels.
    #[arg(long, value_delimiter = ',', value_name = "NAME|DIR")]
    pub data: Vec<String>,
    /// Random changes, by amounts as in an experiment's `images = { … }`.
    #[arg(long, value_name = "TOML", requires = "seeds")]
    pub augment: Option<String>,
    /// Seeds of the changes, separated by commas.
    #[arg(long, value_delimiter = ',', requires = "augment", value_name = "SEEDS")]
    pub seeds: Vec<u64>,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Data and output.
    #[command(flatten)]
    pub common: Common,
}

/// What the command prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The file of probabilities.
    pub output: PathBuf,
    /// Samples that it holds, each image once as it is and once for each variant.
    pub samples: usize,
    /// Labels of each, auxiliary ones among them.
    pub labels: usize,
    /// Variants of each image, the unchanged one not counted.
    pub variants: Vec<String>,
    /// Images that were refused, by their place, with the reason.
    pub refused: Vec<String>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}  {} samples of {} labels", self.output.display(), self.samples, self.labels)?;
        write!(f, "variants   {}", if self.variants.is_empty() { "none".into() } else { self.variants.join(", ") })?;
        self.refused.iter().try_for_each(|refused| write!(f, "\n  {refused}"))
    }
}

/// Runs the command, with a progress bar on stderr.
///
/// # Errors
/// A folder that holds no teacher, data that cannot be read, amounts outside their range, a file that cannot be written.
pub fn run(args: &Args) -> Result<Summary> {
    let teacher = Teacher::open(&args.model)?;
    let sets = if args.data.is_empty() { teacher.experiment().images() } else { args.data.clone() };
    let variant = |seed: &u64| Variant::read(args.augment.as_deref().unwrap_or_default(), *seed);
    let variants: Vec<Variant> = args.seeds.iter().map(variant).collect::<Result<_, _>>().map_err(Error::teach)?;
    if let Some(twice) = doubled(&args.seeds) {
        return Err(Error::teach(format!("the seed {twice} is there twice; name each once")));
    }
    if let Some(twice) = doubled(&sets) {
        return Err(Error::teach(format!("the data set {twice} is there twice; name each once")));
    }
    // Found now and not after all images were looked at.
    if let Some(folder) = args.out.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
    }
    // All of them found before the first is looked at.
    let sets: Vec<Dataset> =
        sets.iter().map(|set| Dataset::find(set, args.common.data_root.as_deref())).collect::<Result<_, crate::data::Error>>()?;
    let bar = ProgressBar::new((sets.len() * (variants.len() + 1)) as u64);
    let (mut all, mut refused) = (Probabilities::default(), Vec::new());
    for set in &sets {
        for variant in std::iter::once(None).chain(variants.iter().map(Some)) {
            let named = training_images(teacher.experiment(), set, teacher.experiment().side(), variant)?;
            all.extend(teacher.teach(&named)?)?;
            if variant.is_none() {
                refused.extend(named.refused);
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let [samples, labels] = all.shape();
    if samples == 0 {
        return Err(Error::EmptySplit { split: Split::Train.name() });
    }
    all.save(&args.out)?;
    let variants = variants.iter().map(ToString::to_string).collect();
    Ok(Summary { output: args.out.clone(), samples, labels, variants, refused })
}

/// The first of `values` that was there before.
fn doubled<T: Eq + std::hash::Hash>(values: &[T]) -> Option<&T> {
    let mut known = HashSet::new();
    values.iter().find(|value| !known.insert(*value))
}
