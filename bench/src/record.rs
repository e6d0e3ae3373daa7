//! Measured figures of the engine in `docs/results/engine.json`: each program replaces those that it measured, and the ratios
//! that follow from them.
//!
//! Under `sets`, by parameter set, times are medians in µs on one thread; `peer_` are those of TenSEAL, which `bench/peers/*.py --record`
//! write. Under `mnist`, times of TenSEAL's tutorial network.

use crate::Result;
use std::path::Path;
use veilray_base::figures::{Figures, decimals, significant};

/// One measured operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The parameter set.
    pub set: String,
    /// Threads it ran on.
    pub threads: usize,
    /// The operation, as `microbench` names it.
    pub op: String,
    /// What computed it: `scalar`, `avx512`, …
    pub backend: &'static str,
    /// The median in µs, or the figure itself where it is no time.
    pub value: f64,
}

/// Operations on one thread, the figure of each and its decimals.
const OPERATIONS: [(&str, &str, usize); 5] = [
    ("log2_err_mul_rot", "log2_error", 1),
    ("encode", "encode_us", 0),
    ("mul_relin_rescale", "multiply_us", 0),
    ("rotate", "rotate_us", 0),
    ("linear_128_diagonals", "linear_us", 0),
];

/// Figures that follow from two others, in the same object: name, dividend, divisor.
const RATIOS: [(&str, &str, &str); 3] = [
    ("ratio_encode", "peer_encode_us", "encode_us"),
    ("ratio_multiply", "peer_multiply_us", "multiply_us"),
    ("ratio_rotate", "peer_rotate_us", "rotate_us"),
];

/// As [`RATIOS`], with two decimals in place of two significant digits.
const FINE_RATIOS: [(&str, &str, &str); 2] =
    [("linear_per_peer_rotate", "linear_us", "peer_rotate_us"), ("two_threads", "linear_us", "linear_two_threads_us")];

/// Puts what `microbench` measured at the top level into the file at `path`. `best` is the engine's backend; `sets` holds the name,
/// the levels and log2(QP) of each set.
///
/// # Errors
/// A file that is no file of figures.
pub fn engine(path: &Path, rows: &[Row], best: &str, sets: &[(String, usize, f64)]) -> Result<()> {
    let mut figures = Figures::read(path)?;
    for (set, levels, log_qp) in sets {
        let of_set = |threads: usize, op: &str, backend: &str| {
            let mut found = rows.iter().filter(|row| row.set == *set && row.threads == threads && row.op == op);
            found.find(|row| row.backend == backend).map(|row| row.value)
        };
        let mut put = |name: &str, value: Option<f64>, digits: usize| -> Result<()> {
            let Some(value) = value else { return Ok(()) };
            Ok(figures.set(&["sets", set, name], decimals(value, digits))?)
        };
        put("levels", Some(*levels as f64), 0)?;
        put("log_qp", Some(*log_qp), 1)?;
        for (op, name, digits) in OPERATIONS {
            put(name, of_set(1, op, best), digits)?;
        }
        put("linear_two_threads_us", of_set(2, "linear_128_diagonals", best), 0)?;
        let (fast, scalar) = (of_set(1, "ntt_fwd", best), of_set(1, "ntt_fwd", "scalar"));
        put("ntt_us", fast, 1)?;
        put("ntt_over_scalar", scalar.zip(fast).map(|(scalar, fast)| scalar / fast), 1)?;
        figures.set(&["sets", set, "date"], date())?;
        ratios(&mut figures, set)?;
    }
    Ok(figures.write()?)
}

fn ratios(figures: &mut Figures, set: &str) -> Result<()> {
    let ratio = |figures: &Figures, dividend: &str, divisor: &str| {
        let [dividend, divisor] = [dividend, divisor].map(|name| figures.number(&["sets", set, name]));
        dividend.zip(divisor).map(|(dividend, divisor)| dividend / divisor)
    };
    for (name, dividend, divisor) in RATIOS {
        if let Some(ratio) = ratio(figures, dividend, divisor) {
            figures.set(&["sets", set, name], significant(ratio, 2))?;
        }
    }
    for (name, dividend, divisor) in FINE_RATIOS {
        if let Some(ratio) = ratio(figures, dividend, divisor) {
            figures.set(&["sets", set, name], decimals(ratio, 2))?;
        }
    }
    Ok(())
}

/// Puts what `tenseal_mnist` measured on one thread into the file at `path`. The time of the run before becomes `ours_second_ms`:
/// two runs in turns with the peer's give both.
///
/// # Errors
/// A file that is no file of figures.
pub fn mnist(path: &Path, median_ms: f64, error: f64, key_bytes: usize) -> Result<()> {
    let mut figures = Figures::read(path)?;
    if let Some(before) = figures.number(&["mnist", "ours_ms"]) {
        figures.set(&["mnist", "ours_second_ms"], decimals(before, 1))?;
    }
    figures.set(&["mnist", "ours_ms"], decimals(median_ms, 1))?;
    figures.set(&["mnist", "ours_error"], significant(error, 2))?;
    figures.set(&["mnist", "keys_mb"], significant(key_bytes as f64 / 1e6, 2))?;
    figures.set(&["mnist", "date"], date())?;
    if let Some((peer, ours)) = figures.number(&["mnist", "peer_s"]).zip(figures.number(&["mnist", "ours_ms"])) {
        figures.set(&["mnist", "ratio"], decimals(rounded(1e3 * peer / ours), 0))?;
    }
    Ok(figures.write()?)
}

/// With two significant digits.
fn rounded(value: f64) -> f64 {
    format!("{value:.1e}").parse().unwrap_or(value)
}

/// `YYYY-MM-DD`, UTC.
fn date() -> String {
    veilray_base::clock::text().chars().take_while(|c| *c != 'T').collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::path::PathBuf;

    fn file(name: &str, text: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("veilray-bench-{}-{name}.json", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The figures, without their dates.
    fn read(path: &Path) -> Value {
        let mut found: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for pointer in ["/sets/n14", "/mnist"] {
            let date = found.pointer_mut(pointer).and_then(Value::as_object_mut).and_then(|object| object.remove("date"));
            assert!(date.is_none_or(|date| date.as_str().is_some_and(|date| date.len() == 10)));
        }
        found
    }

    #[test]
    fn the_engine_s_rows_become_figures_and_ratios() {
        let path =
            file("engine", r#"{"format": 1, "sets": {"n13": {"levels": 5}, "n14": {"peer": "2^14", "peer_rotate_us": 24387}}}"#);
        let row = |threads, op: &str, backend, value| Row { set: "n14".into(), threads, op: op.into(), backend, value };
        let rows = [
            row(1, "encode", "fast", 285.4),
            row(1, "rotate", "fast", 2101.0),
            row(2, "rotate", "fast", 1500.0),
            row(1, "linear_128_diagonals", "fast", 30953.2),
            row(2, "linear_128_diagonals", "fast", 16224.0),
            row(1, "ntt_fwd", "fast", 14.94),
            row(1, "ntt_fwd", "scalar", 118.0),
            row(1, "log2_err_mul_rot", "fast", -14.81),
        ];
        engine(&path, &rows, "fast", &[("n14".into(), 9, 429.43)]).unwrap();
        let wanted = json!({
            "peer": "2^14", "peer_rotate_us": 24387, "levels": 9, "log_qp": 429.4, "log2_error": -14.8, "encode_us": 285,
            "rotate_us": 2101, "linear_us": 30953, "linear_two_threads_us": 16224, "ntt_us": 14.9, "ntt_over_scalar": 7.9,
            "ratio_rotate": 12, "linear_per_peer_rotate": 1.27, "two_threads": 1.91,
        });
        assert_eq!(read(&path), json!({ "format": 1, "sets": { "n13": { "levels": 5 }, "n14": wanted } }));
        // What was not measured stays.
        engine(&path, &[row(1, "rotate", "fast", 4202.0)], "fast", &[("n14".into(), 9, 429.43)]).unwrap();
        let found = read(&path);
        assert_eq!((&found["sets"]["n14"]["encode_us"], &found["sets"]["n14"]["ratio_rotate"]), (&json!(285), &json!(5.8)));
        std::fs::write(&path, "{}").unwrap();
        assert!(engine(&path, &rows, "fast", &[]).unwrap_err().to_string().contains("\"format\" is null"));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn two_runs_of_the_network_stand_beside_each_other() {
        let path = file("mnist", r#"{"format": 1, "mnist": {"ours_ms": 8.9, "peer_s": 3.66}}"#);
        mnist(&path, 8.64, 0.00512, 6_612_345).unwrap();
        let wanted = json!({
            "ours_ms": 8.6, "peer_s": 3.66, "ours_second_ms": 8.9, "ours_error": 0.0051, "keys_mb": 6.6, "ratio": 430,
        });
        assert_eq!(read(&path), json!({ "format": 1, "mnist": wanted }));
        std::fs::remove_file(&path).unwrap();
    }
}
