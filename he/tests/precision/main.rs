//! Measured error against predicted: every operation within one bit, whole circuits within two; and the bars the product is held to.
//!
//! `cargo test --release -p veilray-he --test precision -- --nocapture` prints the tables.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

#[path = "../common/mod.rs"]
mod common;
mod setup;

use common::{complex_values, rotated, zip};
use setup::{CIRCUIT, Map, OPERATION, Setup};
use veilray_he::noise::{Message, Noise};
use veilray_he::{Ciphertext, Complex64, Error, KeySpec, Params, PrecisionStats, PublicKey, Result};

/// Diagonals on both sides of the giant step, the 0th among them.
fn indices(slots: usize) -> Vec<usize> {
    vec![0, 1, 2, 3, 4, 5, 8, 9, 11, slots - 1]
}

fn small_map(params: &Params, bound: f64, level: usize) -> Map {
    Map::new(params, &indices(params.slots()), bound, level, Some(4), None)
}

fn operation_keys(params: &Params) -> KeySpec {
    let top = params.max_level();
    KeySpec::new()
        .with_relinearisation(top)
        .with_rotations(params, [1, 5, -3], top)
        .with_conjugation(params, top)
        .union(&small_map(params, 1.0, top).encoded.key_spec())
}

fn every_operation(name: &'static str, trials: u64) {
    let mut s = Setup::new(name, trials, operation_keys);
    let (top, scale) = (s.top(), s.params.scale());
    let m = s.model.clone();
    let unit = Message::uniform(1.0);
    let fresh = s.modelled();

    let public = PublicKey::generate(&s.secret).unwrap();
    let plain = m.encode(unit, top, scale).unwrap();
    let stats = (0..trials).map(|k| {
        let x = s.values(k);
        let p = s.encoder.encode_at(&x, top, scale).unwrap();
        PrecisionStats::real(&x, &s.encoder.decode(&p).unwrap()).unwrap()
    });
    let stats = stats.collect();
    s.compare("encode", OPERATION, (plain.log2_rms(), plain.log2_max()), stats);
    s.check("encrypt", OPERATION, Ok(fresh), Setup::fresh);
    s.check("encrypt_public", OPERATION, m.encrypt_public(unit, top, scale), |s, k| {
        let x = s.values(k);
        let c = public.encrypt(&s.encoder.encode(&x).unwrap()).unwrap();
        (x, c)
    });
    s.check("encrypt low", OPERATION, m.encrypt(unit, 0, scale / 8.0), |s, k| {
        let x = s.values(k);
        let c = s.encrypt_values(&x, 0, scale / 8.0, k);
        (x, c)
    });
    s.check("add", OPERATION, m.add(&fresh, &fresh), |s, k| {
        let ((x, a), (y, b)) = (s.fresh(k), s.fresh(k + 1));
        (zip(&x, &y, |x, y| x + y), s.evaluator.add(&a, &b).unwrap())
    });
    s.check("sub, neg", OPERATION, m.sub(&m.neg(&fresh), &fresh), |s, k| {
        let ((x, a), (y, b)) = (s.fresh(k), s.fresh(k + 1));
        (zip(&x, &y, |x, y| -x - y), s.evaluator.sub(&s.evaluator.neg(&a).unwrap(), &b).unwrap())
    });
    s.check("add_plain", OPERATION, Ok(m.add_plain(&fresh, unit)), |s, k| {
        let ((x, a), y) = (s.fresh(k), s.values(k + 1));
        let p = s.encoder.encode(&y).unwrap();
        (zip(&x, &y, |x, y| x + y), s.evaluator.add_plain(&a, &p).unwrap())
    });
    s.check("mul_integer -7", OPERATION, Ok(m.mul_integer(&fresh, -7)), |s, k| {
        let (x, a) = s.fresh(k);
        (x.iter().map(|x| -7.0 * x).collect(), s.evaluator.mul_integer(&a, -7).unwrap())
    });
    let q = s.params.rescale_factor(top);
    // The second scale is so small that the plaintext's own rounding decides.
    for (name, plain_scale) in [("mul_plain", q), ("mul_plain, scale 2^8", 256.0)] {
        s.check(name, OPERATION, m.mul_plain(&fresh, unit, plain_scale), |s, k| {
            let ((x, a), y) = (s.fresh(k), s.values(k + 1));
            let p = s.encoder.encode_at(&y, top, plain_scale).unwrap();
            (zip(&x, &y, |x, y| x * y), s.evaluator.mul_plain(&a, &p).unwrap())
        });
    }
    s.check("mul_plain, rescale", OPERATION, m.rescale(&m.mul_plain(&fresh, unit, q).unwrap()), |s, k| {
        let ((x, a), y) = (s.fresh(k), s.values(k + 1));
        let p = s.encoder.encode_at(&y, top, q).unwrap();
        (zip(&x, &y, |x, y| x * y), s.evaluator.rescale(&s.evaluator.mul_plain(&a, &p).unwrap()).unwrap())
    });
    let product = |s: &Setup, k: u64| {
        let ((x, a), (y, b)) = (s.fresh(k), s.fresh(k + 1));
        (zip(&x, &y, |x, y| x * y), a, b)
    };
    s.check("multiply", OPERATION, m.multiply(&fresh, &fresh), |s, k| {
        let (z, a, b) = product(s, k);
        (z, s.evaluator.multiply(&a, &b, &s.keys).unwrap())
    });
    s.check("multiply, rescale", OPERATION, m.rescale(&m.multiply(&fresh, &fresh).unwrap()), |s, k| {
        let (z, a, b) = product(s, k);
        (z, s.evaluator.rescale(&s.evaluator.multiply(&a, &b, &s.keys).unwrap()).unwrap())
    });
    s.check("multiply_rescale", OPERATION, m.multiply_rescale(&fresh, &fresh), |s, k| {
        let (z, a, b) = product(s, k);
        (z, s.evaluator.multiply_rescale(&a, &b, &s.keys).unwrap())
    });
    // So little of a message that the product of the errors decides.
    let tiny = m.encrypt(unit, top, 16.0).unwrap();
    s.check("multiply, scale 2^4", OPERATION, m.multiply(&tiny, &tiny), |s, k| {
        let (x, y) = (s.values(k), s.values(k + 1));
        let (a, b) = (s.encrypt_values(&x, top, 16.0, k), s.encrypt_values(&y, top, 16.0, k + 1));
        (zip(&x, &y, |x, y| x * y), s.evaluator.multiply(&a, &b, &s.keys).unwrap())
    });
    s.check("square", OPERATION, m.square(&fresh), |s, k| {
        let (x, a) = s.fresh(k);
        (zip(&x, &x, |x, y| x * y), s.evaluator.multiply(&a, &a, &s.keys).unwrap())
    });
    s.check("square_rescale", OPERATION, m.square_rescale(&fresh), |s, k| {
        let (x, a) = s.fresh(k);
        (zip(&x, &x, |x, y| x * y), s.evaluator.multiply_rescale(&a, &a, &s.keys).unwrap())
    });
    let one = m.tensor(&fresh, &fresh).unwrap();
    s.check("add_product, relinearise", OPERATION, m.add_product(&one, &one).map(|p| m.relinearise(&p)), |s, k| {
        let ((x, a, b), (y, c, d)) = (product(s, k), product(s, k + 2));
        let mut sum = s.evaluator.tensor(&a, &b).unwrap();
        s.evaluator.add_product(&mut sum, &s.evaluator.tensor(&c, &d).unwrap()).unwrap();
        (zip(&x, &y, |x, y| x + y), s.evaluator.relinearise(sum, &s.keys).unwrap())
    });
    s.check("rotate", OPERATION, Ok(m.rotate(&fresh)), |s, k| {
        let (x, a) = s.fresh(k);
        (rotated(&x, 1), s.evaluator.rotate(&a, 1, &s.keys).unwrap())
    });
    s.check("conjugate", OPERATION, Ok(m.conjugate(&fresh)), |s, k| {
        let (x, a) = s.fresh(k);
        let c = s.evaluator.conjugate(&a, &s.keys).unwrap();
        (x, c)
    });
    s.check("rotate_hoisted", OPERATION, Ok(m.rotate(&fresh)), |s, k| {
        let (x, a) = s.fresh(k);
        let all = s.evaluator.rotate_hoisted(&a, &[5, 0, -3], &s.keys).unwrap();
        (rotated(&x, -3), all[2].clone())
    });
    // Fewer limbs: the last digit is cut short.
    for level in std::collections::BTreeSet::from([0, 1, top - 1]) {
        let dropped = m.drop_to(&fresh, level).map(|x| m.rotate(&x));
        s.check(&format!("drop_to {level}, rotate"), OPERATION, dropped, |s, k| {
            let (x, a) = s.fresh(k);
            let a = s.evaluator.drop_to(&a, level).unwrap();
            (rotated(&x, 5), s.evaluator.rotate(&a, 5, &s.keys).unwrap())
        });
    }
    // Large entries: the key noise of baby steps decides. A large scale of the input and a small one of the map: the diagonals' rounding.
    let map = |bound: f64, scale: Option<f64>| Map::new(&s.params, &indices(s.params.slots()), bound, top, Some(4), scale);
    let (small, high) = (Some(256.0), 256.0 * scale);
    let maps = [
        ("linear", map(1.0, None), scale),
        ("linear, entries to 30", map(30.0, None), scale),
        ("linear, scale 2^8", map(1.0, small), high),
    ];
    for (name, map, scale) in &maps {
        let predicted = m.encrypt(unit, top, *scale).and_then(|x| m.linear(&x, &map.shape));
        s.check(name, OPERATION, predicted, |s, k| {
            let x = s.values(k);
            let a = s.encrypt_values(&x, top, *scale, k);
            (map.clear.apply(&x), s.evaluator.linear(&a, &map.encoded, &s.keys).unwrap())
        });
    }
    let map = &maps[1].1;
    s.check("linear_sum of two", OPERATION, m.linear_sum(&[(&fresh, &map.shape), (&fresh, &map.shape)]), |s, k| {
        let ((x, a), (y, b)) = (s.fresh(k), s.fresh(k + 1));
        let wanted = zip(&map.clear.apply(&x), &map.clear.apply(&y), |x, y| x + y);
        (wanted, s.evaluator.linear_sum(&[(&a, &map.encoded), (&b, &map.encoded)], &s.keys).unwrap())
    });
    s.finish();
}

#[test]
fn every_operation_errs_as_predicted_at_n12() {
    every_operation("n12", 8);
}

#[test]
fn every_operation_errs_as_predicted_at_n13() {
    every_operation("n13", 4);
}

#[test]
fn every_operation_errs_as_predicted_at_n14() {
    every_operation("n14", 2);
}

#[test]
fn every_operation_errs_as_predicted_at_n15_double() {
    every_operation("n15-double", 1);
}

fn complex(s: &Setup, k: u64) -> (Vec<Complex64>, Ciphertext) {
    let x = complex_values(s.params.slots(), k);
    let plain = s.encoder.encode_complex(&x, s.top(), s.params.scale()).unwrap();
    let c = s.encrypt_seeded(&plain, k);
    (x, c)
}

/// What was wanted of a trial, and what came.
type Run = dyn Fn(&Setup, u64) -> (Vec<Complex64>, Ciphertext);

#[test]
fn complex_messages_err_as_predicted() {
    let mut s = Setup::new("n12", 8, |p| KeySpec::new().with_relinearisation(2).with_conjugation(p, 2));
    let m = s.model.clone();
    let fresh = m.encrypt(Message::complex((2f64 / 3.0).sqrt(), 2f64.sqrt()), s.top(), s.params.scale()).unwrap();
    let mut check = |name: &str, noise: Noise, run: &Run| {
        let stats = (0..s.trials).map(|k| {
            let (wanted, c) = run(&s, 100 * k);
            PrecisionStats::complex(&wanted, &s.decrypt_complex(&c)).unwrap()
        });
        let stats = stats.collect();
        s.compare(name, OPERATION, (noise.complex_rms().log2(), noise.complex_max().log2()), stats);
    };
    check("complex encrypt", fresh, &complex);
    check("complex conjugate", m.conjugate(&fresh), &|s, k| {
        let (x, a) = complex(s, k);
        (x.iter().map(Complex64::conj).collect(), s.evaluator.conjugate(&a, &s.keys).unwrap())
    });
    check("complex multiply", m.multiply(&fresh, &fresh).unwrap(), &|s, k| {
        let ((x, a), (y, b)) = (complex(s, k), complex(s, k + 1));
        (x.iter().zip(&y).map(|(x, y)| x * y).collect(), s.evaluator.multiply(&a, &b, &s.keys).unwrap())
    });
    check("complex square", m.square(&fresh).unwrap(), &|s, k| {
        let (x, a) = complex(s, k);
        (x.iter().map(|x| x * x).collect(), s.evaluator.multiply(&a, &a, &s.keys).unwrap())
    });
    s.finish();
}

/// linear → square → linear → square → rotate.
fn two_layers(name: &'static str, trials: u64) {
    let map = |p: &Params, layer: usize| {
        let level = p.max_level() - 2 * layer;
        Map::new(p, &(0..16).chain([32, 48]).collect::<Vec<_>>(), 0.4, level, Some(8), None)
    };
    let mut s = Setup::new(name, trials, |p| {
        let maps = map(p, 0).encoded.key_spec().union(&map(p, 1).encoded.key_spec());
        maps.with_relinearisation(p.max_level()).with_rotations(p, [1], p.max_level() - 4)
    });
    let (first, second) = (map(&s.params, 0), map(&s.params, 1));
    let m = s.model.clone();
    let predicted = || {
        let x = m.square_rescale(&m.linear(&s.modelled(), &first.shape)?)?;
        let x = m.square_rescale(&m.linear(&x, &second.shape)?)?;
        Ok(m.rotate(&x))
    };
    s.check("linear, square, twice; rotate", CIRCUIT, predicted(), |s, k| {
        let (x, a) = s.fresh(k);
        let square = |x: Vec<f64>| x.into_iter().map(|x| x * x).collect::<Vec<_>>();
        let wanted = square(second.clear.apply(&square(first.clear.apply(&x))));
        let e = &s.evaluator;
        let mut c = a;
        for map in [&first, &second] {
            c = e.linear(&c, &map.encoded, &s.keys).unwrap();
            c = e.multiply_rescale(&c, &c, &s.keys).unwrap();
        }
        (rotated(&wanted, 1), e.rotate(&c, 1, &s.keys).unwrap())
    });
    s.finish();
}

/// A chain of squarings, and one of products with fresh factors about one, down to the last level.
fn chains(name: &'static str, trials: u64, squarings: usize) {
    let mut s = Setup::new(name, trials, |p| KeySpec::new().with_relinearisation(p.max_level()));
    let (m, top, scale) = (s.model.clone(), s.top(), s.params.scale());
    let squared = (0..squarings).try_fold(s.modelled(), |x, _| m.square_rescale(&x));
    s.check(&format!("{squarings} squarings"), CIRCUIT, squared, |s, k| {
        let (mut x, mut c) = s.fresh(k);
        for _ in 0..squarings {
            x.iter_mut().for_each(|x| *x *= *x);
            c = s.evaluator.multiply_rescale(&c, &c, &s.keys).unwrap();
        }
        (x, c)
    });
    // Factors ±1 ± 0.1.
    let about_one = |s: &Setup, k: u64| s.values(k).iter().map(|u| u.signum() + (u.abs() - 0.5) / 5.0).collect::<Vec<_>>();
    let factor = Message::real((1.0f64 + 0.01 / 3.0).sqrt(), 1.1);
    let predicted = (0..top).try_fold(s.modelled(), |x, done| {
        let y = m.encrypt(factor, top - done, scale)?;
        m.multiply_rescale(&x, &y)
    });
    s.check(&format!("{top} products to level 0"), CIRCUIT, predicted, |s, k| {
        let (mut x, mut c) = s.fresh(k);
        for done in 0..top {
            let y = about_one(s, k + 1 + done as u64);
            x = zip(&x, &y, |x, y| x * y);
            let y = s.encrypt_values(&y, top - done, scale, k + 1 + done as u64);
            c = s.evaluator.multiply_rescale(&c, &y, &s.keys).unwrap();
        }
        (x, c)
    });
    s.finish();
}

#[test]
fn circuits_err_as_predicted_at_n13() {
    two_layers("n13", 2);
    chains("n13", 2, 5);
}

#[test]
fn circuits_err_as_predicted_at_n14() {
    two_layers("n14", 1);
    chains("n14", 1, 5);
}

#[test]
fn chains_err_as_predicted_at_n12() {
    chains("n12", 4, 2);
}

#[test]
fn circuits_err_as_predicted_at_n15_double() {
    two_layers("n15-double", 1);
    chains("n15-double", 1, 5);
}

#[test]
fn circuits_err_as_predicted_at_n15() {
    two_layers("n15", 1);
    chains("n15", 1, 9);
}

/// Largest error of a product of values in [−1, 1], rescaled and rotated: the precision the product promises.
fn multiply_then_rotate(name: &'static str) -> f64 {
    let s = Setup::new(name, 1, |p| KeySpec::new().with_relinearisation(p.max_level()).with_rotations(p, [1], p.max_level()));
    let ((x, a), (y, b)) = (s.fresh(1), s.fresh(2));
    let c = s.evaluator.rotate(&s.evaluator.multiply_rescale(&a, &b, &s.keys).unwrap(), 1, &s.keys).unwrap();
    let stats = PrecisionStats::real(&rotated(&zip(&x, &y, |x, y| x * y), 1), &s.decrypt(&c)).unwrap();
    println!("{name}: multiply_rescale, rotate\n{stats}");
    stats.log2_max()
}

#[test]
fn a_product_rotated_keeps_14_bits_at_n14() {
    assert!(multiply_then_rotate("n14") < -14.0);
}

#[test]
fn a_product_rotated_keeps_28_bits_at_n15_double() {
    assert!(multiply_then_rotate("n15-double") < -28.0);
}

#[test]
fn the_model_refuses_what_the_evaluator_refuses() {
    let s = Setup::new("n12", 1, |_| KeySpec::new().with_relinearisation(2));
    let (m, e, fresh) = (&s.model, &s.evaluator, s.modelled());
    let ((_, a), low, scaled) = (s.fresh(1), m.drop_to(&fresh, 0).unwrap(), m.encrypt(Message::uniform(1.0), 2, 3.0).unwrap());
    let (c_low, c_scaled) = (e.drop_to(&a, 0).unwrap(), s.encrypt_values(&[1.0], 2, 3.0, 2));
    let refusals: [(Result<Noise>, Result<Ciphertext>); 7] = [
        (m.add(&fresh, &low), e.add(&a, &c_low)),
        (m.add(&fresh, &scaled), e.add(&a, &c_scaled)),
        (m.multiply(&fresh, &low), e.multiply(&a, &c_low, &s.keys)),
        (m.multiply(&low, &low), e.multiply(&c_low, &c_low, &s.keys)),
        (m.rescale(&low), e.rescale(&c_low)),
        (m.drop_to(&low, 1), e.drop_to(&c_low, 1)),
        (m.linear_sum(&[]), e.linear_sum(&[], &s.keys)),
    ];
    for (model, evaluator) in refusals {
        assert_eq!(model.unwrap_err(), evaluator.unwrap_err());
    }
    let high = m.encode(Message::uniform(1.0), 3, 16.0);
    assert_eq!(high.unwrap_err(), s.encoder.encode_at(&[1.0], 3, 16.0).unwrap_err());
    assert_eq!(m.encode(Message::uniform(1.0), 1, 0.5).unwrap_err(), Error::Scale { found: 0.5 });
}
