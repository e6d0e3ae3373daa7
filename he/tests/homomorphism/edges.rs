//! Single cases: edges of ranges, keys and levels.

use crate::common::{Bound, Kit, assert_near, double, insecure, named, rotated, single, values, zip};
use crate::{KITS, slots};
use veilray_he::{Decryptor, Encoder, Error, KeySpec, PublicKey};

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

#[test]
fn decryption_refuses_more_bits_than_a_double_has() {
    let kit = &KITS[0];
    let a = kit.encrypt(&slots(kit, 6));
    let decryptor = Decryptor::new(&kit.secret);
    for bits in [0, 52] {
        assert!(decryptor.decrypt(&a, bits).unwrap().iter().all(|x| x.is_finite()), "{bits}");
    }
    // From 1024 on, 2^bits is infinite, and infinity over infinity is no number.
    for bits in [53, 1023, 1024, u32::MAX] {
        let refused = decryptor.decrypt(&a, bits).unwrap_err();
        assert_eq!(refused, Error::PrecisionBits { found: bits, most: 52 });
        assert!(refused.to_string().contains("0 to 52"), "{refused}");
    }
}

#[test]
fn a_decrypted_zero_has_no_sign() {
    for kit in KITS.iter() {
        // Zeros in every slot: the noise alone decides on which side of zero a slot lies.
        let a = kit.encrypt(&vec![0.0; kit.params.slots()]);
        let raw = kit.decrypt(&a);
        assert!(raw.iter().any(|x| *x < 0.0));
        let found = Decryptor::new(&kit.secret).decrypt(&a, 4).unwrap();
        assert!(found.iter().all(|x| x.to_bits() == 0), "a slot is −0, by the sign of its noise");
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
