//! Backends, secrets in logs and key specifications.

use crate::common::named;
use crate::kit;
use veilray_he::simd::Backend;
use veilray_he::{Decryptor, Encoder, Encryptor, Error, EvaluationKeys, KeySpec, PublicKey, SecretKey, galois};

/// The variable is read when parameters are made, so the test runs itself under each value of it.
#[test]
fn a_backend_that_is_not_there_is_refused_with_those_that_are() {
    const TEST: &str = "other::a_backend_that_is_not_there_is_refused_with_those_that_are";
    if let Ok(found) = std::env::var("VEILRAY_TEST_BACKEND") {
        let available = Backend::available().iter().map(|b| b.name()).collect::<Vec<_>>().join(", ");
        let result = veilray_he::ParamsLiteral::named("n12").unwrap().check();
        match Backend::available().iter().find(|b| b.name() == found) {
            Some(backend) => assert_eq!(result.unwrap().backend(), *backend),
            None => {
                let reason = if found.starts_with("avx") { "this CPU cannot run it" } else { "there is no such backend" };
                assert_eq!(result.unwrap_err(), Error::Backend { found, reason, available });
            }
        }
        return;
    }
    for name in ["scalar", "avx2", "avx512", "avx512ifma", "neon", ""] {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let child = child.args(["--exact", TEST, "--nocapture"]).env("VEILRAY_TEST_BACKEND", name).env("VEILRAY_SIMD", name);
        let output = child.output().unwrap();
        assert!(output.status.success(), "VEILRAY_SIMD={name}: {}", String::from_utf8_lossy(&output.stderr));
        // A name that no test has would be no failure.
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(printed.contains("1 passed"), "{TEST} did not run: {printed}");
    }
}

#[test]
fn secrets_are_not_printed() {
    let k = kit();
    assert_eq!(format!("{:?}", k.secret), "SecretKey(…)");
    let public = PublicKey::generate(&k.secret).unwrap();
    let plain = k.encoder.encode(&[1.0]).unwrap();
    let a = k.encrypt_plain(&plain);
    let decrypted = Decryptor::new(&k.secret).decrypt_raw(&a).unwrap();
    // Nor are residues of anything: a list of them would be longer than this.
    let printed: [(&dyn std::fmt::Debug, &str); 7] = [
        (&Encryptor::new(&k.secret), "Encryptor"),
        (&Decryptor::new(&k.secret), "Decryptor"),
        (&decrypted, "Plaintext"),
        (&a, "Ciphertext"),
        (&public, "PublicKey"),
        (&k.params, "Params"),
        (&k.evaluator, "Evaluator"),
    ];
    for (value, name) in printed {
        let text = format!("{value:?}");
        assert!(text.starts_with(name) && text.len() < 1500, "{} characters: {}", text.len(), &text[..1000]);
    }
}

#[test]
fn key_specifications_merge_to_the_highest_level() {
    let params = named("n12");
    let a = KeySpec::new().with_rotations(&params, [0, 1, 2], 1).with_relinearisation(2);
    let b = KeySpec::new().with_rotations(&params, [2, 3], 2).with_relinearisation(1).with_conjugation(&params, 0);
    let both = a.clone().union(&b);
    assert_eq!(both, b.union(&a));
    let element = |k| galois::rotation_element(&params, k);
    let wanted = [(element(1), 1), (element(2), 2), (element(3), 2), (galois::conjugation_element(&params), 0)];
    assert_eq!(*both.galois(), wanted.into_iter().collect());
    assert_eq!((both.relinearisation(), both.len(), both.is_empty()), (Some(2), 5, false));
    assert!(KeySpec::new().is_empty() && KeySpec::new().with_rotations(&params, [0, 2048], 1).is_empty());
    // Generated keys are exactly those asked for.
    let secret = SecretKey::generate(&params).unwrap();
    assert_eq!(EvaluationKeys::generate(&secret, &both).unwrap().spec(), both);
}

#[test]
fn an_encoder_refuses_before_it_allocates_the_wrong_size() {
    let encoder = Encoder::new(&named("n12"));
    assert_eq!(encoder.encode(&vec![1.0; 1 << 20]).unwrap_err(), Error::TooManyValues { found: 1 << 20, slots: 2048 });
}
