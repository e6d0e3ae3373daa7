//! All ranking figures of a split, and of its strata.

use super::bootstrap::{Bootstrap, Interval};
use super::error::{Error, Result};
use super::ranking::Ranking;
use super::scored::Scored;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A figure and, where it was asked for, its bootstrap interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// On the split as it is.
    pub value: f64,
    /// Over resampled splits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
}

/// One label's figures; undefined (`None`) where the split holds one class only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelEvaluation {
    /// The label's name.
    pub label: String,
    /// Images known to have it.
    pub yes: usize,
    /// Images known not to.
    pub no: usize,
    /// Area under the ROC curve.
    pub roc_auc: Option<Figure>,
    /// Area under the precision-recall curve, as average precision.
    pub average_precision: Option<Figure>,
}

/// Means over the labels for which the figure is defined.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Means {
    /// Every label counts the same.
    #[serde(rename = "macro")]
    pub macro_mean: Option<Figure>,
    /// All pairs of image and label ranked together.
    pub micro: Option<Figure>,
    /// A label counts as often as it is yes.
    pub weighted: Option<Figure>,
}

/// Ranking figures of one split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Images in the split.
    pub images: usize,
    /// ROC-AUC over labels.
    pub roc_auc: Means,
    /// Average precision over labels.
    pub average_precision: Means,
    /// Each label, in the table's order.
    pub labels: Vec<LabelEvaluation>,
}

impl Evaluation {
    /// Of a table, without intervals.
    pub fn of(scored: &Scored) -> Self {
        Rankings::new(scored).evaluation(None)
    }

    /// Of a table, with intervals from resampling whole groups: pass each image's patient, since images of one patient resemble each
    /// other; an image whose patient is "" stands for itself.
    ///
    /// # Errors
    /// Not one group per image; bootstrap settings outside their range.
    pub fn with_intervals(scored: &Scored, groups: &[String], bootstrap: &Bootstrap) -> Result<Self> {
        one_per_image(scored, groups)?;
        let rankings = Rankings::new(scored);
        let intervals = bootstrap.intervals(groups, |count| rankings.figures(count))?;
        Ok(rankings.evaluation(Some(&intervals)))
    }

    /// Macro ROC-AUC in every resampled split; `None` where no label has both classes there. Two tables of the same images and groups are
    /// resampled alike: the difference of their figures, split by split, is paired.
    ///
    /// # Errors
    /// As [`Self::with_intervals`].
    pub fn macro_auc_resampled(scored: &Scored, groups: &[String], bootstrap: &Bootstrap) -> Result<Vec<Option<f64>>> {
        one_per_image(scored, groups)?;
        let rankings = Rankings::new(scored);
        bootstrap.draws(groups, |count| rankings.macro_auc(count))
    }
}

fn one_per_image(scored: &Scored, groups: &[String]) -> Result<()> {
    match groups.len() == scored.images() {
        true => Ok(()),
        false => Err(Error::Length { what: "groups", per: "image", wanted: scored.images(), found: groups.len() }),
    }
}

/// [`Evaluation::of`] within each value of `strata`, one per image; images with an empty value are left out.
///
/// A classifier may owe its AUC to a column that goes with both image and label, such as the view; within one value it cannot.
///
/// # Errors
/// Not one value per image.
pub fn by_stratum(scored: &Scored, strata: &[String]) -> Result<BTreeMap<String, Evaluation>> {
    if strata.len() != scored.images() {
        return Err(Error::Length { what: "strata", per: "image", wanted: scored.images(), found: strata.len() });
    }
    let mut members: BTreeMap<&String, Vec<usize>> = BTreeMap::new();
    for (image, stratum) in strata.iter().enumerate().filter(|(_, stratum)| !stratum.is_empty()) {
        members.entry(stratum).or_default().push(image);
    }
    Ok(members.into_iter().map(|(stratum, images)| (stratum.clone(), Evaluation::of(&scored.select(&images)))).collect())
}

/// A split sorted once, to be evaluated under any number of resamplings.
struct Rankings {
    images: usize,
    names: Vec<String>,
    labels: Vec<Ranking>,
    pooled: Ranking,
}

impl Rankings {
    fn new(scored: &Scored) -> Self {
        let known = |label| scored.known(label);
        let all = 0..scored.names().len();
        Self {
            images: scored.images(),
            names: scored.names().to_vec(),
            labels: all.clone().map(|label| Ranking::new(known(label))).collect(),
            pooled: Ranking::new(all.flat_map(known)),
        }
    }

    /// ROC-AUC of every label, then macro, micro and weighted; then average precision in the same order.
    fn figures(&self, count: &dyn Fn(usize) -> u32) -> Vec<Option<f64>> {
        type Figure = fn(&Ranking, &dyn Fn(usize) -> u32) -> Option<f64>;
        let kinds: [Figure; 2] = [|ranking, count| ranking.roc_auc(count), |ranking, count| ranking.average_precision(count)];
        let weights: Vec<f64> = self.labels.iter().map(|ranking| ranking.yes(count) as f64).collect();
        let of_kind = |figure: Figure| {
            let mut values: Vec<Option<f64>> = self.labels.iter().map(|ranking| figure(ranking, count)).collect();
            let mean = |weight: &dyn Fn(f64) -> f64| {
                let defined = values.iter().zip(&weights).filter_map(|(value, yes)| Some((weight(*yes), (*value)?)));
                let (total, sum) =
                    defined.fold((0.0, 0.0), |(total, sum), (weight, value)| (total + weight, sum + weight * value));
                (total > 0.0).then(|| sum / total)
            };
            let means = [mean(&|_| 1.0), figure(&self.pooled, count), mean(&|yes| yes)];
            values.extend(means);
            values
        };
        kinds.into_iter().flat_map(of_kind).collect()
    }

    fn macro_auc(&self, count: &dyn Fn(usize) -> u32) -> Option<f64> {
        let defined: Vec<f64> = self.labels.iter().filter_map(|ranking| ranking.roc_auc(count)).collect();
        (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64)
    }

    fn evaluation(&self, intervals: Option<&[Option<Interval>]>) -> Evaluation {
        let values = self.figures(&|_| 1);
        let figure = |place: usize| {
            let interval = intervals.and_then(|all| all.get(place).copied().flatten());
            values.get(place).copied().flatten().map(|value| Figure { value, interval })
        };
        let count = self.labels.len();
        let means = |from: usize| Means { macro_mean: figure(from), micro: figure(from + 1), weighted: figure(from + 2) };
        let label = |(place, (name, ranking)): (usize, (&String, &Ranking))| LabelEvaluation {
            label: name.clone(),
            yes: ranking.yes(|_| 1) as usize,
            no: ranking.len() - ranking.yes(|_| 1) as usize,
            roc_auc: figure(place),
            average_precision: figure(place + count + 3),
        };
        Evaluation {
            images: self.images,
            roc_auc: means(count),
            average_precision: means(2 * count + 3),
            labels: self.names.iter().zip(&self.labels).enumerate().map(label).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{UNKNOWN, roc_auc};
    use proptest::prelude::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|i| format!("label{i}")).collect()
    }

    fn table() -> impl Strategy<Value = Scored> {
        prop::collection::vec((-5i8..6, prop_oneof![Just(0u8), Just(1), Just(UNKNOWN)]), 0..90).prop_map(|mut cells| {
            cells.truncate(cells.len() / 3 * 3);
            let scores = cells.iter().map(|(score, _)| f32::from(*score)).collect();
            Scored::new(scores, cells.iter().map(|(_, label)| *label).collect(), names(3)).unwrap()
        })
    }

    proptest! {
        #[test]
        fn means_are_means_of_the_labels_own_figures(scored in table()) {
            let evaluation = Evaluation::of(&scored);
            let (mut sum, mut weighted, mut total, mut defined) = (0.0, 0.0, 0.0, 0.0);
            for (place, label) in evaluation.labels.iter().enumerate() {
                let pairs: Vec<(f32, bool)> = scored.known(place).map(|(_, score, yes)| (score, yes)).collect();
                prop_assert_eq!(label.roc_auc.map(|f| f.value), roc_auc(pairs.clone()));
                prop_assert_eq!((label.yes, label.no), (pairs.iter().filter(|p| p.1).count(), pairs.iter().filter(|p| !p.1).count()));
                if let Some(figure) = label.roc_auc {
                    sum += figure.value;
                    weighted += figure.value * label.yes as f64;
                    total += label.yes as f64;
                    defined += 1.0;
                }
            }
            let all = evaluation.roc_auc;
            prop_assert_eq!(all.macro_mean.is_some(), defined > 0.0);
            if let (Some(mean), Some(by_yes)) = (all.macro_mean, all.weighted) {
                prop_assert!((mean.value - sum / defined).abs() < 1e-12 && (by_yes.value - weighted / total).abs() < 1e-12);
            }
            let pooled = (0..3).flat_map(|label| scored.known(label).map(|(_, score, yes)| (score, yes)).collect::<Vec<_>>());
            prop_assert_eq!(all.micro.map(|f| f.value), roc_auc(pooled));
        }
    }

    #[test]
    fn labels_of_one_class_are_undefined_and_left_out_of_the_mean() {
        // Two labels: the second is never yes.
        let scored = Scored::new(vec![0.1, 0.5, 0.9, 0.2, 0.4, 0.3], vec![0, 0, 1, 0, UNKNOWN, 0], names(2)).unwrap();
        let evaluation = Evaluation::of(&scored);
        assert_eq!(evaluation.labels[0].roc_auc, Some(Figure { value: 1.0, interval: None }));
        assert_eq!((evaluation.labels[1].roc_auc, evaluation.labels[1].average_precision), (None, None));
        assert_eq!(evaluation.roc_auc.macro_mean.unwrap().value, 1.0);
        let json = serde_json::to_string(&evaluation).unwrap();
        assert_eq!(serde_json::from_str::<Evaluation>(&json).unwrap(), evaluation);
    }

    #[test]
    fn a_score_that_only_knows_the_stratum_is_blind_within_it() {
        // AP images are sick in 3 of 4, PA in 1 of 4; the score is the view.
        let strata: Vec<String> = (0..8).map(|i| if i < 4 { "AP" } else { "PA" }.to_string()).collect();
        let scores = (0..8).map(|i| if i < 4 { 1.0 } else { 0.0 }).collect();
        let scored = Scored::new(scores, vec![1, 1, 1, 0, 1, 0, 0, 0], names(1)).unwrap();
        assert_eq!(Evaluation::of(&scored).roc_auc.macro_mean.unwrap().value, 0.75);
        let within = by_stratum(&scored, &strata).unwrap();
        assert_eq!(within.keys().collect::<Vec<_>>(), ["AP", "PA"]);
        assert!(within.values().all(|e| e.images == 4 && e.roc_auc.macro_mean.unwrap().value == 0.5));
        assert!(by_stratum(&scored, &strata[1..]).is_err());
    }

    #[test]
    fn intervals_hold_the_figure_and_need_one_group_per_image() {
        let scores: Vec<f32> = (0..400).map(|i| ((i * 37) % 101) as f32 + if i % 2 == 0 { 30.0 } else { 0.0 }).collect();
        let scored = Scored::new(scores, (0..400).map(|i| u8::from(i % 2 == 0)).collect(), names(1)).unwrap();
        let groups: Vec<String> = (0..400).map(|i| i.to_string()).collect();
        let evaluation = Evaluation::with_intervals(&scored, &groups, &Bootstrap::default()).unwrap();
        let figure = evaluation.roc_auc.macro_mean.unwrap();
        let interval = figure.interval.unwrap();
        // Hanley and McNeil 1982 give the AUC's standard error; 1.96 of them on either side.
        let (a, n) = (figure.value, 200.0);
        let (q1, q2) = (a / (2.0 - a), 2.0 * a * a / (1.0 + a));
        let deviation = ((a * (1.0 - a) + (n - 1.0) * (q1 - a * a) + (n - 1.0) * (q2 - a * a)) / (n * n)).sqrt();
        assert!((interval.low - (a - 1.96 * deviation)).abs() < 0.02, "{interval:?} about {a} with {deviation}");
        assert!((interval.high - (a + 1.96 * deviation)).abs() < 0.02, "{interval:?} about {a} with {deviation}");
        assert!(Evaluation::with_intervals(&scored, &groups[1..], &Bootstrap::default()).is_err());
        // The same splits, one by one.
        let bootstrap = Bootstrap::default();
        let drawn: Vec<f64> =
            Evaluation::macro_auc_resampled(&scored, &groups, &bootstrap).unwrap().into_iter().flatten().collect();
        assert_eq!((drawn.len(), bootstrap.interval(drawn)), (1000, Some(interval)));
        assert!(Evaluation::macro_auc_resampled(&scored, &groups[1..], &bootstrap).is_err());
    }

    #[test]
    fn differences_of_like_tables_are_paired() {
        let labels: Vec<u8> = (0..300).map(|i| u8::from(i % 3 == 0)).collect();
        let table = |noise: usize| {
            let score =
                |i: usize| ((i * 37) % 101) as f32 + if i.is_multiple_of(3) { 30.0 } else { 0.0 } + ((i * 53) % 7 * noise) as f32;
            Scored::new((0..300).map(score).collect(), labels.clone(), names(1)).unwrap()
        };
        let groups: Vec<String> = (0..300).map(|i| (i / 2).to_string()).collect();
        let drawn = |noise| Evaluation::macro_auc_resampled(&table(noise), &groups, &Bootstrap::default()).unwrap();
        let spread = |values: Vec<f64>| {
            let interval = Bootstrap::default().interval(values).unwrap();
            interval.high - interval.low
        };
        let (first, second) = (drawn(0), drawn(1));
        let paired = first.iter().zip(&second).filter_map(|(a, b)| Some((*a)? - (*b)?)).collect();
        let alone = first.iter().flatten().copied().collect();
        assert!(spread(paired) < 0.5 * spread(alone), "what two like networks share cancels");
    }
}
