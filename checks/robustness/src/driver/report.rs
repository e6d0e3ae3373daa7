//! What the inputs of a target came to.

use super::{Ended, Measured};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Words of refusals and places of panics that are kept, most.
const KINDS: usize = 200;

/// What the inputs of a target came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The target.
    pub target: String,
    /// Number of inputs.
    pub inputs: u64,
    /// Of these, those that were taken.
    pub taken: u64,
    /// Of these, those on which a library panicked and its caller caught it.
    pub caught: u64,
    /// Inputs that failed: their numbers, and why.
    pub failures: Vec<(u64, String)>,
    /// The slowest input, seconds, and its number.
    pub slowest: (f64, u64),
    /// The most that was allocated at once, bytes, and by which input.
    pub largest: (usize, u64),
    /// All inputs together, seconds of wall time.
    pub seconds: f64,
    /// How often inputs were refused in which words, digits left out.
    pub refusals: BTreeMap<String, u64>,
    /// Where libraries panicked that were caught.
    pub caught_at: BTreeMap<String, u64>,
}

impl Report {
    /// Of no input yet.
    pub fn new(target: &str) -> Self {
        Self { target: target.into(), ..Self::default() }
    }

    /// Counts an input.
    pub(super) fn add(&mut self, index: u64, measured: &Measured, words: bool) {
        self.inputs += 1;
        if let Some(place) = &measured.caught {
            self.caught += 1;
            count(&mut self.caught_at, place);
        }
        match &measured.ended {
            Ended::Taken => self.taken += 1,
            // The parsers' own messages of texts quote the line.
            Ended::Refused(text) => count(&mut self.refusals, if words { text.lines().last().unwrap_or("") } else { text }),
            Ended::Panicked(_) => {}
        }
        if measured.seconds > self.slowest.0 {
            self.slowest = (measured.seconds, index);
        }
        if measured.bytes > self.largest.0 {
            self.largest = (measured.bytes, index);
        }
    }

    /// Notes a failure.
    pub(super) fn failed(&mut self, index: u64, why: &str) {
        self.failures.push((index, why.to_owned()));
    }

    /// Adds what came after.
    pub(super) fn join(&mut self, other: Self) {
        self.inputs += other.inputs;
        self.taken += other.taken;
        self.caught += other.caught;
        self.seconds += other.seconds;
        self.failures.extend(other.failures);
        if other.slowest.0 > self.slowest.0 {
            self.slowest = other.slowest;
        }
        if other.largest.0 > self.largest.0 {
            self.largest = other.largest;
        }
        for (words, number) in other.refusals {
            *self.refusals.entry(words).or_default() += number;
        }
        for (place, number) in other.caught_at {
            *self.caught_at.entry(place).or_default() += number;
        }
    }
}

fn count(kinds: &mut BTreeMap<String, u64>, words: &str) {
    let kind: String = words.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).take(90).collect();
    let kind = if kinds.len() < KINDS || kinds.contains_key(&kind) { kind } else { "others".into() };
    *kinds.entry(kind).or_default() += 1;
}

/// A table in Markdown of all reports, and their sum.
pub fn table(reports: &[Report]) -> String {
    let mut out = String::from("| target | inputs | taken | caught | failed | slowest, s | most memory, MB | inputs/s |\n");
    out.push_str("|---|---:|---:|---:|---:|---:|---:|---:|\n");
    let mut all = Report::new("all");
    for report in reports {
        let _ = writeln!(out, "{}", line(report));
        all.join(report.clone());
    }
    let _ = writeln!(out, "{}", line(&all));
    out
}

fn line(report: &Report) -> String {
    let Report { target, inputs, taken, caught, failures, slowest, largest, seconds, .. } = report;
    let (failed, memory, rate) = (failures.len(), largest.0 as f64 / 1e6, *inputs as f64 / seconds.max(1e-9));
    let slowest = slowest.0;
    format!("| {target} | {inputs} | {taken} | {caught} | {failed} | {slowest:.3} | {memory:.1} | {rate:.0} |")
}
