//! The oracle: schoolbook products in Z_q[X]/(X^N + 1), and the transform by its definition.

use super::{BITS, Random, modulus};
use crate::modulus::Modulus;
use crate::ntt::NttTable;
use crate::prime::{nearest, primitive_root};
use crate::simd::Backend;
use proptest::prelude::*;

fn negacyclic_product(m: &Modulus, a: &[u32], b: &[u32]) -> Vec<u32> {
    let n = a.len();
    let mut out = vec![0; n];
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            let p = m.mul(*x, *y);
            let at = (i + j) % n;
            out[at] = if i + j < n { m.add(out[at], p) } else { m.sub(out[at], p) };
        }
    }
    out
}

fn table(log_n: u32, bits: f64) -> NttTable {
    let q = nearest(log_n, bits, 1, &[]).unwrap()[0];
    NttTable::new(Modulus::new(q).unwrap(), log_n).unwrap()
}

fn pseudo_random(q: u32, n: usize, mut state: u64) -> Vec<u32> {
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % u64::from(q)) as u32
        })
        .collect()
}

#[test]
fn transform_is_evaluation_at_odd_powers_in_bit_reversed_order() {
    let t = table(6, 29.9);
    let (m, n) = (&t.modulus, 64usize);
    let psi = primitive_root(m, 6).unwrap();
    let x = pseudo_random(m.value(), n, 1);
    let mut y = x.clone();
    Backend::SCALAR.ntt_forward(&t, &mut y);
    for (i, y) in y.iter().enumerate() {
        let point = m.pow(psi, 2 * (i.reverse_bits() >> (usize::BITS - 6)) as u64 + 1);
        let value = x.iter().rev().fold(0, |acc, c| m.add(m.mul(acc, point), *c));
        assert_eq!(*y, value, "output {i}");
    }
}

#[test]
fn pointwise_product_is_negacyclic_convolution() {
    for backend in Backend::available() {
        for log_n in 4..=10 {
            let t = table(log_n, 29.99);
            let n = 1 << log_n;
            let (a, b) = (pseudo_random(t.modulus.value(), n, 2), pseudo_random(t.modulus.value(), n, 3));
            let expected = negacyclic_product(&t.modulus, &a, &b);
            let (mut x, mut y) = (a, b);
            backend.ntt_forward(&t, &mut x);
            backend.ntt_forward(&t, &mut y);
            backend.to_montgomery(&t.modulus, &mut y);
            backend.mul_montgomery_assign(&t.modulus, &mut x, &y);
            backend.ntt_inverse(&t, &mut x);
            assert_eq!(x, expected, "{} at 2^{log_n}", backend.name());
        }
    }
}

pub(super) fn transforms_agree_with_scalar_over_their_whole_input_range(b: Backend) {
    for bits in BITS {
        for log_n in 5..=14 {
            let (m, n) = (modulus(bits), 1 << log_n);
            let (table, q) = (NttTable::new(m, log_n).unwrap(), m.value());
            let mut random = Random(bits.to_bits() + u64::from(log_n));
            let below = |random: &mut Random, times: u64| -> Vec<u32> {
                let q = u64::from(q);
                (0..n).map(|_| random.below(times * q, &[0, q - 1, q, 2 * q - 1, 2 * q, 4 * q - 1])).collect()
            };
            for input in [below(&mut random, 4), below(&mut random, 1), vec![4 * q - 1; n]] {
                let (mut x, mut expected) = (input.clone(), input);
                b.ntt_forward(&table, &mut x);
                Backend::SCALAR.ntt_forward(&table, &mut expected);
                assert!(expected.iter().all(|x| *x < q));
                assert_eq!(x, expected, "forward transform at 2^{log_n} modulo {q}");
            }
            for input in [below(&mut random, 2), below(&mut random, 1), vec![2 * q - 1; n]] {
                let (mut x, mut expected) = (input.clone(), input);
                b.ntt_inverse(&table, &mut x);
                Backend::SCALAR.ntt_inverse(&table, &mut expected);
                assert!(expected.iter().all(|x| *x < q));
                assert_eq!(x, expected, "inverse transform at 2^{log_n} modulo {q}");
            }
        }
    }
}

#[test]
fn every_backend_agrees_with_scalar_at_every_size() {
    for log_n in 4..=17 {
        for bits in [29.9999, 29.5, f64::from(log_n) + 5.0] {
            let t = table(log_n, bits);
            let q = t.modulus.value();
            let n = 1usize << log_n;
            for input in [vec![0; n], vec![q - 1; n], pseudo_random(q, n, u64::from(log_n))] {
                let mut forward = input.clone();
                Backend::SCALAR.ntt_forward(&t, &mut forward);
                let mut back = forward.clone();
                Backend::SCALAR.ntt_inverse(&t, &mut back);
                assert_eq!(back, input);
                for backend in Backend::available() {
                    let mut x = input.clone();
                    backend.ntt_forward(&t, &mut x);
                    assert_eq!(x, forward, "{} forward at 2^{log_n}", backend.name());
                    backend.ntt_inverse(&t, &mut x);
                    assert_eq!(x, input, "{} inverse at 2^{log_n}", backend.name());
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn transform_is_linear(seed: u64, c: u32) {
        let t = table(10, 29.5);
        let m = &t.modulus;
        let (a, b) = (pseudo_random(m.value(), 1024, seed), pseudo_random(m.value(), 1024, !seed));
        let c = c % m.value();
        let mut sum: Vec<u32> = a.iter().zip(&b).map(|(a, b)| m.add(m.mul(*a, c), *b)).collect();
        let (mut x, mut y) = (a, b);
        for z in [&mut sum, &mut x, &mut y] {
            Backend::SCALAR.ntt_forward(&t, z);
        }
        for ((s, x), y) in sum.iter().zip(&x).zip(&y) {
            prop_assert_eq!(*s, m.add(m.mul(*x, c), *y));
        }
    }
}
