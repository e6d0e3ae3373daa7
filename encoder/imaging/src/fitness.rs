//! What the pixels say for themselves: is a chest in the image, upright, and dark where the lungs are?
//!
//! A small convolutional network looks at the canonical image at 64 × 64 and tells nine kinds apart: a frontal chest in four directions, each as
//! a positive or a negative, and anything else. It was trained on real films, turned and inverted, and on made images without a chest
//! ([`nonfilm`](crate::nonfilm)); `veilray-sweep train-fitness` trains, measures and writes it. It warns and refuses nothing: the thresholds
//! were set on validation films, so that few good films are warned of (docs/results/fitness.md has the figures).

mod network;

pub use network::{Error, KINDS, Network, SIDE, VALUES};

use crate::image::Canonical;
use crate::image::checks::Warning;
use crate::pixels::Pixels;
use std::sync::OnceLock;

/// The network as it is released: thresholds and weights.
static RELEASED: &[u8] = include_bytes!("fitness/network.bin");

/// The log-odds from which on a warning is given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// No chest against any.
    pub no_chest: f32,
    /// A chest that is turned against one that is upright.
    pub turned: f32,
    /// A negative against a positive.
    pub negative: f32,
}

/// What the network makes of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assessment {
    /// Log-odds that there is no chest.
    pub no_chest: f32,
    /// Log-odds that the chest, if there is one, is turned.
    pub turned: f32,
    /// Log-odds that the chest, if there is one, is shown as a negative.
    pub negative: f32,
    /// How far the image would have to be turned clockwise to be upright, if it is turned: 90, 180 or 270 degrees, the likeliest.
    pub degrees: u16,
}

impl Assessment {
    /// From the network's nine outputs: an upright chest, one turned by 90, 180 and 270 degrees counter-clockwise, the same four as
    /// negatives, no chest.
    #[must_use]
    pub fn of(outputs: &[f32; KINDS]) -> Self {
        let [p0, p1, p2, p3, n0, n1, n2, n3, none] = outputs.map(f64::from);
        let odds = |yes: &[f64], no: &[f64]| (log_sum_exp(yes) - log_sum_exp(no)) as f32;
        let lying = [(p1, n1, 90), (p2, n2, 180), (p3, n3, 270)];
        let likeliest =
            lying.map(|(p, n, degrees)| (log_sum_exp(&[p, n]), degrees)).into_iter().max_by(|a, b| a.0.total_cmp(&b.0));
        Self {
            no_chest: odds(&[none], &[p0, p1, p2, p3, n0, n1, n2, n3]),
            turned: odds(&[p1, p2, p3, n1, n2, n3], &[p0, n0]),
            negative: odds(&[n0, n1, n2, n3], &[p0, p1, p2, p3]),
            degrees: likeliest.map_or(180, |(_, degrees)| degrees),
        }
    }

    /// What is to be said of the image. Without a chest nothing is said of how it lies.
    #[must_use]
    pub fn warnings(&self, thresholds: &Thresholds) -> Vec<Warning> {
        let chance = |log_odds: f32| 1.0 / (1.0 + (-f64::from(log_odds)).exp());
        if self.no_chest >= thresholds.no_chest {
            return vec![Warning::NoChest { chance: chance(self.no_chest) }];
        }
        let turned =
            (self.turned >= thresholds.turned).then(|| Warning::Lying { degrees: self.degrees, chance: chance(self.turned) });
        let negative = (self.negative >= thresholds.negative).then(|| Warning::Negative { chance: chance(self.negative) });
        turned.into_iter().chain(negative).collect()
    }
}

/// The logarithm of the sum of the exponentials.
fn log_sum_exp(values: &[f64]) -> f64 {
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + values.iter().map(|value| (value - most).exp()).sum::<f64>().ln()
}

/// The released network; none if the program's own copy is damaged, which a test excludes.
fn released() -> Option<&'static Network> {
    static NETWORK: OnceLock<Option<Network>> = OnceLock::new();
    NETWORK.get_or_init(|| Network::from_bytes(RELEASED).ok()).as_ref()
}

/// What the released network says of an image; nothing for a film as it should be.
pub fn warnings(image: &Canonical) -> Vec<Warning> {
    let Some((network, pixels)) = released().zip(Pixels::new(SIDE)) else { return Vec::new() };
    network.assess(&pixels.values(image)).warnings(&network.thresholds)
}
