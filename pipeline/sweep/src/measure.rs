//! What experiments give and cost on ciphertexts.
//!
//! Accuracy is taken on as many images as the interval asks for, image by image into a file, so that a run that was killed goes on behind
//! the last. Times are taken afterwards, of a group of experiments in turn and on every number of threads in turn, so that what disturbs
//! the machine disturbs all alike; how much of it others used meanwhile stands in the row.

mod answers;
mod ready;

pub use ready::{Clear, Ready};

use crate::command::error::{Error, Result};
use crate::data::Split;
use crate::evaluate::{Difference, Session, spread};
use crate::grid::Measure;
use crate::ledger::{Auc, LayerRow, Outcome, Row, ServerTime};
use crate::machine::{self, Ticks};
use crate::train_classifier;
use answers::Answers;
use std::num::NonZeroUsize;
use std::time::Instant;
use veilray_base::digest::sha256_hex;
use veilray_classifier::execute::EncryptedCircuit;
use veilray_classifier::release::Model;
use veilray_encoder::evaluate::Times;
use veilray_he::Ciphertext;
use veilray_training::metrics::{Bootstrap, Evaluation, Scored, SplitReport};
use veilray_training::{Samples, predict, reported};

/// Images of a batch in clear.
const BATCH: usize = 64;
/// Fewest images on ciphertexts: below, the root law of [`wanted`] and the bootstrap mean nothing.
const FEWEST: usize = 30;

/// An experiment with keys, ready to be timed.
struct Running {
    ready: Ready,
    session: Session,
    sent: Vec<Ciphertext>,
    times: Vec<Vec<f64>>,
}

/// Measures experiments that are in memory together and gives their rows: of one that the engine refuses, a row that says why.
///
/// # Errors
/// Files that cannot be read or written.
pub fn group(ready: Vec<Ready>) -> Result<Vec<Row>> {
    let (mut running, mut rows) = (Vec::new(), Vec::new());
    for ready in ready {
        let row = ready.row.clone();
        match Running::start(ready) {
            Ok(one) => running.push(one),
            Err(why) if is_refusal(&why) => {
                rows.push(Row { outcome: Outcome::Refused, reason: Some(why.to_string()), ..row });
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(measure) = running.first().map(|first| first.ready.experiment.measure.clone()) {
        let load = in_turn(&mut running, &measure)?;
        rows.extend(running.into_iter().map(|running| running.row(&measure, load)));
    }
    Ok(rows)
}

/// Whether a network cannot be evaluated under its parameters, as opposed to a machine that does not do its work.
fn is_refusal(error: &Error) -> bool {
    use veilray_classifier::release::Error as Release;
    match error {
        Error::Execute(_) | Error::Engine(_) => true,
        Error::Release(error) => {
            matches!(
                error,
                Release::Fold(_)
                    | Release::Pack(_)
                    | Release::Execute(_)
                    | Release::Room { .. }
                    | Release::Labels { .. }
                    | Release::ReplyScale { .. }
                    | Release::Noise { .. }
            )
        }
        _ => false,
    }
}

/// Times everything in turn; gives the part of the machine that others used.
fn in_turn(running: &mut [Running], measure: &Measure) -> Result<Option<f64>> {
    let pools: Vec<rayon::ThreadPool> = measure
        .threads
        .iter()
        .map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build())
        .collect::<Result<_, _>>()
        .map_err(Error::file("start threads for", std::path::Path::new("the timing")))?;
    let before = Ticks::now();
    for round in 0..=measure.rounds.get() {
        for one in running.iter_mut() {
            for (pool, times) in pools.iter().zip(&mut one.times) {
                let start = Instant::now();
                pool.install(|| one.session.evaluate(&one.sent))?;
                // The first round warms caches and buffers.
                if round > 0 {
                    times.push(start.elapsed().as_secs_f64() * 1e3);
                }
            }
        }
    }
    Ok(before.zip(Ticks::now()).and_then(|(before, after)| after.foreign_since(before)))
}

impl Running {
    fn start(mut ready: Ready) -> Result<Self> {
        let model = Model::open(&ready.model)?;
        let test = train_classifier::load(&ready.data, &ready.roots, Split::Test, 0)?.samples;
        let samples = test.with_labels(model.labels())?;
        let clear = clear(&model, &samples)?;
        machine::forget_peak();
        let encode = if ready.streamed { EncryptedCircuit::streamed } else { EncryptedCircuit::new };
        let circuit = encode(model.packed()?, model.params())?;
        let session = Session::with_circuit(circuit, model.bounds())?;
        let first = session.answer(&samples, 0)?;
        ready.row.memory_mb = Some(machine::peak_allocated_bytes() as f64 / 1e6);
        ready.row.upload_bytes = Some(first.upload_bytes);
        ready.row.reply_bytes = Some(first.reply_bytes);
        ready.row.key_bytes = Some(session.key_bytes());
        let wanted = wanted(&ready.clear.polynomial, &ready.experiment.measure, samples.len());
        ready.row.encrypted_wanted = Some(wanted);
        let count = wanted.min(ready.experiment.measure.at_most.get());
        let answers = Answers::take(&ready.folder, &session, &samples, &spread(samples.len(), count))?;
        accuracy(&mut ready.row, &answers, &samples, &clear, &model)?;
        resampled(&mut ready.row, &clear, &samples)?;
        ready.row.layers = layers(&session, &samples)?;
        ready.row.layer_threads = Some(rayon::current_num_threads());
        let sent = session.encrypt(&samples, 0)?;
        let times = vec![Vec::new(); ready.experiment.measure.threads.len()];
        Ok(Self { ready, session, sent, times })
    }

    fn row(self, measure: &Measure, load: Option<f64>) -> Row {
        let time = |(threads, times): (&NonZeroUsize, Vec<f64>)| {
            let (runs, times) = (times.len(), Times::of(times));
            ServerTime { threads: threads.get(), median_ms: times.median, p95_ms: times.p95, runs }
        };
        let server = measure.threads.iter().zip(self.times).map(time).collect();
        let (outcome, unix_time) = (Outcome::Measured, machine::Machine::here().unix_time);
        Row { outcome, server, foreign_load: load, unix_time, ..self.ready.row }
    }
}

/// The logits in clear of every sample.
fn clear(model: &Model, samples: &Samples) -> Result<Scored> {
    let network = veilray_training::network_of(model)?;
    let logits = predict(network.as_ref(), samples, BATCH, false)?;
    Ok(reported(samples, &logits, model.labels().len())?)
}

/// How many images the interval asks for: its width falls with the root of their number.
fn wanted(clear: &SplitReport, measure: &Measure, images: usize) -> usize {
    let interval = clear.ranking.roc_auc.macro_mean.and_then(|figure| figure.interval);
    let wanted = interval.map_or(f64::INFINITY, |interval| {
        let half = (interval.high - interval.low) / 2.0;
        (images as f64 * (half / measure.half_width).powi(2)).ceil()
    });
    (wanted.min(images as f64) as usize).max(FEWEST).min(images)
}

/// Fills in what the answers say.
fn accuracy(row: &mut Row, answers: &Answers, samples: &Samples, clear: &Scored, model: &Model) -> Result<()> {
    let (images, logits) = answers.believed();
    let same = clear.select(&images);
    let decrypted = same.with_scores(logits)?;
    let patients: Vec<String> = images.iter().filter_map(|image| samples.patients().get(*image).cloned()).collect();
    let auc = |scored: &Scored| -> Result<Option<Auc>> {
        let evaluation = Evaluation::with_intervals(scored, &patients, &Bootstrap::default())?;
        Ok(evaluation.roc_auc.macro_mean.map(Auc::from))
    };
    row.auc_same = auc(&same)?;
    row.auc_encrypted = auc(&decrypted)?;
    let drawn = |scored: &Scored| Evaluation::macro_auc_resampled(scored, &patients, &Bootstrap::default());
    let moved = drawn(&decrypted)?.into_iter().zip(drawn(&same)?).filter_map(|(after, before)| Some(after? - before?)).collect();
    let interval = Bootstrap::default().interval(moved);
    row.auc_moved = row.auc_encrypted.zip(row.auc_same).map(|(after, before)| Auc {
        value: after.value - before.value,
        low: interval.map(|interval| interval.low),
        high: interval.map(|interval| interval.high),
    });
    row.encrypted_images = Some(images.len());
    row.refused_replies = Some(answers.refused());
    let difference = Difference::of(&same, &decrypted, &model.manifest().operating_point.thresholds.values);
    row.max_abs_logit_error = Some(difference.max_abs_logit_error);
    row.precision_bits = (difference.max_abs_logit_error > 0.0).then(|| -difference.max_abs_logit_error.log2());
    row.label_flips = Some(difference.label_flips);
    Ok(())
}

/// The accuracy in clear on resampled test splits, and by what other rows are known to be of the same split.
fn resampled(row: &mut Row, clear: &Scored, samples: &Samples) -> Result<()> {
    let drawn = Evaluation::macro_auc_resampled(clear, samples.patients(), &Bootstrap::default())?;
    // Splits in which no label has both classes are so few in number that a row with any cannot be compared.
    let whole: Option<Vec<f64>> = drawn.into_iter().map(|value| Some((value? * 1e5).round() / 1e5)).collect();
    row.auc_resampled = whole.unwrap_or_default();
    row.test_sha256 = Some(sha256_hex(format!("{:?}", (samples.patients(), samples.names(), samples.labels())).as_bytes()));
    Ok(())
}

/// Time and error of every node, on the first image.
fn layers(session: &Session, samples: &Samples) -> Result<Vec<LayerRow>> {
    let row = |row: veilray_classifier::execute::TraceRow| LayerRow {
        name: row.name,
        op: row.op.into(),
        level: row.level,
        ciphertexts: row.ciphertexts,
        largest: row.least.abs().max(row.largest.abs()),
        log2_error: row.log2_max_error.is_finite().then_some(row.log2_max_error),
        ms: row.ms,
    };
    Ok(session.trace(samples, 0)?.rows.into_iter().map(row).collect())
}
