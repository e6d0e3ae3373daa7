//! Decryption is a homomorphism: what is done to ciphertexts is done to slots, within the noise, and level and scale are exact.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

mod common;

use common::{Bound, Kit, assert_near, complex_values, double, insecure, named, parts, rotated, single, values, zip};
use proptest::prelude::*;
use std::sync::LazyLock;
use veilray_he::{Ciphertext, Decryptor, Encoder, Error, KeySpec, PublicKey};

/// Steps that the shared keys rotate by.
const STEPS: [i64; 8] = [1, -1, 2, 3, -3, 7, 100, 63];

/// One prime per level and two, on a ring of 2^8; and a named set.
static KITS: LazyLock<[Kit; 3]> = LazyLock::new(|| {
    [insecure(&single(8, 5)), insecure(&double(8, 3)), named("n12")].map(|params| Kit::with_rotations(&params, STEPS))
});

fn slots(kit: &Kit, seed: u64) -> Vec<f64> {
    values(kit.params.slots(), seed)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn sums_are_slot_by_slot(seed: u64) {
        for kit in KITS.iter() {
            let (x, y, bound) = (slots(kit, seed), slots(kit, !seed), Bound::new(&kit.params));
            let (a, b, e) = (kit.encrypt(&x), kit.encrypt(&y), &kit.evaluator);
            kit.assert_decrypts(&e.add(&a, &b).unwrap(), &zip(&x, &y, |x, y| x + y), 2.0 * bound.fresh);
            kit.assert_decrypts(&e.sub(&a, &b).unwrap(), &zip(&x, &y, |x, y| x - y), 2.0 * bound.fresh);
            kit.assert_decrypts(&e.neg(&a).unwrap(), &x.iter().map(|x| -x).collect::<Vec<_>>(), bound.fresh);
            let mut sum = a.clone();
            e.add_assign(&mut sum, &b).unwrap();
            prop_assert_eq!(kit.decrypt(&sum), kit.decrypt(&e.add(&a, &b).unwrap()));
            // What neither adds noise nor rounds is undone exactly.
            prop_assert_eq!(kit.decrypt(&e.sub(&sum, &b).unwrap()), kit.decrypt(&a));
            prop_assert_eq!(kit.decrypt(&e.neg(&e.neg(&a).unwrap()).unwrap()), kit.decrypt(&a));
        }
    }

    #[test]
    fn plaintexts_are_added_and_multiplied_slot_by_slot(seed: u64) {
        for kit in KITS.iter() {
            let (x, y, bound) = (slots(kit, seed), slots(kit, !seed), Bound::new(&kit.params));
            let (a, p, e) = (kit.encrypt(&x), kit.encoder.encode(&y).unwrap(), &kit.evaluator);
            kit.assert_decrypts(&e.add_plain(&a, &p).unwrap(), &zip(&x, &y, |x, y| x + y), bound.fresh + bound.encoding);
            kit.assert_decrypts(&e.sub_plain(&a, &p).unwrap(), &zip(&x, &y, |x, y| x - y), bound.fresh + bound.encoding);
            let product = e.mul_plain(&a, &p).unwrap();
            let error = Bound::product((1.0, bound.fresh), (1.0, bound.encoding));
            kit.assert_decrypts(&product, &zip(&x, &y, |x, y| x * y), error);
            prop_assert_eq!((product.scale(), product.level()), (a.scale() * p.scale(), a.level()));
        }
    }

    #[test]
    fn products_are_slot_by_slot(seed: u64) {
        for kit in KITS.iter() {
            let (x, y, bound) = (slots(kit, seed), slots(kit, !seed), Bound::new(&kit.params));
            let (a, b, e) = (kit.encrypt(&x), kit.encrypt(&y), &kit.evaluator);
            let wanted = zip(&x, &y, |x, y| x * y);
            let error = Bound::product((1.0, bound.fresh), (1.0, bound.fresh));
            let switch = Bound::at(&kit.params, a.scale() * b.scale()).key_switch;
            let product = e.multiply(&a, &b, &kit.keys).unwrap();
            kit.assert_decrypts(&product, &wanted, error + switch);
            prop_assert_eq!((product.scale(), product.level()), (a.scale() * b.scale(), a.level()));
            let rescaled = e.rescale(&product).unwrap();
            let rounding = Bound::at(&kit.params, rescaled.scale()).rounding;
            kit.assert_decrypts(&rescaled, &wanted, error + switch + rounding);
            // One division by P and the level's primes, or one after the other: they differ by roundings only.
            let at_once = e.multiply_rescale(&a, &b, &kit.keys).unwrap();
            prop_assert_eq!((at_once.scale(), at_once.level()), (rescaled.scale(), rescaled.level()));
            assert_near(&kit.decrypt(&at_once), &kit.decrypt(&rescaled), switch + 2.0 * rounding);
        }
    }

    #[test]
    fn complex_products_and_conjugates_are_slot_by_slot(seed: u64) {
        for kit in KITS.iter() {
            let (x, y) = (complex_values(kit.params.slots(), seed), complex_values(kit.params.slots(), seed ^ 5));
            let (a, b, e, bound) = (kit.encrypt_complex(&x), kit.encrypt_complex(&y), &kit.evaluator, Bound::new(&kit.params));
            let largest = 2f64.sqrt();
            let error = 2.0 * Bound::product((largest, bound.fresh), (largest, bound.fresh));
            let switch = Bound::at(&kit.params, a.scale() * b.scale()).key_switch;
            let wanted: Vec<_> = x.iter().zip(&y).map(|(x, y)| x * y).collect();
            let found = kit.decrypt_complex(&e.multiply(&a, &b, &kit.keys).unwrap());
            assert_near(&parts(&found), &parts(&wanted), error + switch);
            let conjugate = e.conjugate(&a, &kit.keys).unwrap();
            let wanted: Vec<_> = x.iter().map(|x| x.conj()).collect();
            assert_near(&parts(&kit.decrypt_complex(&conjugate)), &parts(&wanted), bound.fresh + bound.key_switch);
            let twice = e.conjugate(&conjugate, &kit.keys).unwrap();
            assert_near(&parts(&kit.decrypt_complex(&twice)), &parts(&x), bound.fresh + 2.0 * bound.key_switch);
        }
    }

    #[test]
    fn integer_products_are_repeated_sums(seed: u64, k in -40i64..=40) {
        for kit in KITS.iter() {
            let (a, e) = (kit.encrypt(&slots(kit, seed)), &kit.evaluator);
            let product = e.mul_integer(&a, k).unwrap();
            let mut sum = e.sub(&a, &a).unwrap();
            for _ in 0..k.abs() {
                sum = if k < 0 { e.sub(&sum, &a) } else { e.add(&sum, &a) }.unwrap();
            }
            // Bit for bit: neither rounds.
            prop_assert_eq!(kit.decrypt(&product), kit.decrypt(&sum));
            prop_assert_eq!((product.scale(), product.level()), (a.scale(), a.level()));
        }
    }

    #[test]
    fn products_summed_before_relinearisation_are_the_sum_of_products(seed: u64) {
        for kit in KITS.iter() {
            let (x, y, e) = (slots(kit, seed), slots(kit, !seed), &kit.evaluator);
            let (a, b) = (kit.encrypt(&x), kit.encrypt(&y));
            let mut sum = e.tensor(&a, &b).unwrap();
            e.add_product(&mut sum, &e.tensor(&a, &a).unwrap()).unwrap();
            let lazy = e.relinearise_rescale(sum, &kit.keys).unwrap();
            let eager = e.add(&e.multiply_rescale(&a, &b, &kit.keys).unwrap(), &e.multiply_rescale(&a, &a, &kit.keys).unwrap()).unwrap();
            let switch = Bound::at(&kit.params, a.scale() * b.scale()).key_switch;
            let rounding = Bound::at(&kit.params, lazy.scale()).rounding;
            assert_near(&kit.decrypt(&lazy), &kit.decrypt(&eager), 3.0 * (switch + rounding));
        }
    }

    #[test]
    fn rescaling_costs_at_most_one_rounding(seed: u64, level in 1usize..=2) {
        for kit in KITS.iter() {
            let scale = kit.params.scale() * kit.params.rescale_factor(level);
            let a = kit.encrypt_plain(&kit.encoder.encode_at(&slots(kit, seed), level, scale).unwrap());
            let rescaled = kit.evaluator.rescale(&a).unwrap();
            prop_assert_eq!(rescaled.level(), level - 1);
            prop_assert_eq!(rescaled.scale(), a.scale() / kit.params.rescale_factor(level));
            assert_near(&kit.decrypt(&rescaled), &kit.decrypt(&a), Bound::at(&kit.params, rescaled.scale()).rounding);
        }
    }

    #[test]
    fn dropping_levels_changes_nothing_but_the_level(seed: u64) {
        for kit in KITS.iter() {
            let a = kit.encrypt(&slots(kit, seed));
            for level in 0..=a.level() {
                let dropped = kit.evaluator.drop_to(&a, level).unwrap();
                prop_assert_eq!((dropped.level(), dropped.scale(), dropped.is_seeded()), (level, a.scale(), true));
                prop_assert_eq!(kit.decrypt(&dropped), kit.decrypt(&a));
            }
        }
    }

    #[test]
    fn rotation_by_k_then_by_minus_k_is_identity(seed: u64, k in prop::sample::select(&[1i64, 3])) {
        for kit in KITS.iter() {
            let (x, e, bound) = (slots(kit, seed), &kit.evaluator, Bound::new(&kit.params));
            let there = e.rotate(&kit.encrypt(&x), k, &kit.keys).unwrap();
            kit.assert_decrypts(&there, &rotated(&x, k), bound.fresh + bound.key_switch);
            let back = e.rotate(&there, -k, &kit.keys).unwrap();
            kit.assert_decrypts(&back, &x, bound.fresh + 2.0 * bound.key_switch);
        }
    }

    #[test]
    fn rotations_add_up(seed: u64) {
        for kit in KITS.iter() {
            let (x, e, bound) = (slots(kit, seed), &kit.evaluator, Bound::new(&kit.params));
            let a = kit.encrypt(&x);
            let rotate = |a: &Ciphertext, k| e.rotate(a, k, &kit.keys).unwrap();
            let three = rotate(&rotate(&a, 1), 2);
            assert_near(&kit.decrypt(&three), &kit.decrypt(&rotate(&a, 3)), 3.0 * bound.key_switch);
            // Past the end, and all the way round: 100 + 63 − 1 is 162 slots.
            let round = rotate(&rotate(&rotate(&a, 100), 63), -1);
            kit.assert_decrypts(&round, &rotated(&x, 162), bound.fresh + 3.0 * bound.key_switch);
            // Steps count modulo the slots.
            let n = kit.params.slots() as i64;
            prop_assert_eq!(kit.decrypt(&rotate(&a, 7)), kit.decrypt(&rotate(&a, 7 - 5 * n)));
        }
    }

    #[test]
    fn rotation_commutes_with_sums_products_and_conjugation(seed: u64) {
        for kit in KITS.iter() {
            let (x, y, e, bound) = (slots(kit, seed), slots(kit, !seed), &kit.evaluator, Bound::new(&kit.params));
            let (a, b) = (kit.encrypt(&x), kit.encrypt(&y));
            let rotate = |a: &Ciphertext| e.rotate(a, 7, &kit.keys).unwrap();
            let sum = e.add(&rotate(&a), &rotate(&b)).unwrap();
            assert_near(&kit.decrypt(&rotate(&e.add(&a, &b).unwrap())), &kit.decrypt(&sum), 3.0 * bound.key_switch);
            let product = e.multiply_rescale(&rotate(&a), &rotate(&b), &kit.keys).unwrap();
            let error = 2.0 * Bound::product((1.0, bound.fresh + bound.key_switch), (1.0, bound.fresh + bound.key_switch));
            let wanted = rotated(&zip(&x, &y, |x, y| x * y), 7);
            kit.assert_decrypts(&product, &wanted, error + Bound::at(&kit.params, product.scale()).key_switch);
            let conjugate = |a: &Ciphertext| e.conjugate(a, &kit.keys).unwrap();
            let (left, right) = (kit.decrypt(&conjugate(&rotate(&a))), kit.decrypt(&rotate(&conjugate(&a))));
            assert_near(&left, &right, 4.0 * bound.key_switch);
        }
    }

    #[test]
    fn hoisted_rotations_are_the_plain_ones(seed: u64) {
        for kit in KITS.iter() {
            let (a, e) = (kit.encrypt(&slots(kit, seed)), &kit.evaluator);
            let hoisted = e.rotate_hoisted(&a, &[1, 0, -3, 100], &kit.keys).unwrap();
            for (k, h) in [1, 0, -3, 100].into_iter().zip(&hoisted) {
                let plain = e.rotate(&a, k, &kit.keys).unwrap();
                prop_assert_eq!((h.level(), h.scale()), (plain.level(), plain.scale()));
                assert_near(&kit.decrypt(h), &kit.decrypt(&plain), 2.0 * Bound::new(&kit.params).key_switch);
            }
        }
    }

    #[test]
    fn slots_survive_encoding(seed: u64, log_scale in 20.0f64..40.0) {
        for kit in KITS.iter() {
            let z = complex_values(kit.params.slots(), seed);
            let bound = Bound::at(&kit.params, log_scale.exp2()).encoding;
            for level in [0, kit.params.max_level()] {
                let level = if log_scale + 2.0 < kit.params.log_q(level) { level } else { kit.params.max_level() };
                let plain = kit.encoder.encode_complex(&z, level, log_scale.exp2()).unwrap();
                prop_assert_eq!((plain.level(), plain.scale()), (level, log_scale.exp2()));
                assert_near(&parts(&kit.encoder.decode_complex(&plain).unwrap()), &parts(&z), bound);
            }
        }
    }
}

#[test]
fn rotation_by_nothing_needs_no_key_and_changes_nothing() {
    for params in KITS.iter().map(|kit| &kit.params) {
        let kit = Kit::new(params, &KeySpec::new());
        let a = kit.encrypt(&slots(&kit, 1));
        let n = params.slots() as i64;
        for k in [0, n, -n, 12 * n] {
            assert_eq!(kit.decrypt(&kit.evaluator.rotate(&a, k, &kit.keys).unwrap()), kit.decrypt(&a));
        }
    }
}

#[test]
fn missing_slots_are_zero() {
    for kit in KITS.iter() {
        let wanted = [vec![1.0, 2.0, -3.0], vec![0.0; kit.params.slots() - 3]].concat();
        kit.assert_decrypts(&kit.encrypt(&[1.0, 2.0, -3.0]), &wanted, Bound::new(&kit.params).fresh);
        kit.assert_decrypts(&kit.encrypt(&[]), &vec![0.0; kit.params.slots()], Bound::new(&kit.params).fresh);
    }
}

#[test]
fn real_slots_decode_without_an_imaginary_part() {
    for kit in KITS.iter() {
        let plain = kit.encoder.encode(&slots(kit, 3)).unwrap();
        // Floating-point rounding apart: the coefficients are palindromic exactly.
        assert!(kit.encoder.decode_complex(&plain).unwrap().iter().all(|z| z.im.abs() < 1e-12));
    }
}

/// Scales beyond what a double's integers hold take another path through the encoder, and wide coefficients another one back.
#[test]
fn large_scales_keep_every_bit_of_a_double() {
    let params = insecure(&single(8, 6));
    let encoder = Encoder::new(&params);
    let x = values(params.slots(), 9);
    for log_scale in [52.0, 60.0, 63.0, 64.0, 90.0, 127.0, 150.0, 200.0f64] {
        let plain = encoder.encode_at(&x, params.max_level(), log_scale.exp2()).unwrap();
        assert_near(&encoder.decode(&plain).unwrap(), &x, 1e-14);
    }
}

#[test]
fn messages_fill_the_room_that_a_level_has() {
    for kit in KITS.iter() {
        // Half of what the base primes hold above the scale, signs alternating.
        let room = (kit.params.log_q(0) - kit.params.scale().log2() - 2.0).exp2();
        let x: Vec<f64> = (0..kit.params.slots()).map(|i| if i == 0 { room } else { 0.0 }).collect();
        let a = kit.encrypt_at(&x, 0);
        // The double's own rounding is relative to the largest slot.
        kit.assert_decrypts(&a, &x, Bound::new(&kit.params).fresh + room * 1e-13);
    }
}

#[test]
fn public_key_encryption_decrypts_to_the_message() {
    for kit in KITS.iter() {
        let public = PublicKey::generate(&kit.secret).unwrap();
        assert_eq!(public.params(), &kit.params);
        let (x, bound) = (slots(kit, 4), Bound::new(&kit.params));
        for level in 0..=kit.params.max_level() {
            let a = public.encrypt(&kit.encoder.encode_at(&x, level, kit.params.scale()).unwrap()).unwrap();
            assert!(!a.is_seeded());
            assert_eq!((a.level(), a.scale()), (level, kit.params.scale()));
            kit.assert_decrypts(&a, &x, bound.fresh_public());
        }
        // It evaluates like any other.
        let a = public.encrypt(&kit.encoder.encode(&x).unwrap()).unwrap();
        let square = kit.evaluator.multiply_rescale(&a, &a, &kit.keys).unwrap();
        let error = Bound::product((1.0, bound.fresh_public()), (1.0, bound.fresh_public()));
        let switch = Bound::at(&kit.params, square.scale()).key_switch;
        kit.assert_decrypts(&square, &zip(&x, &x, |x, y| x * y), error + switch);
    }
}

#[test]
fn encryption_is_randomised_and_seeded() {
    for kit in KITS.iter() {
        let x = slots(kit, 5);
        let (a, b) = (kit.encrypt(&x), kit.encrypt(&x));
        assert!(a.is_seeded() && b.is_seeded());
        assert_ne!(kit.decrypt(&a), kit.decrypt(&b), "two encryptions must not share their noise");
        assert!(!kit.evaluator.add(&a, &b).unwrap().is_seeded());
    }
}

#[test]
fn decryption_rounds_to_the_precision_asked_for() {
    for kit in KITS.iter() {
        let x = slots(kit, 6);
        let a = kit.encrypt(&x);
        for bits in [1, 4, 10] {
            let unit = f64::from(bits).exp2();
            let found = Decryptor::new(&kit.secret).decrypt(&a, bits).unwrap();
            assert!(found.iter().all(|x| (x * unit).fract() == 0.0));
            assert_near(&found, &x, 0.5 / unit + Bound::new(&kit.params).fresh);
        }
    }
}

/// x^(2^levels): every level is used, and the scale follows the primes exactly.
#[test]
fn repeated_squares_use_every_level() {
    for params in [named("n13"), named("n14"), insecure(&single(10, 12)), insecure(&double(9, 6))] {
        let kit = Kit::new(&params, &KeySpec::new().with_relinearisation(params.max_level()));
        // Near 1, so that high powers stay large.
        let x: Vec<f64> = values(params.slots(), 8).iter().map(|x| 1.0 + x / 1024.0).collect();
        let (mut a, mut wanted, mut scale) = (kit.encrypt(&x), x, params.scale());
        let mut error = Bound::new(&params).fresh;
        for level in (1..=params.max_level()).rev() {
            let largest = wanted.iter().fold(0.0, |m: f64, w| m.max(*w));
            a = kit.evaluator.multiply_rescale(&a, &a, &kit.keys).unwrap();
            scale = scale * scale / params.rescale_factor(level);
            assert_eq!((a.level(), a.scale()), (level - 1, scale));
            wanted.iter_mut().for_each(|w| *w *= *w);
            error = Bound::product((largest, error), (largest, error)) + 2.0 * Bound::at(&params, scale).key_switch;
            kit.assert_decrypts(&a, &wanted, error);
        }
        let spent = kit.evaluator.rescale(&a).unwrap_err();
        assert_eq!(spent, Error::NoLevelsLeft { max_level: params.max_level() });
    }
}

/// A plaintext may have a higher level than its ciphertext: constants are encoded once.
#[test]
fn plaintexts_of_higher_levels_fit_lower_ciphertexts() {
    for kit in KITS.iter() {
        let (x, y, bound) = (slots(kit, 10), slots(kit, 11), Bound::new(&kit.params));
        let plain = kit.encoder.encode(&y).unwrap();
        let a = kit.encrypt_at(&x, kit.params.max_level() - 1);
        let e = &kit.evaluator;
        kit.assert_decrypts(&e.add_plain(&a, &plain).unwrap(), &zip(&x, &y, |x, y| x + y), bound.fresh + bound.encoding);
        kit.assert_decrypts(&e.sub_plain(&a, &plain).unwrap(), &zip(&x, &y, |x, y| x - y), bound.fresh + bound.encoding);
        let product = e.mul_plain(&a, &plain).unwrap();
        assert_eq!(product.level(), a.level());
        let error = Bound::product((1.0, bound.fresh), (1.0, bound.encoding));
        kit.assert_decrypts(&product, &zip(&x, &y, |x, y| x * y), error);
    }
}

#[test]
fn keys_of_a_higher_level_serve_every_lower_one() {
    for kit in KITS.iter() {
        let (x, bound, e) = (slots(kit, 12), Bound::new(&kit.params), &kit.evaluator);
        for level in 0..=kit.params.max_level() {
            let a = kit.encrypt_at(&x, level);
            kit.assert_decrypts(&e.rotate(&a, 7, &kit.keys).unwrap(), &rotated(&x, 7), bound.fresh + bound.key_switch);
            kit.assert_decrypts(&e.conjugate(&a, &kit.keys).unwrap(), &x, bound.fresh + bound.key_switch);
        }
    }
}

#[test]
fn products_by_zero_one_and_extreme_integers() {
    let kit = &KITS[0];
    let x = slots(kit, 13);
    let (a, e) = (kit.encrypt(&x), &kit.evaluator);
    assert!(kit.decrypt(&e.mul_integer(&a, 0).unwrap()).iter().all(|x| *x == 0.0));
    assert_eq!(kit.decrypt(&e.mul_integer(&a, 1).unwrap()), kit.decrypt(&a));
    let minus = e.mul_integer(&a, -1).unwrap();
    assert_eq!(kit.decrypt(&minus), kit.decrypt(&e.neg(&a).unwrap()));
    // i64::MIN is a residue like any other: −2^63 · a + 2^62 · 2a is nothing.
    let twice = e.mul_integer(&e.mul_integer(&a, 2).unwrap(), 1 << 62).unwrap();
    let sum = e.add(&e.mul_integer(&a, i64::MIN).unwrap(), &twice).unwrap();
    assert!(kit.decrypt(&sum).iter().all(|x| *x == 0.0));
}
