//! Any named network on random weights, calibrated so that values stay in range, encrypted: what it costs, and whether its plan said so.
//!
//! ```text
//! cargo run --release -p veilray-bench --bin network -- --network veilnet-s --params n14
//! ```
//!
//! Prints server time, error against clear, bytes, memory of the encoded diagonals and, without `--json`, every node with its layout
//! and time. A plan holds where bytes are equal, time is within 30 %, peak memory of the process within 20 % and precision within two
//! bits. Threads: `RAYON_NUM_THREADS`.

use clap::Parser;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use veilray_base::Rng;
use veilray_bench::{Result, exit, least, median};
use veilray_classifier::execute::{ClearExecutor, EncryptedCircuit, client, trace};
use veilray_classifier::fold::{FoldOptions, fold};
use veilray_classifier::networks;
use veilray_classifier::pack::{CostModel, PackOptions, PackedCircuit, PackedOp, pack};
use veilray_classifier::plan::{Plan, PlanOptions};
use veilray_classifier::spec::NetworkSpec;
use veilray_classifier::weights::Weights;
use veilray_he::wire::evaluation_keys_bytes;
use veilray_he::{Ciphertext, Decryptor, Encryptor, EvaluationKeys, ExpandedKeys, Params, ParamsLiteral, SecretKey};
use veilray_nn::memory::peak_resident_bytes;

/// Images that precision is measured on.
const IMAGES: usize = 4;

/// Runs a network of random weights on ciphertexts and says what that costs.
#[derive(Parser)]
struct Args {
    /// A named network, with its default input and labels.
    #[arg(long, value_name = "NAME", default_value = "veilnet-s")]
    network: String,
    /// The network that this TOML file describes, in place of a named one.
    #[arg(long, value_name = "FILE", conflicts_with = "network")]
    spec: Option<PathBuf>,
    /// The parameter set, by name.
    #[arg(long, value_name = "SET", default_value = "n14")]
    params: String,
    /// Runs that are timed.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Bound on the evaluation keys, MB.
    #[arg(long, value_name = "MB")]
    key_budget: Option<f64>,
    /// Keep no diagonals in memory; with `--plan`, memory stands beside what is planned for that.
    #[arg(long)]
    stream: bool,
    /// One JSON object in place of the nodes.
    #[arg(long, conflicts_with_all = ["trace", "plan", "plan_only"])]
    json: bool,
    /// Decrypt every node and compare it with clear.
    #[arg(long, conflicts_with_all = ["plan", "plan_only"])]
    trace: bool,
    /// The plan, and beside it what is measured.
    #[arg(long, conflicts_with = "plan_only")]
    plan: bool,
    /// The plan alone.
    #[arg(long)]
    plan_only: bool,
}

struct Session {
    params: Params,
    server: EncryptedCircuit,
    secret: SecretKey,
    keys: ExpandedKeys,
    images: Vec<Vec<f64>>,
    /// Whether no diagonals are kept.
    streamed: bool,
}

fn main() -> ExitCode {
    exit(run(&Args::parse()))
}

fn run(args: &Args) -> Result<()> {
    let set = args.params.as_str();
    let spec = match &args.spec {
        Some(file) => NetworkSpec::read(file)?,
        None => networks::default_for(&args.network)?,
    };
    let network = spec.name.as_str();
    let params = ParamsLiteral::named(set)?.check()?;
    let start = Instant::now();
    let packed = packed(&spec, &params, args.key_budget)?;
    let pack_ms = start.elapsed().as_secs_f64() * 1e3;
    if args.plan_only {
        println!("{}", Plan::new(&packed, &params, &PlanOptions::new(CostModel::reference(&params)))?);
        return Ok(());
    }
    let start = Instant::now();
    let encode = if args.stream { EncryptedCircuit::streamed } else { EncryptedCircuit::new };
    let server = encode(packed, &params)?;
    let encode_ms = start.elapsed().as_secs_f64() * 1e3;
    let secret = SecretKey::generate(&params)?;
    let keys = ExpandedKeys::new(&EvaluationKeys::generate(&secret, server.key_spec())?)?;
    let images = latents(server.circuit().input().values(), 1);
    let session = Session { params, server, secret, keys, images, streamed: args.stream };
    if args.plan {
        return session.compare(args.rounds);
    }
    let image = session.images.first().ok_or("no image")?;
    let sent = session.encrypted(image)?;
    let Session { params, server, keys, .. } = &session;
    if args.trace {
        println!("{}", trace(server, keys, &session.secret, image, &sent)?);
        return Ok(());
    }
    let mut nodes: Vec<(String, f64)> = Vec::new();
    let mut times = Vec::new();
    let mut reply = None;
    for _ in 0..args.rounds {
        nodes.clear();
        let start = Instant::now();
        reply = Some(server.run_traced(&sent, keys, |step| nodes.push((describe(&step.node.op, step.index, server), step.ms)))?);
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let Some(reply) = reply else { return Err("--rounds must be at least 1".into()) };
    let error = session.errors(&reply, image, &ClearExecutor::new(server.circuit())?)?.into_iter().fold(0.0, f64::max);
    let line = json!({
        "network": network, "params": set, "levels": server.circuit().level(), "server_ms": median(times.clone()), "least_ms": least(&times),
        "max_abs_error": error, "upload_bytes": bytes(&sent)?, "reply_bytes": reply.to_bytes()?.len(), "keys": server.key_spec().len(),
        "key_bytes": evaluation_keys_bytes(params, server.key_spec())?, "key_memory_bytes": keys.memory_bytes(),
        "diagonal_bytes": server.diagonal_bytes(), "peak_bytes": peak_resident_bytes(), "pack_ms": pack_ms, "encode_ms": encode_ms, "threads": rayon::current_num_threads(),
    });
    if args.json {
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
        let bounds = client::Bounds { logit: f64::MAX, ..client::Bounds::default() };
        let found = client::decrypt_logits_raw(self.server.circuit(), &Decryptor::new(&self.secret), reply, &bounds)?;
        Ok(found.iter().zip(clear.run(image)).map(|(f, w)| (f - w).abs()).collect())
    }

    /// The plan beside what is measured.
    fn compare(&self, rounds: u32) -> Result<()> {
        let Self { params, server, keys, .. } = self;
        let sent = self.encrypted(self.images.first().ok_or("no image")?)?;
        let time = |times: &mut Vec<f64>| -> Result<Ciphertext> {
            let mut reply = server.run(&sent, keys)?;
            for _ in 0..rounds {
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
