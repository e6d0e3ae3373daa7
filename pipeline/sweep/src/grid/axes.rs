//! The values that stand in a grid. Each refuses, where it stands, what it may not be, and says what it may.

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;
use veilray_classifier::networks;
use veilray_classifier::spec::Form;
use veilray_he::ParamsLiteral;

/// Image side over latent side; 1 is the image itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Factor(u32);

/// The factors there are.
const FACTORS: [u32; 5] = [1, 2, 4, 8, 16];

impl Factor {
    /// Whether it is the image itself.
    pub fn is_pixels(self) -> bool {
        self.0 == 1
    }

    /// As a number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Degree of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Degree(u32);

impl Degree {
    /// As a number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Default for Degree {
    fn default() -> Self {
        Self(2)
    }
}

/// A network without its gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backbone(String);

impl Backbone {
    /// The network's name with a gate, as `networks::named` knows it.
    pub fn with(&self, gate: Gate) -> String {
        match (self.0.as_str(), gate) {
            (name, Gate::None) => name.into(),
            // Its gate is computed beside the last convolution and costs fewer levels than the published one.
            ("veilnet-s", Gate::Se) => "veilnet-se".into(),
            (name, Gate::Se) => format!("{name}-se"),
            (name, Gate::Cbam) => format!("{name}-cbam"),
        }
    }

    /// The backbones there are: classifiers of latents, without their gates.
    fn all() -> Vec<&'static str> {
        let other = |name: &&str| {
            name.ends_with("-se") || name.ends_with("-cbam") || *name == "tenseal-mnist" || name.starts_with("unet-")
        };
        networks::NAMES.iter().map(|(name, ..)| *name).filter(|name| !other(name)).collect()
    }
}

/// A parameter set's name, or `auto`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetName(String);

/// Chooses the smallest set with enough levels.
const AUTO: &str = "auto";

impl SetName {
    /// The set for a circuit of that depth: its own, or for `auto` the one of the smallest ring with a prime per level and enough levels;
    /// if none has enough, that of the most.
    pub fn for_depth(&self, depth: usize) -> String {
        if self.0 != AUTO {
            return self.0.clone();
        }
        let known = ParamsLiteral::names().filter_map(|name| Some((name, ParamsLiteral::named(name).ok()?)));
        let mut known: Vec<_> = known.filter(|(_, literal)| literal.primes_per_level == 1).collect();
        known.sort_by_key(|(_, literal)| literal.log_n);
        let enough = known.iter().find(|(_, literal)| literal.levels >= depth).or(known.last());
        enough.map_or_else(|| self.0.clone(), |(name, _)| (*name).into())
    }
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Default for SetName {
    fn default() -> Self {
        Self(AUTO.into())
    }
}

/// Reads a text that is one of some.
struct OneOf {
    what: &'static str,
    allowed: Vec<String>,
}

impl Visitor<'_> for OneOf {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}: {}", self.what, self.allowed.join(", "))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        let known = self.allowed.iter().any(|allowed| allowed == text);
        let refuse = || E::custom(format!("{text:?} is no {}; allowed: {}", self.what, self.allowed.join(", ")));
        if known { Ok(text.into()) } else { Err(refuse()) }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
        self.visit_str(&number.to_string())
    }
}

fn one_of<'de, D: Deserializer<'de>>(
    deserializer: D,
    what: &'static str,
    allowed: impl IntoIterator<Item = impl ToString>,
) -> Result<String, D::Error> {
    deserializer.deserialize_any(OneOf { what, allowed: allowed.into_iter().map(|word| word.to_string()).collect() })
}

impl<'de> Deserialize<'de> for Factor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_of(deserializer, "factor", FACTORS)?.parse().map(Self).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Degree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_of(deserializer, "degree of an encrypted activation", [2])?.parse().map(Self).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Backbone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_of(deserializer, "network", Self::all()).map(Self)
    }
}

impl<'de> Deserialize<'de> for SetName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_of(deserializer, "parameter set", [AUTO].into_iter().chain(ParamsLiteral::names())).map(Self)
    }
}

/// What of the latent a network reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Latent {
    /// The encoder's output.
    Continuous,
    /// Each position's nearest codebook entry.
    Quantised,
}

/// What weighs a layer's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gate {
    /// Nothing: every channel counts alike.
    None,
    /// Squeeze and excitation.
    Se,
    /// Squeeze and excitation with a second branch of mean squares.
    Cbam,
}

/// The form of the activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// The network's own.
    Published,
    /// HerPN: the first Hermite polynomials, each normalised by batch statistics.
    Hermite,
    /// A polynomial with learned coefficients.
    Polynomial,
    /// The bare square.
    Square,
}

impl Activation {
    /// The form, where it is not the network's own.
    pub fn form(self) -> Option<Form> {
        match self {
            Self::Published => None,
            Self::Hermite => Some(Form::Hermite),
            Self::Polynomial => Some(Form::Polynomial),
            Self::Square => Some(Form::Square),
        }
    }
}

macro_rules! shown {
    ($($name:ident { $($variant:ident => $text:literal),+ })+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$variant => $text),+ })
            }
        }
    )+};
}

shown! {
    Latent { Continuous => "continuous", Quantised => "quantised" }
    Gate { None => "none", Se => "se", Cbam => "cbam" }
    Activation { Published => "published", Hermite => "hermite", Polynomial => "polynomial", Square => "square" }
}

impl fmt::Display for Backbone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
