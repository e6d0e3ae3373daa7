//! How good a multi-label classifier is: ranking, decisions, calibration, and how sure one can be of each figure.
//!
//! Scores and labels of a split are one [`Scored`] table [image, label]; everything here is computed from it:
//!
//! | figure | is |
//! |---|---|
//! | [`roc_auc`], [`average_precision`] | of one label, ties counted exactly |
//! | [`Evaluation`] | of a split: per label, and macro, micro and weighted means, optionally with bootstrap intervals |
//! | [`by_stratum`] | the same within each value of a column, such as the view (PA, AP) |
//! | [`best_thresholds`], [`Decisions`] | the thresholds that are best for F1 on one split, and what they give on another |
//! | [`choose_operating_point`] | temperature and thresholds of a model, from its validation split |
//! | [`SplitReport`] | all figures of a split together |
//! | [`Overlap`] | how a found mask lies on the true one: Dice coefficient, intersection over union |
//! | [`fit_temperature`], [`Calibration`] | whether 3 in 10 of the images with probability 0.3 have the finding |
//!
//! A label that a split holds in one class only has no AUC: it is reported as undefined and left out of the means. Labels of
//! [`UNKNOWN`] are left out of everything.

mod bootstrap;
mod calibration;
mod decision;
mod error;
mod evaluation;
mod overlap;
mod ranking;
mod report;
mod scored;

pub use bootstrap::{Bootstrap, Interval};
pub use calibration::{Bin, Calibration, fit_temperature};
pub use decision::{Criterion, Decisions, LabelDecisions, best_thresholds, choose_operating_point};
pub use error::{Error, Result};
pub use evaluation::{Evaluation, Figure, LabelEvaluation, Means, by_stratum};
pub use overlap::Overlap;
pub use ranking::{average_precision, roc_auc};
pub use report::SplitReport;
pub use scored::{Scored, UNKNOWN};
