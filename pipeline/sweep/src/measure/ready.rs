//! An experiment as it comes to be measured.

use crate::grid::Experiment;
use crate::ledger::{Auc, Row};
use crate::train_classifier::{self, Roots};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use veilray_training::metrics::SplitReport;

/// Figures of the test split in clear.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clear {
    /// Of the network with ReLU.
    pub relu: SplitReport,
    /// Of the network that is encrypted.
    pub polynomial: SplitReport,
    /// Trained values of the latter.
    pub parameters: usize,
    /// Wall time of both trainings, s.
    pub seconds: f64,
    /// Threads of the training.
    pub threads: usize,
    /// The source that trained.
    pub commit: String,
}

impl Clear {
    /// Fills in what is known in clear.
    pub(crate) fn fill(&self, row: &mut Row) {
        let auc = |report: &SplitReport| report.ranking.roc_auc.macro_mean.map(Auc::from);
        row.auc_relu = auc(&self.relu);
        row.auc_polynomial = auc(&self.polynomial);
        row.test_images = Some(self.polynomial.ranking.images);
        row.parameters = Some(self.parameters);
        row.train_seconds = Some(self.seconds);
        row.train_threads = self.threads;
        row.train_commit = Some(self.commit.clone());
    }
}

/// An experiment whose networks are trained, to be measured on ciphertexts.
pub struct Ready {
    /// What is measured: its combination and its encoder.
    pub experiment: Experiment,
    /// What is known of its row.
    pub row: Row,
    /// The folder of the released network.
    pub model: PathBuf,
    /// The folder of the experiment's own files.
    pub folder: PathBuf,
    /// What the test split is read by.
    pub data: train_classifier::Experiment,
    /// Folders of images and latents that the data are read from.
    pub roots: Roots,
    /// Figures in clear.
    pub clear: Clear,
    /// Bytes that the server is planned to take.
    pub memory: usize,
    /// Whether its diagonals are encoded for every image.
    pub streamed: bool,
}
