//! What the measuring programs share. Each program prints for people, or with `--json` one JSON object a line; unknown flags are errors.

pub mod record;

use std::process::ExitCode;

/// What the programs fail with: a reason for people.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The exit code of a program that ended with `outcome`: 0, or 1 with the reason on standard error. (2 is clap's, for flags.)
pub fn exit(outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The middle one of `times`, or NaN where there is none.
pub fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The least of `times`, or NaN where there is none.
pub fn least(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::NAN, f64::min)
}

#[cfg(test)]
mod tests {
    use super::{least, median};

    #[test]
    fn median_and_least_of_unordered_times() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(least(&[3.0, 1.0, 2.0]), 1.0);
    }

    #[test]
    fn no_time_has_neither_median_nor_least() {
        assert!(median(Vec::new()).is_nan());
        assert!(least(&[]).is_nan());
    }
}
