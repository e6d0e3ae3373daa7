//! Sums of products: of digits with keys, of rows with diagonals.

use super::{BITS, Random, galois_elements, modulus};
use crate::modulus::Modulus;
use crate::permutation::Permutation;
use crate::simd::{Backend, RUN};

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

pub(super) fn key_products_are_sums_of_products(b: Backend) {
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

pub(super) fn key_products_follow_the_permutation(b: Backend) {
    let m = modulus(29.5);
    for log_n in [5, 6, 9, 12] {
        for g in galois_elements(log_n) {
            check_dot_key(b, &m, 1 << log_n, 3, Some(&Permutation::new(log_n, g)), false, &mut Random(u64::from(g)));
        }
    }
}

pub(super) fn diagonal_products_are_palindromic_sums(b: Backend) {
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
