//! Values that cannot be encoded and maps that slots cannot have.

use crate::common::values;
use crate::kit;
use veilray_he::{Ciphertext, Complex64, Diagonals, Error, LinearTransform};

#[test]
fn values_that_cannot_be_encoded_are_refused() {
    let k = kit();
    let (slots, encoder) = (k.params.slots(), &k.encoder);
    assert_eq!(encoder.encode(&vec![0.0; slots + 1]).unwrap_err(), Error::TooManyValues { found: slots + 1, slots });
    let many = vec![Complex64::new(0.0, 0.0); slots + 5];
    assert_eq!(encoder.encode_complex(&many, 0, 1e6).unwrap_err(), Error::TooManyValues { found: slots + 5, slots });
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(encoder.encode(&[0.0, 1.0, bad]).unwrap_err(), Error::NotFinite { index: 2 });
        for z in [Complex64::new(bad, 0.0), Complex64::new(0.0, bad)] {
            assert_eq!(
                encoder.encode_complex(&[Complex64::new(1.0, 1.0), z], 1, 1e6).unwrap_err(),
                Error::NotFinite { index: 1 }
            );
        }
        let mut d = Diagonals::new(4).unwrap();
        d.add(1, &[0.0, 0.0, 0.0, bad]).unwrap();
        assert_eq!(LinearTransform::new(&k.params, &d, 1).unwrap_err(), Error::NotFinite { index: 3 });
    }
    for bad in [0.0, -1.0, 0.5, f64::INFINITY] {
        assert_eq!(encoder.encode_at(&[1.0], 1, bad).unwrap_err(), Error::Scale { found: bad });
    }
    assert!(matches!(encoder.encode_at(&[1.0], 1, f64::NAN), Err(Error::Scale { found }) if found.is_nan()));
}

#[test]
fn values_too_large_for_the_level_are_refused_with_both_sizes() {
    let k = kit();
    let constant = |v: f64| vec![v; k.params.slots()];
    // The constant 2^21 at scale 2^29.5 is one coefficient of 50.5 bits; two base primes of 25 bits hold 49 and a sign.
    let Err(Error::ValueTooLarge { log_value, log_max }) = k.encoder.encode_at(&constant(21f64.exp2()), 0, k.params.scale())
    else {
        panic!("2^21 fits level 0")
    };
    assert!((log_value - 50.5).abs() < 1e-6 && (log_max - (k.params.log_q(0) - 1.0)).abs() < 1e-9, "{log_value} and {log_max}");
    assert!(k.encoder.encode_at(&constant(21f64.exp2()), 1, k.params.scale()).is_ok(), "level 1 holds it");
    let mut d = Diagonals::new(4).unwrap();
    d.add(0, &[1e30; 4]).unwrap();
    assert!(matches!(LinearTransform::new(&k.params, &d, 1), Err(Error::ValueTooLarge { .. })));
}

/// Sums of values near the largest double are infinite or not even a number; they must not pass for small ones.
#[test]
fn values_near_the_largest_double_are_refused() {
    let k = kit();
    for seed in 0..20 {
        let x: Vec<f64> = values(k.params.slots(), seed).iter().map(|v| v.signum() * 1.7e308).collect();
        let error = k.encoder.encode(&x).unwrap_err();
        assert!(matches!(error, Error::ValueTooLarge { .. }), "{error:?}");
        let z: Vec<Complex64> = x.iter().zip(x.iter().rev()).map(|(re, im)| Complex64::new(*re, *im)).collect();
        assert!(matches!(k.encoder.encode_complex(&z, 3, 1e9), Err(Error::ValueTooLarge { .. })));
        let small = k.encoder.encode_at(&[1.0], 3, 1.7e308).unwrap_err();
        assert!(matches!(small, Error::ValueTooLarge { .. }), "{small:?}");
    }
}

#[test]
fn maps_that_slots_cannot_have_are_refused() {
    for period in [0, 3, 12, 1000] {
        assert_eq!(Diagonals::new(period).unwrap_err(), Error::Period { found: period, slots: 0 });
    }
    assert_eq!(Diagonals::from_matrix(&[]).unwrap_err(), Error::Period { found: 0, slots: 0 });
    assert_eq!(Diagonals::from_matrix(&vec![vec![0.0; 3]; 3]).unwrap_err(), Error::Period { found: 3, slots: 0 });
    let ragged = [vec![1.0, 2.0], vec![1.0]];
    assert_eq!(Diagonals::from_matrix(&ragged).unwrap_err(), Error::Diagonal { index: 1, found: 1, period: 2 });
    let mut d = Diagonals::new(8).unwrap();
    assert_eq!(d.add(-1, &[1.0; 7]).unwrap_err(), Error::Diagonal { index: 7, found: 7, period: 8 });
    assert_eq!(d.add(i64::MIN, &[1.0; 9]).unwrap_err(), Error::Diagonal { index: 0, found: 9, period: 8 });

    let k = kit();
    let slots = k.params.slots();
    assert_eq!(LinearTransform::new(&k.params, &d, 1).unwrap_err(), Error::Period { found: 8, slots }, "no diagonals");
    let mut wide = Diagonals::new(2 * slots).unwrap();
    wide.add(0, &vec![1.0; 2 * slots]).unwrap();
    assert_eq!(LinearTransform::new(&k.params, &wide, 1).unwrap_err(), Error::Period { found: 2 * slots, slots });
    let none: [(&Ciphertext, &LinearTransform); 0] = [];
    assert_eq!(k.evaluator.linear_sum(&none, &k.keys).unwrap_err(), Error::Period { found: 0, slots });
}
