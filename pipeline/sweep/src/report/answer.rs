//! Which factor, at what loss, at what cost, and whether f = 8 holds.
//!
//! Accuracy is [`Row::accuracy`]. The rule, per data set: the most accurate configuration on ciphertexts sets the mark; of those that are at most [`TOLERANCE`] of
//! ROC-AUC below it, the fastest on one thread is chosen. Seeds of one configuration count as their mean.

use crate::ledger::{Outcome, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How much of macro ROC-AUC may be given up for time.
pub const TOLERANCE: f64 = 0.01;
/// The factor that the paper recommends.
const PAPER: u32 = 8;
/// The factors that it compares.
const COMPARED: [u32; 3] = [4, 8, 16];

/// A network at a factor, over its seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// Image side over latent side.
    pub factor: u32,
    /// As [`Row::label`].
    pub network: String,
    /// Parameter set.
    pub params: String,
    /// Macro ROC-AUC on ciphertexts, as expected on the whole test split.
    pub auc: f64,
    /// Its 95 % interval.
    pub interval: Option<(f64, f64)>,
    /// The same network with ReLU, in clear on the whole test split.
    pub relu: Option<f64>,
    /// What encryption moved on the images that were evaluated both ways.
    pub moved: Option<f64>,
    /// Those images, of all seeds.
    pub images: usize,
    /// Median server time of an image, ms, and on how many threads.
    pub ms: f64,
    /// Threads of that time.
    pub threads: usize,
    /// Bytes of an image up, of the reply, of the keys.
    pub bytes: [usize; 3],
    /// The server's memory, MB.
    pub memory_mb: Option<f64>,
}

/// Whether the paper's choice is the one made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The rule chooses f = 8.
    Holds,
    /// It chooses another factor, and the intervals of both are apart.
    Fails,
    /// It chooses another factor, but the accuracies' intervals overlap.
    Undecided,
    /// Not all of f = 4, 8 and 16 were measured.
    Incomplete,
}

/// The answer for one data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The data set.
    pub data: String,
    /// What is chosen.
    pub chosen: Configuration,
    /// What is most accurate.
    pub best: Configuration,
    /// What is chosen at f = 8, if that was measured.
    pub paper: Option<Configuration>,
    /// Whether f = 8 holds.
    pub verdict: Verdict,
}

/// The answers, by data set.
pub fn of(rows: &[Row]) -> Vec<Answer> {
    let measured: Vec<&Row> = rows.iter().filter(|row| row.outcome == Outcome::Measured).collect();
    let sets: BTreeSet<&str> = measured.iter().map(|row| row.data.as_str()).collect();
    let answer = |set: &str| {
        let of_set: Vec<&Row> = measured.iter().copied().filter(|row| row.data == set).collect();
        let all = configurations(&of_set);
        let best = all.iter().max_by(|a, b| a.auc.total_cmp(&b.auc))?.clone();
        let near = all.iter().filter(|one| one.auc >= best.auc - TOLERANCE);
        let chosen = near.min_by(|a, b| a.ms.total_cmp(&b.ms))?.clone();
        let paper = at(&all, PAPER);
        let complete = COMPARED.iter().all(|factor| all.iter().any(|one| one.factor == *factor));
        let verdict = match &paper {
            _ if !complete => Verdict::Incomplete,
            _ if chosen.factor == PAPER => Verdict::Holds,
            Some(paper) if apart(paper, &chosen) => Verdict::Fails,
            _ => Verdict::Undecided,
        };
        Some(Answer { data: set.into(), chosen, best, paper, verdict })
    };
    sets.into_iter().filter_map(answer).collect()
}

/// What the rule chooses among the configurations of one factor.
fn at(all: &[Configuration], factor: u32) -> Option<Configuration> {
    let of_factor = || all.iter().filter(|one| one.factor == factor);
    let best = of_factor().map(|one| one.auc).fold(f64::NEG_INFINITY, f64::max);
    of_factor().filter(|one| one.auc >= best - TOLERANCE).min_by(|a, b| a.ms.total_cmp(&b.ms)).cloned()
}

fn apart(a: &Configuration, b: &Configuration) -> bool {
    a.interval.zip(b.interval).is_some_and(|((a_low, a_high), (b_low, b_high))| a_high < b_low || b_high < a_low)
}

fn configurations(rows: &[&Row]) -> Vec<Configuration> {
    let mut groups: BTreeMap<_, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let key = (row.factor, row.label(), &row.params);
        groups.entry(key).or_default().push(row);
    }
    groups.into_values().filter_map(|rows| configuration(&rows)).collect()
}

fn configuration(rows: &[&Row]) -> Option<Configuration> {
    let first = rows.first()?;
    let mean = |value: &dyn Fn(&Row) -> Option<f64>| {
        let values: Vec<f64> = rows.iter().filter_map(|row| value(row)).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let threads = first.server.iter().map(|time| time.threads).min()?;
    let low = mean(&|row| row.accuracy()?.low);
    let high = mean(&|row| row.accuracy()?.high);
    Some(Configuration {
        factor: first.factor,
        network: first.label(),
        params: first.params.clone(),
        auc: mean(&|row| Some(row.accuracy()?.value))?,
        interval: low.zip(high),
        relu: mean(&|row| Some(row.auc_relu?.value)),
        moved: mean(&|row| Some(row.auc_encrypted?.value - row.auc_same?.value)),
        images: rows.iter().filter_map(|row| row.encrypted_images).sum(),
        ms: mean(&|row| row.median_ms(threads))?,
        threads,
        bytes: [first.upload_bytes?, first.reply_bytes?, first.key_bytes?],
        memory_mb: first.planned_memory_mb,
    })
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "f = {} with {} under {} (ROC-AUC {:.3}", self.factor, self.network, self.params, self.auc)?;
        if let Some((low, high)) = self.interval {
            write!(f, ", 95 % {low:.3} to {high:.3}")?;
        }
        write!(f, ", {:.0} ms on {} thread{})", self.ms, self.threads, if self.threads == 1 { "" } else { "s" })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = &self.chosen;
        write!(f, "On {}, take {chosen}. ", self.data)?;
        let [up, down, keys] = chosen.bytes.map(|bytes| bytes as f64 / 1e6);
        let loss = self.best.auc - chosen.auc;
        if chosen == &self.best {
            write!(f, "Nothing measured is more accurate. ")?;
        } else {
            let saved = self.best.ms / chosen.ms;
            write!(f, "It loses {loss:.3} of ROC-AUC to the most accurate, {}, and is {saved:.1} times as fast. ", self.best)?;
        }
        if let Some(relu) = chosen.relu {
            write!(f, "The same network with ReLU in clear reaches {relu:.3}, {:+.3} against that; ", relu - chosen.auc)?;
        }
        let images = chosen.images;
        write!(f, "encryption itself moves {:+.4} on {images} images. ", chosen.moved.unwrap_or(f64::NAN))?;
        write!(f, "An image costs {up:.2} MB up and {down:.2} MB down, the keys {keys:.1} MB once")?;
        match chosen.memory_mb {
            Some(memory) => write!(f, ", the server {memory:.0} MB of memory. ")?,
            None => write!(f, ". ")?,
        }
        let paper = self
            .paper
            .as_ref()
            .map_or_else(|| "f = 8 was not measured".to_string(), |paper| format!("at f = 8 it would be {paper}"));
        match self.verdict {
            Verdict::Holds => write!(f, "The paper's f = 8 holds here."),
            Verdict::Fails => write!(f, "The paper's f = 8 does not hold here: {paper}."),
            Verdict::Undecided => {
                write!(f, "The paper's f = 8 is not what this rule chooses, but the intervals overlap: {paper}.")
            }
            Verdict::Incomplete => {
                write!(f, "Whether the paper's f = 8 holds cannot be said: not all of f = 4, 8 and 16 were measured.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Auc;

    fn row(factor: u32, auc: f64, half: f64, ms: f64) -> Row {
        let mut row: Row = serde_json::from_str(include_str!("../ledger/example.json")).unwrap();
        (row.id, row.factor) = (format!("{factor}-{auc}"), factor);
        row.auc_polynomial = Some(Auc { value: auc, low: Some(auc - half), high: Some(auc + half) });
        row.auc_encrypted = row.auc_same;
        row.server[0].median_ms = ms;
        row
    }

    #[test]
    fn the_fastest_within_the_tolerance_is_chosen() {
        let rows = [row(4, 0.800, 0.02, 900.0), row(8, 0.795, 0.02, 200.0), row(16, 0.77, 0.005, 50.0)];
        let answers = of(&rows);
        let [answer] = &answers[..] else { panic!("{answers:?}") };
        assert_eq!((answer.chosen.factor, answer.best.factor, answer.verdict), (8, 4, Verdict::Holds));
        let text = answer.to_string();
        for part in ["f = 8", "0.795", "200 ms", "loses 0.005", "4.5 times as fast", "holds here"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn the_papers_factor_fails_only_where_intervals_are_apart() {
        let with = |half| of(&[row(4, 0.80, half, 900.0), row(8, 0.80, half, 200.0), row(16, 0.87, half, 50.0)])[0].verdict;
        assert_eq!((with(0.02), with(0.05)), (Verdict::Fails, Verdict::Undecided));
        assert_eq!(of(&[row(8, 0.8, 0.1, 1.0), row(16, 0.9, 0.1, 1.0)])[0].verdict, Verdict::Incomplete);
        assert_eq!(of(&[]), []);
    }

    #[test]
    fn what_encryption_moves_counts() {
        let mut moved = row(16, 0.80, 0.02, 50.0);
        moved.auc_encrypted = moved.auc_same.map(|auc| Auc { value: auc.value - 0.1, ..auc });
        let answers = of(&[row(8, 0.75, 0.02, 200.0), moved]);
        assert_eq!((answers[0].chosen.factor, answers[0].best.factor), (8, 8));
    }

    #[test]
    fn seeds_count_as_their_mean() {
        let (mut lucky, other) = (row(8, 0.9, 0.02, 100.0), row(8, 0.7, 0.02, 300.0));
        lucky.seed = 2;
        let answers = of(&[lucky, other]);
        assert!((answers[0].chosen.auc - 0.8).abs() < 1e-12 && (answers[0].chosen.ms - 200.0).abs() < 1e-9);
    }
}
