//! Against the definition, and the laws of the embedding.

use super::*;
use std::f64::consts::PI;

/// Uniform in [−1, 1) (xorshift64*).
fn random(len: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 * 2f64.powi(-52) - 1.0
        })
        .collect()
}

fn best() -> Backend {
    Backend::available().pop().unwrap()
}

fn evaluate(log_n: u32, coefficients: &[f64]) -> Vec<(f64, f64)> {
    let (re, im) = coefficients.split_at(coefficients.len() / 2);
    let (mut re, mut im) = (re.to_vec(), im.to_vec());
    Embedding::new(log_n).coeffs_to_slots(best(), &mut re, &mut im);
    re.into_iter().zip(im).collect()
}

/// The real polynomial at ζ^(5^j), coefficient by coefficient.
fn naive(coefficients: &[f64]) -> Vec<(f64, f64)> {
    let order = 2 * coefficients.len();
    let slot = |point: usize| {
        coefficients.iter().enumerate().fold((0.0, 0.0), |(re, im), (i, c)| {
            let angle = 2.0 * PI * (i * point % order) as f64 / order as f64;
            (re + c * angle.cos(), im + c * angle.sin())
        })
    };
    std::iter::successors(Some(1), |p| Some(p * 5 % order)).take(order / 4).map(slot).collect()
}

fn distance(a: &[(f64, f64)], b: &[(f64, f64)]) -> f64 {
    assert_eq!(a.len(), b.len());
    let norm = |x: &mut dyn Iterator<Item = (f64, f64)>| x.map(|(re, im)| re.hypot(im)).fold(0.0, f64::max);
    norm(&mut a.iter().zip(b).map(|(a, b)| (a.0 - b.0, a.1 - b.1))) / norm(&mut b.iter().copied()).max(1e-300)
}

#[test]
fn slots_are_evaluations_at_powers_of_five() {
    for log_n in 3..=11 {
        let coefficients = random(1 << log_n, u64::from(log_n));
        let error = distance(&evaluate(log_n, &coefficients), &naive(&coefficients));
        assert!(error < 1e-13 * f64::from(log_n), "N = 2^{log_n}: relative error {error}");
    }
}

#[test]
fn one_monomial_evaluates_to_roots_in_the_largest_rings() {
    for log_n in 12..=17 {
        let (order, degree) = (2u64 << log_n, (1usize << log_n) - 3);
        let mut coefficients = vec![0.0; 1 << log_n];
        coefficients[degree] = 1.0;
        let exponents = powers_of_five().take(1 << (log_n - 1)).map(|p| p.wrapping_mul(degree as u64) % order);
        let expected: Vec<_> = exponents.map(|k| (2.0 * PI * k as f64 / order as f64).sin_cos()).map(|(s, c)| (c, s)).collect();
        let error = distance(&evaluate(log_n, &coefficients), &expected);
        assert!(error < 1e-14, "N = 2^{log_n}: {error}");
    }
}

#[test]
fn slots_to_coeffs_inverts_coeffs_to_slots() {
    for log_n in 3..=17 {
        let embedding = Embedding::new(log_n);
        let (re, im) = (random(embedding.slots(), 1), random(embedding.slots(), 2));
        let original: Vec<_> = re.iter().copied().zip(im.iter().copied()).collect();
        let transforms = [Embedding::slots_to_coeffs, Embedding::coeffs_to_slots];
        for order in [[0usize, 1], [1, 0]] {
            let (mut x, mut y) = (re.clone(), im.clone());
            for i in order {
                let transform: fn(&Embedding, Backend, &mut [f64], &mut [f64]) = transforms[i];
                transform(&embedding, best(), &mut x, &mut y);
            }
            let error = distance(&x.into_iter().zip(y).collect::<Vec<_>>(), &original);
            assert!(error < 2e-15, "N = 2^{log_n}: round trip error {error}");
        }
    }
}

#[test]
fn embedding_is_linear() {
    let (a, b) = (random(1 << 12, 3), random(1 << 12, 4));
    let combined: Vec<f64> = a.iter().zip(&b).map(|(a, b)| 3.0 * a - 0.7 * b).collect();
    let (va, vb) = (evaluate(12, &a), evaluate(12, &b));
    let expected: Vec<_> = va.iter().zip(&vb).map(|(a, b)| (3.0 * a.0 - 0.7 * b.0, 3.0 * a.1 - 0.7 * b.1)).collect();
    assert!(distance(&evaluate(12, &combined), &expected) < 1e-14);
}

/// P(X) → P(X^g) in the ring of X^N + 1.
fn automorphism(coefficients: &[f64], g: usize) -> Vec<f64> {
    let n = coefficients.len();
    let mut out = vec![0.0; n];
    for (i, c) in coefficients.iter().enumerate() {
        let power = i * g % (2 * n);
        out[power % n] += if power < n { *c } else { -c };
    }
    out
}

#[test]
fn x_to_x5_rotates_slots_left_by_one() {
    for log_n in [3, 6, 7, 8, 11, 14] {
        let coefficients = random(1 << log_n, 5);
        let mut expected = evaluate(log_n, &coefficients);
        expected.rotate_left(1);
        let error = distance(&evaluate(log_n, &automorphism(&coefficients, 5)), &expected);
        assert!(error < 1e-14, "N = 2^{log_n}: {error}");
    }
}

#[test]
fn x_to_its_inverse_conjugates_slots() {
    for log_n in [3, 6, 7, 8, 11, 14] {
        let coefficients = random(1 << log_n, 6);
        let expected: Vec<_> = evaluate(log_n, &coefficients).into_iter().map(|(re, im)| (re, -im)).collect();
        let error = distance(&evaluate(log_n, &automorphism(&coefficients, (2 << log_n) - 1)), &expected);
        assert!(error < 1e-14, "N = 2^{log_n}: {error}");
    }
}

#[test]
fn backends_agree_bit_for_bit() {
    for log_n in 3..=16 {
        let embedding = Embedding::new(log_n);
        let run = |backend, transform: fn(&Embedding, Backend, &mut [f64], &mut [f64])| {
            let (mut re, mut im) = (random(embedding.slots(), 7), random(embedding.slots(), 8));
            transform(&embedding, backend, &mut re, &mut im);
            re.into_iter().chain(im).map(f64::to_bits).collect::<Vec<_>>()
        };
        for backend in Backend::available() {
            for transform in [Embedding::slots_to_coeffs, Embedding::coeffs_to_slots] {
                assert!(run(backend, transform) == run(Backend::SCALAR, transform), "{} at N = 2^{log_n}", backend.name());
            }
        }
    }
}

#[test]
fn unit_roots_are_accurate_and_symmetric() {
    for log_order in [3, 5, 12] {
        let order = 1u64 << log_order;
        for k in 0..order {
            let (at, angle) = (unit_root(k, log_order), 2.0 * PI * k as f64 / order as f64);
            assert!((at.re - angle.cos()).abs() < 1e-15 && (at.im - angle.sin()).abs() < 1e-15);
            let (opposite, mirrored) = (unit_root(k + order / 2, log_order), unit_root(order - k, log_order));
            assert_eq!((opposite.re, opposite.im), (-at.re, -at.im));
            assert_eq!((mirrored.re, mirrored.im), (at.re, -at.im));
        }
    }
}
