//! How far a figure would move on another sample of patients.

use super::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use veilray_base::Rng;

/// A percentile interval (Efron 1979).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// Settings of the bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bootstrap {
    /// Number of resampled splits, at least 1.
    pub resamples: usize,
    /// Part of them between the interval's ends, in (0, 1).
    pub confidence: f64,
    /// Seed of the resampling.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 1000, confidence: 0.95, seed: 0 }
    }
}

impl Bootstrap {
    /// The interval of each of `figures`, as [`Self::draws`] gives them. A figure that is undefined in more than half of the splits has no interval.
    ///
    /// # Errors
    /// As [`Self::draws`].
    pub(super) fn intervals(
        &self,
        groups: &[String],
        figures: impl Fn(&dyn Fn(usize) -> u32) -> Vec<Option<f64>>,
    ) -> Result<Vec<Option<Interval>>> {
        let mut drawn: Vec<Vec<f64>> = Vec::new();
        for values in self.draws(groups, figures)? {
            drawn.resize_with(values.len(), Vec::new);
            for (all, value) in drawn.iter_mut().zip(values) {
                all.extend(value);
            }
        }
        Ok(drawn.into_iter().map(|values| self.interval(values)).collect())
    }

    /// `figures` of every resampled split, given how often an image counts in it: whole groups are drawn with replacement, as many as there
    /// are; an image whose group has no name is a group of its own. The draws depend on the seed and the groups alone.
    ///
    /// # Errors
    /// No resamples, a confidence outside (0, 1).
    pub(super) fn draws<T>(&self, groups: &[String], figures: impl Fn(&dyn Fn(usize) -> u32) -> T) -> Result<Vec<T>> {
        if self.resamples == 0 {
            return Err(Error::Setting { what: "bootstrap resamples", wanted: "at least 1", found: 0.0 });
        }
        if !(self.confidence > 0.0 && self.confidence < 1.0) {
            return Err(Error::Setting { what: "bootstrap confidence", wanted: "in (0, 1)", found: self.confidence });
        }
        let (mut known, mut count) = (BTreeMap::new(), 0);
        let group_of: Vec<usize> = groups
            .iter()
            .map(|name| {
                let group = if name.is_empty() { count } else { *known.entry(name).or_insert(count) };
                count = count.max(group + 1);
                group
            })
            .collect();
        let mut rng = Rng::new(self.seed, "bootstrap");
        let mut drawn = Vec::with_capacity(self.resamples);
        for _ in 0..self.resamples {
            let mut times = vec![0u32; count];
            for _ in 0..count {
                if let Some(times) = times.get_mut(rng.below(count)) {
                    *times += 1;
                }
            }
            let count = |image: usize| group_of.get(image).and_then(|group| times.get(*group)).copied().unwrap_or(0);
            drawn.push(figures(&count));
        }
        Ok(drawn)
    }

    /// The percentiles of a figure's `values` in the resampled splits, interpolated between neighbours; none where more than half are missing.
    pub fn interval(&self, mut values: Vec<f64>) -> Option<Interval> {
        if 2 * values.len() <= self.resamples {
            return None;
        }
        values.sort_by(f64::total_cmp);
        let percentile = |part: f64| {
            let place = part * (values.len() - 1) as f64;
            let (below, rest) = (values.get(place as usize)?, place.fract());
            let above = values.get(place as usize + 1).unwrap_or(below);
            Some(below + rest * (above - below))
        };
        let outside = (1.0 - self.confidence) / 2.0;
        Some(Interval { low: percentile(outside)?, high: percentile(1.0 - outside)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(groups: impl IntoIterator<Item = usize>) -> Vec<String> {
        groups.into_iter().map(|g| g.to_string()).collect()
    }

    /// The interval of the mean of `values`.
    fn of_mean(values: &[f64], groups: &[String], seed: u64) -> Interval {
        let mean = |count: &dyn Fn(usize) -> u32| {
            let total: f64 = (0..values.len()).map(|i| f64::from(count(i))).sum();
            vec![Some(values.iter().enumerate().map(|(i, v)| v * f64::from(count(i))).sum::<f64>() / total)]
        };
        Bootstrap { resamples: 2000, seed, ..Bootstrap::default() }.intervals(groups, mean).unwrap()[0].unwrap()
    }

    #[test]
    fn the_interval_of_a_mean_is_that_of_the_central_limit() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 20)).collect();
        // Uniform over 0..20: mean 9.5, standard deviation sqrt(399 / 12), of the mean a twentieth of that.
        let half = 1.96 * (399.0f64 / 12.0).sqrt() / 20.0;
        let interval = of_mean(&values, &names(0..400), 1);
        assert!((interval.low - (9.5 - half)).abs() < 0.08 && (interval.high - (9.5 + half)).abs() < 0.08, "{interval:?}");
        assert_eq!(interval, of_mean(&values, &names(0..400), 1));
        assert_ne!(interval, of_mean(&values, &names(0..400), 2));
    }

    #[test]
    fn images_of_one_patient_come_and_go_together() {
        // Twenty patients of twenty equal images are twenty observations: the interval is sqrt 20 wider than of 400.
        let values: Vec<f64> = (0..400).map(|i| f64::from(i / 20)).collect();
        let width = |interval: Interval| interval.high - interval.low;
        let ratio = width(of_mean(&values, &names((0..400).map(|i| i / 20)), 1)) / width(of_mean(&values, &names(0..400), 1));
        assert!((ratio / 20f64.sqrt() - 1.0).abs() < 0.1, "{ratio}");
    }

    #[test]
    fn settings_outside_their_range_are_refused() {
        let none = |_: &dyn Fn(usize) -> u32| vec![None];
        assert_eq!(Bootstrap::default().intervals(&names(0..3), none).unwrap(), [None]);
        assert!(Bootstrap { resamples: 0, ..Bootstrap::default() }.intervals(&names(0..3), none).is_err());
        assert!(Bootstrap { confidence: 1.0, ..Bootstrap::default() }.intervals(&names(0..3), none).is_err());
    }
}
