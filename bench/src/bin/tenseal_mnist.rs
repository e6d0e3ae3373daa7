//! The network of TenSEAL's MNIST tutorial, encrypted, on random weights and a random image: times do not depend on them.
//!
//! ```text
//! cargo run --release -p veilray-bench --bin tenseal_mnist -- --json --threads 1
//! ```
//!
//! 28×28; convolution 7×7 of stride 3 to 4 channels, square, 256 to 64, square, 64 to 10, at N = 2^13. `inference_ms` is the server's time from
//! ciphertext to ciphertext; `max_abs_error` is against the same network in f64. The weights have the distributions of
//! `bench/peers/tenseal_mnist.py`, which measures TenSEAL on the same network.

use clap::Parser;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use veilray_base::Rng;
use veilray_base::figures::Figures;
use veilray_bench::{Result, exit, least, median, record};
use veilray_classifier::execute::{EncryptedCircuit, client};
use veilray_classifier::fold::{FoldOptions, fold};
use veilray_classifier::networks;
use veilray_classifier::pack::{PackOptions, pack};
use veilray_classifier::reference;
use veilray_classifier::weights::{Tensor, Weights};
use veilray_he::{Decryptor, Encryptor, EvaluationKeys, ExpandedKeys, ParamsLiteral, SecretKey};

/// Runs the network of TenSEAL's MNIST tutorial on ciphertexts and says what that costs.
#[derive(Parser)]
struct Args {
    /// One JSON object in place of the table.
    #[arg(long)]
    json: bool,
    /// Number of threads, in place of one for each processor.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Runs that are timed.
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Writes what was measured into this file of figures, `docs/results/engine.json`, and leaves the others in it. Wants `--threads 1`.
    #[arg(long, value_name = "FILE", requires = "threads")]
    record: Option<PathBuf>,
}

fn main() -> ExitCode {
    exit(run(&Args::parse()))
}

fn run(args: &Args) -> Result<()> {
    if args.record.is_some() && args.threads != Some(1) {
        return Err("recorded figures are of one thread: give --threads 1 with --record".into());
    }
    args.record.as_deref().map(Figures::read).transpose()?;
    if let Some(threads) = args.threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }

    let spec = networks::default_for("tenseal-mnist")?;
    let mut rng = Rng::new(73, "tenseal-mnist");
    let mut tensors = BTreeMap::new();
    for parameter in spec.parameters()? {
        let bias = parameter.name.ends_with("bias");
        let deviation = match (parameter.shape.as_slice(), bias) {
            (_, true) => 0.1,
            ([4, ..], false) => 0.15,
            ([64, ..], false) => 0.12,
            _ => 0.25,
        };
        let values = (0..parameter.shape.iter().product()).map(|_| (deviation * rng.normal()) as f32).collect();
        tensors.insert(parameter.name.clone(), Tensor::new(&parameter.name, parameter.shape, values)?);
    }
    let weights = Weights::new(tensors);
    let image: Vec<f64> = (0..28 * 28).map(|_| rng.uniform()).collect();
    let wanted = reference::evaluate(&spec, &weights, &image)?;

    let params = ParamsLiteral::named("n13")?.check()?;
    let circuit = fold(&spec, &weights, &FoldOptions::default())?;
    let packed = pack(&circuit, &PackOptions::new(&params, &circuit))?;
    let server = EncryptedCircuit::new(packed, &params)?;
    let secret = SecretKey::generate(&params)?;
    let keys = EvaluationKeys::generate(&secret, server.key_spec())?;
    let key_bytes = keys.to_bytes()?.len();
    let keys = ExpandedKeys::new(&keys)?;
    let sent = client::encrypt(server.circuit(), &params, &Encryptor::new(&secret), &image)?;
    let upload_bytes = sent.iter().map(|c| Ok(c.to_bytes()?.len())).sum::<Result<usize>>()?;

    let mut times = Vec::new();
    let mut reply = server.run(&sent, &keys)?;
    for _ in 0..args.rounds {
        let start = Instant::now();
        reply = server.run(&sent, &keys)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let (min, median) = (least(&times), median(times));
    let bounds = client::Bounds { logit: f64::MAX, ..client::Bounds::default() };
    let found = client::decrypt_logits_raw(server.circuit(), &Decryptor::new(&secret), &reply, &bounds)?;
    let error = found.iter().zip(&wanted).map(|(f, w)| (f - w).abs()).fold(0.0, f64::max);
    let reply_bytes = reply.to_bytes()?.len();
    let largest = wanted.iter().map(|w| w.abs()).fold(0.0, f64::max);
    if let Some(path) = &args.record {
        record::mnist(path, median, error, key_bytes)?;
    }
    if args.json {
        let line = json!({
            "inference_ms": { "median": median, "min": min }, "max_abs_error": error, "upload_bytes": upload_bytes,
            "key_bytes": key_bytes, "reply_bytes": reply_bytes, "threads": rayon::current_num_threads(), "largest_logit": largest,
            "log_n": params.log_n(), "log_qp": params.log_qp(), "backend": format!("{:?}", params.backend()),
        });
        println!("{line}");
    } else {
        println!("inference  {:.1} ms median, {:.1} ms least of {}", median, min, args.rounds);
        println!("error      {error:.2e} on logits up to {largest:.1}");
        println!("bytes      {upload_bytes} up, {reply_bytes} down, {key_bytes} of keys");
    }
    Ok(())
}
