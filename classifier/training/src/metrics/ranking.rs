//! How well a score ranks yes above no.

/// A set of scored images of one label, each counting a number of times, ready to be summed up again and again under other counts.
#[derive(Debug, Clone)]
pub(super) struct Ranking {
    /// By falling score: the image, whether yes, and whether the score is lower than that of the entry before.
    entries: Vec<(usize, bool, bool)>,
}

impl Ranking {
    /// Of image, score and whether yes.
    pub(super) fn new(known: impl Iterator<Item = (usize, f32, bool)>) -> Self {
        let mut known: Vec<(usize, f32, bool)> = known.collect();
        known.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut before = None;
        let entries = known.into_iter().map(|(image, score, yes)| {
            let falls = before.is_some_and(|before: f32| score < before);
            before = Some(score);
            (image, yes, falls)
        });
        Self { entries: entries.collect() }
    }

    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How often yes counts.
    pub(super) fn yes(&self, count: impl Fn(usize) -> u32) -> u64 {
        self.entries.iter().filter(|(_, yes, _)| *yes).map(|(image, ..)| u64::from(count(*image))).sum()
    }

    /// Calls `group` with the number of yes and no among each set of equal scores, from the highest down.
    fn groups(&self, count: impl Fn(usize) -> u32, mut group: impl FnMut(f64, f64)) {
        let (mut yes, mut no) = (0u64, 0u64);
        for (image, is, falls) in &self.entries {
            if *falls {
                group(yes as f64, no as f64);
                (yes, no) = (0, 0);
            }
            *(if *is { &mut yes } else { &mut no }) += u64::from(count(*image));
        }
        group(yes as f64, no as f64);
    }

    /// [`roc_auc`], where image i counts `count(i)` times.
    pub(super) fn roc_auc(&self, count: impl Fn(usize) -> u32) -> Option<f64> {
        let (mut above, mut no_total, mut area) = (0.0, 0.0, 0.0);
        self.groups(count, |yes, no| {
            area += no * (above + yes / 2.0);
            above += yes;
            no_total += no;
        });
        (above > 0.0 && no_total > 0.0).then(|| area / (above * no_total))
    }

    /// [`average_precision`], where image i counts `count(i)` times.
    pub(super) fn average_precision(&self, count: impl Fn(usize) -> u32) -> Option<f64> {
        let (mut yes_seen, mut seen, mut sum) = (0.0, 0.0, 0.0);
        self.groups(count, |yes, no| {
            yes_seen += yes;
            seen += yes + no;
            if yes > 0.0 {
                sum += yes * yes_seen / seen;
            }
        });
        (yes_seen > 0.0 && yes_seen < seen).then(|| sum / yes_seen)
    }
}

/// The area under the ROC curve of pairs of score and whether yes: the probability that a random yes scores above a random no, ties
/// counting half (Mann and Whitney 1947). `None` where there is no yes or no no. O(n log n).
pub fn roc_auc(pairs: impl IntoIterator<Item = (f32, bool)>) -> Option<f64> {
    ranking(pairs).roc_auc(|_| 1)
}

/// The area under the precision-recall curve as average precision: the sum over falling distinct scores of the gain in recall times
/// the precision there. `None` where there is no yes or no no. O(n log n).
pub fn average_precision(pairs: impl IntoIterator<Item = (f32, bool)>) -> Option<f64> {
    ranking(pairs).average_precision(|_| 1)
}

fn ranking(pairs: impl IntoIterator<Item = (f32, bool)>) -> Ranking {
    Ranking::new(pairs.into_iter().enumerate().map(|(image, (score, yes))| (image, score, yes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By comparing every yes with every no.
    fn naive_auc(pairs: &[(f32, bool)]) -> Option<f64> {
        let of = |class: bool| pairs.iter().filter(move |p| p.1 == class).map(|p| p.0);
        let (mut wins, mut all) = (0.0, 0.0);
        for yes in of(true) {
            for no in of(false) {
                all += 1.0;
                wins += if yes > no {
                    1.0
                } else if yes == no {
                    0.5
                } else {
                    0.0
                };
            }
        }
        (all > 0.0).then(|| wins / all)
    }

    /// By counting, for every distinct score as a threshold, what lies at or above it.
    fn naive_precision(pairs: &[(f32, bool)]) -> Option<f64> {
        let total = pairs.iter().filter(|p| p.1).count() as f64;
        let mut thresholds: Vec<f32> = pairs.iter().map(|p| p.0).collect();
        thresholds.sort_by(|a, b| b.total_cmp(a));
        thresholds.dedup();
        let (mut recall, mut sum) = (0.0, 0.0);
        for threshold in thresholds {
            let above: Vec<bool> = pairs.iter().filter(|p| p.0 >= threshold).map(|p| p.1).collect();
            let hits = above.iter().filter(|yes| **yes).count() as f64;
            sum += (hits / total - recall) * hits / above.len() as f64;
            recall = hits / total;
        }
        (total > 0.0 && total < pairs.len() as f64).then_some(sum)
    }

    #[test]
    fn known_answers() {
        // scikit-learn's documented examples: roc_auc_score 0.75, average_precision_score 0.8333.
        let pairs = [(0.1, false), (0.4, false), (0.35, true), (0.8, true)];
        assert_eq!(roc_auc(pairs), Some(0.75));
        assert!((average_precision(pairs).unwrap() - 5.0 / 6.0).abs() < 1e-12);
        assert_eq!(roc_auc([(1.0, true), (1.0, false), (1.0, false)]), Some(0.5));
        assert_eq!(roc_auc([(0.0, true), (-0.0, false)]), Some(0.5), "zeros of both signs are one score");
        assert_eq!(roc_auc([(0.2, true), (0.9, true)]), None);
        assert_eq!(average_precision([(0.2, false)]), None);
        assert_eq!(roc_auc([]), None);
    }

    /// Few distinct scores, so that ties are the rule.
    fn pairs() -> impl Strategy<Value = Vec<(f32, bool)>> {
        prop::collection::vec(((-4i8..5).prop_map(|s| f32::from(s) / 3.0), any::<bool>()), 0..60)
    }

    proptest! {
        #[test]
        fn ranks_equal_the_comparison_of_all_pairs(pairs in pairs()) {
            let close = |a: Option<f64>, b: Option<f64>| match (a, b) {
                (Some(a), Some(b)) => (a - b).abs() < 1e-12,
                (a, b) => a == b,
            };
            prop_assert!(close(roc_auc(pairs.clone()), naive_auc(&pairs)));
            prop_assert!(close(average_precision(pairs.clone()), naive_precision(&pairs)));
        }

        #[test]
        fn order_and_monotone_maps_change_nothing_and_negation_mirrors(pairs in pairs(), seed in 0usize..50) {
            let auc = roc_auc(pairs.clone());
            let mut turned: Vec<(f32, bool)> = pairs.iter().map(|(s, yes)| ((2.0 * s).exp(), *yes)).collect();
            let middle = seed % turned.len().max(1);
            turned.rotate_left(middle);
            prop_assert_eq!(roc_auc(turned), auc);
            let mirrored = roc_auc(pairs.iter().map(|(s, yes)| (-s, *yes)));
            prop_assert!(auc.zip(mirrored).is_none_or(|(a, b)| (a + b - 1.0).abs() < 1e-12));
        }

        #[test]
        fn counting_an_image_twice_is_giving_it_twice(pairs in pairs()) {
            let doubled: Vec<(f32, bool)> = pairs.iter().enumerate().flat_map(|(i, p)| std::iter::repeat_n(*p, i % 3)).collect();
            let ranking = ranking(pairs);
            prop_assert_eq!(ranking.roc_auc(|i| (i % 3) as u32), roc_auc(doubled.clone()));
            prop_assert_eq!(ranking.average_precision(|i| (i % 3) as u32), average_precision(doubled));
        }
    }
}
