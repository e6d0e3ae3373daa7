//! Files of every released version: today's library reads them, and makes the same bytes from the same seeds.
//!
//! `cargo test -p veilray-he --test wire regenerate -- --ignored` writes those of the current version anew. Do so only before a release
//! of that version: afterwards a difference is a break of the format.

use crate::objects::*;
use std::path::PathBuf;
use veilray_he::PublicKey;
use veilray_he::wire::{self, Object};

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "vectors", name].iter().collect()
}

/// Names and bytes of version 1, all from fixed seeds at n12.
fn version_1() -> [(&'static str, Object, Vec<u8>); 7] {
    let o = &*OBJECTS;
    [
        ("v1-params.bin", Object::Params, o.params.to_bytes().unwrap()),
        ("v1-ciphertext-level0.bin", Object::Ciphertext, o.full.to_bytes().unwrap()),
        ("v1-ciphertext-seeded-level0.bin", Object::SeededCiphertext, o.seeded.to_bytes().unwrap()),
        (
            "v1-ciphertext-seeded-level1.bin",
            Object::SeededCiphertext,
            encrypt(&o.secret, 1, [8; 32], [9; 32]).to_bytes().unwrap(),
        ),
        ("v1-evaluation-keys-level0.bin", Object::EvaluationKeys, o.keys.to_bytes().unwrap()),
        (
            "v1-public-key.bin",
            Object::PublicKey,
            PublicKey::from_seeds(&o.secret, [10; 32], [11; 32]).unwrap().to_bytes().unwrap(),
        ),
        ("v1-secret-key.bin", Object::SecretKey, o.secret.to_bytes().unwrap().to_vec()),
    ]
}

#[test]
fn files_of_version_1_are_read_and_made_again_bit_for_bit() {
    for (name, object, made) in version_1() {
        let stored = std::fs::read(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(wire::inspect(&stored).unwrap().object, object, "{name}");
        assert_eq!(read(&OBJECTS.params, object, &stored, stored.len()).unwrap(), stored, "{name}");
        assert!(made == stored, "{name}: the same seeds make other bytes than when the file was written");
    }
}

#[test]
#[ignore = "writes he/tests/vectors: .ci/tier golden"]
fn regenerate_the_files_of_version_1() {
    std::fs::create_dir_all(file("")).unwrap();
    for (name, _, bytes) in version_1() {
        std::fs::write(file(name), &bytes).unwrap();
        println!("{name}: {} bytes", bytes.len());
    }
}
