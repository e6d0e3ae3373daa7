//! Parameters as written in a file.

use super::Params;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Parameters as a person writes them; [`ParamsLiteral::check`] turns them into [`Params`].
///
/// Sizes in bits are log2 of a prime and may be fractional: the primes nearest to 2^bits that are 1 modulo 2N are taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParamsLiteral {
    /// log2 of the ring degree N; there are N/2 slots.
    pub log_n: u32,
    /// Primes that are never dropped: they hold the message at level 0.
    pub base_limbs: usize,
    /// Size of each base prime, bits. Together they need the scale, the integer part of the largest message and its sign.
    pub base_bits: f64,
    /// Rescalings that a fresh ciphertext can go through.
    pub levels: usize,
    /// Size of each level prime, bits.
    pub prime_bits: f64,
    /// Level primes dropped by one rescaling: 1, or 2 for scales beyond 30 bits.
    pub primes_per_level: usize,
    /// Primes by which key switching scales its noise down; they count for security but not for levels.
    pub special_limbs: usize,
    /// Size of each special prime, bits.
    pub special_bits: f64,
    /// Parts into which key switching cuts a polynomial at full level.
    pub digits: usize,
    /// log2 of the default scale.
    pub log_scale: f64,
}

macro_rules! named {
    ($($name:literal),*) => {
        &[$(($name, include_str!(concat!("../../../configs/params/", $name, ".toml")))),*]
    };
}

/// The named sets, as in `configs/params/`.
const NAMED: &[(&str, &str)] = named!("n12", "n13", "n14", "n15", "n15-double", "n16");

impl ParamsLiteral {
    /// The names that [`ParamsLiteral::named`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(name, _)| *name)
    }

    /// A set of `configs/params/` by its name, such as `n14`.
    ///
    /// # Errors
    /// [`Error::UnknownParams`] lists the names there are.
    pub fn named(name: &str) -> Result<Self> {
        match NAMED.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => Self::from_toml(text),
            None => Err(Error::UnknownParams { found: name.into(), known: Self::names().collect::<Vec<_>>().join(", ") }),
        }
    }

    /// Reads a set from TOML.
    ///
    /// # Errors
    /// [`Error::ParamsSyntax`] with the line and what was expected there.
    pub fn from_toml(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|e| Error::ParamsSyntax { reason: e.to_string() })
    }

    /// Checks everything, the 128-bit security bound included, and finds the primes.
    ///
    /// # Errors
    /// The first rule that does not hold, with the value that would.
    pub fn check(&self) -> Result<Params> {
        Params::new(self, true)
    }
}
