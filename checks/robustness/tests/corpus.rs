//! Every reader over its seeds and some hundred bent ones: no panic, no long wait, no memory without bound.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::sync::{Mutex, MutexGuard, PoisonError};
use veilray_robustness::driver::{self, Ended, MAX_BYTES, MAX_SECONDS, Measured};
use veilray_robustness::{Target, mutate, targets};

/// Bent inputs of all targets together. Chosen for some seconds; `.ci/tier robustness` runs more.
const INPUTS: u64 = 6000;

/// Under another seed than `robustness run`, so that the two see different inputs.
const SEED: u64 = 20_260_730;

/// Memory is counted of the whole process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    driver::keep_panics();
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn every_seed_is_taken() {
    let _alone = alone();
    for target in targets::all() {
        let seeds = (target.seeds)().unwrap();
        assert!(!seeds.is_empty(), "{}: no seeds", target.name);
        for (number, seed) in seeds.iter().enumerate() {
            let measured = driver::measure(&target, seed);
            assert_eq!(measured.ended, Ended::Taken, "{} seed {number}", target.name);
            assert_eq!(measured.caught, None, "{} seed {number}", target.name);
        }
    }
}

#[test]
fn bent_inputs_are_answered_in_time_and_without_much_memory() {
    let _alone = alone();
    let all = targets::all();
    let shares: u64 = all.iter().map(|target| u64::from(target.share)).sum();
    let (mut failed, mut refused) = (Vec::new(), 0u64);
    for target in &all {
        let seeds = (target.seeds)().unwrap();
        for index in 0..(INPUTS * u64::from(target.share)).div_ceil(shares) {
            let measured = driver::measure(target, &mutate::input(target, &seeds, SEED, index));
            refused += u64::from(matches!(measured.ended, Ended::Refused(_)));
            failed.extend(measured.failure().map(|why| format!("{} --seed {SEED} --index {index}: {why}", target.name)));
        }
    }
    assert!(failed.is_empty(), "run them with `robustness one TARGET --index N`:\n{}", failed.join("\n"));
    // Bending does something.
    assert!(refused > INPUTS / 4, "{refused} of {INPUTS} refused");
}

#[test]
fn an_input_is_the_same_each_time() {
    let _alone = alone();
    let target = targets::named("interface-json").unwrap();
    let seeds = (target.seeds)().unwrap();
    let all: Vec<Vec<u8>> = (0..50).map(|index| mutate::input(&target, &seeds, 1, index)).collect();
    assert_eq!(all, (0..50).map(|index| mutate::input(&target, &seeds, 1, index)).collect::<Vec<_>>());
    assert!(all.iter().collect::<std::collections::BTreeSet<_>>().len() > 40, "inputs differ");
}

/// The driver sees what it is for: a reader that panics, works long or asks for memory fails.
#[test]
fn failures_are_seen() {
    let _alone = alone();
    let measured =
        |run: fn(&[u8]) -> Result<(), String>| driver::measure(&Target { run, ..targets::named("png").unwrap() }, b"any");
    assert_eq!(measured(|_| Err("no".into())).failure(), None);
    let panicked = measured(|bytes| {
        assert!(bytes.is_empty(), "this reader wants nothing");
        Ok(())
    });
    let said = panicked.failure().unwrap();
    assert!(said.contains("this reader wants nothing at ") && said.contains("corpus.rs:"), "{said}");
    let large = measured(|_| {
        // Another test that ends meanwhile gives memory back: a byte more would not always show.
        std::hint::black_box(vec![0u8; MAX_BYTES + (16 << 20)]);
        Ok(())
    });
    assert!(large.failure().unwrap().starts_with("memory: "));
    // Waiting for other programs is nobody's fault.
    let waiting = measured(|_| {
        std::thread::sleep(std::time::Duration::from_millis(400));
        Ok(())
    });
    assert!(waiting.seconds < 0.2 && waiting.failure().is_none(), "{waiting:?}");
    let slow = Measured { seconds: MAX_SECONDS * 1.01, ..waiting };
    assert!(slow.failure().unwrap().starts_with("time: "));
}

/// Each target is one of libFuzzer's too, and there is no other.
#[test]
fn every_target_is_in_fuzz() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let files = std::fs::read_dir(folder.join("fuzz_targets")).unwrap();
    let mut found: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let mut wanted: Vec<String> = targets::all().iter().map(|target| format!("{}.rs", target.name)).collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    for file in found {
        let name = file.trim_end_matches(".rs");
        let text = std::fs::read_to_string(folder.join("fuzz_targets").join(&file)).unwrap();
        assert!(text.contains(&format!("fuzz(\"{name}\", bytes)")), "{file}");
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{file}\"")), "{name} in Cargo.toml");
    }
}
