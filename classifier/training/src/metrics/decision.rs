//! From scores to yes and no.

use super::calibration::fit_temperature;
use super::error::{Error, Result};
use super::scored::Scored;
use serde::{Deserialize, Serialize};
use veilray_classifier::operating_point::{OperatingPoint, Thresholds};

/// What a threshold is chosen for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Criterion {
    /// The highest F1.
    #[default]
    F1,
    /// The highest mean of sensitivity and specificity: the choice that does not depend on how many images of the split are yes.
    Balanced,
    /// None: the threshold is 0, probability 1/2 where scores are logits. For a loss that balances the classes already, and a split too small
    /// or too easy to place a threshold by.
    Half,
}

/// What thresholds give on a split, for one label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelDecisions {
    /// The label's name.
    pub label: String,
    /// A score from here on is a yes.
    pub threshold: f32,
    /// Yes called yes.
    pub true_yes: usize,
    /// No called yes.
    pub false_yes: usize,
    /// Yes called no.
    pub false_no: usize,
    /// No called no.
    pub true_no: usize,
    /// 2 true yes / (2 true yes + false yes + false no); undefined where the split has no yes.
    pub f1: Option<f64>,
    /// Part of the yes called yes.
    pub sensitivity: Option<f64>,
    /// Part of the no called no.
    pub specificity: Option<f64>,
}

/// What thresholds give on a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decisions {
    /// Mean F1 of the labels for which it is defined.
    pub f1_macro: Option<f64>,
    /// F1 of all pairs of image and label together.
    pub f1_micro: Option<f64>,
    /// Part of all pairs of image and label that is decided rightly.
    pub accuracy: Option<f64>,
    /// Each label, in the table's order.
    pub labels: Vec<LabelDecisions>,
}

/// The thresholds that are best on `scored`, which should be the validation split; the higher one where two are as good. A label without a
/// yes gets the threshold 0, probability 1/2 where scores are logits.
pub fn best_thresholds(scored: &Scored, criterion: Criterion) -> Thresholds {
    let values = (0..scored.names().len()).map(|label| {
        let mut known: Vec<(f32, bool)> = scored.known(label).map(|(_, score, yes)| (score, yes)).collect();
        known.sort_by(|a, b| b.0.total_cmp(&a.0));
        let yes = known.iter().filter(|(_, yes)| *yes).count();
        let no = known.len() - yes;
        let cut = match criterion {
            Criterion::F1 => best_cut(&known, |hits, called| (hits, called + yes)),
            // hits / yes + (no - false alarms) / no, times both.
            Criterion::Balanced => best_cut(&known, |hits, called| (hits * no + (no + hits - called) * yes, 1)),
            Criterion::Half => None,
        };
        cut.unwrap_or(0.0)
    });
    Thresholds { labels: scored.names().to_vec(), values: values.collect() }
}

impl Decisions {
    /// What `thresholds` give on the scores of any split, which must be in the same unit.
    ///
    /// # Errors
    /// Scores of other labels.
    pub fn of(thresholds: &Thresholds, scored: &Scored) -> Result<Self> {
        if thresholds.labels != scored.names() {
            return Err(Error::OtherLabels { wanted: thresholds.labels.clone(), found: scored.names().to_vec() });
        }
        if thresholds.values.len() != thresholds.labels.len() {
            return Err(Error::Length {
                what: "thresholds",
                per: "label",
                wanted: thresholds.labels.len(),
                found: thresholds.values.len(),
            });
        }
        let labels: Vec<LabelDecisions> = (0..)
            .zip(thresholds.labels.iter().zip(&thresholds.values))
            .map(|(at, (name, threshold))| {
                let mut counts = Counts::default();
                scored.known(at).for_each(|(_, score, yes)| counts.add(score >= *threshold, yes));
                counts.label(name, *threshold)
            })
            .collect();
        let total = labels.iter().fold(Counts::default(), |total, label| total.plus(label));
        let defined: Vec<f64> = labels.iter().filter_map(|label| label.f1).collect();
        Ok(Self {
            f1_macro: ratio(defined.iter().sum(), defined.len() as f64),
            f1_micro: total.f1(),
            accuracy: ratio((total.true_yes + total.true_no) as f64, total.all() as f64),
            labels,
        })
    }
}

/// The temperature and thresholds that are best on `logits`, a validation split's.
pub fn choose_operating_point(logits: &Scored, criterion: Criterion) -> OperatingPoint {
    OperatingPoint { temperature: fit_temperature(logits), thresholds: best_thresholds(logits, criterion) }
}

/// The threshold with the highest merit over scores sorted from the highest down: half way between the last score above it and the first
/// below. `merit` gives a fraction for the yes among those called yes, and all that are.
fn best_cut(known: &[(f32, bool)], merit: impl Fn(usize, usize) -> (usize, usize)) -> Option<f32> {
    let (mut hits, mut best) = (0usize, None);
    let below = known.iter().skip(1).map(|(score, _)| Some(*score)).chain([None]);
    for (called, ((score, yes), next)) in (1usize..).zip(known.iter().zip(below)) {
        hits += usize::from(*yes);
        if next.is_some_and(|next| next >= *score) {
            continue;
        }
        // Compared as fractions, exactly.
        let (part, whole) = merit(hits, called);
        if hits > 0 && best.is_none_or(|(top, of, _)| part * of > top * whole) {
            // Between two neighbouring floats the middle may round to the lower one.
            let middle =
                next.map_or(*score, |next| if next < score / 2.0 + next / 2.0 { score / 2.0 + next / 2.0 } else { *score });
            best = Some((part, whole, middle));
        }
    }
    best.map(|(_, _, threshold)| threshold)
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

#[derive(Clone, Copy, Default)]
struct Counts {
    true_yes: usize,
    false_yes: usize,
    false_no: usize,
    true_no: usize,
}

impl Counts {
    fn add(&mut self, called: bool, yes: bool) {
        *(match (called, yes) {
            (true, true) => &mut self.true_yes,
            (true, false) => &mut self.false_yes,
            (false, true) => &mut self.false_no,
            (false, false) => &mut self.true_no,
        }) += 1;
    }

    fn plus(self, label: &LabelDecisions) -> Self {
        Self {
            true_yes: self.true_yes + label.true_yes,
            false_yes: self.false_yes + label.false_yes,
            false_no: self.false_no + label.false_no,
            true_no: self.true_no + label.true_no,
        }
    }

    fn all(self) -> usize {
        self.true_yes + self.false_yes + self.false_no + self.true_no
    }

    fn f1(self) -> Option<f64> {
        let hits = 2.0 * self.true_yes as f64;
        let yes = self.true_yes + self.false_no;
        ratio(hits, hits + (self.false_yes + self.false_no) as f64).filter(|_| yes > 0)
    }

    fn label(self, name: &str, threshold: f32) -> LabelDecisions {
        let Self { true_yes, false_yes, false_no, true_no } = self;
        LabelDecisions {
            label: name.into(),
            threshold,
            true_yes,
            false_yes,
            false_no,
            true_no,
            f1: self.f1(),
            sensitivity: ratio(true_yes as f64, (true_yes + false_no) as f64),
            specificity: ratio(true_no as f64, (true_no + false_yes) as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::UNKNOWN;
    use proptest::prelude::*;

    #[test]
    fn known_answers() {
        let names = vec!["a".to_string(), "b".to_string()];
        // Label a: 0.9 yes, 0.6 no, 0.4 yes, 0.1 no; calling the upper three gives F1 4/5. Label b has no yes.
        let scores = vec![0.9, 0.0, 0.6, 0.0, 0.4, 0.0, 0.1, 0.0];
        let scored = Scored::new(scores, vec![1, 0, 0, 0, 1, UNKNOWN, 0, 0], names.clone()).unwrap();
        let thresholds = best_thresholds(&scored, Criterion::F1);
        assert_eq!(thresholds, Thresholds { labels: names, values: vec![0.25, 0.0] });
        assert_eq!(best_thresholds(&scored, Criterion::Half).values, [0.0, 0.0]);
        let decisions = Decisions::of(&thresholds, &scored).unwrap();
        assert_eq!((decisions.f1_macro, decisions.labels[1].f1), (Some(0.8), None));
        // Pooled: 2 true yes, 1 + 3 false yes, none missed, 1 true no.
        assert_eq!((decisions.f1_micro, decisions.accuracy), (Some(0.5), Some(3.0 / 7.0)));
        let a = &decisions.labels[0];
        assert_eq!((a.sensitivity, a.specificity, a.true_no), (Some(1.0), Some(0.5), 1));
        let other = Scored::new(vec![0.0; 2], vec![0; 2], vec!["a".into(), "c".into()]).unwrap();
        assert!(matches!(Decisions::of(&thresholds, &other), Err(Error::OtherLabels { .. })));
        let short = Thresholds { values: vec![0.0], ..thresholds };
        assert!(matches!(Decisions::of(&short, &scored), Err(Error::Length { .. })));
    }

    #[test]
    fn neighbouring_floats_are_told_apart() {
        let low = 1.0f32;
        let high = low.next_up();
        let scored = Scored::new(vec![high, low], vec![1, 0], vec!["a".into()]).unwrap();
        let decisions = Decisions::of(&best_thresholds(&scored, Criterion::F1), &scored).unwrap();
        assert_eq!(decisions.f1_macro, Some(1.0));
    }

    proptest! {
        #[test]
        fn no_threshold_is_better_than_the_chosen_one(cells in prop::collection::vec((-6i8..7, any::<bool>()), 1..50)) {
            let scores: Vec<f32> = cells.iter().map(|(score, _)| f32::from(*score) / 7.0).collect();
            let labels = cells.iter().map(|(_, yes)| u8::from(*yes)).collect();
            let scored = Scored::new(scores.clone(), labels, vec!["a".into()]).unwrap();
            let f1 = |threshold: f32| {
                let decided = cells.iter().zip(&scores).map(|((_, yes), score)| (*score >= threshold, *yes));
                let tally = |wanted: (bool, bool)| decided.clone().filter(|pair| *pair == wanted).count() as f64;
                let hits = 2.0 * tally((true, true));
                hits / (hits + tally((true, false)) + tally((false, true)))
            };
            let decisions = Decisions::of(&best_thresholds(&scored, Criterion::F1), &scored).unwrap();
            if let Some(best) = decisions.f1_macro {
                prop_assert!((f1(decisions.labels[0].threshold) - best).abs() < 1e-12);
                prop_assert!(scores.iter().all(|score| f1(*score) <= best + 1e-12));
            } else {
                prop_assert!(cells.iter().all(|(_, yes)| !yes));
            }
        }

        #[test]
        fn no_threshold_is_more_balanced_than_the_chosen_one(cells in prop::collection::vec((-6i8..7, any::<bool>()), 1..50)) {
            let scores: Vec<f32> = cells.iter().map(|(score, _)| f32::from(*score) / 7.0).collect();
            let labels = cells.iter().map(|(_, yes)| u8::from(*yes)).collect();
            let scored = Scored::new(scores.clone(), labels, vec!["a".into()]).unwrap();
            let balance = |threshold: f32| {
                let right = |class: bool| {
                    let of = cells.iter().zip(&scores).filter(move |((_, yes), _)| *yes == class);
                    of.clone().filter(|(_, score)| (**score >= threshold) == class).count() as f64 / of.count() as f64
                };
                right(true) + right(false)
            };
            // With one class alone there is nothing to balance.
            prop_assume!(cells.iter().any(|(_, yes)| *yes) && cells.iter().any(|(_, yes)| !*yes));
            let chosen = balance(best_thresholds(&scored, Criterion::Balanced).values[0]);
            prop_assert!(scores.iter().all(|score| balance(*score) <= chosen + 1e-12));
        }
    }
}
