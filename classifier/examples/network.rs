//! Any named network on random weights, encrypted: what it costs.
//!
//! ```text
//! cargo run --release -p veilray-classifier --example network -- --network veilnet-s --params n14 [--rounds 5] [--json]
//! ```
//!
//! The input is the latent of f = 8 with 14 labels. Prints server time, error against clear, bytes, memory of the encoded diagonals and, without
//! `--json`, every node with its level, ciphertexts, diagonals and time. Threads: `RAYON_NUM_THREADS`.

use serde_json::json;
use std::time::Instant;
use veilray_classifier::execute::{ClearExecutor, EncryptedCircuit, client};
use veilray_classifier::fold::{FoldOptions, fold};
use veilray_classifier::networks;
use veilray_classifier::pack::{PackOptions, PackedOp, pack};
use veilray_classifier::weights::Weights;
use veilray_he::{Decryptor, Encryptor, EvaluationKeys, ExpandedKeys, ParamsLiteral, SecretKey};
use veilray_nn::Rng;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| arguments.iter().skip_while(|a| *a != name).nth(1).map(String::as_str);
    let rounds: usize = after("--rounds").unwrap_or("5").parse()?;
    let (network, set) = (after("--network").unwrap_or("veilnet-s"), after("--params").unwrap_or("n14"));
    let spec = networks::usual(network)?;
    let weights = Weights::random(&spec, 1)?;
    let params = ParamsLiteral::named(set)?.check()?;
    let circuit = fold(&spec, &weights, &FoldOptions::default())?;
    let start = Instant::now();
    let packed = pack(&circuit, &PackOptions::new(&params, &circuit))?;
    let pack_ms = start.elapsed().as_secs_f64() * 1e3;
    let start = Instant::now();
    let server = EncryptedCircuit::new(packed, &params)?;
    let encode_ms = start.elapsed().as_secs_f64() * 1e3;
    let secret = SecretKey::generate(&params)?;
    let keys = EvaluationKeys::generate(&secret, server.key_spec())?;
    let key_bytes = veilray_he::wire::evaluation_keys_bytes(&params, server.key_spec())?;
    let keys = ExpandedKeys::new(&keys)?;
    let mut rng = Rng::new(1, "latent");
    let image: Vec<f64> = (0..spec.input.len()).map(|_| rng.normal()).collect();
    let sent = client::encrypt(server.circuit(), &params, &Encryptor::new(&secret), &image)?;
    let mut nodes: Vec<(String, f64)> = Vec::new();
    let mut times = Vec::new();
    let mut reply = None;
    for _ in 0..rounds {
        nodes.clear();
        let start = Instant::now();
        reply =
            Some(server.run_traced(&sent, &keys, |step| nodes.push((describe(&step.node.op, step.index, &server), step.ms)))?);
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let median = times.get(rounds / 2).copied();
    let Some(reply) = reply else { return Err("--rounds must be at least 1".into()) };
    let bounds = client::Bounds { logit: f64::MAX, ..client::Bounds::default() };
    let found = client::read(server.circuit(), &Decryptor::new(&secret), &reply, &bounds)?;
    let wanted = ClearExecutor::new(server.circuit())?.run(&image);
    let error = found.iter().zip(&wanted).map(|(f, w)| (f - w).abs()).fold(0.0, f64::max);
    let upload: usize = sent.iter().map(|c| Ok(c.to_bytes()?.len())).sum::<Result<usize>>()?;
    let line = json!({
        "network": network, "params": set, "levels": server.circuit().level(), "server_ms": median,
        "max_abs_error": error, "upload_bytes": upload, "reply_bytes": reply.to_bytes()?.len(), "keys": server.key_spec().len(),
        "key_bytes": key_bytes, "key_memory_bytes": keys.memory_bytes(), "diagonal_bytes": server.diagonal_bytes(),
        "pack_ms": pack_ms, "encode_ms": encode_ms, "threads": std::env::var("RAYON_NUM_THREADS").ok(),
    });
    if arguments.iter().any(|a| a == "--json") {
        println!("{line}");
    } else {
        nodes.iter().for_each(|(node, ms)| println!("{ms:9.2} ms  {node}"));
        println!("{line:#}");
    }
    Ok(())
}

fn describe(op: &PackedOp, index: usize, server: &EncryptedCircuit) -> String {
    let (node, place) = (server.circuit().nodes().get(index), server.places().get(index));
    let (name, layout) = node.map_or((String::new(), String::new()), |n| (n.name.clone(), n.layout.to_string()));
    let level = place.map_or(0, |place| place.level);
    let what = match op {
        PackedOp::Linear(map) => format!("linear, {} diagonals", map.diagonal_count()),
        PackedOp::Square { .. } => "square".into(),
        PackedOp::Product { .. } => "product".into(),
        PackedOp::Sum { .. } => "sum".into(),
        PackedOp::WindowSum { .. } => "window sum".into(),
        PackedOp::Spread { .. } => "spread".into(),
        PackedOp::Input => "input".into(),
    };
    format!("{name}: {what}, to level {level}, {layout}")
}
