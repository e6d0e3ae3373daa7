//! What the command prints.

use super::Report;
use serde::Serialize;
use std::fmt;
use veilray_training::metrics::{Figure, Interval, SplitReport};

/// The report of a run, and the test split's figures where they were asked for.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// On the validation split.
    pub report: Report,
    /// On the test split.
    pub test: Option<SplitReport>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<String> = self.report.steps.iter().map(|(stage, steps)| format!("{stage} {steps}")).collect();
        write!(f, "{} parameters; steps: {}", self.report.parameters, steps.join(", "))?;
        if !self.report.refused.is_empty() {
            write!(f, "\n{} images were refused, see report.json", self.report.refused.len())?;
        }
        split(f, &self.report.validation)?;
        self.test.as_ref().map_or(Ok(()), |test| split(f, test))
    }
}

fn split(f: &mut fmt::Formatter<'_>, figures: &SplitReport) -> fmt::Result {
    let (auc, precision) = (figures.ranking.roc_auc, figures.ranking.average_precision);
    write!(f, "\n{}: {} images, ROC-AUC macro {}", figures.split, figures.ranking.images, show(auc.macro_mean))?;
    write!(f, ", micro {}, weighted {}", show(auc.micro), show(auc.weighted))?;
    write!(f, "\n  average precision macro {}", show(precision.macro_mean))?;
    let (after, before) = (&figures.calibrated, &figures.uncalibrated);
    write!(f, "\n  calibration error {:.4}, before the temperature {:.4}", after.error, before.error)?;
    for label in &figures.ranking.labels {
        write!(f, "\n  {:24} {:5} yes, AUC {}", label.label, label.yes, show(label.roc_auc))?;
    }
    for (view, within) in &figures.within_view {
        write!(f, "\n  within {view}: {} images, ROC-AUC macro {}", within.images, show(within.roc_auc.macro_mean))?;
    }
    Ok(())
}

fn show(figure: Option<Figure>) -> String {
    match figure {
        None => "undefined".into(),
        Some(Figure { value, interval: None }) => format!("{value:.3}"),
        Some(Figure { value, interval: Some(Interval { low, high }) }) => format!("{value:.3} ({low:.3} to {high:.3})"),
    }
}
