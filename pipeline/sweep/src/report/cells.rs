//! What the tables of a report show of a row.

use crate::ledger::{Auc, Row, ServerTime};

/// A polynomial network that is so much worse than its twin with ReLU was not trained well: that is no cost of compression.
const FAILED: f64 = 0.05;
/// Fewer timed runs have no 95th percentile but their largest.
const PERCENTILE: usize = 20;

/// Names of a measured experiment's cells.
pub(super) const COLUMNS: [&str; 18] = [
    "data",
    "f",
    "network",
    "set",
    "seed",
    "AUC ReLU, clear",
    "AUC polynomial, clear",
    "clear, same images",
    "encrypted",
    "moved",
    "images (wanted)",
    "refused replies",
    "logit error, bits",
    "levels",
    "server ms: median / 95 %",
    "memory, MB (planned)",
    "up / down / keys, MB",
    "training, s (threads)",
];

/// Names of a refused experiment's cells.
pub(super) const REFUSED: [&str; 8] =
    ["data", "f", "network", "set", "AUC ReLU, clear", "AUC polynomial, clear", "levels", "why"];

/// Whether the polynomial network's training failed.
pub(super) fn is_failed(row: &Row) -> bool {
    row.auc_relu.zip(row.auc_polynomial).is_some_and(|(relu, polynomial)| relu.value - polynomial.value > FAILED)
}

/// A measured experiment's cells, as [`COLUMNS`] names them.
pub(super) fn measured(row: &Row) -> Vec<String> {
    let mb = |bytes: Option<usize>| number(bytes.map(|bytes| bytes as f64 / 1e6), 2);
    let times: Vec<String> = row.server.iter().map(time).collect();
    let streamed = if row.streamed { " (streamed)" } else { "" };
    let wanted = row.encrypted_wanted.map_or_else(String::new, |wanted| format!(" ({wanted})"));
    vec![
        row.data.clone(),
        row.factor.to_string(),
        name(row),
        row.params.clone(),
        row.seed.to_string(),
        auc(row.auc_relu),
        auc(row.auc_polynomial),
        auc(row.auc_same),
        auc(row.auc_encrypted),
        moved(row),
        count(row.encrypted_images) + &wanted,
        count(row.refused_replies),
        number(row.precision_bits, 1),
        count(row.levels),
        times.join(", ") + streamed,
        format!("{} ({})", number(row.memory_mb, 0), number(row.planned_memory_mb, 0)),
        format!("{} / {} / {}", mb(row.upload_bytes), mb(row.reply_bytes), mb(row.key_bytes)),
        training(row),
    ]
}

/// A refused experiment's cells, as [`REFUSED`] names them.
pub(super) fn refused(row: &Row) -> Vec<String> {
    let why = row.reason.clone().unwrap_or_default();
    let [relu, polynomial] = [row.auc_relu, row.auc_polynomial].map(auc);
    vec![row.data.clone(), row.factor.to_string(), name(row), row.params.clone(), relu, polynomial, count(row.levels), why]
}

/// A refused experiment in words: what it is, why it was refused, and what is known of it in clear.
pub(super) fn refused_point(row: &Row) -> String {
    let levels = row.levels.map_or_else(String::new, |levels| format!(" ({levels} levels)"));
    let why = row.reason.as_deref().unwrap_or_default();
    let in_clear = [("ReLU", row.auc_relu), ("polynomial", row.auc_polynomial)];
    let in_clear: Vec<String> =
        in_clear.into_iter().filter_map(|(form, known)| known.map(|known| format!("{form} {}", auc(Some(known))))).collect();
    let known = if in_clear.is_empty() { String::new() } else { format!("; ROC-AUC in clear: {}", in_clear.join(", ")) };
    format!("{}, f = {}, {} under {}{levels}: {why}{known}", row.data, row.factor, name(row), row.params)
}

fn name(row: &Row) -> String {
    row.label() + if is_failed(row) { " †" } else { "" }
}

/// Time by threads. A percentile of few runs is their largest, and is called so.
fn time(time: &ServerTime) -> String {
    let ServerTime { threads, median_ms, p95_ms, runs } = time;
    let largest = if *runs < PERCENTILE { " (largest)" } else { "" };
    format!("{median_ms:.0} / {p95_ms:.0}{largest} on {threads}, {runs} runs")
}

/// What encryption moved, with the paired interval where the ledger holds it.
fn moved(row: &Row) -> String {
    let plain = row.auc_encrypted.zip(row.auc_same).map(|(after, before)| after.value - before.value);
    match row.auc_moved {
        Some(Auc { value, low: Some(low), high: Some(high) }) => format!("{value:+.4} ({low:+.4} to {high:+.4})"),
        _ => plain.map_or_else(|| "–".into(), |value| format!("{value:+.4}")),
    }
}

/// Wall time and threads; rows that do not say what trained them do not know the threads either.
fn training(row: &Row) -> String {
    let threads = row.train_commit.as_ref().map_or_else(String::new, |_| format!(" ({})", row.train_threads));
    number(row.train_seconds, 0) + &threads
}

/// A value and its interval.
pub(super) fn auc(auc: Option<Auc>) -> String {
    match auc {
        None => "–".into(),
        Some(Auc { value, low: Some(low), high: Some(high) }) => format!("{value:.3} ({low:.3}–{high:.3})"),
        Some(Auc { value, .. }) => format!("{value:.3}"),
    }
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.digits$}"))
}

fn count(value: Option<usize>) -> String {
    value.map_or_else(|| "–".into(), |value| value.to_string())
}
