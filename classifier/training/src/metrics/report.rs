//! Everything to say about one classifier on one split.

use super::bootstrap::Bootstrap;
use super::calibration::Calibration;
use super::decision::Decisions;
use super::error::Result;
use super::evaluation::{Evaluation, by_stratum};
use super::scored::Scored;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use veilray_classifier::operating_point::{OperatingPoint, Temperature};

/// Bins of the expected calibration error, as in Guo et al. 2017.
const BINS: usize = 15;

/// All figures of a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitReport {
    /// The split's name.
    pub split: String,
    /// Ranking, with intervals over patients.
    pub ranking: Evaluation,
    /// Ranking within each view.
    pub within_view: BTreeMap<String, Evaluation>,
    /// Decisions at the operating point.
    pub decisions: Decisions,
    /// Calibration of the logits as they are.
    pub uncalibrated: Calibration,
    /// Calibration at the operating point's temperature.
    pub calibrated: Calibration,
}

impl SplitReport {
    /// Of the logits of `split`. `patients` and `views` hold one entry per image; an image whose view is "" is in no stratum.
    ///
    /// # Errors
    /// Columns of another length, an operating point of other labels.
    pub fn of(
        split: &str,
        logits: &Scored,
        patients: &[String],
        views: &[String],
        point: &OperatingPoint,
        bootstrap: &Bootstrap,
    ) -> Result<Self> {
        Ok(Self {
            split: split.into(),
            ranking: Evaluation::with_intervals(logits, patients, bootstrap)?,
            within_view: by_stratum(logits, views)?,
            decisions: Decisions::of(&point.thresholds, logits)?,
            uncalibrated: Calibration::of(logits, Temperature::ONE, BINS)?,
            calibrated: Calibration::of(logits, point.temperature, BINS)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Criterion, choose_operating_point};
    use veilray_classifier::operating_point::Thresholds;

    #[test]
    fn a_report_survives_its_file_and_holds_what_its_parts_say() {
        let labels: Vec<u8> = (0..60).map(|i| u8::from(i % 3 == 0)).collect();
        let scores = labels.iter().enumerate().map(|(i, yes)| f32::from(*yes) * 2.0 + (i % 7) as f32 - 4.0).collect();
        let scored = Scored::new(scores, labels, vec!["a".into(), "b".into()]).unwrap();
        let column = |f: fn(usize) -> &'static str| (0..30).map(|i| f(i).to_string()).collect::<Vec<_>>();
        let (patients, views) = (column(|i| if i < 10 { "p" } else { "q" }), column(|i| ["PA", "AP", ""][i % 3]));
        let point = choose_operating_point(&scored, Criterion::F1);
        let bootstrap = Bootstrap { resamples: 20, ..Bootstrap::default() };
        let report = SplitReport::of("val", &scored, &patients, &views, &point, &bootstrap).unwrap();
        let images: Vec<usize> = report.within_view.values().map(|evaluation| evaluation.images).collect();
        assert_eq!((images, report.ranking.images), (vec![10, 10], 30));
        assert!(report.calibrated.cross_entropy <= report.uncalibrated.cross_entropy);
        let back: SplitReport = toml::from_str(&toml::to_string(&report).unwrap()).unwrap();
        assert_eq!(back, report);
        let other = OperatingPoint { thresholds: Thresholds { labels: vec!["a".into()], values: vec![0.0] }, ..point };
        assert!(SplitReport::of("val", &scored, &patients, &views, &other, &bootstrap).is_err());
    }
}
