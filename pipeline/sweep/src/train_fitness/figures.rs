//! How often the network warns of good films, and how often of what it is to find.

use super::images::{Films, shrunk, turned, values};
use crate::command::error::Result;
use rayon::prelude::*;
use serde::Serialize;
use std::fmt;
use veilray_base::Rng;
use veilray_imaging::fitness::{Assessment, Network, Thresholds};
use veilray_imaging::ingest::Warning;
use veilray_imaging::nonfilm::Kind;
use veilray_imaging::phantom::Phantom;

/// The lowest thresholds under which no data set has more than `part` of its films warned of by any one of them.
pub(super) fn thresholds(network: &Network, sets: &[Films], part: f64) -> Thresholds {
    let found: Vec<Vec<Assessment>> = sets.iter().map(|set| assessed(network, set, 0, false)).collect();
    let threshold = |of: fn(&Assessment) -> f32| {
        let of_set = |found: &Vec<Assessment>| {
            let mut odds: Vec<f32> = found.iter().map(of).collect();
            odds.sort_by(f32::total_cmp);
            // One more than the films that may be warned of stands at the threshold or above it: just above that film.
            let allowed = (odds.len() as f64 * part) as usize;
            odds.iter().rev().nth(allowed).copied().unwrap_or(0.0)
        };
        // Never below even odds.
        found.iter().map(of_set).fold(0.0, f32::max) + 0.25
    };
    Thresholds { no_chest: threshold(|a| a.no_chest), turned: threshold(|a| a.turned), negative: threshold(|a| a.negative) }
}

fn assessed(network: &Network, set: &Films, quarters: usize, negative: bool) -> Vec<Assessment> {
    let images: Vec<Vec<f32>> = set.values().collect();
    let sign = if negative { -1.0 } else { 1.0 };
    let seen = |image: &Vec<f32>| turned(image, quarters).into_iter().map(|value| sign * value).collect::<Vec<_>>();
    images.par_iter().map(|image| network.assess(&seen(image))).collect()
}

/// A data set's films: the part that is warned of as they are, and the part of their changes that is found.
#[derive(Debug, Serialize)]
pub struct SetFigures {
    /// The data set's name.
    pub name: String,
    /// Films of the test split.
    pub films: usize,
    /// Part that is warned of: false alarms.
    pub false_alarms: f64,
    /// Part of them that is said to be no chest.
    pub no_chest: f64,
    /// Part of them that is said to lie turned.
    pub turned: f64,
    /// Part of them that is said to be a negative.
    pub negative: f64,
    /// Part of the films, turned by 90, 180 and 270 degrees, that is warned of as turned by the right angle.
    pub turned_found: [f64; 3],
    /// Part of their negatives that is warned of as such.
    pub negative_found: f64,
    /// Part of the films in any of these seven changes that is warned of in any way.
    pub changed_found: f64,
}

/// Images that are no chest film: the part that is warned of in any way.
#[derive(Debug, Serialize)]
pub struct OtherFigures {
    /// The kind of made images, or the data set.
    pub name: String,
    /// Number of images.
    pub images: usize,
    /// Part that is warned of.
    pub found: f64,
    /// Part that is said to be no chest.
    pub no_chest: f64,
}

/// All figures of a network.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Films by data set.
    pub sets: Vec<SetFigures>,
    /// Made images by kind.
    pub made: Vec<OtherFigures>,
    /// Real images of other things.
    pub others: Vec<OtherFigures>,
}

impl Figures {
    /// Measures a network on films, on other images, and on `count` made images of each kind, drawn by another seed than those of training.
    ///
    /// # Errors
    /// None is expected.
    pub(super) fn measure(network: &Network, sets: &[Films], others: &[Films], count: usize, seed: u64) -> Result<Self> {
        let limits = network.thresholds;
        let mut figures = Self { sets: Vec::new(), made: Vec::new(), others: Vec::new() };
        for set in sets {
            figures.sets.push(of_set(network, set));
        }
        let phantoms: Vec<Assessment> = (0..100u64)
            .into_par_iter()
            .filter_map(|seed| Phantom { seed: 10_000 + seed, size: 512, ..Phantom::default() }.canonical().ok())
            .map(|image| network.assess(&values(&shrunk(&image))))
            .collect();
        let warned = |found: &Assessment| !found.warnings(&limits).is_empty();
        figures.others.push(OtherFigures {
            name: "phantoms (chests)".into(),
            images: phantoms.len(),
            found: part(&phantoms, warned),
            no_chest: part(&phantoms, |found| found.no_chest >= limits.no_chest),
        });
        for kind in Kind::ALL {
            let draw = |index: usize| {
                let mut rng = Rng::new(seed.wrapping_add(index as u64), "measured without a chest");
                kind.canonical(&mut rng).ok().map(|image| network.assess(&values(&shrunk(&image))))
            };
            let found: Vec<Assessment> = (0..count).into_par_iter().filter_map(draw).collect();
            figures.made.push(other(&kind.to_string(), &found, &limits));
        }
        for set in others {
            figures.others.push(other(&set.name, &assessed(network, set, 0, false), &limits));
        }
        Ok(figures)
    }
}

fn other(name: &str, found: &[Assessment], limits: &Thresholds) -> OtherFigures {
    OtherFigures {
        name: name.into(),
        images: found.len(),
        found: part(found, |found| !found.warnings(limits).is_empty()),
        no_chest: part(found, |found| found.no_chest >= limits.no_chest),
    }
}

fn of_set(network: &Network, set: &Films) -> SetFigures {
    let limits = network.thresholds;
    let is = assessed(network, set, 0, false);
    let says = |found: &Assessment, what: fn(&Warning) -> bool| found.warnings(&limits).iter().any(what);
    let no_chest = |found: &Assessment| says(found, |warning| matches!(warning, Warning::NoChest { .. }));
    let lying = |found: &Assessment| says(found, |warning| matches!(warning, Warning::Lying { .. }));
    let negative = |found: &Assessment| says(found, |warning| matches!(warning, Warning::Negative { .. }));
    let warned = |found: &Assessment| says(found, |_| true);
    let mut changed = Vec::new();
    for quarters in 0..4 {
        for inverted in [false, true] {
            if quarters != 0 || inverted {
                changed.extend(assessed(network, set, quarters, inverted));
            }
        }
    }
    let turned_found = [1, 2, 3].map(|quarters| {
        let right = u16::try_from(90 * quarters).unwrap_or(0);
        part(&assessed(network, set, quarters, false), |found| lying(found) && found.degrees == right)
    });
    SetFigures {
        name: set.name.clone(),
        films: is.len(),
        false_alarms: part(&is, warned),
        no_chest: part(&is, no_chest),
        turned: part(&is, lying),
        negative: part(&is, negative),
        turned_found,
        negative_found: part(&assessed(network, set, 0, true), negative),
        changed_found: part(&changed, warned),
    }
}

fn part(found: &[Assessment], is: impl Fn(&Assessment) -> bool) -> f64 {
    found.iter().filter(|one| is(one)).count() as f64 / found.len().max(1) as f64
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |part: f64| format!("{:.2} %", 100.0 * part);
        for set in &self.sets {
            let [a, b, c] = set.turned_found.map(percent);
            writeln!(
                f,
                "{}: {} films, {} warned of (no chest {}, turned {}, negative {}); found: 90° {a}, 180° {b}, 270° {c}, negatives {}, all \
                 changes {}",
                set.name,
                set.films,
                percent(set.false_alarms),
                percent(set.no_chest),
                percent(set.turned),
                percent(set.negative),
                percent(set.negative_found),
                percent(set.changed_found),
            )?;
        }
        for other in self.made.iter().chain(&self.others) {
            writeln!(
                f,
                "{}: {} images, {} warned of, {} as no chest",
                other.name,
                other.images,
                percent(other.found),
                percent(other.no_chest)
            )?;
        }
        Ok(())
    }
}
