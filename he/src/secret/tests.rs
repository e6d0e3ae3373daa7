//! Secrets are gone from memory that others may get: no pooled buffer holds a small polynomial or a decrypted message.

use super::SecretKey;
use crate::encode::Encoder;
use crate::encrypt::{Decryptor, Encryptor, PublicKey};
use crate::keys::{EvaluationKeys, KeySpec};
use crate::params::{Params, ParamsLiteral};
use crate::pool::Buffer;
use crate::rns::{Extension, Poly, Ring};
use crate::seed::{Seed, uniform_limb};
use std::sync::Arc;
use zeroize::Zeroizing;

fn params() -> Params {
    let literal = ParamsLiteral { log_n: 7, levels: 5, digits: 3, ..ParamsLiteral::named("n14").unwrap() };
    Params::insecure_for_tests(&literal).unwrap()
}

/// All free buffers of the pool, and zeroed ones where it has no more.
fn free_buffers(ring: &Arc<Ring>) -> Vec<Buffer> {
    let longest = 8 * ring.primes();
    (1..=longest).flat_map(|limbs| (0..16).map(move |_| limbs)).map(|limbs| ring.pool.take(limbs * ring.n())).collect()
}

/// Whether these residues are a polynomial with small coefficients of both signs: a key, an error, or what masks a public-key encryption.
fn is_small(ring: &Ring, id: usize, limb: &[u32]) -> bool {
    let m = ring.modulus(id);
    if limb.iter().any(|x| *x >= m.value()) {
        return false;
    }
    let mut coefficients = limb.to_vec();
    ring.backend.ntt_inverse(ring.table(id), &mut coefficients);
    let leave = m.inv(m.r());
    let left: Vec<u32> = coefficients.iter().map(|c| m.mul(*c, leave)).collect();
    [limb, &coefficients, &left].into_iter().any(|form| {
        let small = |x: &u32| *x <= 64 || m.value() - x <= 64;
        form.iter().all(small) && form.iter().any(|x| *x > 64)
    })
}

/// What secrets are left in the pool: small polynomials modulo any prime, and any of `others`.
fn leftovers(ring: &Arc<Ring>, others: &[Vec<u32>]) -> usize {
    let buffers = free_buffers(ring);
    let limbs = buffers.iter().flat_map(|b| b.chunks_exact(ring.n()));
    limbs.filter(|limb| (0..ring.primes()).any(|id| is_small(ring, id, limb)) || others.iter().any(|o| o == limb)).count()
}

#[test]
fn no_pooled_buffer_holds_a_secret() {
    let params = params();
    let ring = Arc::clone(params.ring().unwrap());
    let mut messages = Vec::new();
    {
        let secret = SecretKey::generate(&params).unwrap();
        let spec = KeySpec::new().with_relinearisation(5).with_rotations(&params, [1, 3], 4).with_conjugation(&params, 2);
        let keys = EvaluationKeys::generate(&secret, &spec).unwrap();
        let public = PublicKey::generate(&secret).unwrap();
        let plain = Encoder::new(&params).encode(&[0.5; 64]).unwrap();
        for a in [Encryptor::new(&secret).encrypt(&plain).unwrap(), public.encrypt(&plain).unwrap()] {
            let decrypted = Decryptor::new(&secret).decrypt_raw(&a).unwrap();
            Encoder::new(&params).decode(&decrypted).unwrap();
            let poly = &decrypted.poly;
            messages.extend((0..poly.basis.len()).map(|i| poly.limb(i).to_vec()));
            let coefficients = poly.clone().into_coeff();
            messages.extend((0..poly.basis.len()).map(|i| coefficients.limb(i).to_vec()));
        }
        drop(keys);
    }
    assert_eq!(leftovers(&ring, &messages), 0);
}

/// The control of the test above: it finds what should not be there.
#[test]
fn a_secret_in_a_pooled_buffer_is_found() {
    let params = params();
    let ring = Arc::clone(params.ring().unwrap());
    let secret = SecretKey::generate(&params).unwrap();
    let mut forms = [ring.pool.take(ring.n()), ring.pool.take(ring.n())];
    forms.iter_mut().for_each(|buffer| buffer.copy_from_slice(secret.limb(2)));
    ring.backend.to_montgomery(ring.modulus(2), &mut forms[1]);
    drop(forms);
    assert_eq!(leftovers(&ring, &[]), 2);
}

/// `Zeroizing` overwrites its vector when it is dropped, at the vector's full capacity.
#[test]
fn the_key_lives_in_memory_that_is_overwritten() {
    let secret = SecretKey::generate(&params()).unwrap();
    let _: (&Zeroizing<Vec<i8>>, &Zeroizing<Vec<u32>>) = (&secret.coefficients, &secret.evaluations);
    // Neither vector has grown: a reallocation would have left a copy behind.
    assert_eq!(secret.coefficients.capacity(), secret.coefficients.len());
    assert_eq!(secret.evaluations.capacity(), secret.evaluations.len());
    let counts = [-1, 0, 1].map(|v| secret.coefficients.iter().filter(|c| **c == v).count());
    assert_eq!(counts.iter().sum::<usize>(), 128);
}

/// Public-key encryption divides u·b + e by the special prime: its residues in between would say more of u and e than the ciphertext does.
#[test]
fn dividing_a_masked_secret_leaves_nothing_of_it() {
    let params = params();
    let ring = Arc::clone(params.ring().unwrap());
    let basis = PublicKey::basis(&params, 3);
    let divide = Extension::new(&ring, &[ring.id(basis, basis.q)]);
    let left = |secret: bool| {
        let mut masked = if secret { Poly::uninit_secret(&ring, basis) } else { Poly::uninit(&ring, basis) };
        masked.for_each(|r, id, limb| uniform_limb(&Seed::from_bytes([7; 32]), id as u64, r.modulus(id).value(), limb));
        let special = masked.secret_copy().into_coeff().limb(basis.q).to_vec();
        let divided = divide.divide(&mut masked);
        let halves = [&special, &divided.limb(0).to_vec()].map(Clone::clone);
        drop((masked, divided));
        leftovers(&ring, &halves)
    };
    assert_eq!(left(true), 0);
    // The control: of what is not secret, both are there.
    assert!(left(false) >= 2);
}
