//! Every reason to refuse bytes, one by one.

use crate::objects::*;
use std::io::{self, Read, Write};
use veilray_he::wire::{self, Object, WireError};
use veilray_he::{Ciphertext, Error, EvaluationKeys, Evaluator, KeySpec, Params, ParamsLiteral, PublicKey, SecretKey};

fn refused(object: Object, bytes: &[u8]) -> WireError {
    match read(&OBJECTS.params, object, bytes, NO_LIMIT) {
        Err(Error::Wire(error)) => error,
        other => panic!("{object}: {:?}", other.map(|bytes| bytes.len())),
    }
}

fn short(digest: &[u8; 32]) -> String {
    digest[..4].iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn another_magic_is_refused() {
    for (object, bytes) in OBJECTS.all_bytes() {
        let error = refused(object, &with(&bytes, 0, b"PK\x03\x04"));
        assert!(matches!(error, WireError::Magic { found, .. } if found.starts_with(b"PK")), "{error}");
        assert!(wire::inspect(&with(&bytes, 0, b"PK\x03\x04")).is_err());
    }
}

#[test]
fn another_version_is_refused_and_named() {
    for (object, bytes) in OBJECTS.all_bytes() {
        for version in [0u16, 2, 257, u16::MAX] {
            let bytes = with(&bytes, VERSION_AT, &version.to_le_bytes());
            assert_eq!(refused(object, &bytes), WireError::Version { wanted: 1, found: version });
            assert_eq!(wire::inspect(&bytes), Err(WireError::Version { wanted: 1, found: version }.into()));
        }
    }
}

#[test]
fn no_reader_takes_another_object() {
    let ciphertexts = [Object::Ciphertext, Object::SeededCiphertext];
    for (wanted, _) in OBJECTS.all_bytes() {
        for (found, bytes) in OBJECTS.all_bytes() {
            if wanted == found || ciphertexts.contains(&wanted) && ciphertexts.contains(&found) {
                continue;
            }
            let error = refused(wanted, &bytes);
            if [wanted, found].contains(&Object::SecretKey) {
                assert!(matches!(error, WireError::Magic { .. }), "{error}");
            } else {
                assert!(matches!(error, WireError::ObjectType { .. }), "{error}");
            }
        }
    }
}

#[test]
fn a_secret_key_has_no_disguise() {
    // Not as another object under its own magic, and nothing else under its type.
    let secret = OBJECTS.secret.to_bytes().unwrap();
    for number in [0u16, 1, 2, 3, 4, 5, 7] {
        let bytes = with(&secret, OBJECT_AT, &number.to_le_bytes());
        assert_eq!(refused(Object::SecretKey, &bytes), WireError::ObjectType { wanted: Object::SecretKey, found: number });
        assert!(wire::inspect(&bytes).is_err());
    }
    let public = with(&OBJECTS.public.to_bytes().unwrap(), OBJECT_AT, &6u16.to_le_bytes());
    assert_eq!(refused(Object::PublicKey, &public), WireError::ObjectType { wanted: Object::PublicKey, found: 6 });
    assert!(wire::inspect(&public).is_err());
}

#[test]
fn an_unknown_object_type_is_refused() {
    for number in [0u16, 7, 256, u16::MAX] {
        let bytes = with(&OBJECTS.full.to_bytes().unwrap(), OBJECT_AT, &number.to_le_bytes());
        assert_eq!(refused(Object::Ciphertext, &bytes), WireError::ObjectType { wanted: Object::Ciphertext, found: number });
    }
}

#[test]
fn objects_of_other_parameters_are_refused() {
    let other = named("n13");
    for (object, bytes) in OBJECTS.all_bytes().into_iter().filter(|(object, _)| *object != Object::Params) {
        let error = read(&other, object, &bytes, NO_LIMIT).unwrap_err();
        let (wanted, found) = (short(other.digest()), short(OBJECTS.params.digest()));
        assert_eq!(error, WireError::Params { wanted, found }.into(), "{object}");
    }
}

#[test]
fn parameters_that_do_not_have_the_digest_announced_are_refused() {
    let bytes = OBJECTS.params.to_bytes().unwrap();
    let error = refused(Object::Params, &with(&bytes, DIGEST_AT + 31, &[!bytes[DIGEST_AT + 31]]));
    assert!(matches!(error, WireError::Params { .. }), "{error}");
}

#[test]
fn parameters_are_checked_from_the_start() {
    let bytes = OBJECTS.params.to_bytes().unwrap();
    // log_n, levels, digits beyond every range; sizes that are no numbers.
    for (at, value) in [(0, u32::MAX), (0, 0), (0, 64), (4, u32::MAX), (16, u32::MAX), (28, 3), (32, u32::MAX), (44, 0)] {
        let error = Params::from_bytes(&with(&bytes, HEADER + at, &value.to_le_bytes()), NO_LIMIT).unwrap_err();
        assert!(matches!(error, Error::Params { .. }), "{at}: {error}");
    }
    for at in [8, 20, 36, 48] {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, 1e300] {
            let error = Params::from_bytes(&with(&bytes, HEADER + at, &value.to_le_bytes()), NO_LIMIT).unwrap_err();
            assert!(matches!(error, Error::Params { .. }), "{at}: {error}");
        }
    }
    // One more level is one too many for 128 bits.
    let error = Params::from_bytes(&with(&bytes, HEADER + 16, &3u32.to_le_bytes()), NO_LIMIT).unwrap_err();
    assert!(matches!(error, Error::Insecure { .. }), "{error}");
}

#[test]
fn sizes_above_the_limit_are_refused_and_the_size_itself_is_not() {
    for (object, bytes) in OBJECTS.all_bytes() {
        let limit = bytes.len() - 1;
        let error = read(&OBJECTS.params, object, &bytes, limit).unwrap_err();
        assert_eq!(error, WireError::TooLarge { limit, found: bytes.len() as u64 }.into(), "{object}");
        assert!(read(&OBJECTS.params, object, &bytes, bytes.len()).is_ok());
    }
}

#[test]
fn every_truncation_is_refused_from_memory_and_from_a_stream() {
    for (object, bytes) in OBJECTS.all_bytes() {
        let lengths = (0..200.min(bytes.len())).chain((200..bytes.len()).step_by(997)).chain([bytes.len() - 1]);
        for length in lengths {
            let wanted = if length < HEADER { HEADER } else { bytes.len() } as u64;
            let error = WireError::Truncated { wanted, found: length as u64 };
            assert_eq!(refused(object, &bytes[..length]), error, "{object}");
            let streamed = read_stream(&OBJECTS.params, object, &mut &bytes[..length], NO_LIMIT).unwrap_err();
            assert_eq!(streamed, error.into(), "{object}");
        }
    }
}

#[test]
fn trailing_bytes_are_refused() {
    for (object, bytes) in OBJECTS.all_bytes() {
        let longer = [&bytes[..], &[0]].concat();
        let error = WireError::Trailing { wanted: bytes.len() as u64, found: longer.len() as u64 };
        assert_eq!(refused(object, &longer), error, "{object}");
    }
}

#[test]
fn a_payload_length_that_the_parameters_rule_out_is_refused_before_the_payload_is_read() {
    /// Gives the header and fails the test at the next byte.
    struct HeaderOnly(io::Cursor<Vec<u8>>);
    impl Read for HeaderOnly {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            assert!((self.0.position() as usize) < HEADER && out.len() <= HEADER, "{} bytes asked for", out.len());
            self.0.read(out)
        }
    }
    for (object, bytes) in OBJECTS.all_bytes().into_iter().filter(|(object, _)| *object != Object::EvaluationKeys) {
        for payload in [0u64, 1, bytes.len() as u64 - 65, bytes.len() as u64 - 63, 1 << 40, u64::MAX - 64, u64::MAX] {
            let header = with(&bytes, PAYLOAD_AT, &payload.to_le_bytes())[..HEADER].to_vec();
            let error = read_stream(&OBJECTS.params, object, &mut HeaderOnly(io::Cursor::new(header)), NO_LIMIT).unwrap_err();
            let wanted = bytes.len() as u64 - 64;
            assert_eq!(error, WireError::Length { wanted, found: payload }.into(), "{object}");
        }
    }
}

#[test]
fn levels_out_of_range_are_refused() {
    for (object, bytes) in OBJECTS.all_bytes() {
        for level in [3u32, 1000, u32::MAX] {
            let error = refused(object, &with(&bytes, LEVEL_AT, &level.to_le_bytes()));
            let known = matches!(error, WireError::Level { max: 2, .. } | WireError::Field { field: "level", .. });
            assert!(known, "{object}: {error}");
        }
    }
    let keys = with(&OBJECTS.keys.to_bytes().unwrap(), TABLE_AT + 4, &3u32.to_le_bytes());
    assert_eq!(refused(Object::EvaluationKeys, &keys), WireError::Level { max: 2, found: 3 });
}

#[test]
fn header_fields_that_an_object_fixes_have_one_value() {
    for (object, bytes) in OBJECTS.all_bytes() {
        if [Object::Ciphertext, Object::SeededCiphertext].contains(&object) {
            continue;
        }
        let error = refused(object, &with(&bytes, LEVEL_AT, &1u32.to_le_bytes()));
        assert!(matches!(error, WireError::Field { field: "level", .. }), "{object}: {error}");
        for scale in [1.0, -0.0, f64::NAN] {
            let error = refused(object, &with(&bytes, SCALE_AT, &f64::to_le_bytes(scale)));
            assert!(matches!(error, WireError::Field { field: "scale", .. }), "{object}: {error}");
        }
    }
}

#[test]
fn scales_that_are_none_are_refused() {
    for bytes in [OBJECTS.full.to_bytes().unwrap(), OBJECTS.seeded.to_bytes().unwrap()] {
        for scale in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, -1.0, 1.0 - f64::EPSILON, f64::MIN_POSITIVE] {
            let error = refused(Object::Ciphertext, &with(&bytes, SCALE_AT, &scale.to_le_bytes()));
            assert!(matches!(error, WireError::Scale { .. }), "{scale}: {error}");
        }
        for scale in [f64::MAX, 1e30, OBJECTS.params.log_q(0).exp2()] {
            let error = refused(Object::Ciphertext, &with(&bytes, SCALE_AT, &scale.to_le_bytes()));
            assert!(matches!(error, WireError::ScaleTooLarge { level: 0, .. }), "{scale}: {error}");
        }
        assert!(read(&OBJECTS.params, Object::Ciphertext, &with(&bytes, SCALE_AT, &1f64.to_le_bytes()), NO_LIMIT).is_ok());
    }
}

#[test]
fn what_no_reader_would_take_is_not_even_made() {
    // A product at level 2 whose scale the modulus of level 0 cannot hold.
    let evaluator = Evaluator::new(&OBJECTS.params);
    let fresh = encrypt(&OBJECTS.secret, 2, [1; 32], [2; 32]);
    let plaintext = veilray_he::Encoder::new(&OBJECTS.params).encode(&[1.0]).unwrap();
    let product = evaluator.mul_plain(&fresh, &plaintext).unwrap();
    assert!(product.to_bytes().is_ok());
    let error = evaluator.drop_to(&product, 0).unwrap_err();
    assert!(matches!(error, Error::ScaleTooLarge { level: 0, .. }), "{error}");
}

#[test]
fn a_residue_at_or_above_its_prime_is_refused_with_its_place() {
    // Base prime of 28 bits: four ones of 28 bits are 14 bytes.
    let q = OBJECTS.params.chain()[0];
    assert_eq!(q.bits(), 28);
    let bytes = OBJECTS.full.to_bytes().unwrap();
    let error = refused(Object::Ciphertext, &with(&bytes, HEADER + 7 * 28, &[0xFF; 14]));
    assert_eq!(error, WireError::Residue { limb: 0, index: 56, found: (1 << 28) - 1, modulus: q.value() });
    // The prime itself at the end of the second polynomial, whose last residue has the last 28 bits.
    let last = u32::from_le_bytes(bytes[bytes.len() - 4..].try_into().unwrap());
    for (value, fits) in [(q.value(), false), (q.value() - 1, true)] {
        let bytes = with(&bytes, bytes.len() - 4, &(last & 0xF | value << 4).to_le_bytes());
        match read(&OBJECTS.params, Object::Ciphertext, &bytes, NO_LIMIT) {
            Ok(back) => assert!(fits && back == bytes),
            Err(error) => {
                let wanted = WireError::Residue { limb: 0, index: OBJECTS.params.n() - 1, found: q.value(), modulus: q.value() };
                assert_eq!((error, fits), (wanted.into(), false));
            }
        }
    }
}

#[test]
fn residues_of_keys_are_checked_too() {
    for object in [Object::EvaluationKeys, Object::PublicKey, Object::SeededCiphertext] {
        let (_, bytes) = OBJECTS.all_bytes().into_iter().find(|(o, _)| *o == object).unwrap();
        // The last residues belong to the last limb: a special prime for keys.
        let error = refused(object, &with(&bytes, bytes.len() - 16, &[0xFF; 16]));
        assert!(matches!(error, WireError::Residue { .. }), "{object}: {error}");
    }
}

#[test]
fn insecure_parameters_do_not_travel() {
    let literal = ParamsLiteral { log_n: 10, ..ParamsLiteral::named("n12").unwrap() };
    let params = Params::insecure_for_tests(&literal).unwrap();
    let secret = SecretKey::generate(&params).unwrap();
    let keys = EvaluationKeys::generate(&secret, &KeySpec::new().with_relinearisation(0)).unwrap();
    let insecure = Error::Wire(WireError::Insecure { log_n: 10 });
    assert_eq!(params.to_bytes().unwrap_err(), insecure);
    assert_eq!(encrypt(&secret, 0, [1; 32], [2; 32]).to_bytes().unwrap_err(), insecure);
    assert_eq!(keys.to_bytes().unwrap_err(), insecure);
    assert_eq!(PublicKey::generate(&secret).unwrap().to_bytes().unwrap_err(), insecure);
    assert_eq!(secret.to_bytes().unwrap_err(), insecure);
    for (object, bytes) in OBJECTS.all_bytes().into_iter().filter(|(object, _)| *object != Object::Params) {
        // Even if the bytes claim to be of these parameters.
        let bytes = with(&bytes, DIGEST_AT, params.digest());
        assert_eq!(read(&params, object, &bytes, NO_LIMIT).unwrap_err(), insecure, "{object}");
    }
}

#[test]
fn galois_elements_are_odd_in_range_and_ascending() {
    let bytes = OBJECTS.keys.to_bytes().unwrap();
    let n = OBJECTS.params.n();
    let second = TABLE_AT + ENTRY;
    for element in [1u32, 2, 4, 2 * n as u32, 2 * n as u32 + 1, u32::MAX] {
        let error = refused(Object::EvaluationKeys, &with(&bytes, second, &element.to_le_bytes()));
        assert_eq!(error, WireError::GaloisElement { index: 1, found: element, n });
    }
    // 0 is relinearisation, which the first key is already.
    let error = refused(Object::EvaluationKeys, &with(&bytes, second, &0u32.to_le_bytes()));
    assert_eq!(error, WireError::KeyOrder { index: 1, previous: 0, found: 0 });
    for first in [5u32, 7] {
        let error = refused(Object::EvaluationKeys, &with(&bytes, TABLE_AT, &first.to_le_bytes()));
        assert_eq!(error, WireError::KeyOrder { index: 1, previous: first, found: 5 });
    }
}

#[test]
fn counts_that_disagree_are_refused() {
    let bytes = OBJECTS.keys.to_bytes().unwrap();
    let count = |count: u32| refused(Object::EvaluationKeys, &with(&bytes, HEADER, &count.to_le_bytes()));
    assert!(matches!(count(1), WireError::Length { .. }));
    assert!(matches!(count(0), WireError::Length { .. }));
    // Limbs read as a table: no Galois elements in order.
    assert!(matches!(count(3), WireError::GaloisElement { .. } | WireError::KeyOrder { .. } | WireError::Level { .. }));
    let max = OBJECTS.params.n().min((bytes.len() - TABLE_AT) / ENTRY) as u64;
    assert_eq!(count(u32::MAX), WireError::KeyCount { max, found: u32::MAX.into() });
    assert_eq!(count(max as u32 + 1), WireError::KeyCount { max, found: max + 1 });
    // A payload too short for a count.
    for payload in 0..4u64 {
        let bytes = with(&bytes[..HEADER + payload as usize], PAYLOAD_AT, &payload.to_le_bytes());
        assert_eq!(refused(Object::EvaluationKeys, &bytes), WireError::Length { wanted: 4, found: payload });
    }
}

#[test]
fn a_coefficient_that_is_not_ternary_is_refused() {
    let bytes = OBJECTS.secret.to_bytes().unwrap();
    for at in [HEADER, HEADER + 100, bytes.len() - 1] {
        for shift in [0, 2, 4, 6] {
            let byte = bytes[at] & !(3 << shift) | 2 << shift;
            assert_eq!(refused(Object::SecretKey, &with(&bytes, at, &[byte])), WireError::NotTernary);
        }
    }
}

#[test]
fn failures_of_the_stream_keep_their_kind() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::new(io::ErrorKind::ConnectionReset, "gone"))
        }
    }
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::new(io::ErrorKind::StorageFull, "full"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let io = |kind, message: &str| Error::Wire(WireError::Io { kind, message: message.into() });
    let error = Ciphertext::read_from(&OBJECTS.params, &mut Broken, NO_LIMIT).unwrap_err();
    assert_eq!(error, io(io::ErrorKind::ConnectionReset, "gone"));
    assert_eq!(OBJECTS.full.write_to(&mut Broken).unwrap_err(), io(io::ErrorKind::StorageFull, "full"));
}
