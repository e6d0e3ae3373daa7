//! What a data set's columns mean: `datasets.toml` for the known ones, a `dataset.toml` beside any other.

use super::{Error, Result};
use serde::Deserialize;
use std::path::Path;
use veilray_imaging::ingest::{AdmissibilityLimits, Settings};
use veilray_latents::UNKNOWN;

/// The description of one data set.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name; for a known one also its folder under the data root.
    pub name: String,
    /// How each label is read; their order is that of the logits.
    #[serde(default)]
    pub labels: Vec<Label>,
    /// A known set whose labels and settings it shares.
    #[serde(default)]
    pub like: Option<String>,
    /// A file of arrays in its folder that takes the place of `labels.csv` and images.
    #[serde(default)]
    pub npz: Option<String>,
    /// Known sets that it is made of.
    #[serde(default)]
    pub union: Vec<String>,
    /// The column that is 1 for an image which another member of the union has too: it is then taken from the first member alone.
    #[serde(default)]
    pub once: Option<String>,
    /// What ingest may take for granted, such as `view=FRONTAL,modality=CR`.
    #[serde(default)]
    pub assume: String,
    /// What ingest refuses.
    #[serde(default)]
    pub gate: AdmissibilityLimits,
}

/// How a label is read from a column.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The label's name, as models and reports call it.
    pub name: String,
    /// The column, where it has another name.
    #[serde(default)]
    column: Option<String>,
    /// The texts that stand for 1; none, where the column holds 0 or 1.
    #[serde(default)]
    is: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    set: Vec<Spec>,
}

impl Label {
    /// The column it is read from.
    pub fn column(&self) -> &str {
        self.column.as_deref().unwrap_or(&self.name)
    }

    /// Whether its column holds 0 and 1.
    pub fn is_binary(&self) -> bool {
        self.is.is_empty()
    }
}

impl Spec {
    /// The known data sets.
    ///
    /// # Errors
    /// [`Error::Spec`] if `datasets.toml`, which is compiled in, cannot be used.
    pub fn known() -> Result<Vec<Self>> {
        let path = Path::new("datasets.toml");
        let refuse = |why: String| Error::Spec { path: path.into(), why };
        let known: Known = toml::from_str(include_str!("../../datasets.toml")).map_err(|e| refuse(e.to_string()))?;
        let sets: Vec<Self> = known.set.iter().map(|spec| spec.completed(&known.set, path)).collect::<Result<_>>()?;
        sets.iter().try_for_each(|spec| spec.check(path))?;
        Ok(sets)
    }

    /// Reads the description of one data set.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Spec`].
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        let spec: Self = toml::from_str(&text).map_err(|e| Error::Spec { path: path.into(), why: e.to_string() })?;
        let spec = spec.completed(&Self::known()?, path)?;
        spec.check(path)?;
        Ok(spec)
    }

    /// With what it takes from the set that it is like.
    fn completed(&self, sets: &[Self], path: &Path) -> Result<Self> {
        let Some(like) = &self.like else { return Ok(self.clone()) };
        let other = sets.iter().find(|spec| spec.name == *like && spec.like.is_none());
        let why = || format!("{} is like {like}, which is no known set of its own", self.name);
        let other = other.ok_or_else(|| Error::Spec { path: path.into(), why: why() })?;
        Ok(Self { name: self.name.clone(), ..other.clone() })
    }

    fn check(&self, path: &Path) -> Result<()> {
        let refuse = |why: &str| Err(Error::Spec { path: path.into(), why: format!("{}: {why}", self.name) });
        if self.name.is_empty() || self.name.contains(['/', '\\', '\0']) || self.name.starts_with('.') {
            return refuse("name must be the plain name of a folder");
        }
        if !self.union.is_empty() && (!self.labels.is_empty() || self.npz.is_some()) {
            return refuse("a union has its members' labels and images, and none of its own");
        }
        let mut names: Vec<&str> = self.labels.iter().map(|label| label.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if names.len() != self.labels.len() || names.first().is_some_and(|name| name.is_empty()) {
            return refuse("labels need different names, none of them empty");
        }
        self.settings().map(drop)
    }

    /// How ingest reads its images.
    ///
    /// # Errors
    /// [`Error::Ingest`] for an `assume` that cannot be read.
    pub fn settings(&self) -> Result<Settings> {
        Ok(Settings { assume: self.assume.parse()?, checks: self.gate, ..Settings::default() })
    }

    /// Names of the labels, in the order of the description.
    pub fn label_names(&self) -> Vec<String> {
        self.labels.iter().map(|label| label.name.clone()).collect()
    }

    /// The value of `label` where its column holds `text`: 0, 1 or [`UNKNOWN`].
    ///
    /// # Errors
    /// What the column may hold.
    pub(super) fn value(&self, label: &Label, text: &str) -> Result<u8, String> {
        if text.is_empty() {
            return Ok(UNKNOWN);
        }
        if label.is_binary() {
            return match text {
                "0" => Ok(0),
                "1" => Ok(1),
                _ => Err("0, 1 or blank".into()),
            };
        }
        let mut texts: Vec<&str> = vec![];
        for other in self.labels.iter().filter(|other| other.column() == label.column()) {
            texts.extend(other.is.iter().map(String::as_str).filter(|text| !text.is_empty()));
        }
        if !texts.contains(&text) {
            texts.sort_unstable();
            texts.dedup();
            return Err(format!("{} or blank", texts.join(", ")));
        }
        Ok(u8::from(label.is.iter().any(|is| is == text)))
    }
}
