//! What a plan says before any key exists, against what the encrypted network then takes.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use veilray_base::Rng;
use veilray_classifier::circuit::Circuit;
use veilray_classifier::execute::{ClearExecutor, EncryptedCircuit, client, simulate, trace};
use veilray_classifier::fold::{FoldOptions, fold};
use veilray_classifier::networks;
use veilray_classifier::pack::{CostModel, PackError, PackOptions, PackedCircuit, pack};
use veilray_classifier::plan::{Limits, Plan, PlanError, PlanOptions, fit};
use veilray_classifier::spec::{NetworkSpec, Shape};
use veilray_classifier::weights::Weights;
use veilray_he::{Decryptor, Encryptor, EvaluationKeys, ExpandedKeys, Params, ParamsLiteral, SecretKey};

fn params(name: &str) -> Params {
    ParamsLiteral::named(name).unwrap().check().unwrap()
}

fn folded(spec: &NetworkSpec) -> Circuit {
    fold(spec, &Weights::random(spec, 1).unwrap(), &FoldOptions::default()).unwrap()
}

fn packed(spec: &NetworkSpec, params: &Params) -> PackedCircuit {
    let circuit = folded(spec);
    pack(&circuit, &PackOptions { passes: 1, ..PackOptions::new(params, &circuit) }).unwrap()
}

fn options(params: &Params, precision: bool) -> PlanOptions {
    PlanOptions { precision, ..PlanOptions::new(CostModel::reference(params)) }
}

/// A latent, or an image of small numbers: on greater ones the tutorial network's logits leave the modulus of n13.
fn image(circuit: &PackedCircuit, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(seed, "image");
    let size = if circuit.name() == "tenseal-mnist" { 0.3 } else { 1.0 };
    (0..circuit.input().values()).map(|_| size * rng.normal()).collect()
}

struct Session {
    params: Params,
    server: EncryptedCircuit,
    secret: SecretKey,
    keys: ExpandedKeys,
}

impl Session {
    /// Everything that has bytes, compared with the plan.
    fn as_planned(plan: &Plan, circuit: PackedCircuit, params: &Params) -> Self {
        let server = EncryptedCircuit::new(circuit, params).unwrap();
        let secret = SecretKey::generate(params).unwrap();
        let sent = EvaluationKeys::generate(&secret, server.key_spec()).unwrap();
        let keys = ExpandedKeys::new(&sent).unwrap();
        let name = &plan.network;
        assert_eq!(plan.keys, server.key_spec().len(), "{name}");
        assert_eq!(plan.bytes.evaluation_keys, sent.to_bytes().unwrap().len(), "{name}");
        assert_eq!(plan.memory.keys, keys.memory_bytes(), "{name}");
        assert_eq!(plan.memory.diagonals, server.diagonal_bytes(), "{name}");
        assert_eq!(plan.depth, server.circuit().depth(), "{name}");
        for (layer, place) in plan.layers.iter().zip(server.level_scales()) {
            assert_eq!((layer.level, layer.log_scale), (place.level, place.scale.log2()), "{name} {}", layer.name);
        }
        let session = Self { params: params.clone(), server, secret, keys };
        let upload: usize = session.sent(&image(session.server.circuit(), 1)).iter().map(|c| c.to_bytes().unwrap().len()).sum();
        assert_eq!(plan.bytes.upload, upload, "{name}");
        session
    }

    fn sent(&self, image: &[f64]) -> Vec<veilray_he::Ciphertext> {
        client::encrypt(self.server.circuit(), &self.params, &Encryptor::new(&self.secret), image).unwrap()
    }

    /// |error| of every logit on some images against clear, and the size of the reply.
    fn errors(&self, images: u64) -> (Vec<Vec<f64>>, usize) {
        let circuit = self.server.circuit();
        let clear = ClearExecutor::new(circuit).unwrap();
        let mut bytes = 0;
        let of = |seed| {
            let image = image(circuit, seed);
            let reply = self.server.run(&self.sent(&image), &self.keys).unwrap();
            bytes = reply.to_bytes().unwrap().len();
            let found = circuit.logits(&Decryptor::new(&self.secret).decrypt(&reply, 30).unwrap()).0;
            found.iter().zip(clear.run(&image)).map(|(f, w)| (f - w).abs()).collect()
        };
        ((10..10 + images).map(of).collect(), bytes)
    }
}

fn log2_rms(errors: &[Vec<f64>]) -> f64 {
    let squares: Vec<f64> = errors.iter().flatten().map(|e| e * e).collect();
    (squares.iter().sum::<f64>() / squares.len() as f64).sqrt().log2()
}

fn log2_max(errors: &[Vec<f64>]) -> f64 {
    let largest = errors.iter().map(|e| e.iter().copied().fold(0.0, f64::max));
    (largest.sum::<f64>() / errors.len() as f64).log2()
}

#[test]
fn bytes_are_exact_and_precision_is_within_two_bits() {
    for (name, set) in [("tenseal-mnist", "n13"), ("veilnet-xs", "n13"), ("veilnet-s", "n14")] {
        let params = params(set);
        let circuit = packed(&networks::default_for(name).unwrap(), &params);
        // Of our own networks the plan knows no image.
        let images = if name == "tenseal-mnist" { (20..22).map(|seed| image(&circuit, seed)).collect() } else { vec![] };
        let plan = Plan::new(&circuit, &params, &PlanOptions { images, ..options(&params, true) }).unwrap();
        let session = Session::as_planned(&plan, circuit, &params);
        let (errors, reply) = session.errors(3);
        assert_eq!(plan.bytes.reply, reply, "{name}");
        let (precision, max, rms) = (plan.precision.unwrap(), log2_max(&errors), log2_rms(&errors));
        assert!((precision.log2_max - max).abs() < 2.0, "{name}: largest 2^{} predicted, 2^{max} found", precision.log2_max);
        assert!((precision.log2_rms - rms).abs() < 2.0, "{name}: rms 2^{} predicted, 2^{rms} found", precision.log2_rms);
    }
}

#[test]
fn bytes_are_exact_for_several_ciphertexts_and_gates() {
    let params = params("n14");
    for (name, input) in [("veilnet-xs", Shape::new(3, 128, 64)), ("veilnet-se", Shape::new(2, 16, 16))] {
        let circuit = packed(&networks::named(name, input, 3).unwrap(), &params);
        let plan = Plan::new(&circuit, &params, &options(&params, false)).unwrap();
        let blocks: usize = plan.layers.iter().map(|l| l.ciphertexts).max().unwrap();
        assert!(blocks > 1 || name != "veilnet-xs", "{name} has several ciphertexts");
        Session::as_planned(&plan, circuit, &params);
    }
}

/// Buffers that the engine holds after a run, against what the plan counted; on parameters of its own, which nothing else takes from.
#[test]
fn the_engines_buffers_are_planned_within_a_fifth_kept_or_streamed() {
    for (name, input, set) in [("veilnet-xs", Shape::new(3, 64, 64), "n13"), ("veilnet-se", Shape::new(2, 16, 16), "n14")] {
        for streamed in [false, true] {
            let params = params(set);
            let circuit = packed(&networks::named(name, input, 3).unwrap(), &params);
            let threads = rayon::current_num_threads();
            let plan = Plan::new(&circuit, &params, &PlanOptions { threads, ..options(&params, false) }).unwrap();
            let encode = if streamed { EncryptedCircuit::streamed } else { EncryptedCircuit::new };
            let server = encode(circuit, &params).unwrap();
            let secret = SecretKey::generate(&params).unwrap();
            let keys = ExpandedKeys::new(&EvaluationKeys::generate(&secret, server.key_spec()).unwrap()).unwrap();
            let image = image(server.circuit(), 1);
            let sent = client::encrypt(server.circuit(), &params, &Encryptor::new(&secret), &image).unwrap();
            server.run(&sent, &keys).unwrap();
            let m = &plan.memory;
            let kept = m.diagonals + m.keys + m.working;
            let planned = if streamed { m.streamed_peak - m.process - m.model } else { kept };
            let ratio = planned as f64 / params.buffer_bytes() as f64;
            assert!((0.8..1.2).contains(&ratio), "{name}, streamed {streamed}: {planned} planned, ratio {ratio}");
            assert!(!streamed || planned < kept, "{name}: {planned} streamed, {kept} kept");
        }
    }
}

#[test]
fn a_traced_run_errs_at_every_node_as_simulated() {
    let params = params("n13");
    let spec = networks::named("veilnet-xs", Shape::new(2, 16, 16), 5).unwrap();
    let circuit = packed(&spec, &params);
    let image = image(&circuit, 3);
    let simulated = simulate(&circuit, &params, std::slice::from_ref(&image), 1).unwrap();
    let again = simulate(&circuit, &params, std::slice::from_ref(&image), 1).unwrap();
    assert_eq!(simulated.samples, again.samples);
    assert_eq!(simulated.samples[0].clear, ClearExecutor::new(&circuit).unwrap().run(&image));
    assert_ne!(simulated.samples[0].clear, simulated.samples[0].logits);

    let plan = Plan::new(&circuit, &params, &options(&params, false)).unwrap();
    let session = Session::as_planned(&plan, circuit, &params);
    let found = trace(&session.server, &session.keys, &session.secret, &image, &session.sent(&image)).unwrap();
    assert_eq!(found.rows.len(), simulated.nodes.len());
    for (row, node) in found.rows.iter().zip(&simulated.nodes) {
        assert_eq!((&row.name, row.level), (&node.name, node.level));
        let (f, w) = (row.log2_rms_error, node.log2_rms_error);
        assert!((f - w).abs() < 2.0, "{}: 2^{w} simulated, 2^{f} found", row.name);
        assert!(node.largest >= row.largest.max(-row.least) * (1.0 - 1e-12), "{}", row.name);
    }
    assert_eq!(found.to_string().lines().count(), 1 + found.rows.len());
}

#[test]
fn a_plan_prints_and_serialises() {
    let params = params("n13");
    let circuit = packed(&networks::named("veilnet-xs", Shape::new(2, 16, 16), 5).unwrap(), &params);
    let plan = Plan::new(&circuit, &params, &options(&params, true)).unwrap();
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(
        (json["params"].as_str(), json["security_bits"].as_u64(), json["depth"].as_u64()),
        (Some("n13"), Some(128), Some(5))
    );
    assert_eq!(json["bytes"]["upload"].as_u64(), Some(plan.bytes.upload as u64));
    assert_eq!(json["layers"].as_array().map(Vec::len), Some(plan.layers.len()));
    assert!(json["precision"]["log2_max"].as_f64().unwrap() < -4.0);
    let (layers, all): (f64, f64) = (plan.layers.iter().map(|l| l.ms).sum(), plan.predicted_ms);
    assert!((layers - all).abs() < 1e-9 && all > 0.0);
    let memory = &plan.memory;
    assert!(memory.peak >= memory.diagonals + memory.keys + memory.working + memory.process);
    assert_eq!(plan.to_string().lines().count(), 7 + plan.layers.len());
    // More threads take less time and more memory.
    let two = Plan::new(&circuit, &params, &PlanOptions { threads: 2, ..options(&params, false) }).unwrap();
    assert!(two.predicted_ms < plan.predicted_ms && two.memory.working > memory.working);
}

#[test]
fn what_does_not_fit_names_the_change_that_would() {
    let n13 = params("n13");
    let of = |name: &str| folded(&networks::named(name, Shape::new(2, 8, 8), 3).unwrap());
    let refused = |circuit: &Circuit, params: &Params, limits: Limits| {
        fit(circuit, params, &options(params, false), &limits).map(|_| ()).unwrap_err()
    };
    let gated = refused(&of("veilnet-se"), &n13, Limits::default());
    assert!(matches!(gated, PlanError::Levels { wanted: 9, found: 5, .. }), "{gated}");
    assert!(gated.to_string().contains("use n14, or drop the gate (it then needs 7"), "{gated}");

    let circuit = of("veilnet-xs");
    let (free, plan) = fit(&circuit, &n13, &options(&n13, false), &Limits::default()).unwrap();
    // Fewer bytes of keys than the fastest choice has: a slower one is found.
    let keys = plan.bytes.evaluation_keys * 9 / 10;
    let (_, fewer) = fit(&circuit, &n13, &options(&n13, false), &Limits { keys: Some(keys), memory: None }).unwrap();
    assert!(fewer.bytes.evaluation_keys <= keys && fewer.predicted_ms > plan.predicted_ms);
    let none = refused(&circuit, &n13, Limits { keys: Some(1_000_000), memory: None });
    assert!(matches!(none, PlanError::Keys { limit: 1, .. }), "{none}");
    // Memory between that of the fastest choice and that of the fewest keys: the change is a budget of keys, and it fits.
    let least = fit(&circuit, &n13, &options(&n13, false), &Limits { keys: Some(keys), memory: None }).unwrap().1.memory.peak;
    let tight = refused(&circuit, &n13, Limits { memory: Some((least + plan.memory.peak) / 2), keys: None });
    assert!(tight.to_string().contains("key budget of"), "{tight}");
    let hopeless = refused(&circuit, &n13, Limits { memory: Some(1_000_000), keys: None });
    assert!(hopeless.to_string().contains("allow"), "{hopeless}");

    // Values beyond the modulus.
    let loud = vec![image(&free, 1).iter().map(|v| 100.0 * v).collect()];
    let overflow = Plan::new(&free, &n13, &PlanOptions { images: loud, ..options(&n13, true) }).unwrap_err();
    assert!(matches!(&overflow, PlanError::Overflow { cure, .. } if cure.contains("train with a smaller range")), "{overflow}");
}

#[test]
fn a_key_budget_is_kept_or_refused_with_the_least_that_can_be_had() {
    let params = params("n14");
    let circuit = folded(&networks::default_for("veilnet-se").unwrap());
    let options = PackOptions { passes: 0, ..PackOptions::new(&params, &circuit) };
    let megabytes = |p: &PackedCircuit| p.evaluation_key_megabytes(&options.costs);
    let fast = pack(&circuit, &options).unwrap();
    let small = pack(&circuit, &options.clone().with_key_budget(64.0)).unwrap();
    assert!(megabytes(&fast) > 64.0 && megabytes(&small) <= 64.0, "{} {}", megabytes(&fast), megabytes(&small));
    assert!(small.total_ms(&options.costs) >= fast.total_ms(&options.costs));
    match pack(&circuit, &options.clone().with_key_budget(5.0)) {
        Err(PackError::Keys { least, .. }) => assert!(least > 5.0 && least <= megabytes(&small)),
        other => panic!("{other:?}"),
    }
}
