//! `veilray selftest`: engine, vault, encoders and models on this machine.

use super::output::report;
use crate::client::{Error, Exit, Result, vault};
use serde::Serialize;
use std::path::Path;
use veilray_base::digest::sha256_hex;
use veilray_base::release::{WEIGHTS_VARIABLE, folders, other_kind};
use veilray_classifier::release::{MANIFEST, Model};
use veilray_encoder::release::{Released, WEIGHTS};
use veilray_he::simd::Backend;
use veilray_he::{
    Decryptor, Encoder, Encryptor, EvaluationKeys, Evaluator, ExpandedKeys, KeySpec, Params, ParamsLiteral, SecretKey,
};
use veilray_imaging::phantom::Phantom;

/// Arguments of `selftest`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

/// One check and how it ended; `detail` says what was found, or why it failed.
#[derive(Debug, Serialize)]
struct Check {
    name: String,
    ok: bool,
    detail: String,
}

/// All of them.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    backend: &'static str,
    checks: Vec<Check>,
}

/// SHA-256 of the secret key that the seed of ones gives at `n12`, as it is written; `he/tests/determinism.rs` has it too. Another value
/// means that seeds have changed their meaning, and with them every ciphertext that travels as a seed.
const SECRET_OF_ONES: &str = "1bdc7d2061d007f9f7e6df9e135f55dfb43196f39583cd1b7b79811a9dafd6a6";
/// Largest error of the engine's check: values up to 1, one product, one rotation.
const TOLERANCE: f64 = 1e-2;

/// Runs `selftest`.
///
/// # Errors
/// Standard output's; checks that fail are in the report.
pub(crate) fn run(args: &Args) -> Result<Exit> {
    let backend = Backend::detect()?.name();
    let mut checks = Vec::new();
    let mut check = |name: String, result: Result<String>| {
        let ok = result.is_ok();
        checks.push(Check { name, ok, detail: result.unwrap_or_else(|error| error.to_string()) });
    };
    check("engine".into(), engine());
    check("vault".into(), sealing());
    let found = releases();
    if let (true, Ok(named)) = (found.is_empty(), std::env::var(WEIGHTS_VARIABLE)) {
        let why = format!("{WEIGHTS_VARIABLE} names {named}, and no released model is there");
        check("models".into(), Err(Error::Usage(why)));
    }
    for folder in found {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        check(name, release(&folder));
    }
    let report_ = Report { ok: checks.iter().all(|check| check.ok), backend, checks };
    report(args.json, &report_, || {
        let line = |c: &Check| format!("{}  {:<14} {}", if c.ok { "ok    " } else { "FAILED" }, c.name, c.detail);
        report_.checks.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    Ok(if report_.ok { Exit::Done } else { Exit::Disagreement })
}

/// A product and a rotation from fixed seeds: right on every backend of this CPU, and the same bits on all of them.
fn engine() -> Result<String> {
    let params = ParamsLiteral::named("n12")?.check()?;
    let mut first: Option<Vec<u8>> = None;
    let mut worst = 0.0f64;
    for backend in Backend::available() {
        let name = backend.name();
        let (bytes, error) = product(&params.on_backend(backend))?;
        if error.is_nan() || error > TOLERANCE {
            return Err(Error::Disagreement(format!("{name}: encrypted and clear differ by {error:e}")));
        }
        if first.get_or_insert_with(|| bytes.clone()) != &bytes {
            return Err(Error::Disagreement(format!("{name} gives other bits than scalar")));
        }
        worst = worst.max(error);
    }
    let names: Vec<&str> = Backend::available().iter().map(|backend| backend.name()).collect();
    Ok(format!("{} agree bit for bit; error {worst:.1e}; in use: {}", names.join(", "), params.backend().name()))
}

/// The result's bytes and its largest error against clear.
fn product(params: &Params) -> Result<(Vec<u8>, f64)> {
    let secret = SecretKey::from_seed(params, [1; 32])?;
    let digest = sha256_hex(&secret.to_bytes()?);
    if digest != SECRET_OF_ONES {
        return Err(Error::Disagreement(format!("a fixed seed gives another key than it did: {digest}")));
    }
    let top = params.max_level();
    let spec = KeySpec::new().with_relinearisation(top).with_rotations(params, [1], top);
    let keys = ExpandedKeys::new(&EvaluationKeys::from_seeds(&secret, &spec, [2; 32], [3; 32])?)?;
    let values: Vec<f64> = (0..params.slots()).map(|i| (i as f64 * 0.37).sin()).collect();
    let plain = Encoder::new(params).encode(&values)?;
    let sent = Encryptor::new(&secret).encrypt_from_seeds(&plain, [4; 32], [5; 32])?;
    let evaluator = Evaluator::new(params);
    let turned = evaluator.rotate(&sent, 1, &keys)?;
    let reply = evaluator.multiply_rescale(&sent, &turned, &keys)?;
    let found = Decryptor::new(&secret).decrypt(&reply, 16)?;
    let wanted = values.iter().zip(values.iter().cycle().skip(1)).map(|(a, b)| a * b);
    let error = wanted.zip(&found).map(|(wanted, found)| (wanted - found).abs()).fold(0.0, f64::max);
    Ok((reply.to_bytes()?, error))
}

fn sealing() -> Result<String> {
    let secret = [7u8; 100];
    let sealed = vault::seal(&secret, b"selftest", vault::Cost::DEFAULT, &[0; 32])?;
    let start = std::time::Instant::now();
    let opened = vault::open(&sealed, b"selftest", &[0; 32])?;
    let ms = start.elapsed().as_secs_f64() * 1e3;
    let refused = vault::open(&sealed, b"selftesu", &[0; 32]).is_err();
    if opened.as_slice() != secret || !refused {
        return Err(Error::Disagreement("a sealed secret did not come back, or came back for a wrong passphrase".into()));
    }
    Ok(format!("sealed, opened in {ms:.0} ms, refused a wrong passphrase"))
}

/// Folders of releases in the first folder of released models that exists.
fn releases() -> Vec<std::path::PathBuf> {
    let Some(entries) = folders().into_iter().find_map(|folder| std::fs::read_dir(folder).ok()) else { return vec![] };
    let mut out: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|p| p.join(MANIFEST).is_file()).collect();
    out.sort();
    out
}

/// A release whose files have the digests that its manifest states; an encoder also compresses the phantom.
fn release(folder: &Path) -> Result<String> {
    let digest = |digest: &str| digest.get(..12).unwrap_or_default().to_owned();
    if let Some(kind) = other_kind(folder) {
        return Ok(format!("{kind}: not for this program, nothing checked"));
    }
    if !folder.join(WEIGHTS).is_file() {
        let model = Model::open(folder)?;
        return Ok(format!("classifier, manifest {}…, {} labels", digest(model.digest()), model.labels().len()));
    }
    let encoder = Released::open(folder)?;
    let image = Phantom::default().canonical().map_err(|e| Error::Disagreement(e.to_string()))?;
    let compressed = encoder.compress(&image)?;
    let (found, limit) = (compressed.found.reconstruction_error, encoder.manifest().limits.reconstruction_error);
    if !found.is_finite() || found > limit {
        return Err(Error::Disagreement(format!("the phantom's reconstruction error is {found:.4}, beyond {limit:.4}")));
    }
    Ok(format!("encoder, manifest {}…, phantom's reconstruction error {found:.4} of {limit:.4}", digest(encoder.digest())))
}
