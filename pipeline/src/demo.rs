//! `veilray demo`: a small polynomial network on a synthetic latent, in clear and encrypted, on this machine.
//!
//! It shows the encryption engine alone: linear map, square, linear map on the slots of one ciphertext, the shape every later classifier has.
//! Weights and input come from a fixed pseudo-random sequence; nothing here is a trained model.

use std::time::Instant;
use veilray_he::wire::{ciphertext_bytes, evaluation_keys_bytes};
use veilray_he::{
    Decryptor, Diagonals, Encoder, Encryptor, EvaluationKeys, Evaluator, ExpandedKeys, KeySpec, LinearTransform, ParamsLiteral,
    SecretKey,
};

/// Values of the synthetic latent: a 4×32×32 one, as an f = 8 encoder gives.
const LATENT: usize = 4096;
/// Diagonals of the first and the second linear map.
const DIAGONALS: [usize; 2] = [64, 32];
/// Fractional bits that the result is rounded to when it is decrypted.
const PRECISION_BITS: u32 = 10;

/// What the demo measured.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Report {
    /// Parameter set.
    pub params: &'static str,
    /// Classical security the parameters are checked for, bits.
    pub security_bits: u32,
    /// SIMD backend in use.
    pub backend: &'static str,
    /// Slots of the ciphertext.
    pub slots: usize,
    /// Largest difference between the encrypted and the clear result.
    pub max_abs_error: f64,
    /// Largest value of the clear result.
    pub max_abs_value: f64,
    /// Whether the two agree to the digits that decryption keeps.
    pub agree: bool,
    /// The first results: in clear, decrypted.
    pub first: Vec<(f64, f64)>,
    /// Time of each step.
    pub timings_ms: Timings,
    /// What would cross the network.
    pub bytes: Bytes,
}

/// Milliseconds by step.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Timings {
    /// Secret and evaluation keys.
    pub keygen: f64,
    /// Encoding the network's weights and expanding the keys, once per model and client.
    pub prepare: f64,
    /// Encoding and encrypting the latent.
    pub encrypt: f64,
    /// The network on the ciphertext.
    pub server: f64,
    /// Decrypting and decoding.
    pub decrypt: f64,
    /// All of it.
    pub total: f64,
}

/// Bytes by object.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Bytes {
    /// The encrypted latent.
    pub upload: usize,
    /// The encrypted result.
    pub reply: usize,
    /// The evaluation keys, sent once.
    pub evaluation_keys: usize,
}

/// Numbers in [−1, 1) that depend on nothing but the seed.
fn sequence(count: usize, mut state: u64) -> Vec<f64> {
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// A random map with that many diagonals, scaled so that its outputs are about as large as its inputs.
fn map(diagonals: usize, seed: u64) -> veilray_he::Result<Diagonals> {
    let mut out = Diagonals::new(LATENT)?;
    let unit = (3.0 / diagonals as f64).sqrt();
    for d in 0..diagonals {
        let values: Vec<f64> = sequence(LATENT, seed + d as u64).iter().map(|x| x * unit).collect();
        out.add(d as i64, &values)?;
    }
    Ok(out)
}

/// Runs the demo on the set `n14`.
///
/// # Errors
/// What the engine refuses; none of it is expected.
pub fn run() -> veilray_he::Result<Report> {
    let start = Instant::now();
    let mut timings = Timings::default();
    let mut step = |slot: fn(&mut Timings) -> &mut f64, since: Instant| *slot(&mut timings) = since.elapsed().as_secs_f64() * 1e3;

    let params = ParamsLiteral::named("n14")?.check()?;
    let (encoder, evaluator) = (Encoder::new(&params), Evaluator::new(&params));
    // What the network needs: two maps and a square. The client uploads no more limbs than that.
    let level = 3;
    let (first, second) = (map(DIAGONALS[0], 1)?, map(DIAGONALS[1], 1000)?);

    let since = Instant::now();
    let maps = (LinearTransform::new(&params, &first, level)?, LinearTransform::new(&params, &second, level - 2)?);
    step(|t| &mut t.prepare, since);

    let since = Instant::now();
    let secret = SecretKey::generate(&params)?;
    let spec = KeySpec::new().with_relinearisation(level - 1).union(&maps.0.key_spec()).union(&maps.1.key_spec());
    let sent = EvaluationKeys::generate(&secret, &spec)?;
    step(|t| &mut t.keygen, since);
    let since = Instant::now();
    let keys = ExpandedKeys::new(&sent)?;
    let prepared = since.elapsed().as_secs_f64() * 1e3;

    let latent = sequence(LATENT, 7);
    let since = Instant::now();
    let plaintext = encoder.encode_at(&latent.repeat(params.slots() / LATENT), level, params.scale())?;
    let upload = Encryptor::new(&secret).encrypt(&plaintext)?;
    step(|t| &mut t.encrypt, since);

    let since = Instant::now();
    let hidden = evaluator.linear(&upload, &maps.0, &keys)?;
    let squared = evaluator.multiply_rescale(&hidden, &hidden, &keys)?;
    let reply = evaluator.drop_to(&evaluator.linear(&squared, &maps.1, &keys)?, 0)?;
    step(|t| &mut t.server, since);

    let since = Instant::now();
    let decrypted = Decryptor::new(&secret).decrypt(&reply, PRECISION_BITS)?;
    step(|t| &mut t.decrypt, since);
    timings.prepare += prepared;
    timings.total = start.elapsed().as_secs_f64() * 1e3;

    let squares: Vec<f64> = first.apply(&latent).iter().map(|x| x * x).collect();
    let clear = second.apply(&squares);
    let max_abs_error = clear.iter().zip(&decrypted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    Ok(Report {
        params: "n14",
        security_bits: 128,
        backend: params.backend().name(),
        slots: params.slots(),
        max_abs_error,
        max_abs_value: clear.iter().fold(0.0, |a, b| a.max(b.abs())),
        agree: max_abs_error < 2.0 * f64::from(PRECISION_BITS).exp2().recip(),
        first: clear.iter().copied().zip(decrypted).take(4).collect(),
        timings_ms: timings,
        bytes: Bytes {
            upload: ciphertext_bytes(&params, level, true)?,
            reply: ciphertext_bytes(&params, 0, false)?,
            evaluation_keys: evaluation_keys_bytes(&params, &spec)?,
        },
    })
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (t, b) = (&self.timings_ms, &self.bytes);
        let mb = |bytes: usize| bytes as f64 / 1e6;
        writeln!(f, "Veilray demo: the encryption engine alone (encoders, models and the daemon are still to come)")?;
        writeln!(f, "A network of two linear maps around a square, on a synthetic latent of {LATENT} values, under CKKS.\n")?;
        writeln!(
            f,
            "  parameters    {} ({} slots, {}-bit security), backend {}",
            self.params, self.slots, self.security_bits, self.backend
        )?;
        writeln!(f, "  keys          {:>8.1} ms   {:.2} MB, sent once", t.keygen, mb(b.evaluation_keys))?;
        writeln!(f, "  prepare       {:>8.1} ms   once per model and client", t.prepare)?;
        writeln!(f, "  encrypt       {:>8.1} ms   {:.3} MB up", t.encrypt, mb(b.upload))?;
        writeln!(f, "  server        {:>8.1} ms   sees ciphertexts only", t.server)?;
        writeln!(f, "  decrypt       {:>8.1} ms   {:.3} MB down\n", t.decrypt, mb(b.reply))?;
        writeln!(f, "  {:>12} {:>12}", "in clear", "encrypted")?;
        for (clear, decrypted) in &self.first {
            writeln!(f, "  {clear:>12.6} {decrypted:>12.6}")?;
        }
        write!(
            f,
            "\n  largest difference over {LATENT} results: {:.1e} (values up to {:.1}): {}",
            self.max_abs_error,
            self.max_abs_value,
            if self.agree { "they agree" } else { "THEY DO NOT AGREE" }
        )
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn encrypted_and_clear_results_agree() {
        let report = super::run().unwrap();
        assert!(report.agree, "largest difference {}", report.max_abs_error);
        assert!(report.max_abs_value > 1.0 && report.max_abs_error > 0.0);
    }
}
