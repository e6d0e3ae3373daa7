//! Basis extension and division against big integers.

use super::{Basis, Extension, Poly, Ring};
use crate::modulus::Modulus;
use crate::prime::nearest;
use crate::simd::Backend;
use num_bigint::{BigInt, BigUint, Sign};
use std::sync::Arc;

const LOG_N: u32 = 8;
const N: usize = 1 << LOG_N;

/// What the fixed-point quotient of `count` sources may be short of Σ y_j/q_j: each reciprocal is rounded down at 31 bits, each product
/// at [`crate::simd::Source::FRACTION_BITS`]. Within that of the boundary ±D/2 either representative may come.
fn quotient_error(count: usize) -> f64 {
    count as f64 * ((-31f64).exp2() + (-48f64).exp2())
}

/// Distinct primes of those sizes.
fn primes(sizes: impl IntoIterator<Item = f64>, taken: &mut Vec<u32>) -> Vec<Modulus> {
    let mut out = Vec::new();
    for bits in sizes {
        let q = nearest(LOG_N, bits, 1, taken).unwrap()[0];
        taken.push(q);
        out.push(Modulus::new(q).unwrap());
    }
    out
}

/// Sizes of `count` primes: 20 and 30 bits side by side, and what is between.
fn mixed(count: usize) -> impl Iterator<Item = f64> {
    [29.999, 20.0, 25.0, 29.5, 22.0].into_iter().cycle().take(count)
}

fn ring(chain: &[Modulus], special: &[Modulus]) -> Arc<Ring> {
    let backend = Backend::available().pop().unwrap();
    Arc::new(Ring::new(LOG_N, chain, special, backend).unwrap())
}

fn product(moduli: &[Modulus]) -> BigUint {
    moduli.iter().map(|m| BigUint::from(m.value())).product()
}

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state ^ *state >> 29
}

/// N integers in [0, bound): edges, neighbours of the multiples of d/2 nearer and nearer, and random ones.
fn integers(bound: &BigUint, d: &BigUint, seed: u64) -> Vec<BigUint> {
    let mut state = seed;
    let one = BigUint::from(1u32);
    let half: BigUint = d >> 1u32;
    let mut out = vec![BigUint::ZERO, one.clone(), bound - &one, half.clone(), &half + &one, bound >> 1u32];
    for bits in [4, 10, 16, 20, 24, 26, 28, 32, 40] {
        let distance: BigUint = d >> bits;
        out.extend([&half + &distance, &half - &distance]);
    }
    let words = bound.bits().div_ceil(32) + 2;
    while out.len() < N {
        let digits = (0..words).map(|_| (random(&mut state) >> 16) as u32).collect();
        out.push(BigUint::new(digits));
    }
    out.into_iter().map(|x| x % bound).collect()
}

fn residue(x: &BigInt, m: &Modulus) -> u32 {
    let q = BigInt::from(m.value());
    let r = ((x % &q) + &q) % &q;
    u32::try_from(r).unwrap()
}

fn signed(x: &BigUint) -> BigInt {
    BigInt::from_biguint(Sign::Plus, x.clone())
}

/// x modulo d, centred: the representative in (−d/2, d/2], and the other one if the quotient's error may choose it.
fn representatives(x: &BigUint, d: &BigUint, sources: usize) -> Vec<BigInt> {
    let (r, d_signed) = (x % d, signed(d));
    let above = r > d >> 1u32;
    let centred = if above { signed(&r) - &d_signed } else { signed(&r) };
    // Distance from the boundary relative to d, by way of units of 2^−60.
    let twice: BigInt = signed(&r) * 2 - &d_signed;
    let distance = u64::try_from((twice.magnitude() << 59u32) / d).unwrap() as f64 * (-60f64).exp2();
    if distance > quotient_error(sources) {
        vec![centred]
    } else {
        let other = if above { &centred + &d_signed } else { &centred - &d_signed };
        vec![centred, other]
    }
}

#[test]
fn extension_is_the_centred_big_integer() {
    for count in 1..=15 {
        for same_size in [false, true] {
            let mut taken = Vec::new();
            let sizes: Vec<f64> = if same_size { vec![29.5; count] } else { mixed(count).collect() };
            let sources = primes(sizes, &mut taken);
            let targets = primes([29.999, 20.0, 22.5, 28.0, 29.0, 24.0], &mut taken);
            let chain = [sources.clone(), targets.clone()].concat();
            let ring = ring(&chain, &primes([29.9], &mut taken));
            let extension = Extension::new(&ring, &(0..count).collect::<Vec<_>>());
            let d = product(&sources);
            let xs = integers(&d, &d, count as u64);
            let limbs: Vec<Vec<u32>> = sources.iter().map(|m| xs.iter().map(|x| residue(&signed(x), m)).collect()).collect();
            let prepared = extension.prepare(&ring, &limbs.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let ids: Vec<usize> = (count..ring.primes()).collect();
            let mut out = vec![0; ids.len() * N];
            extension.targets(&ring, &prepared, &ids, &mut out);
            // Only the neighbours of the boundary that were asked for may round either way.
            let ties = xs.iter().filter(|x| representatives(x, &d, count).len() > 1).count();
            assert!(ties <= 12, "{ties} of {N} coefficients are too near the boundary");
            let back: Vec<Vec<u32>> = ids
                .iter()
                .zip(out.chunks_exact_mut(N))
                .map(|(id, limb)| {
                    ring.backend.ntt_inverse(ring.table(*id), limb);
                    limb.to_vec()
                })
                .collect();
            for (i, x) in xs.iter().enumerate() {
                let found: Vec<u32> = back.iter().map(|limb| limb[i]).collect();
                let matches = |r: &BigInt| ids.iter().zip(&found).all(|(id, f)| residue(r, ring.modulus(*id)) == *f);
                assert!(representatives(x, &d, count).iter().any(matches), "x = {x} of {count} primes extends to {found:?}");
            }
        }
    }
}

/// A polynomial with those coefficients, by evaluations.
fn poly(ring: &Arc<Ring>, basis: Basis, xs: &[BigUint]) -> Poly<super::Eval> {
    let mut out = Poly::<super::Coeff>::uninit(ring, basis);
    out.for_each(|r, id, limb| limb.iter_mut().zip(xs).for_each(|(o, x)| *o = residue(&signed(x), r.modulus(id))));
    out.into_eval()
}

/// Divides by the primes `from` (the last limbs of `basis`) and compares with big integers.
fn check_divide(ring: &Arc<Ring>, basis: Basis, from: &[usize], seed: u64) {
    let all: Vec<Modulus> = (0..basis.len()).map(|i| *ring.modulus(ring.id(basis, i))).collect();
    let kept = &all[..all.len() - from.len()];
    let d = product(&all[kept.len()..]);
    let xs = integers(&product(&all), &d, seed);
    let extension = Extension::new(ring, from);
    let out = extension.divide(&mut poly(ring, basis, &xs));
    assert_eq!(out.basis.len(), kept.len());
    let out = out.into_coeff();
    for (i, x) in xs.iter().enumerate() {
        let matches = |r: &BigInt| {
            let quotient = (signed(x) - r) / signed(&d);
            kept.iter().enumerate().all(|(j, m)| residue(&quotient, m) == out.limb(j)[i])
        };
        assert!(representatives(x, &d, from.len()).iter().any(matches), "coefficient {i} divided by {} primes", from.len());
    }
}

#[test]
fn division_is_the_nearest_integer_of_the_quotient() {
    for count in 1..=7 {
        let mut taken = Vec::new();
        let chain = primes(mixed(9), &mut taken);
        let special = primes(mixed(count), &mut taken);
        let ring = ring(&chain, &special);
        let ids = |range: std::ops::Range<usize>| range.collect::<Vec<_>>();
        // By the special primes, as key switching does, at several levels.
        for q in [1, 5, 9] {
            check_divide(&ring, Basis { q, p: count }, &ids(9..9 + count), count as u64);
        }
        // By the last primes of the chain, as rescaling does.
        check_divide(&ring, Basis { q: 9, p: 0 }, &ids(9 - count..9), 100);
        // By both together.
        for dropped in 1..=2 {
            let both = [ids(7 - dropped..7), ids(9..9 + count)].concat();
            check_divide(&ring, Basis { q: 7, p: count }, &both, 200);
        }
    }
}

#[test]
fn division_of_a_multiple_is_exact() {
    let mut taken = Vec::new();
    let (chain, special) = (primes(mixed(4), &mut taken), primes(mixed(3), &mut taken));
    let ring = ring(&chain, &special);
    let basis = Basis { q: 4, p: 3 };
    let (p, q) = (product(&special), product(&chain));
    let ks = integers(&q, &q, 5);
    let out = Extension::new(&ring, &[4, 5, 6]).divide(&mut poly(&ring, basis, &ks.iter().map(|k| k * &p).collect::<Vec<_>>()));
    let out = out.into_coeff();
    for (j, m) in chain.iter().enumerate() {
        assert!(ks.iter().zip(out.limb(j)).all(|(k, o)| residue(&signed(k), m) == *o));
    }
}
