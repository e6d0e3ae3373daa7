//! Circuits on ciphertexts against the same circuits in clear, and replies that must not be believed.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use veilray_base::Rng;
use veilray_classifier::execute::client::{self, Bounds};
use veilray_classifier::execute::levels::LevelsError;
use veilray_classifier::execute::{ClearExecutor, EncryptedCircuit, ExecuteError};
use veilray_classifier::fold::{FoldOptions, fold};
use veilray_classifier::networks::UNet;
use veilray_classifier::pack::{PackOptions, PackedOp, pack};
use veilray_classifier::spec::{NetworkSpec, Shape};
use veilray_classifier::weights::{Tensor, Weights};
use veilray_classifier::{networks, reference};
use veilray_he::{Decryptor, Encryptor, EvaluationKeys, ExpandedKeys, Params, ParamsLiteral, SecretKey};

struct Session {
    spec: NetworkSpec,
    weights: Weights,
    params: Params,
    server: EncryptedCircuit,
    secret: SecretKey,
    keys: ExpandedKeys,
}

fn params(set: &str) -> Params {
    ParamsLiteral::named(set).unwrap().check().unwrap()
}

/// A network with random weights, packed, encoded and with keys.
fn session(spec: NetworkSpec, set: &str, seed: u64) -> Session {
    session_under(spec, params(set), seed)
}

fn session_under(spec: NetworkSpec, params: Params, seed: u64) -> Session {
    let weights = Weights::random(&spec, seed).unwrap();
    session_with(spec, weights, params)
}

fn session_with(spec: NetworkSpec, weights: Weights, params: Params) -> Session {
    let circuit = fold(&spec, &weights, &FoldOptions::default()).unwrap();
    let options = PackOptions { passes: 1, ..PackOptions::new(&params, &circuit) };
    let server = EncryptedCircuit::new(pack(&circuit, &options).unwrap(), &params).unwrap();
    let secret = SecretKey::generate(&params).unwrap();
    let keys = ExpandedKeys::new(&EvaluationKeys::generate(&secret, server.key_spec()).unwrap()).unwrap();
    Session { spec, weights, params, server, secret, keys }
}

fn image(spec: &NetworkSpec, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(seed, "image");
    (0..spec.input.len()).map(|_| rng.normal()).collect()
}

const WIDE: Bounds = Bounds { logit: 1e3, stray: 0.05, precision_bits: 16 };

impl Session {
    fn agrees(&self, tolerance: f64) {
        let image = image(&self.spec, 1);
        let wanted = reference::evaluate(&self.spec, &self.weights, &image).unwrap();
        let clear = ClearExecutor::new(self.server.circuit()).unwrap().run(&image);
        let sent = client::encrypt(self.server.circuit(), &self.params, &Encryptor::new(&self.secret), &image).unwrap();
        let mut seen = 0;
        let reply = self.server.run_traced(&sent, &self.keys, |step| {
            assert_eq!(step.ciphertexts.len(), step.node.layout.blocks());
            let place = self.server.level_scales()[step.index];
            for ciphertext in step.ciphertexts {
                assert_eq!(ciphertext.level(), place.level, "{}", step.node.name);
                assert!((ciphertext.scale() / place.scale - 1.0).abs() < 1e-9, "{}", step.node.name);
            }
            seen += 1;
        });
        let reply = reply.unwrap();
        assert_eq!((seen, reply.level()), (self.server.circuit().nodes().len(), 0));
        let found = client::decrypt_logits(self.server.circuit(), &Decryptor::new(&self.secret), &reply, &WIDE).unwrap();
        let name = &self.spec.name;
        for ((w, c), f) in wanted.iter().zip(&clear).zip(&found) {
            assert!((w - c).abs() < 1e-5 * (1.0 + w.abs()), "{name}: {w} unpacked, {c} packed");
            assert!((c - f).abs() < tolerance * (1.0 + c.abs()), "{name}: {c} in clear, {f} encrypted");
        }
    }
}

#[test]
fn a_streamed_circuit_gives_the_same_bytes_and_keeps_nothing() {
    let session = session(networks::named("veilnet-xs", Shape::new(2, 16, 16), 5).unwrap(), "n13", 3);
    let streamed = EncryptedCircuit::streamed(session.server.circuit().clone(), &session.params).unwrap();
    assert_eq!((streamed.diagonal_bytes(), streamed.key_spec()), (0, session.server.key_spec()));
    let image = image(&session.spec, 4);
    let sent = client::encrypt(streamed.circuit(), &session.params, &Encryptor::new(&session.secret), &image).unwrap();
    let [kept, made] = [&session.server, &streamed].map(|server| server.run(&sent, &session.keys).unwrap().to_bytes().unwrap());
    assert_eq!(kept, made);
}

#[test]
fn the_tutorial_network_and_our_smallest_agree_with_clear_at_n13() {
    session(networks::default_for("tenseal-mnist").unwrap(), "n13", 1).agrees(0.01);
    let small = networks::named("veilnet-xs", Shape::new(2, 16, 16), 5).unwrap();
    session(small, "n13", 2).agrees(0.01);
}

/// The deepest of the published networks: 30 levels at N = 2^16. Its diagonals would take 13 GB, so they are encoded as they are needed.
#[test]
#[ignore = "minutes, and 10 GB of memory: .ci/tier resnet20"]
fn resnet20_agrees_with_clear_at_n16() {
    let spec = networks::default_for("resnet20").unwrap();
    let images: Vec<Vec<f64>> = (100..104).map(|seed| image(&spec, seed)).collect();
    let weights = Weights::calibrated(&spec, 1, &images).unwrap();
    let params = ParamsLiteral::named("n16").unwrap().check().unwrap();
    let circuit = fold(&spec, &weights, &FoldOptions::default()).unwrap();
    let packed = pack(&circuit, &PackOptions::new(&params, &circuit)).unwrap();
    drop(circuit);
    let server = EncryptedCircuit::streamed(packed, &params).unwrap();
    let secret = SecretKey::generate(&params).unwrap();
    let keys = ExpandedKeys::new(&EvaluationKeys::generate(&secret, server.key_spec()).unwrap()).unwrap();
    let session = Session { spec, weights, params, server, secret, keys };
    session.agrees(0.02);
}

/// A small U-Net; norms that bring values down before squares, which otherwise grow without bound.
fn unet(side: usize, widths: &[usize]) -> (NetworkSpec, Weights) {
    let layers = UNet { patch: 2, widths: widths.into() }.layers();
    let spec = NetworkSpec { name: "unet".into(), labels: side * side, input: Shape::new(1, side, side), layers };
    let mut tensors = Weights::random(&spec, 1).unwrap().tensors().clone();
    for (name, tensor) in tensors.iter_mut().filter(|(name, _)| name.ends_with("batch_norm.weight")) {
        let smaller = tensor.values().iter().map(|value| 0.4 * value).collect();
        *tensor = Tensor::new(name, tensor.shape().to_vec(), smaller).unwrap();
    }
    (spec, Weights::new(tensors))
}

#[test]
fn masks_agree_with_clear_over_skip_connections_and_where_they_fill_the_ciphertext() {
    let (spec, weights) = unet(16, &[2, 3]);
    session_with(spec, weights, params("n14")).agrees(0.01);

    // 64 x 64 pixels are all slots of n13: no slot is left to hold zero, yet a reply under other keys is refused.
    let (spec, weights) = unet(64, &[2]);
    let session = session_with(spec, weights, params("n13"));
    assert_eq!(session.server.circuit().slots(), session.spec.labels);
    session.agrees(0.01);
    let image = image(&session.spec, 1);
    let sent = client::encrypt(session.server.circuit(), &session.params, &Encryptor::new(&session.secret), &image).unwrap();
    let reply = session.server.run(&sent, &session.keys).unwrap();
    let other = SecretKey::generate(&session.params).unwrap();
    let refused =
        client::decrypt_logits(session.server.circuit(), &Decryptor::new(&other), &reply, &Bounds::default()).unwrap_err();
    assert!(matches!(refused, ExecuteError::Logit { .. }), "{refused}");
}

/// Residual sums, strides, groups, pooling and a gate, all at once and small.
const MIXED: &str = r#"
name = "mixed"
labels = 3
input = { channels = 2, height = 8, width = 8 }

[[layers]]
kind = "conv"
out = 8
kernel = 3
stride = 2
padding = 1
groups = 2

[[layers]]
kind = "activation"
form = "polynomial"

[[layers]]
kind = "residual"
body = [
    { kind = "conv", out = 8, kernel = 3, stride = 1, padding = 1, groups = 1 },
    { kind = "activation", form = "square" },
    { kind = "conv", out = 8, kernel = 1, stride = 1, padding = 0, groups = 1 },
]

[[layers]]
kind = "avg_pool"
kernel = 2
stride = 2
padding = 0

[[layers]]
kind = "flatten"

[[layers]]
kind = "linear"
out = 3
"#;

#[test]
fn residual_sums_strides_groups_and_pooling_agree_with_clear() {
    let spec = NetworkSpec::from_toml(MIXED).unwrap();
    let session = session(spec, "n14", 3);
    assert!(session.server.circuit().nodes().iter().any(|n| matches!(n.op, PackedOp::Sum { .. } | PackedOp::Linear(_))));
    session.agrees(0.01);
}

#[test]
fn a_residual_network_on_pixels_agrees_with_clear_on_several_ciphertexts() {
    // The network of a 256 x 256 image under n15, at a quarter of the side on a ring of a sixteenth: four ciphertexts all the same.
    let literal = ParamsLiteral { log_n: 11, levels: 11, digits: 3, ..ParamsLiteral::named("n15").unwrap() };
    let spec = networks::named("pixel-resnet", Shape::new(1, 64, 64), 3).unwrap();
    let session = session_under(spec, Params::insecure_for_tests(&literal).unwrap(), 5);
    let nodes = session.server.circuit().nodes();
    let ciphertexts = |name: &str| nodes.iter().find(|n| n.name == name).unwrap().layout.blocks();
    assert_eq!([ciphertexts("input"), ciphertexts("layers.0.conv"), ciphertexts("layers.3.residual")], [4, 2, 1]);
    assert_eq!(session.server.circuit().input().layout().shape(), Shape::new(64, 8, 8), "the client arranges the windows");
    session.agrees(0.01);
}

#[test]
fn wrong_inputs_are_refused_and_wrong_replies_are_not_believed() {
    let spec = networks::named("veilnet-xs", Shape::new(1, 8, 8), 2).unwrap();
    let session = session(spec.clone(), "n13", 4);
    let circuit = session.server.circuit();
    let (image, encryptor) = (image(&spec, 2), Encryptor::new(&session.secret));
    let sent = client::encrypt(circuit, &session.params, &encryptor, &image).unwrap();

    assert!(matches!(session.server.run(&[], &session.keys), Err(ExecuteError::Input { wanted: 1, found: 0 })));
    let evaluator = veilray_he::Evaluator::new(&session.params);
    let lower = vec![evaluator.drop_to(&sent[0], sent[0].level() - 1).unwrap()];
    assert!(matches!(session.server.run(&lower, &session.keys), Err(ExecuteError::LevelScale { .. })));
    let mut bad = image.clone();
    bad[3] = f64::NAN;
    let refused = client::encrypt(circuit, &session.params, &encryptor, &bad);
    assert!(matches!(refused, Err(ExecuteError::NotFinite { index: 3 })));

    let refused = client::encrypt(circuit, &session.params, &encryptor, &image[1..]);
    assert!(matches!(refused, Err(ExecuteError::Values { wanted: 64, found: 63 })));

    // Keys of another patient: the server cannot notice, the client must.
    let other = SecretKey::generate(&session.params).unwrap();
    let reply = session.server.run(&sent, &session.keys).unwrap();
    let read = client::decrypt_logits(circuit, &Decryptor::new(&other), &reply, &Bounds::default());
    assert!(matches!(read, Err(ExecuteError::Stray { .. })), "{read:?}");
    let narrow = Bounds { logit: 1e-6, ..WIDE };
    let read = client::decrypt_logits(circuit, &Decryptor::new(&session.secret), &reply, &narrow);
    assert!(matches!(read, Err(ExecuteError::Logit { .. })), "{read:?}");

    // Parameters that the circuit does not fit.
    let n14 = ParamsLiteral::named("n14").unwrap().check().unwrap();
    let refused = EncryptedCircuit::new(circuit.clone(), &n14);
    assert!(matches!(refused, Err(ExecuteError::Levels(LevelsError::Slots { .. }))));
    let deep = networks::default_for("veilnet-s").unwrap();
    let weights = Weights::random(&deep, 1).unwrap();
    let deep = fold(&deep, &weights, &FoldOptions::default()).unwrap();
    let packed = pack(&deep, &PackOptions { passes: 0, ..PackOptions::new(&session.params, &deep) }).unwrap();
    let refused = EncryptedCircuit::new(packed, &session.params).unwrap_err();
    assert!(refused.to_string().contains("take the set n14"), "{refused}");
}

/// One logit, which the bias of the last layer moves to `logit` on the image.
fn one_logit(logit: f64) -> (Session, f64) {
    let spec = networks::named("fcnn", Shape::new(1, 8, 8), 1).unwrap();
    let mut tensors = Weights::random(&spec, 1).unwrap().tensors().clone();
    let image = image(&spec, 1);
    let found = reference::evaluate(&spec, &Weights::new(tensors.clone()), &image).unwrap()[0];
    let (name, bias) = tensors.iter().rev().find(|(name, _)| name.ends_with("bias")).unwrap();
    let moved = vec![bias.values()[0] + (logit - found) as f32];
    let (name, shape) = (name.clone(), bias.shape().to_vec());
    tensors.insert(name.clone(), Tensor::new(&name, shape, moved).unwrap());
    let weights = Weights::new(tensors);
    let wanted = reference::evaluate(&spec, &weights, &image).unwrap()[0];
    (session_with(spec, weights, params("n13")), wanted)
}

/// The largest logit that comes back from n13 as itself.
fn room() -> f64 {
    let session = one_logit(0.0).0;
    let sent = client::encrypt(session.server.circuit(), &session.params, &Encryptor::new(&session.secret), &[0.0; 64]).unwrap();
    let reply = session.server.run(&sent, &session.keys).unwrap();
    0.5 * session.params.log_q(0).exp2() / reply.scale()
}

#[test]
fn a_single_logit_near_the_modulus_is_not_believed_though_the_contract_allows_it() {
    // In parts of what the reply's modulus holds.
    for (part, believed) in [(0.4, true), (-0.7, true), (0.8, false), (-0.95, false)] {
        let logit = part * room();
        let (session, wanted) = one_logit(logit);
        assert!((wanted - logit).abs() < 1e-3, "the bias moves the logit: {wanted}");
        let circuit = session.server.circuit();
        let image = image(&session.spec, 1);
        let sent = client::encrypt(circuit, &session.params, &Encryptor::new(&session.secret), &image).unwrap();
        let reply = session.server.run(&sent, &session.keys).unwrap();
        let read = client::decrypt_logits(circuit, &Decryptor::new(&session.secret), &reply, &Bounds::default());
        match read {
            Ok(found) => assert!(believed && (found[0] - logit).abs() < 0.02, "{logit}: {found:?}"),
            Err(ExecuteError::Logit { bound, .. }) => {
                assert!(!believed && (bound / room() - 0.75).abs() < 1e-3, "{logit}: {bound}")
            }
            Err(other) => panic!("{logit}: {other}"),
        }
    }
}
