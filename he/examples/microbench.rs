//! Times every primitive at the parameter sets the classifier uses, for machines to read.
//!
//! `cargo run --release -p veilray-he --example microbench -- --json [--sets n13,n14,n15] [--threads 1,2] [--only rotate] [--rounds 15] [--level 8]`
//!
//! One JSON object per line: `{"op","n","limbs","levels","log_qp","threads","backend","median_us","min_us"}`; sizes and precision carry
//! `"bytes"` or `"log2_error"` in place of times. Without `--json`, a table. `--only` takes part of a name, or `=name`.

#![allow(clippy::indexing_slicing, reason = "samples are never empty, and every set has a level above the base primes")]

use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};
use veilray_he::modulus::Modulus;
use veilray_he::simd::Backend;
use veilray_he::wire::{ciphertext_bytes, galois_key_bytes, public_key_bytes, relinearisation_key_bytes};
use veilray_he::{
    Ciphertext, Decryptor, Diagonals, Encoder, Encryptor, EvaluationKeys, Evaluator, ExpandedKeys, KeySpec, LinearTransform,
    NttTable, Params, ParamsLiteral, Result, SecretKey,
};

/// Diagonals of the benchmarked linear map.
const DIAGONALS: usize = 128;

struct Options {
    json: bool,
    sets: Vec<String>,
    threads: Vec<usize>,
    only: Option<String>,
    rounds: usize,
    level: Option<usize>,
}

fn options() -> std::result::Result<Options, String> {
    let mut o = Options {
        json: false,
        sets: ["n13", "n14", "n15"].map(Into::into).to_vec(),
        threads: vec![1, 2],
        only: None,
        rounds: 15,
        level: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{flag} wants a value"));
        let number = |text: &str| text.parse().map_err(|_| format!("{text} is not a number"));
        match flag.as_str() {
            "--json" => o.json = true,
            "--sets" => o.sets = value()?.split(',').map(Into::into).collect(),
            "--threads" => o.threads = value()?.split(',').map(number).collect::<std::result::Result<_, _>>()?,
            "--only" => o.only = Some(value()?),
            "--rounds" => o.rounds = number(&value()?)?,
            "--level" => o.level = Some(number(&value()?)?),
            _ => return Err(format!("unknown flag {flag}; known: --json --sets --threads --only --rounds --level")),
        }
    }
    Ok(o)
}

/// Where figures go: what they are of, and how they are printed.
struct Report<'a> {
    options: &'a Options,
    params: &'a Params,
    threads: usize,
}

impl Report<'_> {
    /// The level everything is timed at: the top, unless the options say.
    fn level(&self) -> usize {
        self.options.level.unwrap_or(usize::MAX).min(self.params.max_level())
    }

    fn wanted(&self, op: &str) -> bool {
        self.options.only.as_ref().is_none_or(|only| only.strip_prefix('=').map_or(op.contains(only.as_str()), |only| op == only))
    }

    fn line(&self, op: &str, backend: Backend, values: &[(&str, f64)]) {
        if !self.wanted(op) {
            return;
        }
        let p = self.params;
        let text = if self.options.json {
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
        // Whoever closes the pipe has seen enough.
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
        let mut samples: Vec<f64> = (0..self.options.rounds.max(1))
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
        let mut times: Vec<f64> = (0..report.options.rounds.max(1))
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

fn run(options: &Options) -> std::result::Result<(), Box<dyn std::error::Error>> {
    for set in &options.sets {
        for &threads in &options.threads {
            let params = ParamsLiteral::named(set)?.check()?;
            let report = Report { options, params: &params, threads };
            rayon::ThreadPoolBuilder::new().num_threads(threads).build()?.install(|| {
                if threads == 1 {
                    transforms(&report)?;
                }
                operations(&report)
            })?;
        }
    }
    Ok(())
}

fn main() {
    let outcome = options().map_err(Into::into).and_then(|o| run(&o));
    if let Err(error) = outcome {
        eprintln!("{error}");
        std::process::exit(2);
    }
}
