//! Damaged bytes: reading never panics, never asks for more memory than the parameters call for, and what it accepts is a
//! well-formed object that no operation panics on.

use crate::objects::*;
use proptest::prelude::*;
use std::io::{self, Read};
use std::sync::LazyLock;
use veilray_he::wire::{self, Object};
use veilray_he::{Ciphertext, Decryptor, Encoder, EvaluationKeys, Evaluator, ExpandedKeys, Params, PublicKey, SecretKey};

/// Address space that all cases together may reserve, bytes: objects here are below 200 KB, while the lengths that cases announce go up
/// to 2^64. The rest is for the heaps of threads, which tests that run beside this one start.
const RESERVE: u64 = 1 << 33;

#[derive(Debug, Clone)]
enum Mutation {
    Flip(Vec<(usize, u8)>),
    Truncate(usize),
    Extend(Vec<u8>),
    /// Offset and width of a header field, and what it becomes.
    Field((usize, usize), u64),
    /// A number somewhere: in the table of evaluation keys, a literal, or limbs.
    Overwrite(usize, u64),
    /// The header of this object before the payload of another.
    Graft(usize),
    /// A length that agrees with the bytes after other mutations.
    MendLength,
}

/// Numbers that sit on edges, and any.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..8u64,
        (0..64u32, -2..3i64).prop_map(|(bit, d)| (1u64 << bit).wrapping_add_signed(d)),
        (-70.0..70.0f64).prop_map(|log| log.exp2().to_bits()),
        any::<u64>(),
    ]
}

fn mutation() -> impl Strategy<Value = Mutation> {
    // Half of all positions in the first bytes: header, table, literal.
    let at = prop_oneof![0..160usize, any::<usize>()];
    let fields = [(0, 8), (VERSION_AT, 2), (OBJECT_AT, 2), (LEVEL_AT, 4), (SCALE_AT, 8), (DIGEST_AT, 8), (PAYLOAD_AT, 8)];
    prop_oneof![
        3 => prop::collection::vec((at.clone(), 0..8u8), 1..8).prop_map(Mutation::Flip),
        1 => at.clone().prop_map(Mutation::Truncate),
        1 => prop::collection::vec(any::<u8>(), 1..100).prop_map(Mutation::Extend),
        3 => (prop::sample::select(fields.to_vec()), number()).prop_map(|(field, value)| Mutation::Field(field, value)),
        2 => (at, number()).prop_map(|(at, value)| Mutation::Overwrite(at, value)),
        1 => any::<usize>().prop_map(Mutation::Graft),
        1 => Just(Mutation::MendLength),
    ]
}

static ALL: LazyLock<Vec<(Object, Vec<u8>)>> = LazyLock::new(|| OBJECTS.all_bytes());
static KEYS: LazyLock<ExpandedKeys> = LazyLock::new(|| ExpandedKeys::new(&OBJECTS.keys).unwrap());

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    match mutation {
        Mutation::Flip(bits) => bits.iter().for_each(|(at, bit)| {
            if let Some(at) = at.checked_rem(bytes.len()) {
                bytes[at] ^= 1 << bit;
            }
        }),
        Mutation::Truncate(length) => bytes.truncate(length % (bytes.len() + 1)),
        Mutation::Extend(more) => bytes.extend(more),
        Mutation::Field((at, width), value) => overwrite(bytes, *at, &value.to_le_bytes()[..*width]),
        Mutation::Overwrite(at, value) => {
            let at = at % (bytes.len() + 1);
            let width = if value >> 32 == 0 { 4 } else { 8 };
            overwrite(bytes, at, &value.to_le_bytes()[..width]);
        }
        Mutation::Graft(from) => {
            bytes.truncate(HEADER);
            bytes.extend(&ALL[from % ALL.len()].1[HEADER..]);
        }
        Mutation::MendLength => {
            let payload = bytes.len().saturating_sub(HEADER) as u64;
            overwrite(bytes, PAYLOAD_AT, &payload.to_le_bytes());
        }
    }
}

fn overwrite(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes.iter_mut().skip(at).zip(value).for_each(|(to, from)| *to = *from);
}

/// Records the largest buffer it was asked to fill.
struct Watched<'a> {
    bytes: &'a [u8],
    largest: usize,
}

impl Read for Watched<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.largest = self.largest.max(out.len());
        self.bytes.read(out)
    }
}

/// Reads bytes as every kind of object; whether any reader took them.
fn survives(bytes: &[u8]) -> bool {
    let params = &OBJECTS.params;
    let _ = wire::inspect(bytes);
    let mut accepted = false;
    for (object, _) in ALL.iter().filter(|(object, _)| *object != Object::SeededCiphertext) {
        let from_memory = read(params, *object, bytes, NO_LIMIT);
        let mut watched = Watched { bytes, largest: 0 };
        let from_stream = read_stream(params, *object, &mut watched, NO_LIMIT);
        // No buffer is larger than a limb at four bytes a residue.
        assert!(watched.largest <= 4 * params.n(), "{object}: {} bytes asked for", watched.largest);
        let Ok(again) = from_memory else { continue };
        accepted = true;
        // One object, one encoding.
        assert_eq!(again, bytes, "{object}");
        assert_eq!(from_stream.unwrap(), bytes, "{object}");
        assert!(read(params, *object, bytes, bytes.len() - 1).is_err());
        use_it(*object, bytes);
    }
    accepted
}

/// What a server and a client do with objects that they accepted. Results may be nonsense, and some are errors; none is a panic.
fn use_it(object: Object, bytes: &[u8]) {
    let (params, evaluator) = (&OBJECTS.params, Evaluator::new(&OBJECTS.params));
    let decrypt = |secret: &SecretKey, ciphertext: &Ciphertext| {
        let plaintext = Decryptor::new(secret).decrypt_raw(ciphertext).unwrap();
        Encoder::new(params).decode(&plaintext).unwrap();
    };
    let evaluate = |ciphertext: &Ciphertext, keys: &ExpandedKeys| {
        let _ = evaluator.add(ciphertext, &OBJECTS.full);
        let _ = evaluator.rescale(ciphertext);
        let _ = evaluator.multiply(ciphertext, ciphertext, keys);
        if let Ok(rotated) = evaluator.rotate(ciphertext, 1, keys) {
            decrypt(&OBJECTS.secret, &rotated);
        }
        decrypt(&OBJECTS.secret, &evaluator.add(ciphertext, ciphertext).unwrap());
        Decryptor::new(&OBJECTS.secret).decrypt(ciphertext, 12).unwrap();
    };
    match object {
        Object::Params => drop(SecretKey::generate(&Params::from_bytes(bytes, NO_LIMIT).unwrap()).unwrap()),
        Object::EvaluationKeys => {
            let keys = EvaluationKeys::from_bytes(params, bytes, NO_LIMIT).unwrap();
            evaluate(&OBJECTS.full, &ExpandedKeys::new(&keys).unwrap());
        }
        Object::PublicKey => {
            let public = PublicKey::from_bytes(params, bytes, NO_LIMIT).unwrap();
            let plaintext = Encoder::new(params).encode_at(&[1.0], 0, params.scale()).unwrap();
            decrypt(&OBJECTS.secret, &public.encrypt(&plaintext).unwrap());
        }
        Object::SecretKey => decrypt(&SecretKey::from_bytes(params, bytes, NO_LIMIT).unwrap(), &OBJECTS.full),
        _ => evaluate(&Ciphertext::from_bytes(params, bytes, NO_LIMIT).unwrap(), &KEYS),
    }
}

/// Address space that the process ever had, bytes: memory reserved counts even if it is never touched.
fn reserved() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).map_or(0, |kb| kb * 1024)
}

fn bent_objects(cases: u32) {
    let before = reserved();
    let accepted = std::cell::Cell::new(0);
    let strategy = (any::<usize>(), prop::collection::vec(mutation(), 1..4));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let run = proptest::test_runner::TestRunner::new(config).run(&strategy, |(which, mutations)| {
        let mut bytes = ALL[which % ALL.len()].1.clone();
        mutations.iter().for_each(|mutation| mutate(&mut bytes, mutation));
        accepted.set(accepted.get() + u32::from(survives(&bytes)));
        Ok(())
    });
    run.unwrap();
    // Both sides of every reader were visited.
    assert!(accepted.get() > cases / 50 && accepted.get() < cases, "{} of {cases} accepted", accepted.get());
    assert!(reserved() - before < RESERVE, "{} bytes reserved", reserved() - before);
}

fn random_bytes(cases: u32) {
    let strategy = (any::<usize>(), 0..=HEADER, prop::collection::vec(any::<u8>(), 0..400));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let run = proptest::test_runner::TestRunner::new(config).run(&strategy, |(which, kept, random)| {
        survives(&random);
        survives(&[&ALL[which % ALL.len()].1[..kept], &random].concat());
        Ok(())
    });
    run.unwrap();
}

#[test]
fn bent_objects_are_refused_or_harmless() {
    bent_objects(1500);
}

#[test]
fn random_bytes_are_refused() {
    random_bytes(500);
}

#[test]
#[ignore = "minutes: .ci/tier hostile-bytes"]
fn bent_objects_are_refused_or_harmless_at_length() {
    bent_objects(120_000);
}

#[test]
#[ignore = "minutes: .ci/tier hostile-bytes"]
fn random_bytes_are_refused_at_length() {
    random_bytes(100_000);
}
