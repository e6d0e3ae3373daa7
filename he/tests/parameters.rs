//! Parameter sets: the named ones hold what they promise, and what does not hold is refused with the rule it breaks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

mod common;

use common::{double, insecure, named, single};
use veilray_he::{Error, Params, ParamsLiteral, max_log_qp};

/// The named sets and the fewest levels each promises.
const PROMISED: [(&str, u32, usize, usize); 6] =
    [("n12", 12, 2, 1), ("n13", 13, 5, 1), ("n14", 14, 9, 1), ("n15", 15, 20, 1), ("n15-double", 15, 12, 2), ("n16", 16, 40, 1)];

#[test]
fn named_sets_are_secure_and_have_the_levels_they_promise() {
    assert!(ParamsLiteral::names().eq(PROMISED.iter().map(|p| p.0)));
    for (name, log_n, levels, primes_per_level) in PROMISED {
        let params = named(name);
        assert!(params.is_secure(), "{name}");
        assert_eq!((params.log_n(), params.n(), params.slots()), (log_n, 1 << log_n, 1 << (log_n - 1)), "{name}");
        assert!(params.max_level() >= levels, "{name} has {} levels", params.max_level());
        assert_eq!(params.literal().primes_per_level, primes_per_level, "{name}");
        let bound = f64::from(max_log_qp(log_n).unwrap());
        assert!(params.log_qp() <= bound, "{name}: log2(QP) is {} of {bound}", params.log_qp());
        assert!(params.log_qp() > 0.9 * bound, "{name} wastes {} bits", bound - params.log_qp());
    }
}

/// By division with every number up to the root.
fn is_prime(n: u32) -> bool {
    n > 1 && (2..n).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d))
}

#[test]
fn primes_are_distinct_and_have_roots_of_unity() {
    for (name, log_n, ..) in PROMISED {
        let params = named(name);
        let mut primes: Vec<u32> = params.chain().iter().chain(params.special()).map(|m| m.value()).collect();
        for q in &primes {
            assert!(is_prime(*q) && q % (2 << log_n) == 1, "{name}: {q}");
        }
        let total: f64 = primes.iter().map(|q| f64::from(*q).log2()).sum();
        assert!((params.log_qp() - total).abs() < 1e-6);
        assert!((params.log_q(params.max_level()) + params.log_p() - total).abs() < 1e-6);
        primes.sort_unstable();
        primes.dedup();
        assert_eq!(primes.len(), params.chain().len() + params.special().len(), "{name}");
    }
}

/// Scales stay put: the primes of every level multiply to nearly the scale, so rescaling a product gives almost the scale again. The worst
/// are the 24 of `n15-double`: one in nine of the numbers 1 + k·2^16 near 2^25 is prime, so neighbours are 2 % apart.
#[test]
fn levels_divide_by_the_scale() {
    for (name, ..) in PROMISED {
        let params = named(name);
        for level in 1..=params.max_level() {
            let drift = (params.rescale_factor(level) / params.scale()).log2();
            assert!(drift.abs() < 0.1, "{name} drifts by {drift} bits at level {level}");
            assert_eq!(params.limbs(level) - params.limbs(level - 1), params.literal().primes_per_level);
        }
        assert_eq!(params.rescale_factor(0), 1.0);
    }
}

/// The files' form: one comment line for the set and one for every group of primes.
#[test]
fn every_file_says_what_its_primes_are_for() {
    for (name, ..) in PROMISED {
        let path = format!("{}/../configs/params/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(ParamsLiteral::from_toml(&text).unwrap(), *named(name).literal(), "{path}");
        assert!(text.starts_with("# N = 2^"), "{path}");
        for (group, field) in [("# Base: ", "base_limbs"), ("# Levels: ", "levels"), ("# Special: ", "special_limbs")] {
            let lines: Vec<&str> = text.lines().collect();
            let comments: Vec<usize> = (0..lines.len()).filter(|i| lines[*i].starts_with(group)).collect();
            assert_eq!(comments.len(), 1, "{path} wants one line {group}…");
            assert!(lines[comments[0] + 1].starts_with(field), "{path}: {group}… stands above {field}");
        }
    }
}

#[test]
fn a_literal_survives_toml() {
    for (name, ..) in PROMISED {
        let literal = ParamsLiteral::named(name).unwrap();
        assert_eq!(ParamsLiteral::from_toml(&toml::to_string(&literal).unwrap()).unwrap(), literal);
    }
}

#[test]
fn syntax_errors_name_the_line() {
    let text = toml::to_string(&single(10, 3)).unwrap();
    let line_of = |start: &str| 1 + text.lines().position(|l| l.starts_with(start)).unwrap();
    let cases = [
        (text.replace("levels = 3", "levels = 3\nlevel = 3"), line_of("levels") + 1, "unknown field `level`"),
        (text.replace("levels = 3", "levels = \"three\""), line_of("levels"), "invalid type: string \"three\", expected usize"),
        (text.replace("levels = 3", "levels = -3"), line_of("levels"), "invalid value: integer `-3`"),
        (text.replace("log_scale = 29.5", "log_scale = [29.5]"), line_of("log_scale"), "invalid type: sequence, expected f64"),
        (text.replace("base_limbs = 2", "base_limbs 2"), line_of("base_limbs"), "expected"),
        (text.replace("digits = 3", "digits = 3\ndigits = 4"), line_of("digits") + 1, "duplicate key"),
    ];
    for (text, line, message) in cases {
        let Err(Error::ParamsSyntax { reason }) = ParamsLiteral::from_toml(&text) else { panic!("{text} was read") };
        assert!(reason.contains(&format!("line {line},")), "wanted line {line}: {reason}");
        assert!(reason.contains(message), "wanted {message}: {reason}");
    }
    let short = text.replace("special_limbs = 2\n", "");
    let Err(Error::ParamsSyntax { reason }) = ParamsLiteral::from_toml(&short) else { panic!("a field is missing") };
    assert!(reason.contains("missing field `special_limbs`"), "{reason}");
}

#[test]
fn an_unknown_name_lists_the_known_ones() {
    let known = "n12, n13, n14, n15, n15-double, n16".to_owned();
    assert_eq!(ParamsLiteral::named("n17").unwrap_err(), Error::UnknownParams { found: "n17".into(), known });
}

/// The field that a literal is refused for.
fn refused(change: impl FnOnce(&mut ParamsLiteral)) -> (&'static str, String) {
    let mut literal = single(10, 3);
    change(&mut literal);
    match Params::insecure_for_tests(&literal) {
        Err(Error::Params { field, found, .. }) => (field, found),
        other => panic!("{literal:?} gave {other:?}"),
    }
}

#[test]
fn fields_out_of_range_are_refused_by_name() {
    assert_eq!(refused(|l| l.log_n = 4), ("log_n", "4".into()));
    assert_eq!(refused(|l| l.log_n = 18), ("log_n", "18".into()));
    assert_eq!(refused(|l| l.base_limbs = 0), ("base_limbs, special_limbs", "0, 2".into()));
    assert_eq!(refused(|l| l.special_limbs = 0), ("base_limbs, special_limbs", "2, 0".into()));
    assert_eq!(refused(|l| l.levels = 1000), ("base_limbs, special_limbs", "2, 2".into()));
    assert_eq!(refused(|l| l.levels = usize::MAX), ("base_limbs, special_limbs", "2, 2".into()));
    assert_eq!(refused(|l| l.primes_per_level = 0), ("primes_per_level", "0".into()));
    assert_eq!(refused(|l| l.primes_per_level = 3), ("primes_per_level", "3".into()));
    assert_eq!(refused(|l| l.prime_bits = 30.0), ("prime_bits", "30".into()));
    assert_eq!(refused(|l| l.base_bits = 16.0), ("base_bits", "16".into()));
    assert_eq!(refused(|l| l.special_bits = f64::NAN), ("special_bits", "NaN".into()));
    assert_eq!(refused(|l| l.digits = 0), ("digits", "0".into()));
    assert_eq!(refused(|l| l.digits = 6), ("digits", "6".into()));
    assert_eq!(refused(|l| (l.levels, l.digits) = (40, 2)), ("digits, special_limbs", "2, 2".into()));
    assert_eq!(refused(|l| l.special_limbs = 15), ("digits, special_limbs", "3, 15".into()));
    assert_eq!(refused(|l| l.log_scale = 9.0), ("log_scale", "9".into()));
    assert_eq!(refused(|l| l.log_scale = 49.0), ("log_scale", "49".into()));
    assert_eq!(refused(|l| l.log_scale = f64::INFINITY), ("log_scale", "inf".into()));
}

#[test]
fn too_few_primes_are_counted() {
    let literal = ParamsLiteral { base_bits: 19.0, base_limbs: 7, ..single(16, 3) };
    // All there are within a factor of 2.
    let found = (1u32 << 18..1 << 20).filter(|q| q % (1 << 17) == 1 && is_prime(*q)).count();
    let wanted = Error::TooFewPrimes { log_n: 16, log2: 19.0, wanted: 7, found };
    assert_eq!(Params::insecure_for_tests(&literal).unwrap_err(), wanted);
}

#[test]
fn insecure_literals_are_refused_with_their_size() {
    for (name, log_n, ..) in PROMISED {
        let set = ParamsLiteral::named(name).unwrap();
        let literal = ParamsLiteral { levels: set.levels + 1, digits: set.digits + 1, ..set };
        let Err(Error::Insecure { log_n: found, log_qp, max }) = literal.check() else { panic!("{name} holds one more level") };
        assert_eq!((found, Some(max)), (log_n, max_log_qp(log_n)), "{name}");
        assert!(log_qp > f64::from(max));
        // The only way round it says so.
        assert!(!Params::insecure_for_tests(&literal).unwrap().is_secure());
    }
    // Rings without a bound are never secure.
    assert!(matches!(single(10, 1).check(), Err(Error::Params { field: "log_n", .. })));
    assert!(matches!(single(17, 1).check(), Err(Error::Insecure { log_n: 17, max: 0, .. })));
    assert_eq!((max_log_qp(11), max_log_qp(17)), (None, None));
}

#[test]
fn too_few_special_bits_are_refused_with_both_sizes() {
    let literal = ParamsLiteral { digits: 2, ..single(10, 4) };
    let Err(Error::KeySwitchNoise { special_bits, digit_bits }) = Params::insecure_for_tests(&literal) else { panic!() };
    // Two special primes of 29.99 bits; digits of three primes, the larger of 29.5 bits each.
    assert!((special_bits - 59.98).abs() < 0.01 && (digit_bits - 88.5).abs() < 0.1, "{special_bits} and {digit_bits}");
}

#[test]
fn parameters_are_equal_when_what_two_parties_share_is() {
    let params = insecure(&single(8, 3));
    assert_eq!(params, insecure(&single(8, 3)));
    assert_eq!(params.digest(), insecure(&single(8, 3)).digest());
    for backend in veilray_he::simd::Backend::available() {
        let other = params.on_backend(backend);
        assert_eq!((&other, other.backend(), other.literal()), (&params, backend, params.literal()));
    }
    let changes: [fn(&mut ParamsLiteral); 9] = [
        |l| l.log_n = 9,
        |l| l.base_limbs = 3,
        |l| l.base_bits = 26.0,
        |l| l.levels = 2,
        |l| l.prime_bits = 29.0,
        |l| (l.primes_per_level, l.digits) = (2, 4),
        |l| l.special_bits = 29.9,
        |l| l.digits = 4,
        |l| l.log_scale = 29.0,
    ];
    for change in changes {
        let mut literal = single(8, 3);
        change(&mut literal);
        assert_ne!(params, insecure(&literal), "{literal:?}");
    }
    // The secure and the insecure form of the same numbers are two things.
    let literal = ParamsLiteral::named("n12").unwrap();
    assert_ne!(literal.check().unwrap(), insecure(&literal));
}

#[test]
fn digits_and_limbs_follow_the_level() {
    let params = insecure(&double(8, 3));
    assert_eq!((0..=3).map(|l| params.limbs(l)).collect::<Vec<_>>(), [2, 4, 6, 8]);
    assert_eq!((0..=3).map(|l| params.digits(l)).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let params = named("n14");
    assert_eq!((params.limbs(0), params.limbs(9), params.digits(0), params.digits(9)), (2, 11, 1, 3));
}
