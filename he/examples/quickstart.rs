//! A linear map, a square and a rotation of an encrypted vector: `cargo run --release -p veilray-he --example quickstart`.

use veilray_he::{
    Decryptor, Diagonals, Encoder, Encryptor, EvaluationKeys, Evaluator, ExpandedKeys, LinearTransform, ParamsLiteral, Result,
    SecretKey,
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
    let x = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7];
    let encrypted = Encryptor::new(&secret).encrypt(&Encoder::new(&params).encode(&x.repeat(params.slots() / 8))?)?;

    // The server, on ciphertexts alone: the map, a square, a rotation by one slot.
    let (evaluator, keys) = (Evaluator::new(&params), ExpandedKeys::new(&keys)?);
    let mapped = evaluator.linear(&encrypted, &map, &keys)?;
    let squared = evaluator.multiply_rescale(&mapped, &mapped, &keys)?;
    let result = evaluator.rotate(&squared, 1, &keys)?;

    // The client: decrypts, rounded to what the computation keeps.
    let mut found = Decryptor::new(&secret).decrypt(&result, 14)?;
    let mut wanted: Vec<f64> = diagonals.apply(&x).iter().map(|y| y * y).collect();
    wanted.rotate_left(1);
    let error = found.iter().zip(wanted.iter().cycle()).map(|(f, w)| (f - w).abs()).fold(0.0, f64::max);
    found.truncate(8);
    println!("{found:.4?}\n{wanted:.4?} in clear, largest error 2^{:.1}", error.log2());
    Ok(())
}
