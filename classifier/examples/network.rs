//! Any named network on random weights, calibrated so that values stay in range, encrypted: what it costs, and whether its plan said so.
//!
//! ```text
//! cargo run --release -p veilray-classifier --example network -- --network veilnet-s | --spec FILE --params n14 [--rounds 5] [--key-budget 40]
//!     [--stream] [--json | --trace | --plan | --plan-only]
//! ```
//!
//! The network has its default input and labels; `--spec FILE` takes the one that a TOML file describes instead. Prints server time, error against clear, bytes, memory of the encoded diagonals and, without
//! `--json`, every node with its layout and time. `--trace` decrypts every node and compares it with clear. `--plan-only` prints the plan and ends,
//! `--plan` prints it and, beside it, what is measured: bytes must be equal, time within 30 %, peak memory of the process within 20 %,
//! precision within two bits; with `--stream`, memory beside what is planned for that. `--key-budget` is in MB. `--stream` keeps no diagonals in memory. Threads: `RAYON_NUM_THREADS`.

use serde_json::json;
use std::path::Path;
use std::time::Instant;
use veilray_base::Rng;
use veilray_classifier::execute::{ClearExecutor, EncryptedCircuit, client, trace};
use veilray_classifier::fold::{FoldOptions, fold};
use veilray_classifier::networks;
use veilray_classifier::pack::{CostModel, PackOptions, PackedCircuit, PackedOp, pack};
use veilray_classifier::plan::{Plan, PlanOptions};
use veilray_classifier::spec::NetworkSpec;
use veilray_classifier::weights::Weights;
use veilray_he::wire::evaluation_keys_bytes;
use veilray_he::{Ciphertext, Decryptor, Encryptor, EvaluationKeys, ExpandedKeys, Params, ParamsLiteral, SecretKey};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Images that precision is measured on.
const IMAGES: usize = 4;

struct Session {
    params: Params,
    server: EncryptedCircuit,
    secret: SecretKey,
    keys: ExpandedKeys,
    images: Vec<Vec<f64>>,
    /// Whether no diagonals are kept.
    streamed: bool,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| arguments.iter().skip_while(|a| *a != name).nth(1).map(String::as_str);
    let has = |name: &str| arguments.iter().any(|a| a == name);
    let rounds: usize = after("--rounds").unwrap_or("5").parse()?;
    let set = after("--params").unwrap_or("n14");
    let spec = match after("--spec") {
        Some(file) => NetworkSpec::read(Path::new(file))?,
        None => networks::default_for(after("--network").unwrap_or("veilnet-s"))?,
    };
    let network = spec.name.as_str();
    let params = ParamsLiteral::named(set)?.check()?;
    let start = Instant::now();
    let packed = packed(&spec, &params, after("--key-budget").map(str::parse).transpose()?)?;
    let pack_ms = start.elapsed().as_secs_f64() * 1e3;
    if has("--plan-only") {
        println!("{}", Plan::new(&packed, &params, &PlanOptions::new(CostModel::reference(&params)))?);
        return Ok(());
    }
    let start = Instant::now();
    let encode = if has("--stream") { EncryptedCircuit::streamed } else { EncryptedCircuit::new };
    let server = encode(packed, &params)?;
    let encode_ms = start.elapsed().as_secs_f64() * 1e3;
    let secret = SecretKey::generate(&params)?;
    let keys = ExpandedKeys::new(&EvaluationKeys::generate(&secret, server.key_spec())?)?;
    let images = latents(server.circuit().input().values(), 1);
    let session = Session { params, server, secret, keys, images, streamed: has("--stream") };
    if has("--plan") {
        return session.compare(rounds);
    }
    let image = session.images.first().ok_or("no image")?;
    let sent = session.encrypted(image)?;
    let Session { params, server, keys, .. } = &session;
    if has("--trace") {
        println!("{}", trace(server, keys, &session.secret, image, &sent)?);
        return Ok(());
    }
    let mut nodes: Vec<(String, f64)> = Vec::new();
    let mut times = Vec::new();
    let mut reply = None;
    for _ in 0..rounds {
        nodes.clear();
        let start = Instant::now();
        reply = Some(server.run_traced(&sent, keys, |step| nodes.push((describe(&step.node.op, step.index, server), step.ms)))?);
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let least = times.iter().copied().fold(f64::INFINITY, f64::min);
    let Some(reply) = reply else { return Err("--rounds must be at least 1".into()) };
    let error = session.errors(&reply, image, &ClearExecutor::new(server.circuit())?)?.into_iter().fold(0.0, f64::max);
    let line = json!({
        "network": network, "params": set, "levels": server.circuit().level(), "server_ms": median(times.clone()), "least_ms": least,
        "max_abs_error": error, "upload_bytes": bytes(&sent)?, "reply_bytes": reply.to_bytes()?.len(), "keys": server.key_spec().len(),
        "key_bytes": evaluation_keys_bytes(params, server.key_spec())?, "key_memory_bytes": keys.memory_bytes(),
        "diagonal_bytes": server.diagonal_bytes(), "peak_bytes": peak_resident_bytes(), "pack_ms": pack_ms, "encode_ms": encode_ms, "threads": rayon::current_num_threads(),
    });
    if has("--json") {
        println!("{line}");
    } else {
        nodes.iter().for_each(|(node, ms)| println!("{ms:9.2} ms  {node}"));
        println!("{line:#}");
    }
    Ok(())
}

/// Standard normal images, the same for the same seed.
fn latents(values: usize, seed: u64) -> Vec<Vec<f64>> {
    let image = |i| {
        let mut rng = Rng::new(seed + i, "latent");
        (0..values).map(|_| rng.normal()).collect()
    };
    (0..IMAGES as u64).map(image).collect()
}

/// The network on random weights, calibrated on other images than it is run on. The circuit is dropped: a server has no use for it.
fn packed(spec: &NetworkSpec, params: &Params, key_budget: Option<f64>) -> Result<PackedCircuit> {
    let weights = Weights::calibrated(spec, 1, &latents(spec.input.len(), 1000))?;
    let circuit = fold(spec, &weights, &FoldOptions::default())?;
    let options = PackOptions { key_budget, ..PackOptions::new(params, &circuit) };
    Ok(pack(&circuit, &options)?)
}

impl Session {
    fn encrypted(&self, image: &[f64]) -> Result<Vec<Ciphertext>> {
        Ok(client::encrypt(self.server.circuit(), &self.params, &Encryptor::new(&self.secret), image)?)
    }

    /// |error| of every logit against clear.
    fn errors(&self, reply: &Ciphertext, image: &[f64], clear: &ClearExecutor<'_>) -> Result<Vec<f64>> {
        let bounds = client::Bounds { logit: f64::MAX, precision_bits: 30, ..client::Bounds::default() };
        let found = client::decrypt_logits(self.server.circuit(), &Decryptor::new(&self.secret), reply, &bounds)?;
        Ok(found.iter().zip(clear.run(image)).map(|(f, w)| (f - w).abs()).collect())
    }

    /// The plan beside what is measured.
    fn compare(&self, rounds: usize) -> Result<()> {
        let Self { params, server, keys, .. } = self;
        let sent = self.encrypted(self.images.first().ok_or("no image")?)?;
        let time = |times: &mut Vec<f64>| -> Result<Ciphertext> {
            let mut reply = server.run(&sent, keys)?;
            for _ in 0..rounds.max(1) {
                let start = Instant::now();
                reply = server.run(&sent, keys)?;
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
            Ok(reply)
        };
        // The circuit is timed before and behind the calibration: other processes disturb both alike.
        let mut times = Vec::new();
        time(&mut times)?;
        let peak = peak_resident_bytes();
        let costs = CostModel::measured_up_to(params, server.circuit().level())?;
        let reply = time(&mut times)?;
        let clear = ClearExecutor::new(server.circuit())?;
        let mut errors = Vec::new();
        for image in &self.images {
            errors.push(self.errors(&server.run(&self.encrypted(image)?, keys)?, image, &clear)?);
        }
        let plan = Plan::new(server.circuit(), params, &PlanOptions::new(costs))?;
        println!("{plan}\n\n{:<22}{:>14}{:>14}{:>9}", "", "predicted", "measured", "ratio");
        let line = |name: &str, predicted: f64, measured: f64| {
            println!("{name:<22}{predicted:>14.1}{measured:>14.1}{:>9.3}", predicted / measured);
        };
        line("time, ms", plan.predicted_ms, median(times));
        line("upload, bytes", plan.bytes.upload as f64, bytes(&sent)? as f64);
        line("reply, bytes", plan.bytes.reply as f64, reply.to_bytes()?.len() as f64);
        let sent_keys = EvaluationKeys::generate(&self.secret, server.key_spec())?.to_bytes()?;
        line("keys, bytes", plan.bytes.evaluation_keys as f64, sent_keys.len() as f64);
        line("diagonals, bytes", plan.memory.diagonals as f64, server.diagonal_bytes() as f64);
        line("keys in memory, bytes", plan.memory.keys as f64, keys.memory_bytes() as f64);
        if let Some(peak) = peak {
            let planned = if self.streamed { plan.memory.streamed_peak } else { plan.memory.peak };
            line("peak memory, MB", planned as f64 / 1e6, peak as f64 / 1e6);
        }
        if let Some(precision) = &plan.precision {
            let max = errors.iter().map(|e| e.iter().copied().fold(0.0, f64::max)).sum::<f64>() / errors.len() as f64;
            let squares: Vec<f64> = errors.iter().flatten().map(|e| e * e).collect();
            let rms = (squares.iter().sum::<f64>() / squares.len() as f64).sqrt();
            for (name, predicted, found) in [("max", precision.log2_max, max.log2()), ("rms", precision.log2_rms, rms.log2())] {
                println!("{:<22}{predicted:>14.2}{found:>14.2}{:>+9.2} bits", format!("log2 error, {name}"), predicted - found);
            }
        }
        Ok(())
    }
}

fn bytes(ciphertexts: &[Ciphertext]) -> Result<usize> {
    ciphertexts.iter().map(|c| Ok(c.to_bytes()?.len())).sum()
}

/// The process's largest resident size so far, bytes, where Linux tells.
fn peak_resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(kib.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(0.0)
}

fn describe(op: &PackedOp, index: usize, server: &EncryptedCircuit) -> String {
    let (node, place) = (server.circuit().nodes().get(index), server.level_scales().get(index));
    let (name, layout) = node.map_or((String::new(), String::new()), |n| (n.name.clone(), n.layout.to_string()));
    let level = place.map_or(0, |place| place.level);
    let diagonals = match op {
        PackedOp::Linear(map) => format!(", {} diagonals", map.diagonal_count()),
        _ => String::new(),
    };
    format!("{name}: {}{diagonals}, to level {level}, {layout}", op.kind())
}
