//! One suite for every backend: each kernel gives exactly what division gives, so all backends agree bit for bit.
//!
//! Inputs are edge values and random ones of the range that each kernel documents; outputs are checked to be in theirs.

use super::{Backend, RUN, Source};
use crate::galois::Permutation;
use crate::modulus::Modulus;
use crate::ntt::NttTable;
use crate::prime::nearest;

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

/// Key rows packed as `dot_key` reads them.
fn pack_key(rows: &[[Vec<u32>; 2]], n: usize) -> Vec<u32> {
    let runs = (0..n).step_by(RUN);
    runs.flat_map(|i| rows.iter().flatten().flat_map(move |row| row[i..i + RUN].iter().copied())).collect()
}

/// Numbers of terms around every boundary of the accumulation: none, one, [`crate::modulus::MAX_TERMS`] and its multiples.
const TERMS: [usize; 11] = [0, 1, 2, 3, 7, 15, 16, 17, 32, 33, 40];

/// Checks `dot_key` for one shape; `largest` makes every residue q − 1, where the sums are largest.
fn check_dot_key(
    b: Backend,
    m: &Modulus,
    n: usize,
    terms: usize,
    permutation: Option<&Permutation>,
    largest: bool,
    random: &mut Random,
) {
    let q = m.value();
    let mut residues = |n| if largest { vec![q - 1; n] } else { random.residues(q, n) };
    let digits: Vec<Vec<u32>> = (0..terms).map(|_| residues(n)).collect();
    // A key may have more digits than are given.
    let rows: Vec<[Vec<u32>; 2]> = (0..terms + 1).map(|_| [residues(n), residues(n)]).collect();
    let (plus, left, right) = (residues(n), residues(n), residues(n));
    let key = pack_key(&rows, n);
    let refs: Vec<&[u32]> = digits.iter().map(Vec::as_slice).collect();
    let p = m.shoup(q - 2);
    for (accumulate, with_plus) in [(false, false), (true, true), (false, true)] {
        let (mut l, mut r) = (left.clone(), right.clone());
        b.dot_key(m, &refs, &key, &mut l, &mut r, with_plus.then_some((&plus[..], p)), permutation, accumulate);
        for to in 0..n {
            let from = permutation.map_or(to, |p| p.index[to] as usize);
            // The packed key is in Montgomery form as far as the kernel is concerned: divide by 2^32.
            let sum = |half: usize| {
                let inverse = m.inv(m.r());
                digits.iter().zip(&rows).fold(0, |sum, (d, row)| m.add(sum, m.mul(m.mul(d[from], row[half][from]), inverse)))
            };
            let mut expected = [sum(0), sum(1)];
            if with_plus {
                expected[0] = m.add(expected[0], m.mul(plus[from], q - 2));
            }
            if accumulate {
                expected = [m.add(expected[0], left[to]), m.add(expected[1], right[to])];
            }
            assert_eq!([l[to], r[to]], expected, "evaluation {to} of {n} modulo {q}, {terms} digits, plus {with_plus}");
        }
    }
}

fn key_products_are_sums_of_products(b: Backend) {
    for bits in BITS {
        let m = modulus(bits);
        let mut random = Random(bits.to_bits());
        for terms in TERMS {
            for n in [32, 96, 256] {
                check_dot_key(b, &m, n, terms, None, false, &mut random);
            }
            check_dot_key(b, &m, 32, terms, None, true, &mut random);
        }
    }
}

fn key_products_follow_the_permutation(b: Backend) {
    let m = modulus(29.5);
    for log_n in [5, 6, 9, 12] {
        for g in galois_elements(log_n) {
            check_dot_key(b, &m, 1 << log_n, 3, Some(&Permutation::new(log_n, g)), false, &mut Random(u64::from(g)));
        }
    }
}

/// 1, 5 and its powers, their negatives, and the largest.
fn galois_elements(log_n: u32) -> Vec<u32> {
    let two_n = 2u32 << log_n;
    let powers = (0..log_n).map(|k| (0..1u64 << k).fold(1u64, |g, _| g * 5 % u64::from(two_n)) as u32);
    powers.flat_map(|g| [g, two_n - g]).chain([3, two_n / 2 - 1]).collect()
}

fn diagonal_products_are_palindromic_sums(b: Backend) {
    for bits in [20.0, 28.0, 29.999] {
        let m = modulus(bits);
        let (q, inverse) = (m.value(), m.inv(m.r()));
        let mut random = Random(bits.to_bits());
        for terms in TERMS {
            for (n, skip, range, largest) in
                [(32, 0, 0..16, false), (64, 1, 16..32, false), (256, 0, 32..128, true), (128, 2, 0..64, true)]
            {
                if terms + skip == 0 {
                    continue;
                }
                let mut residues = |n| if largest { vec![q - 1; n] } else { random.residues(q, n) };
                let diagonals: Vec<Vec<u32>> = (0..terms + skip).map(|_| residues(n / 2)).collect();
                let packed: Vec<u32> = (0..n / 2)
                    .step_by(RUN)
                    .flat_map(|i| diagonals.iter().flat_map(move |d| d[i..i + RUN].iter().copied()))
                    .collect();
                let (a, c): (Vec<_>, Vec<_>) = (0..terms).map(|_| (residues(n), residues(n))).unzip();
                let (left, right) = (residues(n), residues(n));
                let (ra, rc): (Vec<&[u32]>, Vec<&[u32]>) = a.iter().zip(&c).map(|(a, c)| (&a[..], &c[..])).unzip();
                for accumulate in [false, true] {
                    let (mut l, mut r) = (left.clone(), right.clone());
                    b.dot_diagonals(&m, &packed, skip, &ra, &rc, range.clone(), &mut l, &mut r, accumulate);
                    for at in 0..n {
                        let mirrored = at.min(n - 1 - at);
                        let sum = |rows: &[Vec<u32>], start: u32| {
                            let start = if accumulate { start } else { 0 };
                            let products =
                                rows.iter().zip(&diagonals[skip..]).map(|(x, d)| m.mul(m.mul(x[at], d[mirrored]), inverse));
                            products.fold(start, |sum, p| m.add(sum, p))
                        };
                        // What is out of range stays as it was.
                        let expected = if range.contains(&mirrored) {
                            [sum(&a, left[at]), sum(&c, right[at])]
                        } else {
                            [left[at], right[at]]
                        };
                        assert_eq!([l[at], r[at]], expected, "evaluation {at} of {n} modulo {q}, {terms} terms after {skip}");
                    }
                }
            }
        }
    }
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

/// `count` distinct moduli of mixed sizes.
fn moduli(count: usize) -> Vec<Modulus> {
    let mut taken = Vec::new();
    for i in 0..count {
        let q = nearest(12, BITS[i % BITS.len()], 1, &taken).unwrap()[0];
        taken.push(q);
    }
    taken.into_iter().map(|q| Modulus::new(q).unwrap()).collect()
}

fn extension_prepares_digits_and_quotient(b: Backend) {
    for count in 1..=15 {
        let sources: Vec<Source> =
            moduli(count).into_iter().map(|m| Source::new(m, m.shoup(m.value() / 3 + count as u32))).collect();
        for n in [32, 96, 512] {
            let mut random = Random(n as u64);
            let xs: Vec<Vec<u32>> = sources.iter().map(|s| random.residues(s.modulus.value(), n)).collect();
            let refs: Vec<&[u32]> = xs.iter().map(Vec::as_slice).collect();
            let (mut ys, mut v) = (vec![0; n * count], vec![0; n]);
            b.extend_prepare(&sources, &refs, &mut ys, &mut v);
            for i in 0..n {
                // The quotient's fixed point, in 128 bits: the reciprocals' 31 fractional bits and more are kept exactly.
                let mut sum = 1u128 << 47;
                for (j, s) in sources.iter().enumerate() {
                    let (m, y) = (&s.modulus, ys[j * n + i]);
                    assert_eq!(y, mul(m, xs[j][i], s.factor.value), "digit {j} of {count}");
                    let exponent = 31 + m.bits();
                    let reciprocal = (1u128 << exponent) / u128::from(m.value());
                    sum += (u128::from(y) * reciprocal) >> (exponent.saturating_sub(48));
                }
                assert_eq!(u128::from(v[i]), sum >> 48, "quotient of coefficient {i}, {count} sources");
                assert!(v[i] as usize <= count);
            }
        }
    }
}

fn extension_stays_congruent_and_lazy(b: Backend) {
    for count in 1..=15 {
        // Every number of targets that the kernel takes together, and more than it does.
        for targets in [1, 2, 3, 4, 5, 9] {
            let targets = moduli(targets);
            for (n, largest) in [(32, true), (96, false), (256, false)] {
                let mut random = Random((n + count) as u64);
                let hats: Vec<Vec<u32>> = targets
                    .iter()
                    .map(|t| if largest { vec![t.value() - 1; count + 1] } else { random.residues(t.value(), count + 1) })
                    .collect();
                // Digits are residues of the sources, which may be larger than the targets.
                let bound = 1u32 << 30;
                let ys = if largest { vec![bound - 1; count * n] } else { random.residues(bound, count * n) };
                let v: Vec<u32> = (0..n).map(|i| (i % (count + 1)) as u32).collect();
                let mut out = vec![0; n * targets.len()];
                let pairs: Vec<(&Modulus, &[u32])> = targets.iter().zip(&hats).map(|(t, h)| (t, &h[..])).collect();
                b.extend_targets(&pairs, &ys, &v, &mut out);
                for ((t, hats), out) in pairs.iter().zip(out.chunks_exact(n)) {
                    let inverse = t.inv(t.r());
                    for (i, o) in out.iter().enumerate() {
                        let sum = (0..count).fold(mul(t, v[i], hats[count]), |sum, j| t.add(sum, mul(t, ys[j * n + i], hats[j])));
                        assert!(u64::from(*o) < 4 * u64::from(t.value()), "{o} is not below 4·{}", t.value());
                        assert_eq!(o % t.value(), t.mul(sum, inverse), "coefficient {i}, {count} sources, modulo {}", t.value());
                    }
                }
            }
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

fn transforms_agree_with_scalar_over_their_whole_input_range(b: Backend) {
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
