//! A linear map, a square and a rotation of an encrypted vector: `cargo run --release -p veilray-he --example quickstart`.

use veilray_he::{
    Decryptor, Diagonals, Encoder, Encryptor, EvaluationKeys, Evaluator, ExpandedKeys, LinearTransform, ParamsLiteral,
    Result, SecretKey,
};

fn main() -> Result<()> {
    // Both sides agree on the parameters: here 8192 slots, 9 levels, 128-bit security.
    let params = ParamsLiteral::named("n14")?.check()?;
    let top = params.max_level();

    // The server: the map y_i = 0.5·x_i + 0.25·x_{i+1} over periods of 8 slots, and the keys that it needs.
    let mut diagonals = Diagonals::new(8)?;
    diagonals.add(0, &[0.5; 8])?;
    diagonals.add(1, &[0.25; 8])?;
    let map = LinearTransform::new(&params, &diagonals, top)?;
    let needed = map.key_spec().with_relinearisation(top - 1).with_rotations(&params, [1], top - 2);

    // The client: a secret key that stays here, evaluation keys for the server, and an encrypted vector.
    let secret = SecretKey::generate(&params)?;
    let keys = EvaluationKeys::generate(&secret, &needed)?;
    let x: Vec<f64> = (0..params.slots()).map(|i| (i % 8) as f64 / 10.0).collect();
    let encrypted = Encryptor::new(&secret).encrypt(&Encoder::new(&params).encode(&x)?)?;

    // The server, on ciphertexts alone: the map, a square, a rotation by one slot.
    let (evaluator, keys) = (Evaluator::new(&params), ExpandedKeys::new(&keys)?);
    let mapped = evaluator.linear(&encrypted, &map, &keys)?;
    let squared = evaluator.multiply_rescale(&mapped, &mapped, &keys)?;
    let result = evaluator.rotate(&squared, 1, &keys)?;

    // The client: decrypts, rounded to what the computation keeps.
    let found = Decryptor::new(&secret).decrypt(&result, 14)?;
    let wanted: Vec<f64> = diagonals.apply(&x[1..9]).iter().map(|y| y * y).collect();
    let error = found.iter().zip(wanted.iter().cycle()).map(|(f, w)| (f - w).abs()).fold(0.0, f64::max);
    println!("{:.4?}\n{wanted:.4?} in clear, largest error 2^{:.1}", &found[..8], error.log2());
    Ok(())
}
