//! How the learning rate moves over a run.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// The learning rate's course, as a factor on the optimiser's own.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Schedule {
    /// The factor 1 at every step.
    #[default]
    Constant,
    /// From 0 to 1 in equal parts over `warm_up` steps, then 1.
    Linear {
        /// Steps until the full rate.
        warm_up: u64,
    },
    /// From 0 to 1 over `warm_up` steps, then down half a cosine to `floor` at `steps`, where it stays.
    Cosine {
        /// Steps until the full rate.
        #[serde(default)]
        warm_up: u64,
        /// Steps of the run.
        steps: u64,
        /// The factor at the end.
        #[serde(default)]
        floor: f64,
    },
    /// Half a cosine up from 1/`start` to 1 during the first `rise` of the run, then half a cosine down to 1/(`start` x `end`)
    /// (Smith and Topin 2018, annealed by cosines as in PyTorch).
    OneCycle {
        /// Steps of the run.
        steps: u64,
        /// Part of the run that goes up.
        #[serde(default = "one_cycle::rise")]
        rise: f64,
        /// The full rate divided by the first.
        #[serde(default = "one_cycle::start")]
        start: f64,
        /// The first rate divided by the last.
        #[serde(default = "one_cycle::end")]
        end: f64,
    },
}

mod one_cycle {
    pub(super) fn rise() -> f64 {
        0.3
    }
    pub(super) fn start() -> f64 {
        25.0
    }
    pub(super) fn end() -> f64 {
        1e4
    }
}

impl Schedule {
    /// The factor for step `step`, counted from 0.
    pub fn factor(&self, step: u64) -> f64 {
        let step = step as f64;
        match *self {
            Self::Constant => 1.0,
            Self::Linear { warm_up } => rise_to_one(step, warm_up),
            Self::Cosine { warm_up, steps, floor } if step >= warm_up as f64 => {
                let whole = steps.saturating_sub(warm_up).max(1) as f64;
                between(1.0, floor, (step - warm_up as f64) / whole)
            }
            Self::Cosine { warm_up, .. } => rise_to_one(step, warm_up),
            Self::OneCycle { steps, rise, start, end } => {
                let last = steps.saturating_sub(1) as f64;
                let top = (rise * steps as f64 - 1.0).max(0.0);
                let low = start.recip();
                if step <= top {
                    between(low, 1.0, if top > 0.0 { step / top } else { 1.0 })
                } else {
                    between(1.0, low / end, (step - top) / (last - top).max(1.0))
                }
            }
        }
    }
}

fn rise_to_one(step: f64, warm_up: u64) -> f64 {
    ((step + 1.0) / warm_up.max(1) as f64).min(1.0)
}

/// Half a cosine from `from` (at 0) to `to` (at 1 and beyond).
fn between(from: f64, to: f64, at: f64) -> f64 {
    to + (from - to) * (1.0 + (PI * at.clamp(0.0, 1.0)).cos()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} against {b}");
    }

    #[test]
    fn warm_up_reaches_the_full_rate_and_stays() {
        let schedule = Schedule::Linear { warm_up: 4 };
        for (step, factor) in [(0, 0.25), (1, 0.5), (3, 1.0), (100, 1.0)] {
            close(schedule.factor(step), factor);
        }
        close(Schedule::Linear { warm_up: 0 }.factor(0), 1.0);
    }

    #[test]
    fn cosine_ends_at_its_floor() {
        let schedule = Schedule::Cosine { warm_up: 10, steps: 110, floor: 0.1 };
        for (step, factor) in [(4, 0.5), (10, 1.0), (60, 0.55), (110, 0.1), (500, 0.1)] {
            close(schedule.factor(step), factor);
        }
    }

    #[test]
    fn one_cycle_rises_and_falls() {
        let schedule = Schedule::OneCycle { steps: 101, rise: 0.3, start: 25.0, end: 1e4 };
        close(schedule.factor(0), 0.04);
        close(schedule.factor(100), 0.04 / 1e4);
        // The values of torch.optim.lr_scheduler.OneCycleLR(max_lr=1, total_steps=101) at its top, step 29.3.
        assert!(schedule.factor(29) > 0.999 && schedule.factor(30) > 0.999 && schedule.factor(31) < schedule.factor(30));
        assert!((1..=29).all(|step| schedule.factor(step) > schedule.factor(step - 1)));
        assert!((31..=100).all(|step| schedule.factor(step) < schedule.factor(step - 1)));
    }

    #[test]
    fn settings_are_read_with_defaults_and_without_unknown_fields() {
        let read = |json: &str| serde_json::from_str::<Schedule>(json);
        assert_eq!(
            read(r#"{"kind": "one-cycle", "steps": 9}"#).unwrap(),
            Schedule::OneCycle { steps: 9, rise: 0.3, start: 25.0, end: 1e4 }
        );
        assert!(read(r#"{"kind": "cosine", "steps": 9, "flor": 1}"#).is_err());
    }
}
