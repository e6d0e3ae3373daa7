//! Ciphertexts against integers, and noise against its formulas.

use super::*;
use tfhe::core_crypto::prelude::*;
use veilray_base::Rng;

/// Fast and not secure.
const TINY: TfheParams = TfheParams {
    name: "tiny",
    input_polynomial: 32,
    input_rank: 2,
    input_log2_deviation: -30.0,
    polynomial: 512,
    rank: 1,
    log2_deviation: -50.0,
    base_log: 18,
    levels: 2,
};

/// Weights in -1..=1 of which about `share` are not zero.
fn network(inputs: usize, hidden: usize, modulus: u32, share: f64, seed: u64) -> Fcnn {
    let mut rng = Rng::new(seed, "network");
    let mut draw = |count: usize, most: i32, share: f64| -> Vec<i8> {
        (0..count)
            .map(|_| if rng.uniform() < share { (rng.below(2 * most as usize + 1) as i32 - most) as i8 } else { 0 })
            .collect()
    };
    let weights = draw(inputs * hidden, 1, share * 1.5);
    let output = draw(LOGITS * hidden, 3, 1.0);
    let biases = (0..hidden).map(|at| at as i32 % modulus as i32).collect();
    let parts =
        Parts { largest_input: 3, modulus, weights, biases, table: Fcnn::sine(modulus, 3), output, output_biases: vec![-4, 9] };
    Fcnn::new(parts).unwrap()
}

fn image(inputs: usize, seed: u64) -> Vec<i8> {
    let mut rng = Rng::new(seed, "image");
    (0..inputs).map(|_| rng.below(7) as i8 - 3).collect()
}

fn agree(params: &TfheParams, network: Fcnn, images: u64) {
    let circuit = EncryptedFcnn::new(network, params).unwrap();
    let client = ClientKey::generate(params);
    let sent = SentKey::from_bytes(params, &client.bootstrap_key().to_bytes()).unwrap();
    let server = sent.expand(params).unwrap();
    let encoding = circuit.encoding();
    for seed in 0..images {
        let inputs = image(encoding.inputs, seed);
        let sent = client.encrypt(&encoding, &inputs).unwrap();
        let sent = SentImage::from_bytes(&encoding, &sent.to_bytes()).unwrap();
        let reply = circuit.evaluate(&server, &sent).unwrap();
        let reply = Reply::from_bytes(params, &reply.to_bytes()).unwrap();
        assert_eq!(client.decrypt(&encoding, &reply).unwrap(), circuit.network().evaluate(&inputs).unwrap(), "image {seed}");
    }
}

#[test]
fn ciphertexts_compute_the_integers_exactly_on_tiny_parameters() {
    // 70 inputs fill two polynomials and part of a third.
    agree(&TINY, network(70, 3, 16, 0.5, 1), 20);
    agree(&TINY, network(32, 1, 10, 1.0, 2), 20);
}

#[test]
fn ciphertexts_compute_the_integers_exactly_on_the_released_parameters() {
    agree(&P2048, network(784, 12, 52, 0.15, 3), 4);
}

#[test]
fn what_does_not_fit_is_refused() {
    let client = ClientKey::generate(&TINY);
    let circuit = EncryptedFcnn::new(network(70, 3, 16, 0.5, 1), &TINY).unwrap();
    let encoding = circuit.encoding();
    assert!(matches!(client.encrypt(&encoding, &[0; 69]), Err(Error::Length { wanted: 70, found: 69, .. })));
    assert!(client.encrypt(&encoding, &[4; 70]).is_err());
    let sent = client.encrypt(&encoding, &[1; 70]).unwrap();
    assert_eq!(sent.to_bytes().len(), 16 + 4 * 70);
    assert!(matches!(SentImage::from_bytes(&encoding, &sent.to_bytes()[1..]), Err(Error::Bytes { .. })));
    let key = client.bootstrap_key();
    assert!(matches!(SentKey::from_bytes(&P2048, &key.to_bytes()), Err(Error::Bytes { .. })));
    assert!(key.expand(&TfheParams { levels: 1, ..TINY }).is_err());
    let server = client.bootstrap_key().expand(&TINY).unwrap();
    let other = EncryptedFcnn::new(network(70, 3, 16, 0.5, 1), &TfheParams { name: "other", ..TINY }).unwrap();
    assert!(matches!(other.evaluate(&server, &sent), Err(Error::Setting { .. })));
    assert!(matches!(Reply::from_bytes(&TINY, &[0; 8]), Err(Error::Bytes { .. })));
    // Half of all weights instead of an eighth, and boxes too small for the rounding.
    assert!(matches!(EncryptedFcnn::new(network(784, 12, 200, 0.5, 3), &P2048), Err(Error::Failure { .. })));
    assert!(TfheParams::named("tfhe-768-2048").is_ok() && TfheParams::named("tiny").is_err());
}

#[test]
fn a_reply_under_another_key_or_tampered_with_is_refused() {
    let circuit = EncryptedFcnn::new(network(70, 3, 16, 0.5, 1), &TINY).unwrap();
    let (client, other, encoding) = (ClientKey::generate(&TINY), ClientKey::generate(&TINY), circuit.encoding());
    let server = client.bootstrap_key().expand(&TINY).unwrap();
    let sent = client.encrypt(&encoding, &image(70, 1)).unwrap();
    let reply = circuit.evaluate(&server, &sent).unwrap();
    assert!(client.decrypt(&encoding, &reply).is_ok());
    // Eight deviations on either side are less than 2^-11 of the space between two values: by chance both logits pass once in 2^22.
    let part = 16.0 * circuit.budget().logit.sqrt() * f64::from(encoding.output_modulus);
    assert!(part < (-11f64).exp2(), "{part}");
    let refused = other.decrypt(&encoding, &reply);
    assert!(matches!(refused, Err(Error::Residual { found, most: 8.0 }) if found > 8.0), "{refused:?}");
    // Half of the space between two values, added to one logit's body.
    let mut tampered = reply.clone();
    *tampered.logits[1].last_mut().unwrap() =
        reply.logits[1].last().unwrap().wrapping_add(u32::MAX / encoding.output_modulus / 2);
    assert!(matches!(client.decrypt(&encoding, &tampered), Err(Error::Residual { .. })));
}

/// Variance of the phases' distances from where they should be, of the torus.
fn variance(errors: &[i64]) -> f64 {
    errors.iter().map(|error| (*error as f64 / 64f64.exp2()).powi(2)).sum::<f64>() / errors.len() as f64
}

/// Between 0.7 and 1.25 of the prediction: five standard deviations of a variance over some 500 draws.
fn near(what: &str, measured: f64, predicted: f64) {
    let ratio = measured / predicted;
    assert!((0.7..1.25).contains(&ratio), "{what}: measured over predicted variance {ratio:.3}");
}

#[test]
fn measured_noise_has_the_predicted_variances() {
    let circuit = EncryptedFcnn::new(network(784, 12, 52, 0.15, 3), &P2048).unwrap();
    let (client, encoding, budget) = (ClientKey::generate(&P2048), circuit.encoding(), *circuit.budget());
    let server = client.bootstrap_key().expand(&P2048).unwrap();
    let (input_key, output_key) = (client.input.as_lwe_secret_key(), client.output.as_lwe_secret_key());
    let steps = PolynomialSize(P2048.polynomial).to_blind_rotation_input_modulus_log();
    let (step, output_step) = (Encoding::step(encoding.modulus), Encoding::step(encoding.output_modulus));
    let (mut sums, mut switches, mut bootstraps, mut logits) = (vec![], vec![], vec![], vec![]);
    for seed in 0..45 {
        let inputs = image(784, seed);
        let sent = client.encrypt(&encoding, &inputs).unwrap();
        let pixels = circuit.grow(&sent).unwrap();
        for (at, (weights, bias)) in circuit.network().neurons().enumerate() {
            let clear = bias + weights.iter().zip(&inputs).map(|(w, x)| i32::from(*w) * i32::from(*x)).sum::<i32>();
            let sum = circuit.sum(&pixels, at);
            let phase = decrypt_lwe_ciphertext(&input_key, &sum).0;
            let exact = (i64::from(clear) as u64).wrapping_mul(step);
            // Every neuron has its own weights; all are scaled to the largest one's.
            let norm = weights.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>().sqrt();
            sums.push((phase.wrapping_sub(exact) as i64 as f64 * circuit.network().weight_norm() / norm) as i64);
            let switched = lwe_ciphertext_centered_binary_modulus_switch::<u64, u64, _>(sum.as_view(), steps);
            let turned =
                switched.mask().zip(input_key.as_ref()).fold(switched.body(), |b, (a, s)| b.wrapping_sub(a.wrapping_mul(*s)));
            // The half step that the table makes up for.
            let turned = (2 * turned + 1) << (63 - steps.0);
            switches.push(turned.wrapping_sub(phase) as i64);
            let value = circuit.bootstrap(&server, sum);
            let exact = (i64::from(circuit.network().activation(clear)) as u64).wrapping_mul(output_step);
            bootstraps.push(decrypt_lwe_ciphertext(&output_key, &value).0.wrapping_sub(exact) as i64);
        }
        if seed < 40 {
            let reply = circuit.evaluate(&server, &sent).unwrap();
            for (sent, clear) in reply.logits.iter().zip(circuit.network().evaluate(&inputs).unwrap()) {
                let exact = (i64::from(clear) as u64).wrapping_mul(output_step);
                logits.push(client.phase(sent).unwrap().wrapping_sub(exact) as i64);
            }
        }
    }
    near("sum", variance(&sums), budget.sum);
    near("switch", variance(&switches), budget.switch);
    // The library's formula is fitted from above; what counts is that it is no underestimate.
    let ratio = variance(&bootstraps) / budget.bootstrap;
    assert!((0.1..1.25).contains(&ratio), "bootstrap: measured over predicted variance {ratio:.3}");
    let ratio = variance(&logits) / budget.logit;
    assert!((0.1..1.6).contains(&ratio), "logit: measured over predicted variance {ratio:.3}");
}
