//! Times every operation of the engine at the parameter sets that classifiers use.
//!
//! ```text
//! cargo run --release -p veilray-bench --bin microbench -- --json --sets n14 --threads 1 --only rotate
//! ```
//!
//! One JSON object per line: `{"op","n","limbs","levels","log_qp","threads","backend","median_us","min_us"}`; sizes and precision carry
//! `"bytes"` or `"log2_error"` in place of times. Without `--json`, a table.

#![allow(clippy::indexing_slicing, reason = "samples are never empty, and every set has a level above the base primes")]

use clap::Parser;
use std::cell::RefCell;
use std::hint::black_box;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use veilray_base::figures::Figures;
use veilray_bench::exit;
use veilray_bench::record::{self, Row};
#[cfg(feature = "internals")]
use veilray_he::Modulus;
#[cfg(feature = "internals")]
use veilray_he::internals::NttTable;
use veilray_he::simd::Backend;
use veilray_he::wire::{ciphertext_bytes, galois_key_bytes, public_key_bytes, relinearisation_key_bytes};
use veilray_he::{
    Ciphertext, Decryptor, Diagonals, Encoder, Encryptor, EvaluationKeys, Evaluator, ExpandedKeys, KeySpec, LinearTransform,
    Params, ParamsLiteral, Result, SecretKey,
};

/// Diagonals of the benchmarked linear map.
const DIAGONALS: usize = 128;

/// Times every operation of the engine, at the parameter sets that classifiers use.
#[derive(Parser)]
struct Args {
    /// One JSON object a line in place of the table.
    #[arg(long)]
    json: bool,
    /// Parameter sets, by name.
    #[arg(long, value_name = "SET", value_delimiter = ',', default_values = ["n13", "n14", "n15"])]
    sets: Vec<String>,
    /// Numbers of threads.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values = ["1", "2"])]
    threads: Vec<usize>,
    /// Operations whose name contains this, or `=NAME` for one operation.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Samples of each operation.
    #[arg(long, value_name = "N", default_value_t = 15)]
    rounds: usize,
    /// The level of the ciphertexts, in place of the top.
    #[arg(long)]
    level: Option<usize>,
    /// Writes what was measured into this file of figures, `docs/results/engine.json`, and leaves the others in it.
    #[arg(long, value_name = "FILE", conflicts_with = "level")]
    record: Option<PathBuf>,
}

/// Where figures go: what they are of, and how they are printed.
struct Report<'a> {
    args: &'a Args,
    set: &'a str,
    params: &'a Params,
    threads: usize,
    /// What was measured so far.
    rows: RefCell<Vec<Row>>,
}

impl Report<'_> {
    /// The level everything is timed at: the top, unless `--level` says.
    fn level(&self) -> usize {
        self.args.level.unwrap_or(usize::MAX).min(self.params.max_level())
    }

    fn wanted(&self, op: &str) -> bool {
        self.args.only.as_ref().is_none_or(|only| only.strip_prefix('=').map_or(op.contains(only.as_str()), |only| op == only))
    }

    fn line(&self, op: &str, backend: Backend, values: &[(&str, f64)]) {
        if !self.wanted(op) {
            return;
        }
        if let Some((_, value)) = values.first() {
            let (set, op, backend) = (self.set.to_owned(), op.to_owned(), backend.name());
            self.rows.borrow_mut().push(Row { set, threads: self.threads, op, backend, value: *value });
        }
        let p = self.params;
        let text = if self.args.json {
            let values: String = values.iter().map(|(name, v)| format!(",\"{name}\":{v:.2}")).collect();
            format!(
                "{{\"op\":\"{op}\",\"n\":{},\"limbs\":{},\"levels\":{},\"log_qp\":{:.1},\"threads\":{},\"backend\":\"{}\"{values}}}",
                p.n(),
                p.limbs(self.level()),
                self.level(),
                p.log_qp(),
                self.threads,
                backend.name()
            )
        } else {
            let values: String = values.iter().map(|(name, v)| format!("  {name} {v:>12.2}")).collect();
            format!("2^{} {:>2} threads {:>7} {op:<24}{values}", p.log_n(), self.threads, backend.name())
        };
        // A closed pipe is not an error.
        if writeln!(std::io::stdout(), "{text}").is_err() {
            std::process::exit(0);
        }
    }

    /// Times `f`, repeated so that one sample lasts at least a millisecond.
    fn time<T>(&self, op: &str, backend: Backend, mut f: impl FnMut() -> T) {
        if !self.wanted(op) {
            return;
        }
        let once = Instant::now();
        black_box(f());
        let repeats = (Duration::from_millis(1).as_nanos() / once.elapsed().as_nanos().max(1)).clamp(1, 1000) as u32;
        let mut samples: Vec<f64> = (0..self.args.rounds.max(1))
            .map(|_| {
                let start = Instant::now();
                for _ in 0..repeats {
                    black_box(f());
                }
                start.elapsed().as_secs_f64() * 1e6 / f64::from(repeats)
            })
            .collect();
        samples.sort_by(f64::total_cmp);
        self.line(op, backend, &[("median_us", samples[samples.len() / 2]), ("min_us", samples[0])]);
    }
}

/// Numbers in [−1, 1] that depend on nothing.
fn noise(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect()
}

/// The transform of one limb is no public operation of the engine: `--features internals` adds its rows.
#[cfg(not(feature = "internals"))]
fn transforms(_: &Report) -> Result<()> {
    Ok(())
}

/// The transform of one limb, forward and back, on every backend.
#[cfg(feature = "internals")]
fn transforms(report: &Report) -> Result<()> {
    let q: &Modulus = &report.params.chain()[report.params.limbs(0)];
    let table = NttTable::new(*q, report.params.log_n())?;
    for backend in Backend::available() {
        // On a cache line, as the library keeps its limbs.
        let mut room = vec![0; report.params.n() + 16];
        let start = room.as_ptr().align_offset(64);
        let x = &mut room[start..start + report.params.n()];
        x.iter_mut().enumerate().for_each(|(i, x)| *x = (i as u32).wrapping_mul(2_654_435_761) % q.value());
        report.time("ntt_fwd", backend, || table.transform(backend, x));
        report.time("ntt_inv", backend, || table.transform_back(backend, x));
    }
    Ok(())
}

fn operations(report: &Report) -> Result<()> {
    let (params, backend) = (report.params, report.params.backend());
    let level = report.level();
    let hoisted: Vec<i64> = (1..=8).collect();
    let secret = SecretKey::generate(params)?;
    let encoder = Encoder::new(params);
    let evaluator = Evaluator::new(params);

    let values = noise(params.slots(), 1);
    let plain = encoder.encode_at(&values, level, params.scale())?;
    let other = encoder.encode_at(&noise(params.slots(), 2), level, params.scale())?;
    let (a, b) = (Encryptor::new(&secret).encrypt(&plain)?, Encryptor::new(&secret).encrypt(&other)?);
    report.time("encode", backend, || encoder.encode_at(&values, level, params.scale()));
    report.time("encrypt_sk", backend, || Encryptor::new(&secret).encrypt(&plain));
    report.time("decrypt", backend, || Decryptor::new(&secret).decrypt_raw(&a));
    report.time("decode", backend, || encoder.decode(&plain));
    report.time("add", backend, || evaluator.add(&a, &b));
    report.time("mul_plain", backend, || evaluator.mul_plain(&a, &other));
    let scaled = evaluator.mul_plain(&a, &other)?;
    report.time("rescale", backend, || evaluator.rescale(&scaled));

    let mut diagonals = Diagonals::new(params.slots())?;
    for d in 0..DIAGONALS {
        diagonals.add(d as i64, &noise(params.slots(), 100 + d as u64))?;
    }
    let linear = report.wanted("linear_128_diagonals").then(|| LinearTransform::new(params, &diagonals, level)).transpose()?;
    let mut spec = KeySpec::new().with_relinearisation(level).with_rotations(params, hoisted.iter().copied(), level);
    if let Some(linear) = &linear {
        spec = spec.union(&linear.key_spec());
    }
    let one = KeySpec::new().with_rotations(params, [1], level);
    report.time("keygen_one_galois", backend, || EvaluationKeys::generate(&secret, &one));
    let compressed = EvaluationKeys::generate(&secret, &spec)?;
    let keys = ExpandedKeys::new(&compressed)?;

    report.time("mul_relin_rescale", backend, || evaluator.multiply_rescale(&a, &b, &keys));
    report.time("rotate", backend, || evaluator.rotate(&a, 1, &keys));
    report.time("rotate_hoisted_8", backend, || evaluator.rotate_hoisted(&a, &hoisted, &keys));
    if report.wanted("rotate_hoisted") {
        further_rotation(report, &evaluator, &a, &keys);
    }
    if let Some(linear) = &linear {
        report.time("linear_128_diagonals", backend, || evaluator.linear(&a, linear, &keys));
        report.line("linear_128_memory", backend, &[("bytes", linear.memory_bytes() as f64)]);
    }

    // Precision: multiply then rotate, as the peers' harness does.
    let product = evaluator.rotate(&evaluator.multiply_rescale(&a, &b, &keys)?, 1, &keys)?;
    let decrypted = encoder.decode(&Decryptor::new(&secret).decrypt_raw(&product)?)?;
    let expected: Vec<f64> = values.iter().zip(noise(params.slots(), 2)).map(|(x, y)| x * y).collect();
    let error = decrypted.iter().zip(expected.iter().cycle().skip(1)).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
    report.line("log2_err_mul_rot", backend, &[("log2_error", error.log2())]);
    for (op, bytes) in [
        ("size_fresh_ciphertext_seeded", ciphertext_bytes(params, level, true)?),
        ("size_reply_level0", ciphertext_bytes(params, 0, false)?),
        ("size_one_galois_key_seeded", galois_key_bytes(params, level)?),
        ("size_relinearisation_key_seeded", relinearisation_key_bytes(params, level)?),
        ("size_public_key", public_key_bytes(params)),
    ] {
        report.line(op, backend, &[("bytes", bytes as f64)]);
    }
    Ok(())
}

/// What each rotation after the first costs: the difference between eight and one, sevenths of it.
fn further_rotation(report: &Report, evaluator: &Evaluator, a: &Ciphertext, keys: &ExpandedKeys) {
    let sample = |steps: &[i64]| {
        let mut times: Vec<f64> = (0..report.args.rounds.max(1))
            .map(|_| {
                let start = Instant::now();
                let _ = black_box(evaluator.rotate_hoisted(a, steps, keys));
                start.elapsed().as_secs_f64() * 1e6
            })
            .collect();
        times.sort_by(f64::total_cmp);
        (times[times.len() / 2], times[0])
    };
    let (one, eight) = (sample(&[1]), sample(&[1, 2, 3, 4, 5, 6, 7, 8]));
    let values = [("median_us", (eight.0 - one.0) / 7.0), ("min_us", (eight.1 - one.1) / 7.0)];
    report.line("rotate_hoisted", report.params.backend(), &values);
}

/// Times everything.
fn measured(report: Report) -> Result<Vec<Row>> {
    if report.threads == 1 {
        transforms(&report)?;
    }
    operations(&report)?;
    Ok(report.rows.into_inner())
}

fn main() -> ExitCode {
    exit(run(&Args::parse()))
}

fn run(args: &Args) -> veilray_bench::Result<()> {
    // Before minutes of measuring.
    args.record.as_deref().map(Figures::read).transpose()?;
    let (mut rows, mut sets) = (Vec::new(), Vec::new());
    for set in &args.sets {
        let params = ParamsLiteral::named(set)?.check()?;
        for &threads in &args.threads {
            let report = Report { args, set, params: &params, threads, rows: RefCell::default() };
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
            rows.extend(pool.install(move || measured(report))?);
        }
        sets.push((set.clone(), params.max_level(), params.log_qp()));
        if let Some(path) = &args.record {
            record::engine(path, &rows, params.backend().name(), &sets)?;
        }
    }
    Ok(())
}
