//! Linear maps of encrypted slots equal their diagonals applied in clear, however they are split.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

mod common;

use common::{Bound, Kit, double, insecure, named, single, values};
use proptest::prelude::*;
use proptest::sample::Index;
use veilray_he::{Diagonals, Evaluator, ExpandedKeys, KeySpec, LinearTransform, Params, Split};

/// What a linear map of slots of at most 1 may be off by: every term rotates its input and rounds its diagonal (entries of at most 1);
/// every giant step switches keys once more; one division ends it.
fn bound(params: &Params, diagonals: &Diagonals, level: usize) -> f64 {
    let (b, terms) = (Bound::new(params), diagonals.indices().count() as f64);
    let diagonal = Bound::at(params, params.rescale_factor(level)).encoding;
    terms * (b.fresh + 2.0 * b.key_switch + diagonal) + b.rounding
}

/// x repeated over all slots.
fn repeat(x: &[f64], params: &Params) -> Vec<f64> {
    x.repeat(params.slots() / x.len())
}

/// A map with those diagonals, random in [−1, 1]; an index that comes again, modulo the period, is passed over.
fn diagonals(period: usize, indices: &[i64], seed: u64) -> Diagonals {
    let mut out = Diagonals::new(period).unwrap();
    for (i, d) in indices.iter().enumerate() {
        if out.indices().all(|known| known as i64 != d.rem_euclid(period as i64)) {
            out.add(*d, &values(period, seed + i as u64)).unwrap();
        }
    }
    out
}

/// Applies the map at `level` with exactly the keys that it says it needs, and compares with the clear one.
fn check(params: &Params, diagonals: &Diagonals, level: usize, width: Option<usize>, seed: u64) -> Split {
    let transform = LinearTransform::with_scale(params, diagonals, level, params.rescale_factor(level), width).unwrap();
    let kit = Kit::new(params, &transform.key_spec());
    let x = values(diagonals.period(), seed);
    let a = kit.encrypt_at(&repeat(&x, params), level);
    let y = kit.evaluator.linear(&a, &transform, &kit.keys).unwrap();
    assert_eq!(
        (y.level(), y.scale(), y.is_seeded()),
        (level - 1, a.scale() * transform.scale() / params.rescale_factor(level), false)
    );
    kit.assert_decrypts(
        &y,
        &repeat(&diagonals.apply(&x), params),
        bound(params, diagonals, level) * diagonals.indices().count() as f64,
    );
    transform.split()
}

/// A period that is a power of two up to 128 slots, up to seven diagonals of it, a width or none, a seed.
fn sparse() -> impl Strategy<Value = (usize, Vec<i64>, Option<usize>, u64)> {
    let indices = prop::collection::vec(any::<Index>(), 1..=7);
    (0u32..=7, indices, prop::option::of(any::<Index>()), any::<u32>(), any::<bool>()).prop_map(
        |(log, indices, width, seed, negative)| {
            let period = 1usize << log;
            let shift = if negative { period as i64 } else { 0 };
            let indices = indices.iter().map(|i| i.index(period) as i64 - shift).collect();
            (period, indices, width.map(|w| 1 + w.index(period)), u64::from(seed))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn sparse_maps_are_their_diagonals((period, indices, width, seed) in sparse(), pairs: bool, level in 1usize..=2) {
        let params = insecure(&if pairs { double(8, 2) } else { single(8, 2) });
        let split = check(&params, &diagonals(period, &indices, seed), level, width, seed);
        if let Some(width) = width {
            prop_assert_eq!(split.width, width);
        }
    }

    #[test]
    fn a_sum_of_maps_is_the_sum_of_their_results(a in sparse(), b in sparse(), c in sparse()) {
        let params = insecure(&single(8, 2));
        let maps: Vec<_> = [&a, &b, &c].into_iter().map(|(period, indices, width, seed)| {
            let d = diagonals(*period, indices, *seed);
            let t = LinearTransform::with_scale(&params, &d, 2, params.rescale_factor(2), *width).unwrap();
            (d, t, values(*period, !seed))
        }).collect();
        let spec = maps.iter().fold(KeySpec::new(), |spec, (_, t, _)| spec.union(&t.key_spec()));
        let kit = Kit::new(&params, &spec);
        let inputs: Vec<_> = maps.iter().map(|(_, _, x)| kit.encrypt(&repeat(x, &params))).collect();
        let pairs: Vec<_> = inputs.iter().zip(maps.iter().map(|(_, t, _)| t)).collect();
        let sum = kit.evaluator.linear_sum(&pairs, &kit.keys).unwrap();
        let (mut wanted, mut error) = (vec![0.0; params.slots()], 0.0);
        for (d, _, x) in &maps {
            wanted.iter_mut().zip(repeat(&d.apply(x), &params)).for_each(|(w, y)| *w += y);
            error += bound(&params, d, 2);
        }
        kit.assert_decrypts(&sum, &wanted, error);
    }
}

#[test]
fn the_identity_is_the_main_diagonal() {
    for params in [insecure(&single(8, 2)), named("n12")] {
        let mut identity = Diagonals::new(params.slots()).unwrap();
        identity.add(0, &vec![1.0; params.slots()]).unwrap();
        for width in [None, Some(1), Some(params.slots())] {
            let split = check(&params, &identity, 2, width, 1);
            assert_eq!((split.baby_steps, split.giant_steps), (0, 0));
        }
    }
}

#[test]
fn one_diagonal_of_ones_is_a_rotation() {
    let params = insecure(&single(8, 2));
    for k in [1, 5, 127, -1, -100] {
        let mut shift = Diagonals::new(params.slots()).unwrap();
        shift.add(k, &vec![1.0; params.slots()]).unwrap();
        let x = values(params.slots(), 2);
        assert_eq!(shift.apply(&x), common::rotated(&x, k));
        for width in [None, Some(1), Some(16), Some(params.slots())] {
            check(&params, &shift, 2, width, 2);
        }
    }
}

#[test]
fn a_dense_matrix_times_a_vector() {
    for params in [insecure(&single(10, 3)), insecure(&double(10, 2)), named("n12"), named("n13")] {
        let rows: Vec<Vec<f64>> = (0..64).map(|i| values(64, 1000 + i)).collect();
        let matrix = Diagonals::from_matrix(&rows).unwrap();
        assert_eq!(matrix.indices().count(), 64);
        let x = values(64, 3);
        let product: Vec<f64> = rows.iter().map(|row| row.iter().zip(&x).map(|(a, b)| a * b).sum()).collect();
        common::assert_near(&matrix.apply(&x), &product, 1e-12);
        let split = check(&params, &matrix, params.max_level(), None, 3);
        assert!(split.baby_steps + split.giant_steps < 64, "{split:?} saves nothing");
    }
}

#[test]
fn zero_diagonals_of_a_matrix_are_left_out() {
    let mut rows = vec![vec![0.0; 16]; 16];
    (0..16).for_each(|i| (rows[i][i], rows[i][(i + 15) % 16]) = (1.0, 2.0));
    assert_eq!(Diagonals::from_matrix(&rows).unwrap().indices().collect::<Vec<_>>(), [0, 15]);
}

#[test]
fn diagonals_add_up_and_count_modulo_the_period() {
    let mut a = Diagonals::new(8).unwrap();
    for index in [3, 11, -5] {
        a.add(index, &[1.0; 8]).unwrap();
    }
    assert_eq!(a.indices().collect::<Vec<_>>(), [3]);
    assert_eq!(a.apply(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), [9.0, 12.0, 15.0, 18.0, 21.0, 0.0, 3.0, 6.0]);
}

/// Every width gives the same map: baby steps only, giant steps only and everything between.
#[test]
fn the_split_does_not_change_the_map() {
    let params = insecure(&single(9, 2));
    let d = diagonals(256, &[0, 1, 2, 17, 18, 64, 65, 100, 200, 255], 7);
    for width in [1, 2, 3, 7, 16, 24, 100, 128, 255, 256] {
        check(&params, &d, 2, Some(width), 7);
    }
    let cheapest = Split::cheapest(&params, 2, 256, &d.indices().collect::<Vec<_>>());
    assert_eq!(check(&params, &d, 2, None, 7), cheapest);
}

/// More terms per giant step than are summed before a reduction, and more slots than one tile.
#[test]
fn many_diagonals_on_a_large_ring() {
    let params = named("n13");
    let indices: Vec<i64> = (0..48).collect();
    check(&params, &diagonals(params.slots(), &indices, 20), params.max_level(), Some(48), 20);
}

#[test]
fn the_scale_of_the_diagonals_is_the_callers_choice() {
    let params = insecure(&single(8, 3));
    let d = diagonals(16, &[0, 3, 9], 30);
    let x = values(16, 31);
    for log_scale in [20.0, 25.0, 29.5f64] {
        let transform = LinearTransform::with_scale(&params, &d, 3, log_scale.exp2(), None).unwrap();
        let kit = Kit::new(&params, &transform.key_spec());
        let a = kit.encrypt(&repeat(&x, &params));
        let y = kit.evaluator.linear(&a, &transform, &kit.keys).unwrap();
        assert_eq!((y.level(), y.scale()), (2, a.scale() * transform.scale() / params.rescale_factor(3)));
        let (b, rounding) = (Bound::at(&params, log_scale.exp2()), Bound::at(&params, y.scale()).rounding);
        let error = 9.0 * (b.encoding + Bound::new(&params).fresh + 2.0 * Bound::new(&params).key_switch) + rounding;
        kit.assert_decrypts(&y, &repeat(&d.apply(&x), &params), error);
    }
}

#[test]
fn the_key_specification_is_exactly_what_is_used() {
    let params = insecure(&single(8, 3));
    let transform = LinearTransform::with_scale(&params, &diagonals(128, &[0, 1, 2, 35, 70], 40), 2, 1e8, Some(32)).unwrap();
    assert_eq!(transform.level(), 2);
    assert_eq!(transform.split(), Split { width: 32, baby_steps: 4, giant_steps: 2 });
    let spec = transform.key_spec();
    // Baby steps 1, 2, 3 and 6, giant steps 32 and 64, all at the transform's level and nothing else.
    assert_eq!(spec, KeySpec::new().with_rotations(&params, [1, 2, 3, 6, 32, 64], 2));
    // Each of them is needed.
    let kit = Kit::new(&params, &spec);
    let a = kit.encrypt_at(&[1.0], 2);
    assert!(kit.evaluator.linear(&a, &transform, &kit.keys).is_ok());
    for element in spec.galois().keys() {
        let step = (0..128).find(|k| veilray_he::galois::rotation_element(&params, *k) == *element).unwrap();
        let others = [1, 2, 3, 6, 32, 64].into_iter().filter(|k| *k != step);
        let keys = Kit::new(&params, &KeySpec::new().with_rotations(&params, others, 2)).keys;
        let missing = Evaluator::new(&params).linear(&a, &transform, &keys).unwrap_err();
        assert_eq!(missing, veilray_he::Error::MissingGaloisKey { element: *element, level: 2, found: None });
    }
}

#[test]
fn memory_is_reported() {
    let params = named("n12");
    let transform = LinearTransform::new(&params, &diagonals(2048, &[0, 1, 5], 50), 2).unwrap();
    // Half of each of 3 palindromic diagonals modulo 4 primes.
    assert_eq!(transform.memory_bytes(), 3 * 4 * 4 * 4096 / 2);
    let kit = Kit::new(&params, &transform.key_spec());
    let keys: &ExpandedKeys = &kit.keys;
    // Two keys of 2 halves of 3 digits modulo 4 primes, and their permutations.
    assert!(keys.memory_bytes() >= 2 * 2 * 3 * 4 * 4 * 4096);
}
