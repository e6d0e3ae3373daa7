//! `veilray plan`.

use super::output::{megabytes, report};
use super::settings::Settings;
use crate::client::{Error, Exit, Result};
use crate::models;
use serde::Serialize;
use veilray_classifier::release::Model;
use veilray_he::KeySpec;
use veilray_he::wire::{ciphertext_bytes, evaluation_keys_bytes};

/// Arguments of `plan`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The model: its name in the folder of released models, or its folder.
    #[arg(long, env = "VEILRAY_MODEL", value_name = "M")]
    model: Option<String>,
    /// Prints one JSON object.
    #[arg(long, env = "VEILRAY_JSON", value_parser = clap::builder::BoolishValueParser::new())]
    json: bool,
}

/// What is known before any key exists.
#[derive(Debug, Serialize)]
struct Plan {
    model: String,
    params: String,
    security_bits: u32,
    log_n: u32,
    log_qp: f64,
    levels: usize,
    depth: usize,
    rotations: usize,
    bytes: Bytes,
}

#[derive(Debug, Serialize)]
struct Bytes {
    upload: usize,
    reply: usize,
    evaluation_keys: usize,
}

/// Runs `plan`.
///
/// # Errors
/// No such model.
pub(crate) fn run(args: &Args, settings: &Settings) -> Result<Exit> {
    let name = settings.model(args.model.as_ref()).ok_or_else(|| Error::Usage("name the model with --model".into()))?;
    let model = Model::open(&models::find(&name)?)?;
    let (packed, params) = (model.packed()?, model.params());
    let level = packed.level();
    let rotations = packed.rotations();
    let spec = rotations.iter().fold(KeySpec::new(), |spec, (steps, level)| {
        spec.with_rotations(params, [i64::try_from(*steps).unwrap_or_default()], *level)
    });
    let spec = spec.with_relinearisation(level.saturating_sub(1));
    let ciphertexts = packed.input().layout().blocks();
    let plan = Plan {
        model: model.manifest().name.clone(),
        params: model.manifest().params.clone(),
        security_bits: 128,
        log_n: params.log_n(),
        log_qp: params.log_qp(),
        levels: level,
        depth: packed.depth(),
        rotations: rotations.len(),
        bytes: Bytes {
            upload: ciphertexts * ciphertext_bytes(params, level, true)?,
            reply: ciphertext_bytes(params, 0, false)?,
            evaluation_keys: evaluation_keys_bytes(params, &spec)?,
        },
    };
    report(args.json, &plan, || {
        let Plan { model, params, log_n, log_qp, levels, depth, rotations, bytes, .. } = &plan;
        format!(
            "{model}: parameters {params}, N = 2^{log_n}, log2(QP) = {log_qp:.0}, 128-bit security\n  levels           {levels}, of which the circuit uses \
             {depth}\n  rotations        {rotations}\n  upload           {}\n  reply            {}\n  evaluation keys  {}, sent once",
            megabytes(bytes.upload as u64),
            megabytes(bytes.reply as u64),
            megabytes(bytes.evaluation_keys as u64)
        )
    })?;
    Ok(Exit::Done)
}
