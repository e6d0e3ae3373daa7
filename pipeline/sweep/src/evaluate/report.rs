//! What the command prints.

use super::{Encrypted, OutOfRange};
use crate::command::error::Result;
use crate::data::Refused;
use crate::data::Split;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use veilray_classifier::operating_point::Thresholds;
use veilray_encoder::evaluate::Times;
use veilray_training::metrics::{Bootstrap, Decisions, Evaluation, Figure, Interval, Scored, SplitReport};

/// How far a logit may lie from its threshold for noise to be allowed to decide its label.
const NEAR: f32 = 0.02;

/// What a split gave.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The classifier.
    pub model: String,
    /// The data set.
    pub dataset: String,
    /// The split.
    pub split: Split,
    /// Images evaluated in clear.
    pub n: usize,
    /// Images evaluated encrypted too, without those whose replies were refused.
    pub n_encrypted: usize,
    /// Images that leave the range that the model was trained for.
    #[serde(flatten)]
    pub range: OutOfRange,
    /// Part of all pairs of image and label that is decided rightly at the model's thresholds, in clear on all images.
    pub accuracy: Option<f64>,
    /// ROC-AUC, mean over the labels, in clear on all images.
    pub auc_macro: Option<f64>,
    /// Its 95 % interval over patients.
    pub auc_macro_ci: Option<[f64; 2]>,
    /// ROC-AUC of each label for which it is defined.
    pub auc: BTreeMap<String, f64>,
    /// What encryption changes.
    #[serde(flatten)]
    pub agreement: Option<Agreement>,
    /// Largest resident size of this process, MB (10^6 bytes).
    pub peak_rss_mb: Option<f64>,
    /// Threads of the evaluation.
    pub threads: usize,
    /// All figures in clear.
    pub figures: SplitReport,
    /// Images that ingest refused.
    pub skipped: Vec<Refused>,
}

/// Encrypted against clear on the same images.
#[derive(Debug, Clone, Serialize)]
pub struct Agreement {
    /// Images.
    #[serde(skip)]
    pub images: usize,
    /// Replies that the client refused; they count in no other figure but the time.
    pub refused_replies: usize,
    /// Part of all pairs of these images and labels that is decided rightly in clear.
    pub accuracy_clear_same: Option<f64>,
    /// The same of the decrypted logits.
    pub accuracy_encrypted: Option<f64>,
    /// ROC-AUC in clear on these images.
    pub auc_macro_clear_same: Option<f64>,
    /// Its 95 % interval over patients.
    pub auc_macro_clear_same_ci: Option<[f64; 2]>,
    /// ROC-AUC of the decrypted logits.
    pub auc_macro_encrypted: Option<f64>,
    /// Its 95 % interval over patients.
    pub auc_macro_encrypted_ci: Option<[f64; 2]>,
    /// Largest |encrypted − clear| of a logit.
    pub max_abs_logit_error: f64,
    /// Labels decided otherwise although the clear logit is further than 0.02 from its threshold.
    pub label_flips: usize,
    /// Labels decided otherwise whose clear logit is nearer than that.
    pub label_flips_near: usize,
    /// Time of an image on the ciphertext.
    pub server_ms: Times,
    /// Bytes of an image's ciphertexts.
    pub upload_bytes: usize,
    /// Bytes of the reply.
    pub reply_bytes: usize,
    /// Bytes of the evaluation keys.
    pub key_bytes: usize,
}

/// How far decrypted logits lie from those in clear.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Largest |encrypted − clear| of a logit.
    pub max_abs_logit_error: f64,
    /// Labels decided otherwise although the clear logit is further than 0.02 from its threshold.
    pub label_flips: usize,
    /// Labels decided otherwise whose clear logit is nearer than that.
    pub label_flips_near: usize,
}

impl Difference {
    /// Of the same images' logits; `thresholds` holds one per label.
    pub fn of(clear: &Scored, decrypted: &Scored, thresholds: &[f32]) -> Self {
        let pairs = || clear.scores().iter().copied().zip(decrypted.scores().iter().copied());
        let flips = |near: bool| {
            let decided = pairs().zip(thresholds.iter().cycle());
            decided.filter(|((a, b), t)| (a >= *t) != (b >= *t) && ((a - *t).abs() <= NEAR) == near).count()
        };
        Self {
            max_abs_logit_error: pairs().map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max),
            label_flips: flips(false),
            label_flips_near: flips(true),
        }
    }
}

impl Agreement {
    /// Of what was decrypted; `clear` holds the logits in clear of all images, `patients` theirs.
    ///
    /// # Errors
    /// Logits that are not one per image and label, thresholds of other labels.
    pub fn of(encrypted: Encrypted, clear: &Scored, patients: &[String], thresholds: &Thresholds) -> Result<Self> {
        let same = clear.select(&encrypted.images);
        let decrypted = same.with_scores(encrypted.logits)?;
        let difference = Difference::of(&same, &decrypted, &thresholds.values);
        let patients: Vec<String> = encrypted.images.iter().filter_map(|image| patients.get(*image).cloned()).collect();
        let auc = |scored: &Scored| -> Result<Option<Figure>> {
            Ok(Evaluation::with_intervals(scored, &patients, &Bootstrap::default())?.roc_auc.macro_mean)
        };
        let (auc_clear, auc_encrypted) = (auc(&same)?, auc(&decrypted)?);
        Ok(Self {
            images: encrypted.images.len(),
            refused_replies: encrypted.refused_replies,
            accuracy_clear_same: Decisions::of(thresholds, &same)?.accuracy,
            accuracy_encrypted: Decisions::of(thresholds, &decrypted)?.accuracy,
            auc_macro_clear_same: auc_clear.map(|figure| figure.value),
            auc_macro_clear_same_ci: ends(auc_clear),
            auc_macro_encrypted: auc_encrypted.map(|figure| figure.value),
            auc_macro_encrypted_ci: ends(auc_encrypted),
            max_abs_logit_error: difference.max_abs_logit_error,
            label_flips: difference.label_flips,
            label_flips_near: difference.label_flips_near,
            server_ms: encrypted.server_ms,
            upload_bytes: encrypted.upload_bytes,
            reply_bytes: encrypted.reply_bytes,
            key_bytes: encrypted.key_bytes,
        })
    }
}

impl Report {
    /// No image counts as out of range.
    pub(super) fn new(
        model: &str,
        dataset: &str,
        split: Split,
        figures: SplitReport,
        agreement: Option<Agreement>,
        skipped: Vec<Refused>,
    ) -> Self {
        let macro_mean = figures.ranking.roc_auc.macro_mean;
        let of_label = |label: &veilray_training::metrics::LabelEvaluation| Some((label.label.clone(), label.roc_auc?.value));
        Self {
            model: model.into(),
            dataset: dataset.into(),
            split,
            n: figures.ranking.images,
            n_encrypted: agreement.as_ref().map_or(0, |a| a.images),
            range: OutOfRange::default(),
            accuracy: figures.decisions.accuracy,
            auc_macro: macro_mean.map(|figure| figure.value),
            auc_macro_ci: ends(macro_mean),
            auc: figures.ranking.labels.iter().filter_map(of_label).collect(),
            agreement,
            peak_rss_mb: veilray_nn::memory::peak_resident_bytes().map(|bytes| bytes as f64 / 1e6),
            threads: rayon::current_num_threads(),
            figures,
            skipped,
        }
    }
}

/// Both ends of a figure's interval.
fn ends(figure: Option<Figure>) -> Option<[f64; 2]> {
    figure.and_then(|figure| figure.interval).map(|Interval { low, high }| [low, high])
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: Option<f64>| value.map_or("undefined".into(), |v| format!("{v:.4}"));
        writeln!(f, "{} on {} {}, {} images in clear", self.model, self.dataset, self.split, self.n)?;
        if !self.skipped.is_empty() {
            writeln!(
                f,
                "  {} images were refused, the first because {}",
                self.skipped.len(),
                self.skipped.first().map_or("", |s| &s.reason)
            )?;
        }
        writeln!(f, "  beyond the bounds       {} images, which the client would refuse", self.range.beyond_bounds)?;
        writeln!(f, "  accuracy                {}", show(self.accuracy))?;
        let interval =
            |ends: Option<[f64; 2]>| ends.map_or(String::new(), |[low, high]| format!(" (95 % {low:.4} to {high:.4})"));
        writeln!(f, "  ROC-AUC macro           {}{}", show(self.auc_macro), interval(self.auc_macro_ci))?;
        self.auc.iter().try_for_each(|(label, auc)| writeln!(f, "    {label:22}{auc:.4}"))?;
        if let Some(a) = &self.agreement {
            writeln!(f, "  encrypted on {} of them, {} threads:", self.n_encrypted, self.threads)?;
            writeln!(f, "    replies refused       {}{}", a.refused_replies, self.range.of_encrypted())?;
            writeln!(f, "    accuracy              {}, in clear {}", show(a.accuracy_encrypted), show(a.accuracy_clear_same))?;
            let (encrypted, clear) = (interval(a.auc_macro_encrypted_ci), interval(a.auc_macro_clear_same_ci));
            writeln!(f, "    ROC-AUC macro         {}{encrypted}", show(a.auc_macro_encrypted))?;
            writeln!(f, "    the same in clear     {}{clear}", show(a.auc_macro_clear_same))?;
            writeln!(f, "    largest logit error   {:.2e}", a.max_abs_logit_error)?;
            writeln!(
                f,
                "    labels decided otherwise {} ({} more within {NEAR} of a threshold)",
                a.label_flips, a.label_flips_near
            )?;
            writeln!(
                f,
                "    server                {:.1} ms median, {:.1} ms 95th percentile",
                a.server_ms.median, a.server_ms.p95
            )?;
            let mb = |bytes: usize| bytes as f64 / 1e6;
            writeln!(
                f,
                "    bytes                 {:.3} MB up, {:.3} MB down, {:.1} MB of keys",
                mb(a.upload_bytes),
                mb(a.reply_bytes),
                mb(a.key_bytes)
            )?;
        }
        write!(f, "  peak memory             {:.0} MB", self.peak_rss_mb.unwrap_or(f64::NAN))
    }
}
