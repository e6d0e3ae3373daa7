//! Which factor, at what loss, at what cost, and whether f = 8 holds.
//!
//! Accuracy is [`Row::accuracy`]. The rule, per data set: the most accurate configuration on ciphertexts sets the mark; of those that
//! are at most [`TOLERANCE`] of ROC-AUC below it, the fastest is chosen. Seeds of one configuration count as their mean. How sure
//! that is, is found by applying the rule to test splits whose patients are drawn anew, the same for all configurations.

use crate::ledger::{Configuration, Outcome, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How much of macro ROC-AUC may be given up for time.
pub(super) const TOLERANCE: f64 = 0.01;
/// Part of the resampled splits in which the rule must choose alike to be called sure.
const SURE: f64 = 0.95;
/// The factor that Kim et al. (MICCAI 2025) recommend.
pub(super) const PAPER: u32 = 8;
/// The factors that they compare.
const COMPARED: [u32; 3] = [4, 8, 16];

/// Whether the choice of Kim et al. is the one made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The rule chooses f = 8, and would on nearly all other test splits.
    Holds,
    /// It chooses another factor, and would on nearly all other test splits.
    Fails,
    /// On other test splits it might choose otherwise.
    Undecided,
    /// Not all of f = 4, 8 and 16 were measured.
    Incomplete,
}

/// The most accurate network with ReLU, in clear.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// The network.
    pub network: String,
    /// Its factor.
    pub factor: u32,
    /// Its macro ROC-AUC.
    pub auc: f64,
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
    /// What is chosen where only one factor may be, by factor.
    pub by_factor: Vec<Configuration>,
    /// What nothing was lost against: the best with ReLU of all rows, whether they could be encrypted or not.
    pub reference: Option<Reference>,
    /// In what part of the resampled test splits the rule chooses each factor; none where the ledger does not tell.
    pub shares: Option<BTreeMap<u32, f64>>,
    /// Whether f = 8 holds.
    pub verdict: Verdict,
}

/// The answers, by data set.
pub(super) fn of(rows: &[Row]) -> Vec<Answer> {
    let sets: BTreeSet<&str> = rows.iter().map(|row| row.data.as_str()).collect();
    let answer = |set: &str| {
        let of_set: Vec<&Row> = rows.iter().filter(|row| row.data == set).collect();
        let measured: Vec<&Row> = of_set.iter().copied().filter(|row| row.outcome == Outcome::Measured).collect();
        let all = Configuration::all(&measured);
        let aucs: Vec<f64> = all.iter().map(|one| one.auc).collect();
        let chosen = all.get(rule(&all, &aucs)?)?.clone();
        let best = all.iter().max_by(|a, b| a.auc.total_cmp(&b.auc))?.clone();
        let factors: BTreeSet<u32> = all.iter().map(|one| one.factor).collect();
        let by_factor: Vec<Configuration> = factors.into_iter().filter_map(|factor| at(&all, factor)).collect();
        let shares = shares(&all);
        let verdict = verdict(&chosen, &by_factor, shares.as_ref());
        Some(Answer { data: set.into(), chosen, best, by_factor, reference: reference(&of_set), shares, verdict })
    };
    sets.into_iter().filter_map(answer).collect()
}

/// The index that the rule chooses, given each one's accuracy.
fn rule(all: &[Configuration], aucs: &[f64]) -> Option<usize> {
    let best = aucs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let near = all.iter().zip(aucs).enumerate().filter(|(_, (_, auc))| **auc >= best - TOLERANCE);
    near.min_by(|(_, (a, _)), (_, (b, _))| a.ms.total_cmp(&b.ms)).map(|(place, _)| place)
}

/// What the rule chooses among the configurations of one factor.
fn at(all: &[Configuration], factor: u32) -> Option<Configuration> {
    let of_factor: Vec<Configuration> = all.iter().filter(|one| one.factor == factor).cloned().collect();
    let aucs: Vec<f64> = of_factor.iter().map(|one| one.auc).collect();
    of_factor.get(rule(&of_factor, &aucs)?).cloned()
}

/// In what part of the resampled splits the rule chooses each factor.
fn shares(all: &[Configuration]) -> Option<BTreeMap<u32, f64>> {
    let drawn: Vec<Vec<f64>> = all.iter().map(Configuration::resampled).collect();
    let splits = drawn.iter().map(Vec::len).min().filter(|count| *count > 0)?;
    let mut counts: BTreeMap<u32, f64> = all.iter().map(|one| (one.factor, 0.0)).collect();
    for split in 0..splits {
        let aucs: Vec<f64> = drawn.iter().filter_map(|values| values.get(split).copied()).collect();
        let factor = rule(all, &aucs).and_then(|place| all.get(place)).map(|one| one.factor)?;
        *counts.entry(factor).or_default() += 1.0 / splits as f64;
    }
    Some(counts)
}

/// The best of all rows with ReLU in clear.
fn reference(rows: &[&Row]) -> Option<Reference> {
    let with_relu = rows.iter().filter_map(|row| Some((row, row.auc_relu?.value)));
    let (row, auc) = with_relu.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    Some(Reference { network: row.label(), factor: row.factor, auc })
}

fn verdict(chosen: &Configuration, by_factor: &[Configuration], shares: Option<&BTreeMap<u32, f64>>) -> Verdict {
    let at = |factor: u32| by_factor.iter().find(|one| one.factor == factor);
    let Some(paper) = at(PAPER).filter(|_| COMPARED.iter().all(|factor| at(*factor).is_some())) else {
        return Verdict::Incomplete;
    };
    let taken = chosen.factor == PAPER;
    let sure = match shares {
        Some(shares) => {
            let share = shares.get(&PAPER).copied().unwrap_or_default();
            if taken { share >= SURE } else { share <= 1.0 - SURE }
        }
        // Without figures of the same resampled splits, intervals that overlap say nothing.
        None if taken => by_factor.iter().filter(|one| one.factor != PAPER).all(|one| one.is_apart_from(paper)),
        None => chosen.is_apart_from(paper),
    };
    match (sure, taken) {
        (false, _) => Verdict::Undecided,
        (true, true) => Verdict::Holds,
        (true, false) => Verdict::Fails,
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = &self.chosen;
        write!(f, "On {}, take f = {} with {chosen}: ", self.data, chosen.factor)?;
        let [up, down, keys] = chosen.bytes.map(|bytes| bytes as f64 / 1e6);
        write!(f, "an image costs {up:.2} MB up and {down:.2} MB down, the keys {keys:.1} MB once")?;
        if let Some(memory) = chosen.memory_mb {
            write!(f, ", the server {memory:.0} MB of memory")?;
        }
        write!(f, ". ")?;
        let others = self.by_factor.iter().filter(|one| one.factor != chosen.factor);
        let others: Vec<String> = others.map(|one| format!("at f = {} {one}", one.factor)).collect();
        if !others.is_empty() {
            write!(f, "The same rule takes {}. ", others.join(", "))?;
        }
        if chosen == &self.best {
            write!(f, "Nothing measured is more accurate")?;
        } else {
            let (loss, saved) = (self.best.auc - chosen.auc, self.best.ms / chosen.ms);
            let (network, factor) = (&self.best.network, self.best.factor);
            write!(
                f,
                "It loses {loss:.3} of ROC-AUC to the most accurate, {network} at f = {factor}, and is {saved:.1} times as fast"
            )?;
        }
        if let Some(Reference { network, factor, auc }) = &self.reference {
            let lost = chosen.auc - auc;
            write!(
                f,
                "; against the best network with ReLU in clear, {network} at f = {factor} with {auc:.3}, it is {lost:+.3}"
            )?;
        }
        if let Some(relu) = chosen.relu {
            let bare = if chosen.relu_normalised { "" } else { ", which here has no normalisation where HerPN has one" };
            write!(f, ", against itself with ReLU in clear{bare}, {:+.3}", chosen.auc - relu)?;
        }
        if let Some(moved) = chosen.moved {
            write!(f, "; encryption moves {:+.4}", moved.value)?;
            if let Some((low, high)) = moved.low.zip(moved.high) {
                write!(f, " (95 % {low:+.4} to {high:+.4})")?;
            }
            write!(f, " on {} images", chosen.images)?;
        }
        write!(f, ". {}", self.sentence())
    }
}

impl Answer {
    /// The verdict on f = 8 and what it rests on.
    fn sentence(&self) -> String {
        let rests = match &self.shares {
            Some(shares) => {
                let share = |(factor, share): (&u32, &f64)| format!("f = {factor} in {:.0} %", 100.0 * share);
                let shares: Vec<String> = shares.iter().map(share).collect();
                format!("on test splits whose patients are drawn anew the rule takes {}", shares.join(", "))
            }
            None => "the ledger holds no figures of the same resampled splits, so intervals are compared, and of factors whose intervals \
                     overlap none is better"
                .into(),
        };
        match self.verdict {
            Verdict::Holds => format!("f = 8 holds here: {rests}."),
            Verdict::Fails => format!("f = 8 does not hold here: {rests}."),
            Verdict::Undecided => format!("Whether f = 8 holds is not decided here: {rests}."),
            Verdict::Incomplete => "Whether f = 8 holds cannot be said: not all of f = 4, 8 and 16 were measured.".into(),
        }
    }
}

/// The verdicts of all data sets in one sentence.
pub(super) fn together(answers: &[Answer]) -> Option<String> {
    let said = [
        (Verdict::Holds, "holds"),
        (Verdict::Fails, "does not hold"),
        (Verdict::Undecided, "is neither shown nor refuted"),
        (Verdict::Incomplete, "was not put to the test"),
    ];
    let part = |(verdict, words): (Verdict, &str)| {
        let sets: Vec<&str> = answers.iter().filter(|one| one.verdict == verdict).map(|one| one.data.as_str()).collect();
        (!sets.is_empty()).then(|| format!("{words} on {}", sets.join(" and ")))
    };
    let parts: Vec<String> = said.into_iter().filter_map(part).collect();
    (answers.len() > 1).then(|| format!("In all, f = 8 {}.", parts.join(", ")))
}

#[cfg(test)]
mod tests;
