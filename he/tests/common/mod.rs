//! What the integration tests share: small parameter sets, a set of keys with all that uses them, values, and error bounds.
#![allow(dead_code, reason = "no test file uses everything")]

use veilray_he::{
    Ciphertext, Complex64, Decryptor, Encoder, Encryptor, EvaluationKeys, Evaluator, ExpandedKeys, KeySpec, Params,
    ParamsLiteral, Plaintext, SecretKey,
};

/// A small ring with a prime of 29.5 bits per level; too small to be secure, quick to test with.
pub(crate) fn single(log_n: u32, levels: usize) -> ParamsLiteral {
    ParamsLiteral {
        log_n,
        base_limbs: 2,
        base_bits: 25.0,
        levels,
        prime_bits: 29.5,
        primes_per_level: 1,
        special_limbs: 2,
        special_bits: 29.99,
        digits: (levels + 2).div_ceil(2),
        log_scale: 29.5,
    }
}

/// The same with two primes of 25 bits per level (composite scaling).
pub(crate) fn double(log_n: u32, levels: usize) -> ParamsLiteral {
    ParamsLiteral {
        base_limbs: 2,
        base_bits: 29.9,
        prime_bits: 25.0,
        primes_per_level: 2,
        digits: levels + 1,
        log_scale: 50.0,
        ..single(log_n, levels)
    }
}

/// Parameters of a small ring.
pub(crate) fn insecure(literal: &ParamsLiteral) -> Params {
    Params::insecure_for_tests(literal).unwrap()
}

/// A named set.
pub(crate) fn named(name: &str) -> Params {
    ParamsLiteral::named(name).unwrap().check().unwrap()
}

/// Keys and everything that uses them.
pub(crate) struct Kit {
    pub(crate) params: Params,
    pub(crate) secret: SecretKey,
    pub(crate) keys: ExpandedKeys,
    pub(crate) encoder: Encoder,
    pub(crate) evaluator: Evaluator,
}

impl Kit {
    /// Fresh keys for `spec`.
    pub(crate) fn new(params: &Params, spec: &KeySpec) -> Self {
        let secret = SecretKey::generate(params).unwrap();
        let keys = ExpandedKeys::new(&EvaluationKeys::generate(&secret, spec).unwrap()).unwrap();
        Self { params: params.clone(), secret, keys, encoder: Encoder::new(params), evaluator: Evaluator::new(params) }
    }

    /// Relinearisation, conjugation and rotations by `steps`, all at the top level.
    pub(crate) fn with_rotations(params: &Params, steps: impl IntoIterator<Item = i64>) -> Self {
        let top = params.max_level();
        let spec = KeySpec::new().with_relinearisation(top).with_conjugation(params, top);
        Self::new(params, &spec.with_rotations(params, steps, top))
    }

    pub(crate) fn encrypt(&self, values: &[f64]) -> Ciphertext {
        self.encrypt_plain(&self.encoder.encode(values).unwrap())
    }

    pub(crate) fn encrypt_at(&self, values: &[f64], level: usize) -> Ciphertext {
        self.encrypt_plain(&self.encoder.encode_at(values, level, self.params.scale()).unwrap())
    }

    pub(crate) fn encrypt_complex(&self, values: &[Complex64]) -> Ciphertext {
        self.encrypt_plain(&self.encoder.encode_complex(values, self.params.max_level(), self.params.scale()).unwrap())
    }

    pub(crate) fn encrypt_plain(&self, plain: &Plaintext) -> Ciphertext {
        Encryptor::new(&self.secret).encrypt(plain).unwrap()
    }

    /// The slots, unrounded.
    pub(crate) fn decrypt(&self, a: &Ciphertext) -> Vec<f64> {
        self.encoder.decode(&Decryptor::new(&self.secret).decrypt_raw(a).unwrap()).unwrap()
    }

    pub(crate) fn decrypt_complex(&self, a: &Ciphertext) -> Vec<Complex64> {
        self.encoder.decode_complex(&Decryptor::new(&self.secret).decrypt_raw(a).unwrap()).unwrap()
    }

    /// Every slot of `a` is within `bound` of the wanted one.
    #[track_caller]
    pub(crate) fn assert_decrypts(&self, a: &Ciphertext, wanted: &[f64], bound: f64) {
        assert_near(&self.decrypt(a), wanted, bound);
    }
}

/// Every number is within `bound` of the wanted one.
#[track_caller]
pub(crate) fn assert_near(found: &[f64], wanted: &[f64], bound: f64) {
    assert_eq!(found.len(), wanted.len());
    for (i, (f, w)) in found.iter().zip(wanted).enumerate() {
        assert!((f - w).abs() <= bound, "slot {i} is {f}, wanted {w} within 2^{:.1}", bound.log2());
    }
}

/// Bounds on the error of one slot, at six standard deviations of a sum of N independent coefficients.
///
/// Errors that are multiplied with the key or with a digit have heavier tails: such a factor's square is exponentially distributed over the
/// slots, so its largest is ln N + 7 times its mean, save with probability e^−7; the six deviations are taken there.
///
/// They bound; the noise model predicts (see `tests/precision/`).
#[derive(Clone, Copy)]
pub(crate) struct Bound {
    n: f64,
    /// Of a fresh secret-key encryption, its plaintext's rounding included.
    pub(crate) fresh: f64,
    /// Of rounding a plaintext's coefficients to integers.
    pub(crate) encoding: f64,
    /// Of one division of a ciphertext with rounding: e₀ + e₁·s, the e uniform in ±1/2 and s of 2N/3 non-zero coefficients.
    pub(crate) rounding: f64,
    /// Of one key switch, its division by P included.
    pub(crate) key_switch: f64,
}

impl Bound {
    /// At the parameters' scale.
    pub(crate) fn new(params: &Params) -> Self {
        Self::at(params, params.scale())
    }

    /// At another scale.
    pub(crate) fn at(params: &Params, scale: f64) -> Self {
        const SIGMA: f64 = 3.2;
        let n = params.n() as f64;
        let slot = |variance: f64| 6.0 * (n * variance).sqrt() / scale;
        let (uniform, tail) = (1.0 / 12.0, n.ln() + 7.0);
        let rounding = slot(uniform * (1.0 + tail * 2.0 * n / 3.0));
        // Digits of at most D are uniform in ±D/2; each is multiplied with a fresh error, and the sum divided by P.
        let width = params.limbs(params.max_level()).div_ceil(params.literal().digits);
        let log2 = |q: &veilray_he::Modulus| f64::from(q.value()).log2();
        let digit = params.chain().chunks(width).map(|c| c.iter().map(log2).sum::<f64>()).fold(0.0, f64::max);
        let ratio = (2.0 * (digit - params.log_p())).exp2();
        let switch = slot(params.literal().digits as f64 * tail * n * uniform * SIGMA * SIGMA * ratio);
        let fresh = slot(SIGMA * SIGMA + uniform);
        Self { n, fresh, encoding: slot(uniform), rounding, key_switch: switch + rounding }
    }

    /// Of a fresh public-key encryption: u·e + e₀ + s·e₁ is divided by a prime far larger than it, so only rounding is left.
    pub(crate) fn fresh_public(&self) -> f64 {
        self.fresh + self.rounding
    }

    /// Of the product of two messages of at most `x` and `y` whose errors are at most `dx` and `dy`.
    pub(crate) fn product((x, dx): (f64, f64), (y, dy): (f64, f64)) -> f64 {
        x * dy + y * dx + dx * dy
    }
}

/// Numbers in [−1, 1] that a seed determines.
pub(crate) fn values(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state ^ state >> 29) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect()
}

/// Complex numbers with both parts in [−1, 1].
pub(crate) fn complex_values(count: usize, seed: u64) -> Vec<Complex64> {
    values(count, seed).into_iter().zip(values(count, !seed)).map(|(re, im)| Complex64 { re, im }).collect()
}

/// Both parts of every number, one after the other.
pub(crate) fn parts(values: &[Complex64]) -> Vec<f64> {
    values.iter().flat_map(|v| [v.re, v.im]).collect()
}

/// Slot i receives slot i + steps.
pub(crate) fn rotated<T: Copy>(x: &[T], steps: i64) -> Vec<T> {
    let mut out = x.to_vec();
    out.rotate_left(steps.rem_euclid(x.len() as i64) as usize);
    out
}

/// x and y slot by slot.
pub(crate) fn zip(x: &[f64], y: &[f64], f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    x.iter().zip(y).map(|(x, y)| f(*x, *y)).collect()
}
