//! A data set of latents: one HDF5 file per data set and encoder, so that a classifier trains without encoding an image twice.
//!
//! | in the file | type, shape | holds |
//! |---|---|---|
//! | `latents` | `f32 [n, c, h, w]` | one latent per row, shuffled and deflated in chunks of whole rows |
//! | `labels` | `u8 [n, L]` | 0, 1 or [`UNKNOWN`] |
//! | `label_names` | `text [L]` | |
//! | `file`, `split`, `patient_id` | `text [n]` | file relative to the data root; `train`, `val` or `test`; patient or group |
//! | `flipped` | `u8 [n]` | 1: of the image mirrored left to right |
//! | `extra_0`, `extra_1`… | `text [n]` | the further columns of the data set's table, such as the view |
//! | `extra_names` | `text [E]` | the names of those columns |
//!
//! Attributes of the root: `format`, `format_version`, `encoder`, `encoder_digest`, `dataset`, `dataset_digest`, `flips`;
//! where images were changed before they were encoded, also `variant`. `format_version` is 3. Versions 1 and 2 are read too: they have
//! one table `extra`, `text [n, E]`, in place of the columns; 2 is 1 with `variant`.
//!
//! HDF5 has no journal: a process that dies while it writes leaves a file that may not open. [`Writer`] therefore puts every batch of rows
//! into a small file of its own in `<path>.parts/` and renames it into place; [`Writer::finish`] joins them, and the file appears under its
//! name whole or not at all, and only after it was read back. [`tables`] is what touches HDF5; read files of your own making.
//!
//! ```
//! use veilray_latents::{Info, Reader, Row, Split, UNKNOWN, Writer};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("tb.h5");
//! let info = Info {
//!     encoder: "f8".into(),
//!     encoder_digest: "5f".repeat(32),
//!     dataset: "tb_nlm_cxr".into(),
//!     dataset_digest: "0a".repeat(32),
//!     shape: [4, 32, 32],
//!     label_names: vec!["tuberculosis".into()],
//!     extra_names: vec![],
//!     flips: false,
//!     variant: String::new(),
//! };
//! let mut writer = Writer::open(&path, &info)?;
//! let row = Row { file: "images/tb_0001.jpg".into(), split: Split::Train, labels: vec![UNKNOWN], ..Row::default() };
//! writer.append(&[row], &[0.5; 4 * 32 * 32])?;
//! writer.flush()?; // From here on a killed run loses nothing.
//! writer.finish()?;
//! let reader = Reader::open(&path)?;
//! assert_eq!(reader.read(0..1)?.len(), 4 * 32 * 32);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod error;
mod file;
mod reader;
pub mod tables;
mod writer;

pub use error::{Error, Result};
pub use reader::Reader;
pub use writer::Writer;

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// Version of the file's layout that is written, the attribute `format_version`; versions 1 and 2 are read too.
pub const FORMAT_VERSION: u32 = 3;

/// A label that nobody gave.
pub const UNKNOWN: u8 = u8::MAX;

/// What holds of every row of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Info {
    /// Name of the encoder.
    pub encoder: String,
    /// SHA-256 of the encoder's manifest, 64 lower-case hexadecimal digits.
    pub encoder_digest: String,
    /// Name of the data set.
    pub dataset: String,
    /// SHA-256 of the data set's table, 64 lower-case hexadecimal digits.
    pub dataset_digest: String,
    /// Shape of a latent, `[channel, height, width]`.
    pub shape: [usize; 3],
    /// Names of the labels.
    pub label_names: Vec<String>,
    /// Names of the further columns.
    pub extra_names: Vec<String>,
    /// Whether latents of mirrored images are stored too.
    pub flips: bool,
    /// The random change that every image went through before it was encoded; empty where none did.
    pub variant: String,
}

/// What is known of one latent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The image file, relative to the data root.
    pub file: String,
    /// The split that the image belongs to.
    pub split: Split,
    /// The patient, or the group of images that must stay in one split.
    pub patient_id: String,
    /// 0, 1 or [`UNKNOWN`], one for each of [`Info::label_names`].
    pub labels: Vec<u8>,
    /// Texts, one for each of [`Info::extra_names`].
    pub extra: Vec<String>,
    /// Whether the image was mirrored left to right.
    pub flipped: bool,
}

/// The part of a data set that an image belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Parameters are learned on it.
    #[default]
    Train,
    /// Choices are made on it.
    Val,
    /// Results are reported on it.
    Test,
}

impl Split {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];

    /// `train`, `val` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Split {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = || Error::Split { found: text.into() };
        Self::ALL.into_iter().find(|split| split.name() == text).ok_or_else(found)
    }
}

/// Most values of a latent, and most labels, texts or rows, that a file may announce: 2^24.
const MAX_COUNT: usize = 1 << 24;

impl Info {
    /// Values of a latent.
    pub fn values(&self) -> usize {
        self.shape.iter().product()
    }

    /// Refuses what no file can hold.
    ///
    /// # Errors
    /// [`Error::Info`] naming the field.
    pub fn check(&self) -> Result<()> {
        let refuse = |what, wanted, found: String| Err(Error::Info { what, wanted, found });
        for (what, digest) in [("encoder_digest", &self.encoder_digest), ("dataset_digest", &self.dataset_digest)] {
            if digest.len() != 64 || !digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
                return refuse(what, "64 lower-case hexadecimal digits", digest.clone());
            }
        }
        let values = self.shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side));
        if !values.is_some_and(|values| (1..=MAX_COUNT).contains(&values)) {
            return refuse("shape", "three sides of 1 to 2^24 values in all", format!("{:?}", self.shape));
        }
        for (what, names) in [("label_names", &self.label_names), ("extra_names", &self.extra_names)] {
            let mut sorted: Vec<&String> = names.iter().collect();
            sorted.sort();
            sorted.dedup();
            if sorted.len() != names.len() || sorted.first().is_some_and(|name| name.is_empty()) {
                return refuse(what, "different names, none of them empty", format!("{names:?}"));
            }
        }
        let names = self.label_names.iter().chain(&self.extra_names);
        match [&self.encoder, &self.dataset, &self.variant].into_iter().chain(names).find(|text| text.contains('\0')) {
            Some(text) => refuse("a name", "text without NUL", format!("{text:?}")),
            None => Ok(()),
        }
    }

    /// Refuses `found`, read from `path`, where it differs.
    ///
    /// # Errors
    /// [`Error::OtherRun`] naming the first difference.
    pub fn same(&self, found: &Self, path: &Path) -> Result<()> {
        let texts = |info: &Self| {
            [
                ("the encoder", info.encoder.clone()),
                ("the encoder's digest", info.encoder_digest.clone()),
                ("the data set", info.dataset.clone()),
                ("the data set's digest", info.dataset_digest.clone()),
                ("the latent's shape", format!("{:?}", info.shape)),
                ("the labels", info.label_names.join(", ")),
                ("the further columns", info.extra_names.join(", ")),
                ("flips", info.flips.to_string()),
                ("the images' variant", if info.variant.is_empty() { "none".into() } else { info.variant.clone() }),
            ]
        };
        let differs = |((what, wanted), (_, found)): (_, (_, String))| {
            let path = path.to_owned();
            (wanted != found).then_some(Error::OtherRun { path, what, wanted, found })
        };
        texts(self).into_iter().zip(texts(found)).find_map(differs).map_or(Ok(()), Err)
    }

    /// Refuses rows and latents that do not fit.
    ///
    /// # Errors
    /// [`Error::Row`].
    fn fits(&self, rows: &[Row], latents: &[f32]) -> Result<()> {
        let refuse = |what, wanted: String, found: String| Err(Error::Row { what, wanted, found });
        if rows.len().checked_mul(self.values()) != Some(latents.len()) {
            return refuse(
                "latents",
                format!("{} rows of {} values", rows.len(), self.values()),
                format!("{} values", latents.len()),
            );
        }
        if let Some(bad) = latents.iter().find(|value| !value.is_finite()) {
            return refuse("latents", "finite values".into(), bad.to_string());
        }
        for row in rows {
            if row.labels.len() != self.label_names.len() || row.extra.len() != self.extra_names.len() {
                let count = |labels, extra| format!("{labels} labels and {extra} further columns");
                let wanted = count(self.label_names.len(), self.extra_names.len());
                return refuse("columns", wanted, count(row.labels.len(), row.extra.len()));
            }
            if let Some(bad) = row.labels.iter().find(|&&label| !matches!(label, 0 | 1 | UNKNOWN)) {
                return refuse("labels", format!("0, 1 or {UNKNOWN} (not known)"), bad.to_string());
            }
            if row.flipped && !self.flips {
                return refuse("flipped", "false, since the file is without flips".into(), "true".into());
            }
            if [&row.file, &row.patient_id].into_iter().chain(&row.extra).any(|text| text.contains('\0')) {
                return refuse("texts", "none with a NUL".into(), "one with a NUL".into());
            }
        }
        Ok(())
    }
}
