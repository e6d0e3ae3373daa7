//! Criterion benchmarks for people: `cargo bench -p veilray-he`, or one group: `cargo bench -p veilray-he -- rotate`.
//!
//! On one thread, at `n13` and `n14`, fastest backend. Figures for machines come from the example `microbench`.

#![allow(clippy::expect_used, reason = "a benchmark ends at the first surprise")]

use criterion::{BenchmarkGroup, Criterion, criterion_group, measurement::WallTime};
use std::hint::black_box;
use std::time::Duration;
use veilray_he::{
    Ciphertext, Decryptor, Diagonals, Encoder, Encryptor, EvaluationKeys, Evaluator, ExpandedKeys, KeySpec, LinearTransform,
    Params, ParamsLiteral, Plaintext, PublicKey, SecretKey,
};

const SETS: [&str; 2] = ["n13", "n14"];

/// Diagonals of the linear maps.
const DIAGONALS: [usize; 2] = [16, 128];

/// One parameter set with keys and operands.
struct Subject {
    name: &'static str,
    params: Params,
    secret: SecretKey,
    encoder: Encoder,
    evaluator: Evaluator,
    values: Vec<f64>,
    plain: Plaintext,
    a: Ciphertext,
}

impl Subject {
    fn new(name: &'static str) -> Self {
        let params = ParamsLiteral::named(name).and_then(|l| l.check()).expect("a named set");
        let secret = SecretKey::generate(&params).expect("a key");
        let encoder = Encoder::new(&params);
        let values: Vec<f64> = (0..params.slots()).map(|i| (i as f64).sin()).collect();
        let plain = encoder.encode(&values).expect("a plaintext");
        let a = Encryptor::new(&secret).encrypt(&plain).expect("a ciphertext");
        Self { name, evaluator: Evaluator::new(&params), params, secret, encoder, values, plain, a }
    }

    fn keys(&self, spec: &KeySpec) -> ExpandedKeys {
        ExpandedKeys::new(&EvaluationKeys::generate(&self.secret, spec).expect("keys")).expect("keys")
    }
}

/// Runs `benches` for every set in a group of that name.
fn group(c: &mut Criterion, name: &str, benches: impl Fn(&mut BenchmarkGroup<WallTime>, &Subject)) {
    let mut group = c.benchmark_group(name);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(20);
    SETS.iter().for_each(|set| benches(&mut group, &Subject::new(set)));
    group.finish();
}

#[cfg(feature = "internals")]
fn ntt(c: &mut Criterion) {
    group(c, "ntt", |group, s| {
        let q = *s.params.chain().last().expect("a prime");
        let table = veilray_he::internals::NttTable::new(q, s.params.log_n()).expect("a table");
        let mut x: Vec<u32> = (0..s.params.n() as u32).collect();
        let backend = s.params.backend();
        group.bench_function(format!("forward/{}", s.name), |b| b.iter(|| table.transform(backend, black_box(&mut x))));
        group.bench_function(format!("inverse/{}", s.name), |b| b.iter(|| table.transform_back(backend, black_box(&mut x))));
    });
}

fn encode(c: &mut Criterion) {
    group(c, "encode", |group, s| {
        group.bench_function(format!("encode/{}", s.name), |b| b.iter(|| s.encoder.encode(black_box(&s.values))));
        group.bench_function(format!("decode/{}", s.name), |b| b.iter(|| s.encoder.decode(black_box(&s.plain))));
    });
}

fn encrypt(c: &mut Criterion) {
    group(c, "encrypt", |group, s| {
        let public = PublicKey::generate(&s.secret).expect("a key");
        group.bench_function(format!("secret key/{}", s.name), |b| {
            b.iter(|| Encryptor::new(&s.secret).encrypt(black_box(&s.plain)))
        });
        group.bench_function(format!("public key/{}", s.name), |b| b.iter(|| public.encrypt(black_box(&s.plain))));
        group
            .bench_function(format!("decrypt/{}", s.name), |b| b.iter(|| Decryptor::new(&s.secret).decrypt_raw(black_box(&s.a))));
    });
}

fn multiply(c: &mut Criterion) {
    group(c, "multiply", |group, s| {
        let keys = s.keys(&KeySpec::new().with_relinearisation(s.params.max_level()));
        let e = &s.evaluator;
        group.bench_function(format!("add/{}", s.name), |b| b.iter(|| e.add(black_box(&s.a), &s.a)));
        group.bench_function(format!("plain/{}", s.name), |b| b.iter(|| e.mul_plain(black_box(&s.a), &s.plain)));
        group.bench_function(format!("relinearised/{}", s.name), |b| b.iter(|| e.multiply(black_box(&s.a), &s.a, &keys)));
        group.bench_function(format!("rescaled/{}", s.name), |b| b.iter(|| e.multiply_rescale(black_box(&s.a), &s.a, &keys)));
    });
}

fn rotate(c: &mut Criterion) {
    group(c, "rotate", |group, s| {
        let steps: Vec<i64> = (1..=8).collect();
        let keys = s.keys(&KeySpec::new().with_rotations(&s.params, steps.iter().copied(), s.params.max_level()));
        let e = &s.evaluator;
        group.bench_function(format!("one/{}", s.name), |b| b.iter(|| e.rotate(black_box(&s.a), 1, &keys)));
        group.bench_function(format!("eight, hoisted/{}", s.name), |b| {
            b.iter(|| e.rotate_hoisted(black_box(&s.a), &steps, &keys))
        });
    });
}

fn linear(c: &mut Criterion) {
    group(c, "linear", |group, s| {
        for count in DIAGONALS {
            let mut diagonals = Diagonals::new(s.params.slots()).expect("a period");
            (0..count).for_each(|d| diagonals.add(d as i64, &s.values).expect("a diagonal"));
            let map = LinearTransform::new(&s.params, &diagonals, s.params.max_level()).expect("a map");
            let keys = s.keys(&map.key_spec());
            group.bench_function(format!("{count} diagonals/{}", s.name), |b| {
                b.iter(|| s.evaluator.linear(black_box(&s.a), &map, &keys))
            });
        }
    });
}

/// A transform is no part of the library's interface.
#[cfg(not(feature = "internals"))]
fn ntt(_: &mut Criterion) {
    eprintln!("the group ntt is left out; --features internals measures it");
}

criterion_group!(benches, ntt, encode, encrypt, multiply, rotate, linear);

fn main() {
    // A pool of one thread makes every operation run in its caller.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("the first thread pool");
    benches();
    Criterion::default().configure_from_args().final_summary();
}
