//! Checks that are made while a sweep's file is parsed, so that the error has its line: empty lists, counts of nothing, names of nothing.

use crate::data::Spec;
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};
use std::ops::Deref;
use std::path::Path;
use veilray_base::release::{find, folders};

/// A list of at least one value, each once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Values<T>(Vec<T>);

impl<T> Values<T> {
    /// Of one value.
    pub fn one(value: T) -> Self {
        Self(vec![value])
    }

    /// A list of `first` and `second`.
    pub fn pair(first: T, second: T) -> Self {
        Self(vec![first, second])
    }
}

impl<T> Deref for Values<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> From<Values<T>> for Vec<T> {
    fn from(values: Values<T>) -> Self {
        values.0
    }
}

impl<'de, T: Deserialize<'de> + PartialEq> Deserialize<'de> for Values<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = Vec::<T>::deserialize(deserializer)?;
        if values.is_empty() {
            return Err(de::Error::custom("the list is empty; it needs at least one value"));
        }
        let repeated = values.iter().enumerate().any(|(index, value)| values.iter().take(index).any(|before| before == value));
        if repeated {
            return Err(de::Error::custom("the list holds a value twice; each may stand there once"));
        }
        Ok(Self(values))
    }
}

/// A name that can be that of a folder.
pub(super) fn plain_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if plain { Ok(name) } else { Err(de::Error::custom(format!("{name:?} is no name; allowed: letters, digits, - and _"))) }
}

/// A half width of an interval of ROC-AUC.
pub(super) fn half_width<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    let sound = value > 0.0 && value < 1.0;
    if sound { Ok(value) } else { Err(de::Error::custom(format!("{value} is no half width; allowed: above 0 and below 1"))) }
}

/// A known data set, or a folder with a `labels.csv`.
pub(super) fn data_set<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(deserializer)?;
    let known = Spec::known().map_err(de::Error::custom)?;
    if known.iter().any(|spec| spec.name == name) || Path::new(&name).is_dir() {
        return Ok(Some(name));
    }
    let names: Vec<&str> = known.iter().map(|spec| spec.name.as_str()).collect();
    Err(de::Error::custom(format!("{name:?} is no data set; allowed: {}, or a folder with a labels.csv", names.join(", "))))
}

/// A released encoder: a folder, or its name in one of [`veilray_base::release::folders`].
pub(super) fn released<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(deserializer)?;
    match find(&name) {
        Ok(_) => Ok(Some(name)),
        Err(why) => {
            let names = encoders();
            let allowed = if names.is_empty() { String::new() } else { format!("; allowed: {}, or a folder", names.join(", ")) };
            Err(de::Error::custom(format!("{why}{allowed}")))
        }
    }
}

/// Names of the released encoders that are found.
fn encoders() -> Vec<String> {
    let folders = folders().into_iter().filter_map(|folder| std::fs::read_dir(folder).ok());
    let names = folders.flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("encoder-") && find(name).is_ok()).collect();
    names.sort();
    names.dedup();
    names
}
