//! What a client does with replies: those of another form are not decrypted, and the logits of the others do not show the noise.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::Path;
use veilray_base::Rng;
use veilray_classifier::execute::client::{self, Bounds};
use veilray_classifier::execute::reply::{UNIT_DEVIATIONS, max_precision_bits, precision_bits, simulated_deviation};
use veilray_classifier::execute::{EncryptedCircuit, ExecuteError};
use veilray_classifier::fold::{FoldOptions, fold};
use veilray_classifier::known_answer::known_answer_input;
use veilray_classifier::pack::{PackOptions, pack};
use veilray_classifier::release::Model;
use veilray_classifier::spec::Shape;
use veilray_classifier::weights::Weights;
use veilray_classifier::{networks, reference};
use veilray_he::wire::ciphertext_bytes;
use veilray_he::{
    Ciphertext, Decryptor, Encoder, Encryptor, EvaluationKeys, Evaluator, ExpandedKeys, Params, ParamsLiteral, SecretKey,
};

struct Session {
    circuit: EncryptedCircuit,
    params: Params,
    secret: SecretKey,
    keys: ExpandedKeys,
}

/// A small network of three logits, under n13 and a fixed key.
fn session() -> Session {
    let params = ParamsLiteral::named("n13").unwrap().check().unwrap();
    let spec = networks::named("veilnet-xs", Shape::new(2, 16, 16), 3).unwrap();
    let folded = fold(&spec, &Weights::random(&spec, 2).unwrap(), &FoldOptions::default()).unwrap();
    let packed = pack(&folded, &PackOptions { passes: 1, ..PackOptions::new(&params, &folded) }).unwrap();
    let circuit = EncryptedCircuit::new(packed, &params).unwrap();
    let secret = SecretKey::from_seed(&params, [7; 32]).unwrap();
    let keys = EvaluationKeys::from_seeds(&secret, circuit.key_spec(), [8; 32], [9; 32]).unwrap();
    Session { circuit, secret, keys: ExpandedKeys::new(&keys).unwrap(), params }
}

impl Session {
    fn image(&self, seed: u64) -> Vec<f64> {
        let mut rng = Rng::new(seed, "image");
        (0..self.circuit.circuit().input().values()).map(|_| rng.normal()).collect()
    }

    fn reply(&self, image: &[f64]) -> Ciphertext {
        let sent = client::encrypt(self.circuit.circuit(), &self.params, &Encryptor::new(&self.secret), image).unwrap();
        self.circuit.run(&sent, &self.keys).unwrap()
    }

    fn read(&self, reply: &Ciphertext, bounds: &Bounds) -> Result<Vec<f64>, ExecuteError> {
        client::decrypt_logits(self.circuit.circuit(), &Decryptor::new(&self.secret), reply, bounds)
    }
}

/// Bytes of the header of a ciphertext on the wire; level and scale stand at 12 and 16.
const HEADER: usize = 64;

/// A ciphertext of that level and scale all of whose residues are zero: any key decrypts it to zeros.
fn zeros(params: &Params, level: usize, scale: f64) -> Ciphertext {
    let secret = SecretKey::generate(params).unwrap();
    let fresh = Encryptor::new(&secret);
    let at = Encoder::new(params).encode_at(&[], level, params.scale()).unwrap();
    let mut bytes = Evaluator::new(params).neg(&fresh.encrypt(&at).unwrap()).unwrap().to_bytes().unwrap();
    bytes[HEADER..].fill(0);
    bytes[16..24].copy_from_slice(&scale.to_le_bytes());
    Ciphertext::from_bytes(params, &bytes, ciphertext_bytes(params, level, false).unwrap()).unwrap()
}

#[test]
fn replies_of_another_level_or_scale_are_refused_without_being_decrypted() {
    let session = session();
    let (params, own) = (&session.params, session.params.scale());
    // Under these bounds every reply that is decrypted is refused as beyond them, whatever it holds: another error than theirs means that
    // it was not.
    let nothing = Bounds { logit: -1.0, stray: -1.0, ..Bounds::default() };
    let wide = Bounds::default();
    assert!(matches!(session.read(&zeros(params, 0, own), &nothing), Err(ExecuteError::Stray { .. })));
    assert_eq!(session.read(&zeros(params, 0, own), &wide).unwrap(), [0.0; 3]);

    let off = own * (1.0 + 2f64.powi(-44));
    let forms = [
        (1, own, "level"),
        (params.max_level(), own, "level"),
        (1, 2.0 * own, "level"),
        (0, 0.37 * own, "scale"),
        (0, 2.0 * own, "scale"),
        (0, off, "scale"),
        (0, 1024.0, "scale"),
        (0, 2.0, "scale"),
    ];
    for (level, scale, wrong) in forms {
        for bounds in [&nothing, &wide] {
            let read = session.read(&zeros(params, level, scale), bounds);
            assert!(matches!(&read, Err(ExecuteError::Reply { what, .. }) if *what == wrong), "{level} {scale}: {read:?}");
            let text = read.unwrap_err().to_string();
            assert!(text.contains("not decrypted") && text.contains("ask its provider"), "{text}");
        }
    }
    // The model's circuit has other slots than the ciphertext.
    let n14 = ParamsLiteral::named("n14").unwrap().check().unwrap();
    let read = session.read(&zeros(&n14, 0, n14.scale()), &nothing);
    assert!(matches!(read, Err(ExecuteError::Reply { what: "number of slots", .. })), "{read:?}");
    // The client's own request, echoed: a fresh encryption at the input's level.
    let image = session.image(1);
    let sent = client::encrypt(session.circuit.circuit(), params, &Encryptor::new(&session.secret), &image).unwrap();
    assert!(matches!(session.read(&sent[0], &wide), Err(ExecuteError::Reply { what: "level", .. })));
}

#[test]
fn a_sound_reply_ends_at_level_0_and_the_parameters_scale_and_the_wire_s_scale_changes_nothing() {
    let session = session();
    let reply = session.reply(&session.image(1));
    assert_eq!((reply.level(), reply.scale().to_bits()), (0, session.params.scale().to_bits()));
    let read = session.read(&reply, &Bounds::default()).unwrap();
    // A server of an earlier release rounds the quotient of scales: the same logits to the last bit.
    let mut bytes = reply.to_bytes().unwrap();
    bytes[16..24].copy_from_slice(&f64::from_bits(reply.scale().to_bits() + 1).to_le_bytes());
    let other = Ciphertext::from_bytes(&session.params, &bytes, bytes.len()).unwrap();
    assert_ne!(other.scale(), reply.scale());
    assert_eq!(session.read(&other, &Bounds::default()).unwrap(), read);
}

#[test]
fn logits_are_rounded_to_the_model_s_bits_and_to_no_more_than_the_parameters_allow() {
    let session = session();
    let reply = session.reply(&session.image(1));
    let raw = client::decrypt_logits_raw(session.circuit.circuit(), &Decryptor::new(&session.secret), &reply, &Bounds::default());
    let (raw, most) = (raw.unwrap(), max_precision_bits(&session.params));
    for asked in [5, 8, most, most + 1, 60, 1024, u32::MAX] {
        let unit = 2f64.powi(-(asked.min(most) as i32));
        let read = session.read(&reply, &Bounds { precision_bits: asked, ..Bounds::default() }).unwrap();
        for (rounded, raw) in read.iter().zip(&raw) {
            assert_eq!((rounded / unit).fract(), 0.0, "{asked} bits: {rounded}");
            assert!((rounded - raw).abs() <= unit / 2.0, "{asked} bits: {rounded} of {raw}");
        }
    }
    let nothing = session.read(&zeros(&session.params, 0, session.params.scale()), &Bounds::default()).unwrap();
    assert!(nothing.iter().all(|zero| zero.is_sign_positive()), "zero has no sign");
}

/// Entropy of a list of printed values, in bits.
fn entropy(values: &[f64]) -> f64 {
    let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
    values.iter().for_each(|value| *counts.entry(value.to_bits()).or_default() += 1);
    let part = |count: &usize| *count as f64 / values.len() as f64;
    counts.values().map(|count| -part(count) * part(count).log2()).sum()
}

#[test]
fn sixty_four_encryptions_of_an_image_print_the_same_logits_but_for_a_unit_in_the_last_place() {
    let session = session();
    let images: Vec<Vec<f64>> = (0..8).map(|seed| session.image(seed)).collect();
    let deviation = simulated_deviation(session.circuit.circuit(), &session.params, &images, 16).unwrap();
    let bits = precision_bits(&session.params, deviation);
    let (unit, bounds) = (2f64.powi(-(bits as i32)), Bounds { precision_bits: bits, ..Bounds::default() });
    assert!(bits >= 5 && unit >= UNIT_DEVIATIONS * deviation, "{bits} bits, deviation {deviation}");
    let (mut sum, mut count) = (0.0, 0);
    for image in &images {
        let all: Vec<Vec<f64>> = (0..64).map(|_| session.read(&session.reply(image), &bounds).unwrap()).collect();
        for label in 0..3 {
            let printed: Vec<f64> = all.iter().map(|logits| logits[label]).collect();
            let (least, largest) = printed.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
            assert!(largest - least <= unit * 1.0001, "{least} to {largest}, the unit is {unit}");
            sum += entropy(&printed);
            count += 1;
        }
    }
    // A unit of r deviations: 2.6 / r bits in the mean over where the logit lies in it, 0.26 at r = 10 (docs/notes/014).
    let mean = sum / f64::from(count);
    println!("{mean:.3} bits of entropy in the mean, unit of {:.1} deviations", unit / deviation);
    assert!(mean <= 0.26, "{mean} bits of a printed logit tell of the encryption");
}

/// The released models under CKKS.
fn released() -> Vec<Model> {
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../weights");
    let folders = std::fs::read_dir(weights).unwrap().map(|folder| folder.unwrap().path());
    // Encoders and networks under TFHE have other manifests.
    folders.filter(|folder| folder.join("network.toml").exists()).filter_map(|folder| Model::open(&folder).ok()).collect()
}

#[test]
fn the_units_of_the_released_models_are_ten_deviations_of_their_noise() {
    let models = released();
    assert!(models.len() >= 8, "{} models", models.len());
    for model in &models {
        let (name, bits) = (&model.manifest().name, model.manifest().reply_bits);
        let bits = bits.unwrap_or_else(|| panic!("{name} states no reply_bits"));
        assert!(bits <= max_precision_bits(model.params()), "{name}");
        assert_eq!(model.bounds().precision_bits, bits, "{name}");
        let card = Path::new(env!("CARGO_MANIFEST_DIR")).join("../weights").join(name).join("MODEL_CARD.md");
        let card = std::fs::read_to_string(card).unwrap().replace('\n', " ");
        assert!(card.contains(&format!("to {bits} bits behind the binary point (`reply_bits`")), "the card of {name}");
    }
}

/// The same by the noise model, on the self-test's inputs.
#[test]
#[ignore = "a minute: .ci/tier reply-bits"]
fn the_units_of_the_released_models_hold_by_the_noise_model() {
    for model in released() {
        holds(&model, 16);
    }
}

#[test]
fn the_units_of_the_small_released_models_hold_by_the_noise_model() {
    let small = |model: &Model| ["fcnn-ckks-pneumonia", "nih14-f16"].contains(&model.manifest().name.as_str());
    let models: Vec<Model> = released().into_iter().filter(small).collect();
    assert_eq!(models.len(), 2);
    models.iter().for_each(|model| holds(model, 16));
}

fn holds(model: &Model, draws: usize) {
    let (name, bits) = (&model.manifest().name, model.manifest().reply_bits.unwrap());
    let image = known_answer_input(&model.manifest().encoder, model.spec().input.len());
    assert!(reference::evaluate(model.spec(), model.weights(), &image).is_ok());
    let deviation = simulated_deviation(&model.packed().unwrap(), model.params(), &[image], draws).unwrap();
    let ratio = 2f64.powi(-(bits as i32)) / deviation;
    println!("{name}: {bits} bits, {deviation:.2e}, a unit is {ratio:.1} deviations");
    assert!(ratio >= UNIT_DEVIATIONS, "{name}: {bits} bits are a unit of {ratio} deviations");
}
