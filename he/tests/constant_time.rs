//! No branch and no address depends on a secret: valgrind's memcheck watches key generation, encryption and decryption with every secret
//! declared undefined (Langley 2010, "ctgrind").
//!
//! What is watched: everything that comes from [`SecretKey`] or from secret randomness, down to the published halves of ciphertexts and
//! keys, `decrypt_raw` and decoding whole, with and without limbs that only confirm. What is not: the rejection sampling of public
//! halves, and decoding of a message that does not fit in 62 bits, which no honest reply is (whether it fits is taken as public).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy.toml says so of test functions, not of their helpers"
)]

mod common;

use common::{insecure, named, single, values};
use std::process::Command;
use veilray_he::{Decryptor, Encoder, Encryptor, EvaluationKeys, KeySpec, Params, PublicKey, SecretKey};

/// Everything that touches a secret; `leak` adds one branch that must not be there.
fn subject(params: &Params, leak: bool) {
    let top = params.max_level();
    let secret = SecretKey::generate(params).unwrap();
    let spec = KeySpec::new().with_relinearisation(top).with_conjugation(params, 1).with_rotations(params, [1, -5], top);
    let keys = EvaluationKeys::generate(&secret, &spec).unwrap();
    assert_eq!(keys.spec(), spec);
    let public = PublicKey::generate(&secret).unwrap();
    let plain = Encoder::new(params).encode(&values(params.slots(), 1)).unwrap();
    for a in [Encryptor::new(&secret).encrypt(&plain).unwrap(), public.encrypt(&plain).unwrap()] {
        let decrypted = Decryptor::new(&secret).decrypt_raw(&a).unwrap();
        assert_eq!(decrypted.level(), top);
        let slots = Encoder::new(params).decode(&decrypted).unwrap();
        if leak {
            assert!(slots[0] < 2.0);
        }
    }
}

#[test]
#[ignore = "started by secrets_decide_no_branch_and_no_address, under valgrind"]
fn program() {
    match std::env::var("VEILRAY_CONSTANT_TIME").as_deref() {
        Ok("n12") => subject(&named("n12"), false),
        Ok("small") => subject(&insecure(&single(9, 3)), false),
        Ok("leak") => subject(&insecure(&single(9, 3)), true),
        _ => {}
    }
}

/// Runs [`program`] under valgrind; its exit code, 9 if it found something, and what it said.
fn valgrind(backend: &str, part: &str) -> (Option<i32>, String) {
    let output = Command::new("valgrind")
        .args(["--error-exitcode=9", "--leak-check=no", "--track-origins=no", "--num-callers=12", "-q"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "program", "--ignored", "--test-threads=1"])
        .envs([("VEILRAY_SIMD", backend), ("VEILRAY_CONSTANT_TIME", part), ("RAYON_NUM_THREADS", "1")])
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
#[ignore = "needs valgrind: .ci/tier constant-time"]
fn secrets_decide_no_branch_and_no_address() {
    if cfg!(not(feature = "constant-time-check")) {
        panic!("without --features constant-time-check nothing is declared secret");
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("skipped: there is no valgrind on this machine");
        return;
    }
    // Valgrind has no AVX-512 so far; its kernels are the AVX2 ones with wider vectors.
    for backend in ["scalar", "avx2"] {
        // The control: a branch on what the secret key decrypts must not go unnoticed.
        let (code, said) = valgrind(backend, "leak");
        assert_eq!(code, Some(9), "the check is blind on {backend}:\n{said}");
        for part in ["small", "n12"] {
            let (code, said) = valgrind(backend, part);
            assert_eq!(code, Some(0), "{part} on {backend} depends on secrets:\n{said}");
        }
    }
}
