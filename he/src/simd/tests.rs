//! One suite for every backend: each kernel gives exactly what division gives, so all backends agree bit for bit.
//!
//! Inputs are edge values and random ones of the range that each kernel documents; outputs are checked to be in theirs.

mod dot;
mod extend;
mod transform;

use super::Backend;
use crate::modulus::Modulus;
use crate::ntt::NttTable;
use crate::permutation::Permutation;
use crate::prime::nearest;
use dot::{diagonal_products_are_palindromic_sums, key_products_are_sums_of_products, key_products_follow_the_permutation};
use extend::{extension_prepares_digits_and_quotient, extension_stays_congruent_and_lazy};
use transform::transforms_agree_with_scalar_over_their_whole_input_range;

/// log2 of the moduli.
const BITS: [f64; 6] = [20.0, 22.0, 25.0, 28.0, 29.5, 29.999];

/// Lengths of limbs: whole runs, powers of two where the transform is concerned.
const LENGTHS: [usize; 5] = [32, 64, 96, 1024, 4096];

macro_rules! every_backend {
    (@ $backend:ident $($test:ident)*) => {
        mod $backend {
            $(
                #[test]
                fn $test() {
                    let name = stringify!($backend);
                    match crate::simd::Backend::available().into_iter().find(|b| b.name() == name) {
                        Some(backend) => super::$test(backend),
                        None => eprintln!("skipped: this CPU has no {name}"),
                    }
                }
            )*
        }
    };
    ($($test:ident,)*) => {
        every_backend!(@ scalar $($test)*);
        every_backend!(@ avx2 $($test)*);
        every_backend!(@ avx512 $($test)*);
        every_backend!(@ avx512ifma $($test)*);

        #[test]
        fn the_suite_knows_every_backend() {
            for backend in Backend::available() {
                assert!(["scalar", "avx2", "avx512", "avx512ifma"].contains(&backend.name()), "{} is not tested", backend.name());
            }
        }
    };
}

every_backend! {
    sums_and_differences_are_those_of_residues,
    products_are_those_of_residues,
    products_with_a_constant_take_any_word,
    key_products_are_sums_of_products,
    key_products_follow_the_permutation,
    diagonal_products_are_palindromic_sums,
    tensor_is_the_product_of_linear_polynomials,
    permutation_moves_every_residue,
    extension_prepares_digits_and_quotient,
    extension_stays_congruent_and_lazy,
    signed_integers_are_reduced,
    transforms_agree_with_scalar_over_their_whole_input_range,
    odd_lengths_are_refused,
}

fn modulus(bits: f64) -> Modulus {
    Modulus::new(nearest(14, bits, 1, &[]).unwrap()[0]).unwrap()
}

/// A plain generator of test values (Knuth's MMIX constants).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ self.0 >> 32
    }

    /// Below `bound`, an edge one time in three.
    fn below(&mut self, bound: u64, edges: &[u64]) -> u32 {
        let x = self.next();
        let value = if x.is_multiple_of(3) { edges[(x >> 8) as usize % edges.len()] } else { (x >> 8) % bound };
        u32::try_from(value.min(bound - 1)).unwrap()
    }

    fn residues(&mut self, q: u32, n: usize) -> Vec<u32> {
        let q = u64::from(q);
        (0..n).map(|_| self.below(q, &[0, 1, q / 2, q - 1])).collect()
    }

    fn words(&mut self, q: u32, n: usize) -> Vec<u32> {
        let q = u64::from(q);
        (0..n).map(|_| self.below(1 << 32, &[0, q - 1, q, 2 * q, 4 * q - 1, u64::from(u32::MAX)])).collect()
    }
}

/// Runs `f` for every modulus and length.
fn each(mut f: impl FnMut(&Modulus, usize, &mut Random)) {
    for bits in BITS {
        for n in LENGTHS {
            f(&modulus(bits), n, &mut Random(n as u64 ^ bits.to_bits()));
        }
    }
}

fn montgomery(m: &Modulus, x: &[u32]) -> Vec<u32> {
    x.iter().map(|x| m.to_montgomery(*x)).collect()
}

/// x · w mod q for any words, by division.
fn mul(m: &Modulus, x: u32, w: u32) -> u32 {
    (u64::from(x) * u64::from(w) % u64::from(m.value())) as u32
}

fn sums_and_differences_are_those_of_residues(b: Backend) {
    each(|m, n, random| {
        let q = m.value();
        for (x, y) in
            [(random.residues(q, n), random.residues(q, n)), (vec![0; n], vec![q - 1; n]), (vec![q - 1; n], vec![q - 1; n])]
        {
            let mut out = x.clone();
            b.add_assign(m, &mut out, &y);
            assert!(out.iter().zip(x.iter().zip(&y)).all(|(o, (x, y))| *o == (x + y) % q), "sum modulo {q}, {n} residues");
            let mut out = x.clone();
            b.sub_assign(m, &mut out, &y);
            assert!(
                out.iter().zip(x.iter().zip(&y)).all(|(o, (x, y))| *o == (x + q - y) % q),
                "difference modulo {q}, {n} residues"
            );
            let mut out = x.clone();
            b.neg_assign(m, &mut out);
            assert!(out.iter().zip(&x).all(|(o, x)| *o == (q - x) % q), "negative modulo {q}, {n} residues");
        }
    });
}

fn products_are_those_of_residues(b: Backend) {
    each(|m, n, random| {
        let q = m.value();
        for (x, y) in [(random.residues(q, n), random.residues(q, n)), (vec![q - 1; n], vec![q - 1; n])] {
            let mut entered = y.clone();
            b.to_montgomery(m, &mut entered);
            assert_eq!(entered, montgomery(m, &y), "Montgomery form modulo {q}, {n} residues");
            let mut out = x.clone();
            b.mul_montgomery_assign(m, &mut out, &entered);
            let expected: Vec<u32> = x.iter().zip(&y).map(|(x, y)| mul(m, *x, *y)).collect();
            assert_eq!(out, expected, "product modulo {q}, {n} residues");
        }
    });
}

fn products_with_a_constant_take_any_word(b: Backend) {
    each(|m, n, random| {
        let q = m.value();
        for w in [0, 1, q / 2, q - 1, random.below(u64::from(q), &[0])] {
            let shoup = m.shoup(w);
            let (any, x, y) = (random.words(q, n), random.residues(q, n), random.residues(q, n));
            let mut out = any.clone();
            b.mul_scalar_assign(m, &mut out, shoup);
            assert!(out.iter().zip(&any).all(|(o, x)| *o == mul(m, *x, w)), "x·{w} modulo {q}, {n} residues");
            let mut out = x.clone();
            b.add_mul_scalar_assign(m, &mut out, &any, shoup);
            let expected = x.iter().zip(&any).map(|(x, y)| (x + mul(m, *y, w)) % q);
            assert!(out.iter().copied().eq(expected), "x + y·{w} modulo {q}, {n} residues");
            let mut out = x.clone();
            b.sub_from_mul_scalar(m, &mut out, &y, shoup);
            let expected = x.iter().zip(&y).map(|(x, y)| mul(m, y + q - x, w));
            assert!(out.iter().copied().eq(expected), "(y − x)·{w} modulo {q}, {n} residues");
        }
    });
}

/// 1, 5 and its powers, their negatives, and the largest.
fn galois_elements(log_n: u32) -> Vec<u32> {
    let two_n = 2u32 << log_n;
    let powers = (0..log_n).map(|k| (0..1u64 << k).fold(1u64, |g, _| g * 5 % u64::from(two_n)) as u32);
    powers.flat_map(|g| [g, two_n - g]).chain([3, two_n / 2 - 1]).collect()
}

fn tensor_is_the_product_of_linear_polynomials(b: Backend) {
    each(|m, n, random| {
        let q = m.value();
        for largest in [false, true] {
            let mut residues = || if largest { vec![q - 1; n] } else { random.residues(q, n) };
            let (a0, a1, b0, b1) = (residues(), residues(), residues(), residues());
            let mut d = [vec![7; n], vec![7; n], vec![7; n]];
            let [d0, d1, d2] = &mut d;
            b.tensor(m, [&a0, &a1], [&b0, &b1], &mut [d0, d1, d2]);
            for i in 0..n {
                let middle = m.add(m.mul(a0[i], b1[i]), m.mul(a1[i], b0[i]));
                let expected = [m.mul(a0[i], b0[i]), middle, m.mul(a1[i], b1[i])];
                assert_eq!([d[0][i], d[1][i], d[2][i]], expected, "evaluation {i} of {n} modulo {q}");
            }
        }
    });
}

fn permutation_moves_every_residue(b: Backend) {
    for log_n in 5..=12 {
        let n = 1 << log_n;
        let x = Random(7).words(3, n);
        for g in galois_elements(log_n) {
            let p = Permutation::new(log_n, g);
            let mut out = vec![0; n];
            b.permute(&p.index, &x, &mut out);
            assert!(out.iter().zip(&p.index).all(|(o, i)| *o == x[*i as usize]), "automorphism {g} at 2^{log_n}");
        }
    }
}

fn signed_integers_are_reduced(b: Backend) {
    each(|m, n, random| {
        let limit = (1i64 << 62) - 1;
        let q = i64::from(m.value());
        let edges = [0, 1, -1, q, -q, q - 1, 1 - q, limit, -limit, 1 << 32, -(1 << 32), u32::MAX.into()];
        let x: Vec<i64> = (0..n)
            .map(|i| if i % 2 == 0 { edges[i / 2 % edges.len()] } else { random.next().cast_signed() >> (2 + i % 60) })
            .collect();
        let mut out = vec![0; n];
        b.reduce_i64(m, &x, &mut out);
        assert!(out.iter().zip(&x).all(|(o, x)| i64::from(*o) == x.rem_euclid(q)), "modulo {q}, {n} integers");
    });
}

/// Kernels that read whole vectors must not be reachable with less: the pointer arithmetic relies on it.
fn odd_lengths_are_refused(b: Backend) {
    if b == Backend::SCALAR {
        return;
    }
    let m = modulus(28.0);
    let refused = |f: &(dyn Fn() + std::panic::RefUnwindSafe)| std::panic::catch_unwind(f).is_err();
    assert!(refused(&|| b.add_assign(&m, &mut [0; 32], &[0; 16])));
    assert!(refused(&|| b.neg_assign(&m, &mut [0; 33])));
    assert!(refused(&|| b.permute(&[40; 32], &[0; 32], &mut [0; 32])));
    assert!(refused(&|| b.dot_key(&m, &[&[0; 32]], &[0; 32], &mut [0; 32], &mut [0; 32], None, None, false)));
    assert!(refused(&|| b.dot_diagonals(&m, &[0; 16], 0, &[&[0; 32]], &[&[0; 32]], 0..32, &mut [0; 32], &mut [0; 32], false)));
    assert!(refused(&|| b.extend_targets(&[(&m, &[0; 17])], &[0; 16 * 32], &[0; 32], &mut [0; 32])));
    assert!(refused(&|| b.ntt_forward(&NttTable::new(m, 6).unwrap(), &mut [0; 32])));
}
