//! Operands that do not fit each other, the parameters or the keys.

use crate::common::{Kit, insecure, single};
use crate::kit;
use veilray_he::{
    Decryptor, Diagonals, Encryptor, Error, EvaluationKeys, KeySpec, LinearTransform, PublicKey, SecretKey, galois,
};

/// What `ParamsMismatch` says of a ring of 2^8 and one of 2^9.
#[track_caller]
fn assert_params_mismatch<T: std::fmt::Debug>(result: veilray_he::Result<T>, wanted_n: u32, found_n: u32) {
    let Err(Error::ParamsMismatch { wanted, found }) = result else { panic!("{result:?} is no mismatch") };
    let side = |text: &str, log_n: u32| text.starts_with(&format!("N = 2^{log_n}, 3 levels, digest ["));
    assert!(side(&wanted, wanted_n) && side(&found, found_n), "wanted {wanted}, found {found}");
}

#[test]
fn operands_of_other_parameters_are_refused_everywhere() {
    let (k, o) = (kit(), Kit::with_rotations(&insecure(&single(9, 3)), [1, 2]));
    let (a, b) = (k.encrypt(&[1.0]), o.encrypt(&[1.0]));
    let (p, q) = (k.encoder.encode(&[1.0]).unwrap(), o.encoder.encode(&[1.0]).unwrap());
    let e = &k.evaluator;
    assert_params_mismatch(e.add(&a, &b), 8, 9);
    assert_params_mismatch(e.add(&b, &a), 8, 9);
    assert_params_mismatch(e.add_assign(&mut a.clone(), &b), 8, 9);
    assert_params_mismatch(e.sub(&a, &b), 8, 9);
    assert_params_mismatch(e.neg(&b), 8, 9);
    assert_params_mismatch(e.add_plain(&a, &q), 8, 9);
    assert_params_mismatch(e.sub_plain(&b, &p), 8, 9);
    assert_params_mismatch(e.mul_plain(&a, &q), 8, 9);
    assert_params_mismatch(e.mul_integer(&b, 2), 8, 9);
    assert_params_mismatch(e.tensor(&a, &b), 8, 9);
    assert_params_mismatch(e.multiply(&b, &a, &k.keys), 8, 9);
    assert_params_mismatch(e.multiply(&a, &a, &o.keys), 8, 9);
    assert_params_mismatch(e.multiply_rescale(&a, &a, &o.keys), 8, 9);
    let (mut own, other) = (e.tensor(&a, &a).unwrap(), o.evaluator.tensor(&b, &b).unwrap());
    assert_params_mismatch(e.add_product(&mut own, &other), 8, 9);
    assert_params_mismatch(e.relinearise(other.clone(), &k.keys), 8, 9);
    assert_params_mismatch(e.relinearise_rescale(own, &o.keys), 8, 9);
    assert_params_mismatch(e.rescale(&b), 8, 9);
    assert_params_mismatch(e.drop_to(&b, 0), 8, 9);
    assert_params_mismatch(e.rotate(&b, 1, &k.keys), 8, 9);
    assert_params_mismatch(e.rotate(&a, 1, &o.keys), 8, 9);
    assert_params_mismatch(e.rotate_hoisted(&b, &[1], &k.keys), 8, 9);
    assert_params_mismatch(e.rotate_hoisted(&a, &[1], &o.keys), 8, 9);
    assert_params_mismatch(e.conjugate(&b, &k.keys), 8, 9);
    assert_params_mismatch(k.encoder.decode(&q), 8, 9);
    assert_params_mismatch(k.encoder.decode_complex(&q), 8, 9);
    assert_params_mismatch(Encryptor::new(&k.secret).encrypt(&q), 8, 9);
    assert_params_mismatch(Encryptor::new(&k.secret).encrypt_from_seeds(&q, [0; 32], [1; 32]), 8, 9);
    assert_params_mismatch(PublicKey::generate(&k.secret).unwrap().encrypt(&q), 8, 9);
    assert_params_mismatch(Decryptor::new(&k.secret).decrypt_raw(&b), 8, 9);

    let mut d = Diagonals::new(8).unwrap();
    d.add(0, &[1.0; 8]).unwrap();
    let (t, u) = (LinearTransform::new(&k.params, &d, 3).unwrap(), LinearTransform::new(&o.params, &d, 3).unwrap());
    assert_params_mismatch(e.linear(&b, &t, &k.keys), 8, 9);
    assert_params_mismatch(e.linear(&a, &u, &k.keys), 8, 9);
    assert_params_mismatch(e.linear(&a, &t, &o.keys), 8, 9);
    assert_params_mismatch(e.linear_sum(&[(&a, &t), (&b, &u)], &k.keys), 8, 9);
}

#[test]
fn operands_of_other_levels_are_refused_with_both() {
    let (k, e) = (kit(), kit().evaluator);
    let (a, b) = (k.encrypt(&[1.0]), k.encrypt_at(&[1.0], 1));
    let differ = Error::LevelMismatch { left: 3, right: 1 };
    assert_eq!(e.add(&a, &b).unwrap_err(), differ);
    assert_eq!(e.sub(&a, &b).unwrap_err(), differ);
    assert_eq!(e.tensor(&a, &b).unwrap_err(), differ);
    assert_eq!(e.add(&b, &a).unwrap_err(), Error::LevelMismatch { left: 1, right: 3 });
    let mut product = e.tensor(&a, &a).unwrap();
    let low = e.drop_to(&a, 2).unwrap();
    assert_eq!(
        e.add_product(&mut product, &e.tensor(&low, &low).unwrap()).unwrap_err(),
        Error::LevelMismatch { left: 3, right: 2 }
    );
    // A plaintext below its ciphertext lacks limbs.
    let p = k.encoder.encode_at(&[1.0], 1, k.params.scale()).unwrap();
    assert_eq!(e.add_plain(&a, &p).unwrap_err(), differ);
    assert_eq!(e.sub_plain(&a, &p).unwrap_err(), differ);
    assert_eq!(e.mul_plain(&a, &p).unwrap_err(), differ);
    // Levels only fall.
    assert_eq!(e.drop_to(&b, 2).unwrap_err(), Error::LevelMismatch { left: 1, right: 2 });
    // The message says what to do.
    assert!(differ.to_string().contains("drop_to"));

    let mut d = Diagonals::new(8).unwrap();
    d.add(0, &[1.0; 8]).unwrap();
    let t = LinearTransform::new(&k.params, &d, 2).unwrap();
    assert_eq!(e.linear(&a, &t, &k.keys).unwrap_err(), Error::LevelMismatch { left: 2, right: 3 });
}

#[test]
fn operands_of_other_scales_are_refused_with_both() {
    let (k, e) = (kit(), kit().evaluator);
    let (left, right) = (k.params.scale(), k.params.scale() * 1.001);
    let a = k.encrypt(&[1.0]);
    let p = k.encoder.encode_at(&[1.0], 3, right).unwrap();
    let b = k.encrypt_plain(&p);
    let differ = Error::ScaleMismatch { left, right };
    assert_eq!(e.add(&a, &b).unwrap_err(), differ);
    assert_eq!(e.sub(&a, &b).unwrap_err(), differ);
    assert_eq!(e.add_plain(&a, &p).unwrap_err(), differ);
    assert_eq!(e.sub_plain(&a, &p).unwrap_err(), differ);
    let mut product = e.tensor(&a, &a).unwrap();
    let other = e.tensor(&a, &b).unwrap();
    assert_eq!(e.add_product(&mut product, &other).unwrap_err(), Error::ScaleMismatch { left: left * left, right: left * right });
    // Rounding of doubles is no difference.
    let nearly = k.encrypt_plain(&k.encoder.encode_at(&[1.0], 3, left * (1.0 + 1e-14)).unwrap());
    assert!(e.add(&a, &nearly).is_ok());

    let mut d = Diagonals::new(8).unwrap();
    d.add(0, &[1.0; 8]).unwrap();
    let t = LinearTransform::with_scale(&k.params, &d, 3, 1e6, None).unwrap();
    let inputs = [(&a, &t), (&b, &t)];
    assert_eq!(e.linear_sum(&inputs, &k.keys).unwrap_err(), Error::ScaleMismatch { left: left * 1e6, right: right * 1e6 });
}

#[test]
fn levels_that_are_not_there_are_refused() {
    let k = kit();
    let above = Error::Level { found: 4, max: 3 };
    assert_eq!(k.encoder.encode_at(&[1.0], 4, 1e6).unwrap_err(), above);
    assert_eq!(k.encoder.encode_complex(&[], 4, 1e6).unwrap_err(), above);
    assert_eq!(EvaluationKeys::generate(&k.secret, &KeySpec::new().with_relinearisation(4)).unwrap_err(), above);
    assert_eq!(EvaluationKeys::generate(&k.secret, &KeySpec::new().with_rotations(&k.params, [1], 4)).unwrap_err(), above);
    let mut d = Diagonals::new(8).unwrap();
    d.add(0, &[1.0; 8]).unwrap();
    assert_eq!(LinearTransform::new(&k.params, &d, 4).unwrap_err(), above);
    assert_eq!(LinearTransform::new(&k.params, &d, 99).unwrap_err(), Error::Level { found: 99, max: 3 });
}

#[test]
fn nothing_is_left_below_level_zero() {
    let k = kit();
    let spent = Error::NoLevelsLeft { max_level: 3 };
    let a = k.encrypt_at(&[1.0], 0);
    assert_eq!(k.evaluator.rescale(&a).unwrap_err(), spent);
    // A product that level 0 can still hold cannot be rescaled there.
    let small = k.encrypt_plain(&k.encoder.encode_at(&[1.0], 0, 1024.0).unwrap());
    assert_eq!(k.evaluator.multiply_rescale(&small, &small, &k.keys).unwrap_err(), spent);
    let mut d = Diagonals::new(8).unwrap();
    d.add(0, &[1.0; 8]).unwrap();
    assert_eq!(LinearTransform::new(&k.params, &d, 0).unwrap_err(), spent);
}

#[test]
fn products_that_a_level_cannot_hold_are_refused() {
    let k = kit();
    let a = k.encrypt_at(&[1.0], 0);
    let p = k.encoder.encode_at(&[1.0], 0, k.params.scale()).unwrap();
    let too_large =
        Error::ScaleTooLarge { log_scale: (k.params.scale() * k.params.scale()).log2(), log_q: k.params.log_q(0), level: 0 };
    assert_eq!(k.evaluator.tensor(&a, &a).unwrap_err(), too_large);
    assert_eq!(k.evaluator.multiply(&a, &a, &k.keys).unwrap_err(), too_large);
    assert_eq!(k.evaluator.mul_plain(&a, &p).unwrap_err(), too_large);
    let mut d = Diagonals::new(8).unwrap();
    d.add(0, &[1.0; 8]).unwrap();
    let t = LinearTransform::with_scale(&k.params, &d, 1, 75f64.exp2(), None).unwrap();
    let error = k.evaluator.linear(&k.encrypt_at(&[1.0], 1), &t, &k.keys).unwrap_err();
    assert!(matches!(error, Error::ScaleTooLarge { log_scale: 104.5, level: 1, .. }), "{error:?}");
}

#[test]
fn scales_that_a_lower_level_cannot_hold_do_not_drop_to_it() {
    let k = kit();
    let a = k.encrypt_plain(&k.encoder.encode_at(&[1.0], 3, 60f64.exp2()).unwrap());
    assert!(k.evaluator.drop_to(&a, 1).is_ok());
    let refused = Error::ScaleTooLarge { log_scale: 60.0, log_q: k.params.log_q(0), level: 0 };
    assert_eq!(k.evaluator.drop_to(&a, 0).unwrap_err(), refused);
}

#[test]
fn rescaling_that_would_leave_no_message_is_refused() {
    let k = kit();
    let a = k.encrypt(&[1.0]);
    let log_scale = (k.params.scale() / k.params.rescale_factor(3)).log2();
    assert_eq!(k.evaluator.rescale(&a).unwrap_err(), Error::ScaleTooSmall { log_scale, level: 3 });
    let b = k.encrypt_plain(&k.encoder.encode_at(&[1.0], 3, 1024.0).unwrap());
    let log_scale = (1024.0 * 1024.0 / k.params.rescale_factor(3)).log2();
    let refused = k.evaluator.multiply_rescale(&b, &b, &k.keys).unwrap_err();
    assert_eq!(refused, Error::ScaleTooSmall { log_scale, level: 3 });
}

#[test]
fn missing_keys_are_named_with_their_level() {
    let params = insecure(&single(8, 3));
    let none = Kit::new(&params, &KeySpec::new());
    let low =
        Kit::new(&params, &KeySpec::new().with_relinearisation(1).with_rotations(&params, [1], 1).with_conjugation(&params, 0));
    let one = galois::rotation_element(&params, 1);
    let conjugation = galois::conjugation_element(&params);
    assert_eq!((one, conjugation), (5, 511));
    for (k, found_relin, found_one, found_conjugation) in [(&none, None, None, None), (&low, Some(1), Some(1), Some(0))] {
        let (a, e) = (k.encrypt_at(&[1.0], 2), &k.evaluator);
        let relin = Error::MissingRelinearisationKey { level: 2, found: found_relin };
        assert_eq!(e.multiply(&a, &a, &k.keys).unwrap_err(), relin);
        assert_eq!(e.multiply_rescale(&a, &a, &k.keys).unwrap_err(), relin);
        let rotation = Error::MissingGaloisKey { element: one, level: 2, found: found_one };
        assert_eq!(e.rotate(&a, 1, &k.keys).unwrap_err(), rotation);
        assert_eq!(e.rotate_hoisted(&a, &[0, 1], &k.keys).unwrap_err(), rotation);
        let conjugate = Error::MissingGaloisKey { element: conjugation, level: 2, found: found_conjugation };
        assert_eq!(e.conjugate(&a, &k.keys).unwrap_err(), conjugate);
        // The message says what to add.
        assert!(relin.to_string().contains("with_relinearisation(2)"), "{relin}");
    }
    // At their own level they serve.
    let a = low.encrypt_at(&[1.0], 1);
    assert!(low.evaluator.rotate(&a, 1, &low.keys).is_ok() && low.evaluator.multiply(&a, &a, &low.keys).is_ok());
    let none = low.evaluator.rotate(&a, 2, &low.keys).unwrap_err();
    assert_eq!(none, Error::MissingGaloisKey { element: 25, level: 1, found: None });
}

#[test]
fn galois_elements_of_a_larger_ring_are_refused() {
    let (small, large) = (insecure(&single(8, 3)), insecure(&single(10, 3)));
    let secret = SecretKey::generate(&small).unwrap();
    let spec = KeySpec::new().with_conjugation(&large, 1);
    assert_eq!(EvaluationKeys::generate(&secret, &spec).unwrap_err(), Error::GaloisElement { found: 2047, n: 256 });
}
