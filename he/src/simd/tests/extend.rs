//! Extension from one basis of primes to another.

use super::{BITS, Random, mul};
use crate::modulus::Modulus;
use crate::prime::nearest;
use crate::simd::{Backend, Source};

/// `count` distinct moduli of mixed sizes.
fn moduli(count: usize) -> Vec<Modulus> {
    let mut taken = Vec::new();
    for i in 0..count {
        let q = nearest(12, BITS[i % BITS.len()], 1, &taken).unwrap()[0];
        taken.push(q);
    }
    taken.into_iter().map(|q| Modulus::new(q).unwrap()).collect()
}

pub(super) fn extension_prepares_digits_and_quotient(b: Backend) {
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

pub(super) fn extension_stays_congruent_and_lazy(b: Backend) {
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
