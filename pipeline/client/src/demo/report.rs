//! What the demo measured, as JSON and as a table.

use super::TOLERANCE;
use crate::client::findings::{Finding, NOT_FOR_DIAGNOSIS};
use serde::Serialize;
use std::fmt;
use veilray_classifier::interface::Interface;
use veilray_he::Params;

/// What the demo measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Report {
    /// Name of the model that was run.
    pub model: String,
    /// Its parameter set.
    pub params: String,
    /// Classical security the parameters are checked for, bits.
    pub security_bits: u32,
    /// SIMD backend in use.
    pub backend: &'static str,
    /// Every label, encrypted beside clear.
    pub labels: Vec<Compared>,
    /// Largest difference between an encrypted and a clear logit.
    pub max_abs_logit_error: f64,
    /// Whether the two agree.
    pub agree: bool,
    /// What the user should know of the image.
    pub warnings: Vec<String>,
    /// Time of each step.
    pub timings_ms: Timings,
    /// What crossed the connection.
    pub bytes: Bytes,
    /// Largest resident sizes.
    pub peak_rss_mb: Peak,
}

/// A label, encrypted beside clear.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Compared {
    /// The label's name, such as `Effusion`.
    pub name: String,
    /// The logit that was computed on ciphertexts and decrypted.
    pub logit: f64,
    /// Computed in clear.
    pub logit_clear: f64,
    /// Calibrated, of the decrypted logit.
    pub probability: f64,
    /// The logit from which on the label is positive.
    pub threshold: f64,
    /// Whether it is.
    pub positive: bool,
}

/// Milliseconds by step.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Timings {
    /// Until the daemon is up with its model.
    pub start: f64,
    /// Keys made, sealed, written and unsealed.
    pub keygen: f64,
    /// Evaluation keys brought to the daemon; once per key set.
    pub register: f64,
    /// Image file to latent.
    pub compress: f64,
    /// Latent to ciphertexts.
    pub encrypt: f64,
    /// Ciphertexts to the daemon.
    pub upload: f64,
    /// The network on the ciphertexts.
    pub server: f64,
    /// Reading the reply's bytes.
    pub download: f64,
    /// The reply to findings.
    pub decrypt: f64,
    /// All of it.
    pub total: f64,
}

/// Bytes by message.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Bytes {
    /// The encrypted image.
    pub upload: usize,
    /// The encrypted logits.
    pub reply: usize,
    /// The evaluation keys, sent once.
    pub evaluation_keys: u64,
}

/// Largest resident sizes, MB (10^6 bytes), where the system tells.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Peak {
    /// Of the client, the comparison in clear included.
    pub client: Option<f64>,
    /// Of the daemon.
    pub server: Option<f64>,
}

/// Sets the findings beside those in clear.
#[allow(clippy::too_many_arguments, reason = "each becomes a field")]
pub(super) fn compare(
    interface: &Interface,
    params: &Params,
    found: Vec<Finding>,
    clear: &[Finding],
    warnings: Vec<String>,
    timings_ms: Timings,
    bytes: Bytes,
    peak_rss_mb: Peak,
) -> Report {
    let pairs = || found.iter().zip(clear);
    let max_abs_logit_error = pairs().map(|(f, c)| (f.logit - c.logit).abs()).fold(0.0, f64::max);
    let close = |(f, c): (&Finding, &Finding)| {
        let tolerance = TOLERANCE * (1.0 + c.logit.abs());
        // A logit within the tolerance of its threshold may fall on either side.
        let same = f.positive == c.positive || (c.logit - c.threshold).abs() <= tolerance;
        (f.logit - c.logit).abs() <= tolerance && same
    };
    let agree = found.len() == clear.len() && pairs().all(close);
    let clear_logits: Vec<f64> = clear.iter().map(|c| c.logit).collect();
    let labels = found.into_iter().zip(clear_logits).map(|(f, logit_clear)| Compared {
        name: f.name,
        logit: f.logit,
        logit_clear,
        probability: f.probability,
        threshold: f.threshold,
        positive: f.positive,
    });
    Report {
        model: interface.model.clone(),
        params: interface.params.clone(),
        // Parameters of less are not accepted.
        security_bits: 128,
        backend: params.backend().name(),
        labels: labels.collect(),
        max_abs_logit_error,
        agree,
        warnings,
        timings_ms,
        bytes,
        peak_rss_mb,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (t, b) = (&self.timings_ms, &self.bytes);
        let Self { model, params, security_bits, backend, .. } = self;
        writeln!(f, "Veilray demo: {model} on this machine, {params} at {security_bits}-bit security, backend {backend}\n")?;
        let mut step = |name: &str, ms: f64, bytes: Option<u64>, what: &str| {
            let bytes = bytes.map(|bytes| format!("{:>9.3} MB", bytes as f64 / 1e6)).unwrap_or_default();
            writeln!(f, "  {name:<12}{ms:>9.1} ms{bytes:>13}   {what}")
        };
        step(
            "daemon",
            t.start,
            None,
            "opens the model, checks itself on an encrypted image, then takes requests of this machine",
        )?;
        step("keygen", t.keygen, None, "secret key sealed at rest, evaluation keys")?;
        step("register", t.register, Some(b.evaluation_keys), "evaluation keys to the daemon, once")?;
        step("compress", t.compress, None, "image file to latent")?;
        step("encrypt", t.encrypt, None, "latent to ciphertext")?;
        step("upload", t.upload, Some(b.upload as u64), "ciphertexts of the image to the daemon")?;
        step("server", t.server, None, "the network, on ciphertexts only")?;
        step("download", t.download, Some(b.reply as u64), "ciphertext of the logits to the client")?;
        step("decrypt", t.decrypt, None, "reply to findings")?;
        step("total", t.total, None, "from the start to the findings")?;
        let megabytes = |peak: Option<f64>| peak.map_or("unknown".into(), |mb| format!("{mb:.0} MB"));
        writeln!(
            f,
            "  peak memory  client {}, daemon {}\n",
            megabytes(self.peak_rss_mb.client),
            megabytes(self.peak_rss_mb.server)
        )?;
        for warning in &self.warnings {
            writeln!(f, "  warning: {warning}")?;
        }
        let width = self.labels.iter().map(|l| l.name.chars().count()).max().unwrap_or(0).max(5);
        writeln!(f, "  {:<width$}  {:>10}  {:>10}  {:>11}  {:>9}", "label", "in clear", "encrypted", "probability", "threshold")?;
        for Compared { name, logit, logit_clear, probability, threshold, positive } in &self.labels {
            let mark = if *positive { "  POSITIVE" } else { "" };
            let percent = probability * 100.0;
            writeln!(f, "  {name:<width$}  {logit_clear:>10.4}  {logit:>10.4}  {percent:>9.1} %  {threshold:>9.4}{mark}")?;
        }
        let verdict = if self.agree { "they agree" } else { "THEY DO NOT AGREE" };
        write!(f, "\n  largest difference of a logit: {:.1e}: {verdict}\n  {NOT_FOR_DIAGNOSIS}", self.max_abs_logit_error)
    }
}
