//! Predictions of a logistic regression on 1024 encrypted records: `cargo run --release -p veilray-he --example logistic_regression`.

use veilray_he::{Ciphertext, Decryptor, Encoder, Encryptor, EvaluationKeys, Evaluator, ExpandedKeys, KeySpec, ParamsLiteral};
use veilray_he::{Result, SecretKey};

/// The model: one weight per feature; the score of a record lies in [−8, 8].
const WEIGHTS: [f64; 8] = [1.2, -0.7, 0.4, 2.0, -1.1, 0.3, 0.9, -1.4];

/// 1 / (1 + e^−8u) as 0.5 + u·(LINEAR + CUBIC·u²), at most 0.12 off in [−1, 1] (Kim, Song, Wang, Xia, Jiang 2018, "Secure logistic
/// regression based on homomorphic encryption: design and evaluation", least squares of degree 3).
const LINEAR: f64 = 1.20096;
const CUBIC: f64 = -0.81562;

fn main() -> Result<()> {
    let params = ParamsLiteral::named("n14")?.check()?;
    let (slots, top, encoder) = (params.slots(), params.max_level(), Encoder::new(&params));

    // The client: eight features of each record beside one another, one ciphertext for all records.
    let secret = SecretKey::generate(&params)?;
    let spec = KeySpec::new().with_rotations(&params, [1, 2, 4], top - 1).with_relinearisation(top - 1);
    let keys = EvaluationKeys::generate(&secret, &spec)?;
    let features: Vec<f64> = (0..slots).map(|i| (0.37 * i as f64).sin()).collect();
    let records = Encryptor::new(&secret).encrypt(&encoder.encode(&features)?)?;

    // The server: weights times features, then every slot becomes the sum of the eight that begin there.
    let (evaluator, keys) = (Evaluator::new(&params), ExpandedKeys::new(&keys)?);
    let constant = |value: f64, at: &Ciphertext, scale: f64| encoder.encode_at(&vec![value; slots], at.level(), scale);
    let weights = encoder.encode_at(&WEIGHTS.map(|w| w / 8.0).repeat(slots / 8), top, params.rescale_factor(top))?;
    let mut u = evaluator.rescale(&evaluator.mul_plain(&records, &weights)?)?;
    for steps in [1, 2, 4] {
        u = evaluator.add(&u, &evaluator.rotate(&u, steps, &keys)?)?;
    }
    // The polynomial; a plaintext is encoded at the scale that keeps that of its ciphertext, or adds to it.
    let square = evaluator.multiply_rescale(&u, &u, &keys)?;
    let cubic = constant(CUBIC, &square, params.rescale_factor(square.level()))?;
    let inner = evaluator.rescale(&evaluator.mul_plain(&square, &cubic)?)?;
    let inner = evaluator.add_plain(&inner, &constant(LINEAR, &inner, inner.scale())?)?;
    let outer = evaluator.multiply_rescale(&evaluator.drop_to(&u, inner.level())?, &inner, &keys)?;
    let predicted = evaluator.add_plain(&outer, &constant(0.5, &outer, outer.scale())?)?;

    // The client: slot 8r is the prediction for record r.
    let found = Decryptor::new(&secret).decrypt(&predicted, 14)?;
    for (r, (record, found)) in features.chunks(8).zip(found.chunks(8)).take(4).enumerate() {
        let score: f64 = record.iter().zip(WEIGHTS).map(|(x, w)| x * w).sum();
        let (u, found) = (score / 8.0, found.first().unwrap_or(&f64::NAN));
        let [polynomial, sigmoid] = [0.5 + u * (LINEAR + CUBIC * u * u), 1.0 / (1.0 + (-score).exp())];
        println!("record {r}: {found:.4} encrypted, {polynomial:.4} by the polynomial in clear, {sigmoid:.4} by the sigmoid");
    }
    Ok(())
}
