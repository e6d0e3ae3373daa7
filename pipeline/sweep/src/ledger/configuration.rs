//! Rows of one network at one factor, over its seeds.

use super::{Auc, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use veilray_base::Rng;
use veilray_training::metrics::Bootstrap;

/// A network at a factor, over its seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// Image side over latent side.
    pub factor: u32,
    /// The network with gate and activations, as [`Row::label`] gives it.
    pub network: String,
    /// Name of the parameter set, such as `n14`.
    pub params: String,
    /// Trainings that differ in their seed.
    pub seeds: usize,
    /// Macro ROC-AUC on ciphertexts, as expected on the whole test split.
    pub auc: f64,
    /// Its 95 % interval.
    pub interval: Option<(f64, f64)>,
    /// The same network with ReLU, in clear on the whole test split.
    pub relu: Option<f64>,
    /// Whether that one normalises as this one does.
    pub relu_normalised: bool,
    /// What encryption moved on the images that were evaluated both ways.
    pub moved: Option<Auc>,
    /// Those images, of all seeds.
    pub images: usize,
    /// Median server time of an image, ms, and on how many threads.
    pub ms: f64,
    /// Threads of that time.
    pub threads: usize,
    /// Bytes of an image up, of the reply, of the keys.
    pub bytes: [usize; 3],
    /// The server's memory, MB: measured, and where it was not, planned.
    pub memory_mb: Option<f64>,
    /// [`Row::accuracy`] on the resampled test splits, [seed, split]; empty where the ledger does not hold them.
    draws: Vec<Vec<f64>>,
}

impl Configuration {
    /// Of the measured rows of one data set.
    pub fn all(rows: &[&Row]) -> Vec<Self> {
        let mut groups: BTreeMap<_, Vec<&Row>> = BTreeMap::new();
        for row in rows {
            let key = (row.factor, row.label(), &row.params);
            groups.entry(key).or_default().push(row);
        }
        let paired = comparable(rows);
        groups.into_values().filter_map(|rows| Self::of(&rows, paired)).collect()
    }

    fn of(rows: &[&Row], paired: bool) -> Option<Self> {
        let first = rows.first()?;
        let mean = |value: &dyn Fn(&Row) -> Option<f64>| {
            let values: Vec<f64> = rows.iter().filter_map(|row| value(row)).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        let threads = first.server.iter().map(|time| time.threads).min()?;
        let draws = |row: &&Row| {
            let moved = row.auc_encrypted.zip(row.auc_same).map_or(0.0, |(after, before)| after.value - before.value);
            row.auc_resampled.iter().map(|value| value + moved).collect()
        };
        let mut found = Self {
            factor: first.factor,
            network: first.label(),
            params: first.params.clone(),
            seeds: rows.len(),
            auc: mean(&|row| Some(row.accuracy()?.value))?,
            interval: None,
            relu: mean(&|row| Some(row.auc_relu?.value)),
            relu_normalised: rows.iter().all(|row| row.relu_normalised),
            moved: mean(&|row| Some(row.auc_encrypted?.value - row.auc_same?.value)).map(|value| Auc {
                value,
                low: mean(&|row| row.auc_moved?.low),
                high: mean(&|row| row.auc_moved?.high),
            }),
            images: rows.iter().filter_map(|row| row.encrypted_images).sum(),
            ms: mean(&|row| row.median_ms(threads))?,
            threads,
            bytes: [first.upload_bytes?, first.reply_bytes?, first.key_bytes?],
            memory_mb: mean(&|row| row.memory_mb.or(row.planned_memory_mb)),
            draws: if paired { rows.iter().map(draws).collect() } else { Vec::new() },
        };
        let ends = mean(&|row| row.accuracy()?.low).zip(mean(&|row| row.accuracy()?.high));
        found.interval = percentiles(found.resampled()).or(ends);
        Some(found)
    }

    /// The accuracy on every resampled test split, the seeds drawn anew as well; empty where the ledger does not hold it.
    pub fn resampled(&self) -> Vec<f64> {
        let mut rng = Rng::new(u64::from(self.factor), &self.network);
        let splits = self.draws.iter().map(Vec::len).min().unwrap_or_default();
        let mean = |split: usize| {
            let seeds = self.draws.len();
            let drawn = (0..seeds).filter_map(|_| self.draws.get(rng.below(seeds))?.get(split).copied());
            drawn.sum::<f64>() / seeds as f64
        };
        (0..splits).map(mean).collect()
    }

    /// How much more accurate this one is than the other, with a paired interval where there is one.
    pub fn above(&self, other: &Self) -> Auc {
        let pairs = self.resampled().into_iter().zip(other.resampled());
        let ends = percentiles(pairs.map(|(mine, theirs)| mine - theirs).collect());
        Auc { value: self.auc - other.auc, low: ends.map(|ends| ends.0), high: ends.map(|ends| ends.1) }
    }

    /// Whether the intervals of both have nothing in common.
    pub fn is_apart_from(&self, other: &Self) -> bool {
        self.interval
            .zip(other.interval)
            .is_some_and(|((low, high), (other_low, other_high))| high < other_low || other_high < low)
    }
}

/// Whether all rows hold figures of the same resampled splits.
fn comparable(rows: &[&Row]) -> bool {
    let splits: BTreeSet<(Option<&String>, usize)> =
        rows.iter().map(|row| (row.test_sha256.as_ref(), row.auc_resampled.len())).collect();
    matches!(splits.into_iter().collect::<Vec<_>>()[..], [(Some(_), count)] if count > 0)
}

/// The 95 % interval of a figure on resampled splits.
fn percentiles(values: Vec<f64>) -> Option<(f64, f64)> {
    let bootstrap = Bootstrap { resamples: values.len(), ..Bootstrap::default() };
    let interval = bootstrap.interval(values)?;
    Some((interval.low, interval.high))
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} under {} (ROC-AUC {:.3}", self.network, self.params, self.auc)?;
        if let Some((low, high)) = self.interval {
            write!(f, ", 95 % {low:.3} to {high:.3}")?;
        }
        if self.seeds > 1 {
            write!(f, ", mean of {} seeds", self.seeds)?;
        }
        write!(f, ", {:.0} ms on {} thread{})", self.ms, self.threads, if self.threads == 1 { "" } else { "s" })
    }
}
