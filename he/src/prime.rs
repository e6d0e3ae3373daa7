//! Search for NTT primes: q ≡ 1 mod 2N, so that Z_q holds a primitive 2N-th root of unity.

use crate::error::{Error, Result};
use crate::modulus::Modulus;

/// Whether n is prime: Miller–Rabin with bases 2, 7 and 61, which decide every n < 4 759 123 141 (Jaeschke 1993).
pub(crate) fn is_prime(n: u32) -> bool {
    for p in [2u32, 3, 5, 7, 11, 13, 61] {
        if n.is_multiple_of(p) {
            return n == p;
        }
    }
    if n < 2 {
        return false;
    }
    let (n64, s) = (u64::from(n), (n - 1).trailing_zeros());
    let mul = |a: u64, b: u64| a * b % n64;
    let pow = |mut a: u64, mut e: u32| {
        let mut out = 1;
        while e > 0 {
            if e & 1 == 1 {
                out = mul(out, a);
            }
            a = mul(a, a);
            e >>= 1;
        }
        out
    };
    [2u64, 7, 61].into_iter().all(|a| {
        let mut x = pow(a, (n - 1) >> s);
        if x == 1 || x == n64 - 1 {
            return true;
        }
        (1..s).any(|_| {
            x = mul(x, x);
            x == n64 - 1
        })
    })
}

/// The `count` primes ≡ 1 mod 2^(log_n+1) nearest to 2^`log2`, alternately above and below it, none of them in `taken`.
///
/// Alternation keeps the product of any run of neighbours near a power of 2^`log2`, so that scales drift little.
///
/// # Errors
/// [`Error::TooFewPrimes`] if there are not enough within a factor of 2 and below 2^30.
pub(crate) fn nearest(log_n: u32, log2: f64, count: usize, taken: &[u32]) -> Result<Vec<u32>> {
    let step = 1u64 << (log_n + 1);
    let centre = log2.exp2() as u64;
    let (floor, ceiling) = (centre / 2, (2 * centre).min(1 << Modulus::MAX_BITS));
    let start = centre / step * step + 1;
    let usable = |q: &u64| u32::try_from(*q).is_ok_and(|q| is_prime(q) && !taken.contains(&q));
    let mut above = (1..).map(|k| start + k * step).take_while(|q| *q < ceiling).filter(usable);
    let mut below = (0..).map_while(|k| start.checked_sub(k * step)).take_while(|q| *q >= floor.max(3)).filter(usable);
    let mut out = Vec::with_capacity(count);
    while out.len() < count {
        let before = out.len();
        for side in [&mut above as &mut dyn Iterator<Item = u64>, &mut below] {
            if out.len() < count {
                out.extend(side.next().and_then(|q| u32::try_from(q).ok()));
            }
        }
        if out.len() == before {
            return Err(Error::TooFewPrimes { log_n, log2, wanted: count, found: out.len() });
        }
    }
    Ok(out)
}

/// A primitive 2N-th root of unity modulo the prime q ≡ 1 mod 2N: the smallest base that gives one.
///
/// # Errors
/// [`Error::Modulus`] if q is no such prime.
pub(crate) fn primitive_root(q: &Modulus, log_n: u32) -> Result<u32> {
    let value = q.value();
    if !is_prime(value) || (value - 1).trailing_zeros() < log_n + 1 {
        return Err(Error::Modulus { found: value });
    }
    let cofactor = u64::from(value - 1) >> (log_n + 1);
    (2..value)
        .map(|base| q.pow(base, cofactor))
        .find(|root| q.pow(*root, 1 << log_n) == value - 1)
        .ok_or(Error::Modulus { found: value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primality_agrees_with_a_sieve() {
        let limit = 200_000usize;
        let mut composite = vec![false; limit];
        for i in 2..limit {
            if !composite[i] {
                (i * i..limit).step_by(i).for_each(|j| composite[j] = true);
            }
            assert_eq!(is_prime(i as u32), !composite[i], "{i}");
        }
        // Strong pseudoprimes to base 2, and the neighbours of 2^30.
        for n in [2047, 3_215_031_751u32, 1_073_741_827 - 4] {
            assert_eq!(is_prime(n), (2..=(f64::from(n).sqrt() as u32)).all(|d| n % d != 0), "{n}");
        }
    }

    #[test]
    fn primes_are_distinct_near_and_have_a_root() {
        for (log_n, log2, count) in [(14, 29.5, 9), (16, 29.5, 45), (14, 22.0, 2), (13, 20.0, 2), (16, 29.999, 12)] {
            let primes = nearest(log_n, log2, count, &[]).unwrap();
            assert_eq!(primes.len(), count);
            for q in primes {
                let m = Modulus::new(q).unwrap();
                assert_eq!((q - 1) % (1 << (log_n + 1)), 0);
                let root = primitive_root(&m, log_n).unwrap();
                assert_eq!(m.pow(root, 1 << log_n), q - 1);
            }
        }
    }

    #[test]
    fn a_shortage_is_an_error_that_counts() {
        assert!(matches!(nearest(16, 17.0, 3, &[]), Err(Error::TooFewPrimes { wanted: 3, .. })));
    }
}
