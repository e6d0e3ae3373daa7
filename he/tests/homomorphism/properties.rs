//! Laws that hold for random slots.

use crate::common::{Bound, assert_near, complex_values, parts, rotated, zip};
use crate::{KITS, slots};
use proptest::prelude::*;
use veilray_he::Ciphertext;

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
