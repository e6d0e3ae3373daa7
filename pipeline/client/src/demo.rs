//! `veilray demo`: every step on one machine, over HTTP, compared with the result in clear.
//!
//! The daemon runs in a process of its own, so that its memory is measured apart from the client's. Keys and the daemon's data lie in a
//! temporary folder that is removed when the demo ends, also by an error or an interrupt.

mod daemon;
mod progress;
mod report;

pub(crate) use daemon::{ServeArgs, serve};
use report::{Bytes, Peak, Report, Timings};

use crate::client::batch::{Batch, Concurrency};
use crate::client::findings::{self, Finding};
use crate::client::keyset::{KeySet, MAX_KEY_BYTES};
use crate::client::remote::Remote;
use crate::client::segmentation::OutputKind;
use crate::client::server_url::{Access, ServerUrl, Waits};
use crate::client::session::Session;
use crate::client::{Error, Exit, Result, files, images, vault};
use daemon::Daemon;
use progress::Progress;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use veilray_base::release::find;
use veilray_classifier::interface::Interface;
use veilray_classifier::reference;
use veilray_classifier::release::Model;
use veilray_imaging::ingest::Settings;
use veilray_imaging::phantom::Phantom;

/// The model of the demo unless another is named.
const MODEL: &str = "nih14-f8";
/// How long the daemon may take to open the model and check itself.
const START: Duration = Duration::from_secs(120);
/// How far encrypted and clear logits may be apart, for logits up to 1; larger ones in proportion.
pub(crate) const TOLERANCE: f64 = 0.02;

/// Arguments of `demo`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// An image: DICOM, PNG or JPEG; default a synthetic image that the program draws.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// The model: its name in the folder of released models, or its folder.
    #[arg(long, value_name = "NAME|DIR", default_value = MODEL)]
    model: String,
    /// Prints one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// Runs the command; what it is doing goes to standard error unless `quiet`.
///
/// # Errors
/// What keeps any step from being done.
pub(crate) fn command(args: &Args, quiet: bool) -> Result<Exit> {
    let report = run(args.image.as_deref(), &args.model, &Progress::new(quiet))?;
    let mut text = if args.json { serde_json::to_string(&report).map_err(std::io::Error::from)? } else { report.to_string() };
    text.push('\n');
    std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes())?;
    Ok(if report.agree { Exit::Done } else { Exit::Disagreement })
}

/// Every step for one image.
///
/// # Errors
/// What keeps any step from being done.
fn run(image: Option<&Path>, model: &str, progress: &Progress) -> Result<Report> {
    let start = Instant::now();
    let folder = find(model)?;
    let file = match image {
        Some(path) => images::read_named(path, Settings::default().limits.file_bytes)?,
        None => drawn()?,
    };
    let temporary = files::private_temporary("veilray-demo-", &std::env::temp_dir())?;
    daemon::remove_on_interrupt(temporary.path());
    progress.step(&format!("starting a daemon on this machine with the model {model}"));
    // Dropped before the folder it works in.
    let daemon = Daemon::start(&folder, &temporary.path().join("server"))?;
    let mut timings = Timings::default();

    let access = Access { ca: None, token_file: None, retry_for: START, waits: Waits::default() };
    let remote = Remote::new(&ServerUrl::parse(daemon.url(), false)?, &access)?;
    let [only] =
        remote.models()?.try_into().map_err(|_| Error::Reply { what: "list of models", why: "one was wanted".into() })?;
    let interface = remote.interface(&only.name)?;
    OutputKind::Labels.require(&interface)?;
    timings.start = ms(start);

    progress.step("making keys, and opening the encoder");
    let since = Instant::now();
    let passphrase = passphrase()?;
    let keys =
        KeySet::create(&temporary.path().join("keys"), &interface, passphrase.as_slice(), vault::Cost::DEFAULT, MAX_KEY_BYTES)?;
    let session = Session::open(keys, passphrase.as_slice(), Settings::default())?;
    timings.keygen = ms(since);

    progress.step("sending the evaluation keys to the daemon");
    let record = session.keys().record();
    let since = Instant::now();
    remote.upload_keys(&session.keys().evaluation_keys(), &record.evaluation_keys_sha256, &record.model, &mut |_| ())?;
    timings.register = ms(since);

    progress.step("compressing the image, and encrypting it");
    let since = Instant::now();
    let compressed = session.compress(&file)?;
    timings.compress = ms(since);
    let since = Instant::now();
    let ciphertexts = session.encrypt(&compressed.latent)?;
    timings.encrypt = ms(since);

    // Here ends what `total` times: what follows is only for the comparison.
    let batch = Batch {
        session: &session,
        remote: &remote,
        concurrency: Concurrency { prepare: 1, requests: 1, ..Concurrency::default() },
    };
    progress.step("evaluating the network on the ciphertext, in the daemon");
    let since = Instant::now();
    let (labels, answer) = batch.classify_one(&ciphertexts, None)?;
    let asked = ms(since);
    timings.upload = answer.upload_ms;
    timings.server = answer.times.server_ms;
    timings.download = answer.download_ms;
    timings.decrypt = (asked - answer.total_ms).max(0.0);
    timings.total = ms(start);

    progress.step("evaluating the network in clear, to compare");
    let clear = in_clear(&folder, &interface, &compressed.latent)?;
    let peak_rss_mb = Peak { client: peak_rss_mb("self"), server: daemon.peak_rss_mb() };
    let bytes = Bytes { upload: answer.sent, reply: answer.received, evaluation_keys: record.evaluation_keys_bytes };
    let report =
        report::compare(&interface, session.keys().params(), labels, &clear, compressed.warnings, timings, bytes, peak_rss_mb);
    daemon.stop();
    progress.end();
    Ok(report)
}

/// The model's own network on the latent, in clear: neither folded nor packed nor encrypted.
fn in_clear(folder: &Path, interface: &Interface, latent: &[f64]) -> Result<Vec<Finding>> {
    let model = Model::open(folder)?;
    let logits = reference::evaluate(model.spec(), model.weights(), latent).map_err(|e| Error::Release(e.into()))?;
    Ok(findings::of(&logits, &interface.operating_point))
}

fn drawn() -> Result<Vec<u8>> {
    let png = Phantom::default().film().and_then(|film| film.to_png());
    png.map_err(|e| Error::Disagreement(format!("the phantom cannot be drawn: {e}")))
}

/// A random passphrase: the keys are removed with the demo.
fn passphrase() -> Result<zeroize::Zeroizing<[u8; 32]>> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|e| Error::Passphrase(format!("no randomness: {e}")))?;
    Ok(bytes)
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// A process's largest resident size so far, MB (10^6 bytes), where Linux tells.
fn peak_rss_mb(process: &str) -> Option<f64> {
    veilray_nn::memory::peak_resident_bytes_of(process).map(|bytes| bytes as f64 / 1e6)
}
