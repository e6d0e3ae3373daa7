//! What is written is read back, at the size announced.

use crate::objects::*;
use veilray_he::wire::{self, Object};
use veilray_he::{
    Ciphertext, Decryptor, Encoder, EvaluationKeys, Evaluator, ExpandedKeys, KeySpec, Params, PublicKey, SecretKey,
};

fn slots(secret: &SecretKey, ciphertext: &Ciphertext) -> Vec<f64> {
    Encoder::new(secret.params()).decode(&Decryptor::new(secret).decrypt_raw(ciphertext).unwrap()).unwrap()
}

#[test]
fn every_object_reads_back_as_the_bytes_it_was() {
    for (object, bytes) in OBJECTS.all_bytes() {
        assert_eq!(read(&OBJECTS.params, object, &bytes, bytes.len()).unwrap(), bytes, "{object}");
        assert_eq!(read_stream(&OBJECTS.params, object, &mut &bytes[..], bytes.len()).unwrap(), bytes, "{object}");
    }
}

#[test]
fn objects_follow_one_another_in_a_stream() {
    let mut stream = Vec::new();
    OBJECTS.params.write_to(&mut stream).unwrap();
    OBJECTS.public.write_to(&mut stream).unwrap();
    OBJECTS.keys.write_to(&mut stream).unwrap();
    OBJECTS.seeded.write_to(&mut stream).unwrap();
    OBJECTS.full.write_to(&mut stream).unwrap();
    // A reader that gives a byte or three at a time, as sockets may.
    struct Trickle<'a>(&'a [u8]);
    impl std::io::Read for Trickle<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let count = out.len().min(1 + self.0.len() % 3 * 997);
            std::io::Read::read(&mut self.0, &mut out[..count])
        }
    }
    let mut from = Trickle(&stream);
    let params = Params::read_from(&mut from, NO_LIMIT).unwrap();
    for object in [Object::PublicKey, Object::EvaluationKeys, Object::SeededCiphertext, Object::Ciphertext] {
        let bytes = read_stream(&params, object, &mut from, NO_LIMIT).unwrap();
        assert_eq!(wire::inspect(&bytes).unwrap().object, object);
    }
    assert!(from.0.is_empty());
}

#[test]
fn parameters_of_every_named_set_travel() {
    for name in veilray_he::ParamsLiteral::names() {
        let params = named(name);
        let bytes = params.to_bytes().unwrap();
        assert_eq!(bytes.len(), wire::params_bytes());
        let back = Params::from_bytes(&bytes, bytes.len()).unwrap();
        assert_eq!((back.literal(), back.digest()), (params.literal(), params.digest()), "{name}");
    }
}

#[test]
fn ciphertexts_of_every_level_travel_in_both_forms_at_exactly_the_announced_size() {
    for name in ["n12", "n13"] {
        let params = named(name);
        let secret = SecretKey::generate(&params).unwrap();
        let evaluator = Evaluator::new(&params);
        let fresh = encrypt(&secret, params.max_level(), [1; 32], [2; 32]);
        for level in 0..=params.max_level() {
            // Dropping limbs keeps the seed.
            let seeded = evaluator.drop_to(&fresh, level).unwrap();
            let full = evaluator.add(&seeded, &seeded).unwrap();
            for (ciphertext, message) in [(seeded, MESSAGE), (full, 2.0 * MESSAGE)] {
                let bytes = ciphertext.to_bytes().unwrap();
                assert_eq!(bytes.len(), wire::ciphertext_bytes(&params, level, ciphertext.is_seeded()).unwrap());
                let back = Ciphertext::from_bytes(&params, &bytes, bytes.len()).unwrap();
                assert_eq!(back.to_bytes().unwrap(), bytes);
                assert_eq!((back.level(), back.scale()), (level, ciphertext.scale()));
                assert_eq!(back.is_seeded(), ciphertext.is_seeded());
                // Bit for bit, the half from the seed included.
                assert_eq!(slots(&secret, &back), slots(&secret, &ciphertext));
                assert!((slots(&secret, &back)[0] - message).abs() < 1e-2);
            }
        }
    }
}

#[test]
fn evaluation_keys_of_every_level_travel_at_exactly_the_announced_size_and_work() {
    let params = named("n13");
    let secret = SecretKey::generate(&params).unwrap();
    let evaluator = Evaluator::new(&params);
    for level in 0..=params.max_level() {
        let spec =
            KeySpec::new().with_relinearisation(level).with_rotations(&params, [1, -3], 0).with_conjugation(&params, level);
        let keys = EvaluationKeys::generate(&secret, &spec).unwrap();
        let bytes = keys.to_bytes().unwrap();
        assert_eq!(bytes.len(), wire::evaluation_keys_bytes(&params, &spec).unwrap());
        let back = EvaluationKeys::from_bytes(&params, &bytes, bytes.len()).unwrap();
        assert_eq!(back.spec(), spec);
        assert_eq!(back.to_bytes().unwrap(), bytes);
        let (before, after) = (ExpandedKeys::new(&keys).unwrap(), ExpandedKeys::new(&back).unwrap());
        let ciphertext = encrypt(&secret, level, [1; 32], [2; 32]);
        let conjugate = |keys| evaluator.conjugate(&ciphertext, keys).unwrap().to_bytes().unwrap();
        assert_eq!(conjugate(&before), conjugate(&after));
        let relinearise = |keys| evaluator.relinearise(evaluator.tensor(&ciphertext, &ciphertext).unwrap(), keys);
        if level > 0 {
            assert_eq!(relinearise(&before).unwrap().to_bytes().unwrap(), relinearise(&after).unwrap().to_bytes().unwrap());
        }
    }
}

#[test]
fn one_more_key_adds_exactly_its_size() {
    let params = named("n14");
    for level in [0, 4, params.max_level()] {
        let one = wire::galois_key_bytes(&params, level).unwrap();
        let spec = |steps: &[i64]| KeySpec::new().with_rotations(&params, steps.iter().copied(), level);
        let bytes = |spec: &KeySpec| wire::evaluation_keys_bytes(&params, spec).unwrap();
        assert_eq!(bytes(&spec(&[1, 2])) - bytes(&spec(&[1])), one);
        assert_eq!(bytes(&spec(&[1]).with_relinearisation(level)) - bytes(&spec(&[1])), one);
        assert_eq!(wire::relinearisation_key_bytes(&params, level).unwrap(), one);
    }
    assert!(wire::galois_key_bytes(&params, params.max_level() + 1).is_err());
    assert!(wire::ciphertext_bytes(&params, params.max_level() + 1, true).is_err());
}

#[test]
fn no_keys_are_keys_too() {
    let keys = EvaluationKeys::generate(&OBJECTS.secret, &KeySpec::new()).unwrap();
    let bytes = keys.to_bytes().unwrap();
    assert_eq!(bytes.len(), wire::evaluation_keys_bytes(&OBJECTS.params, &KeySpec::new()).unwrap());
    assert!(EvaluationKeys::from_bytes(&OBJECTS.params, &bytes, NO_LIMIT).unwrap().spec().is_empty());
}

#[test]
fn a_public_key_that_travelled_encrypts() {
    let params = named("n13");
    let secret = SecretKey::generate(&params).unwrap();
    let bytes = PublicKey::generate(&secret).unwrap().to_bytes().unwrap();
    assert_eq!(bytes.len(), wire::public_key_bytes(&params));
    let public = PublicKey::from_bytes(&params, &bytes, bytes.len()).unwrap();
    let plaintext = Encoder::new(&params).encode(&[0.5, -0.25]).unwrap();
    let found = slots(&secret, &public.encrypt(&plaintext).unwrap());
    assert!((found[0] - 0.5).abs() < 1e-2 && (found[1] + 0.25).abs() < 1e-2, "{:?}", &found[..2]);
}

#[test]
fn a_secret_key_that_travelled_decrypts_bit_for_bit_alike() {
    let bytes = OBJECTS.secret.to_bytes().unwrap();
    assert_eq!(bytes.len(), wire::secret_key_bytes(&OBJECTS.params));
    let back = SecretKey::from_bytes(&OBJECTS.params, &bytes, bytes.len()).unwrap();
    assert_eq!(slots(&back, &OBJECTS.full), slots(&OBJECTS.secret, &OBJECTS.full));
}

#[test]
fn a_header_is_legible_without_parameters() {
    let levels = [OBJECTS.params.max_level(), 0, 0, 0, OBJECTS.params.max_level(), 0];
    let scale = OBJECTS.params.scale();
    let scales = [scale, scale, scale, 0.0, 0.0, 0.0];
    for (((object, bytes), level), scale) in OBJECTS.all_bytes().into_iter().zip(levels).zip(scales) {
        let header = wire::inspect(&bytes[..HEADER]).unwrap();
        assert_eq!((header.object, header.version, header.level, header.scale), (object, 1, level, scale));
        assert_eq!(header.digest, *OBJECTS.params.digest());
        assert_eq!(header.total_bytes(), bytes.len() as u64);
    }
}

#[test]
fn sizes_at_n14_stay_below_what_the_product_plans_with() {
    let params = named("n14");
    let (galois, fresh) = (
        wire::galois_key_bytes(&params, params.max_level()).unwrap(),
        wire::ciphertext_bytes(&params, params.max_level(), true).unwrap(),
    );
    println!("n14: Galois key at full level {galois} bytes, fresh seeded ciphertext {fresh} bytes");
    assert!(galois <= 3_000_000, "{galois}");
    assert!(fresh <= 750_000, "{fresh}");
}

#[test]
#[ignore = "timing: .ci/tier wire-speed"]
fn speed_at_n14() {
    let params = named("n14");
    let secret = SecretKey::generate(&params).unwrap();
    let seeded = encrypt(&secret, params.max_level(), [1; 32], [2; 32]);
    let full = Evaluator::new(&params).neg(&seeded).unwrap();
    let spec = KeySpec::new().with_rotations(&params, [1], params.max_level());
    let keys = EvaluationKeys::generate(&secret, &spec).unwrap();
    let best = |f: &dyn Fn() -> usize| {
        let runs = (0..30).map(|_| {
            let start = std::time::Instant::now();
            std::hint::black_box(f());
            start.elapsed().as_secs_f64() * 1e6
        });
        runs.fold(f64::MAX, f64::min)
    };
    let (a, b, c) = (seeded.to_bytes().unwrap(), full.to_bytes().unwrap(), keys.to_bytes().unwrap());
    println!(
        "seeded ciphertext: {} bytes, write {:.0} µs, read {:.0} µs",
        a.len(),
        best(&|| seeded.to_bytes().unwrap().len()),
        { best(&|| Ciphertext::from_bytes(&params, &a, NO_LIMIT).unwrap().level()) }
    );
    println!("full ciphertext: {} bytes, write {:.0} µs, read {:.0} µs", b.len(), best(&|| full.to_bytes().unwrap().len()), {
        best(&|| Ciphertext::from_bytes(&params, &b, NO_LIMIT).unwrap().level())
    });
    println!("one Galois key: {} bytes, write {:.0} µs, read {:.0} µs", c.len(), best(&|| keys.to_bytes().unwrap().len()), {
        best(&|| EvaluationKeys::from_bytes(&params, &c, NO_LIMIT).unwrap().spec().len())
    });
}
