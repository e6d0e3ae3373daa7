//! Is what this machine computes right? One image under a throw-away key, encrypted beside clear.

use std::time::Instant;
use veilray_base::Rng;
use veilray_classifier::execute::client;
use veilray_classifier::known_answer::known_answer_input;
use veilray_classifier::reference;
use veilray_classifier::served::Served;
use veilray_he::{Decryptor, Encoder, Encryptor, EvaluationKeys, Evaluator, ExpandedKeys, KeySpec, ParamsLiteral, SecretKey};

/// Largest difference of a logit that is still right, for logits up to 1; larger ones may differ in proportion.
pub const TOLERANCE: f64 = 0.02;

/// What came of it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct KnownAnswer {
    /// Name of the model, or `engine`.
    pub model: String,
    /// SIMD backend that computed, such as `avx2`.
    pub backend: &'static str,
    /// Largest difference between encrypted and clear logits.
    pub difference: f64,
    /// What it may be.
    pub tolerance: f64,
    /// Time on the ciphertext, ms.
    pub server_ms: f64,
}

impl KnownAnswer {
    /// Whether encrypted and clear agree.
    pub fn is_right(&self) -> bool {
        self.difference <= self.tolerance
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum KnownAnswerError {
    /// The image cannot be packed, the circuit not be run, or the reply not be unpacked.
    #[error(transparent)]
    Execute(#[from] veilray_classifier::execute::ExecuteError),
    /// The network's weights do not fit it, so that it has no result in clear.
    #[error(transparent)]
    Clear(#[from] veilray_classifier::weights::WeightsError),
    /// Keys cannot be made, or a ciphertext not be computed on.
    #[error(transparent)]
    Engine(#[from] veilray_he::Error),
}

/// Asks the model about a fixed pseudo-random latent, or, if it sees pixels, about a drawn chest: a deep polynomial of noise may leave every
/// range.
///
/// # Errors
/// What the engine refuses; none of it is expected.
pub fn known_answer(served: &Served) -> Result<KnownAnswer, KnownAnswerError> {
    let (circuit, params) = (&served.circuit, served.model.params());
    let image = known_answer_input(&served.model.manifest().encoder, circuit.circuit().io().input().values());
    // Layer by layer: the clear circuit's diagonals would leave the process larger than it has to be.
    let clear = reference::evaluate(served.model.spec(), served.model.weights(), &image)?;
    let secret = SecretKey::generate(params)?;
    let keys = ExpandedKeys::new(&EvaluationKeys::generate(&secret, circuit.key_spec())?)?;
    let sent = client::encrypt(circuit.circuit(), params, &Encryptor::new(&secret), &image)?;
    let start = Instant::now();
    let reply = circuit.run(&sent, &keys)?;
    let server_ms = start.elapsed().as_secs_f64() * 1e3;
    // Unrounded: what is compared is the circuit's error, and the key is thrown away.
    let slots = Encoder::new(params).decode(&Decryptor::new(&secret).decrypt_raw(&reply)?)?;
    let (logits, stray) = circuit.circuit().io().logits(&slots);
    let largest = clear.iter().fold(1.0, |a: f64, b| a.max(b.abs()));
    let difference = clear.iter().zip(&logits).map(|(a, b)| (a - b).abs()).fold(stray, f64::max);
    // Not a number is no agreement either.
    let difference = if difference.is_nan() || clear.len() != logits.len() { f64::INFINITY } else { difference };
    let tolerance = TOLERANCE * largest;
    Ok(KnownAnswer { model: served.interface.model.clone(), backend: params.backend().name(), difference, tolerance, server_ms })
}

/// The engine alone: a product and a rotation under the smallest named set, beside the same in clear.
///
/// # Errors
/// What the engine refuses; none of it is expected.
pub fn engine_answer() -> Result<KnownAnswer, KnownAnswerError> {
    let params = ParamsLiteral::named("n13")?.check()?;
    let mut rng = Rng::new(2, "engine answer");
    let values: Vec<f64> = (0..params.slots()).map(|_| rng.normal()).collect();
    let secret = SecretKey::generate(&params)?;
    let spec = KeySpec::new().with_relinearisation(2).with_rotations(&params, [5], 1);
    let keys = ExpandedKeys::new(&EvaluationKeys::generate(&secret, &spec)?)?;
    let sent = Encryptor::new(&secret).encrypt(&Encoder::new(&params).encode_at(&values, 2, params.scale())?)?;
    let start = Instant::now();
    let evaluator = Evaluator::new(&params);
    let reply = evaluator.rotate(&evaluator.multiply_rescale(&sent, &sent, &keys)?, 5, &keys)?;
    let server_ms = start.elapsed().as_secs_f64() * 1e3;
    let found = Decryptor::new(&secret).decrypt(&reply, 16)?;
    let turned = values.iter().cycle().skip(5).map(|x| x * x);
    let difference = turned.zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let difference = if difference.is_nan() { f64::INFINITY } else { difference };
    Ok(KnownAnswer { model: "engine".into(), backend: params.backend().name(), difference, tolerance: TOLERANCE, server_ms })
}
