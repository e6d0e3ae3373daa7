//! Data sets: folders of images with a `labels.csv`, and MedMNIST's `.npz`.
//!
//! What the columns mean is written in `datasets.toml` ([`Spec`]); any other folder is read by the description whose columns it has, or by a
//! `dataset.toml` of its own.
//!
//! ```no_run
//! use veilray_sweep::data::{Dataset, Split};
//! let nih = Dataset::find("nih14", None)?;
//! for (index, item) in nih.split(Split::Train) {
//!     let loaded = nih.image(index)?;
//!     println!("{:?} {:?} {:?}", loaded.image, item.labels, loaded.warnings);
//! }
//! # Ok::<(), veilray_sweep::data::Error>(())
//! ```

mod derived;
mod error;
mod masks;
mod npz;
mod spec;
mod table;
mod variant;

pub use derived::Derived;
pub(crate) use derived::known_labels;
pub use error::{Error, Result};
pub use masks::Masked;
pub use spec::{Label, Spec};
pub use variant::Variant;
pub use veilray_latents::{Split, UNKNOWN};

use serde::Serialize;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use veilray_base::digest::sha256_hex;
use veilray_imaging::ingest::checks;
use veilray_imaging::ingest::{Canonical, MemoryBudget, Picture, Settings, Warning, read_file_within};

/// A data set: what its images are called and labelled, in memory; the images of a folder stay on the disk.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Its name: that of its folder, or of the union.
    pub name: String,
    /// The folder that its files are relative to.
    pub root: PathBuf,
    /// Its images, in the table's order.
    pub items: Vec<Item>,
    /// Names of the labels.
    pub label_names: Vec<String>,
    /// Names of the further columns.
    pub extra_names: Vec<String>,
    /// Where its images are.
    pub kind: Kind,
    settings: Settings,
    /// What all threads that read its images share.
    memory: Arc<MemoryBudget>,
}

/// Bytes of memory for images while they are read, a third of them for their files: room for the largest that one image is allowed.
const IMAGE_MEMORY: u64 = 1 << 30;

/// One image of a data set.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Its file, relative to the data set's root; for arrays, the split and the index in it.
    pub file: String,
    /// The split that the table puts it into.
    pub split: Split,
    /// Its patient or group; empty where none is known.
    pub patient_id: String,
    /// 0, 1 or [`UNKNOWN`] for each of the label names.
    pub labels: Vec<u8>,
    /// Texts for each of the further columns.
    pub extra: Vec<String>,
    /// Where it is named, without anything of the patient: `nih_cxr14_256/labels.csv line 17`.
    pub place: String,
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Item {{ {}, {}, labels {:?} }}", self.place, self.split, self.labels)
    }
}

/// Where the images of a data set are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// One file each.
    Files,
    /// All in memory.
    Pixels(Pixels),
}

/// Grey images of one size, in 8-bit levels.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pixels {
    /// Pixels from left to right of each image.
    pub width: usize,
    /// Pixels from above to below of each image.
    pub height: usize,
    levels: Vec<u8>,
}

impl fmt::Debug for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pixels {{ {} × {}, {} levels not shown }}", self.width, self.height, self.levels.len())
    }
}

/// An image that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// Its canonical form: 256 × 256, one channel.
    pub image: Canonical,
    /// What is to be known of it.
    pub warnings: Vec<Warning>,
}

/// An image that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Where the data set names it, such as `tb_nlm_cxr/labels.csv line 17`.
    pub place: String,
    /// Why it was refused, as ingest says it.
    pub reason: String,
}

/// The folder of the known data sets: `given`, or `data` in the current folder.
///
/// # Errors
/// [`Error::NoRoot`].
pub fn root(given: Option<&Path>) -> Result<PathBuf> {
    let here = std::env::current_dir().map_err(Error::io(Path::new(".")))?;
    let root = given.map_or_else(|| here.join("data"), Path::to_path_buf);
    if root.is_dir() { Ok(root) } else { Err(Error::NoRoot { path: root }) }
}

impl Dataset {
    /// Opens a known data set by its name, in the data root, or any folder with a `labels.csv` by its path.
    ///
    /// # Errors
    /// [`Error::UnknownSet`], or as [`Dataset::open`].
    pub fn find(name_or_folder: &str, data_root: Option<&Path>) -> Result<Self> {
        let known = Spec::known()?;
        if let Some(spec) = known.iter().find(|spec| spec.name == name_or_folder) {
            return Self::known(spec, &known, &root(data_root)?);
        }
        if !Path::new(name_or_folder).is_dir() {
            let names: Vec<&str> = known.iter().map(|spec| spec.name.as_str()).collect();
            return Err(Error::UnknownSet { name: name_or_folder.into(), known: names.join(", ") });
        }
        Self::folder(Path::new(name_or_folder))
    }

    /// Opens a folder: by its `dataset.toml`, by its name, or by the known set whose columns it has.
    ///
    /// # Errors
    /// [`Error::NoSpec`], or as [`Dataset::open`].
    pub fn folder(folder: &Path) -> Result<Self> {
        let own = folder.join("dataset.toml");
        if own.is_file() {
            return Self::open(folder, &Spec::read(&own)?);
        }
        let known = Spec::known()?;
        let name = folder.canonicalize().map_err(Error::io(folder))?.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        if let Some(spec) = known.iter().find(|spec| spec.npz.is_some() && spec.name == name) {
            return Self::open(folder, spec);
        }
        let columns = table::columns(&folder.join(table::LABELS))?;
        let fitting = known.iter().filter(|spec| table::fits(spec, &columns));
        let spec = fitting.max_by_key(|spec| (spec.name == name, spec.labels.len()));
        let spec = spec.ok_or_else(|| Error::NoSpec { path: folder.into() })?;
        Self::open(folder, &Spec { name, ..spec.clone() })
    }

    fn known(spec: &Spec, known: &[Spec], root: &Path) -> Result<Self> {
        if spec.union.is_empty() {
            return Self::open(&root.join(&spec.name), spec);
        }
        let member = |name: &String| {
            let unknown = || Error::UnknownSet { name: name.clone(), known: "the sets of datasets.toml".into() };
            let member = known.iter().find(|spec| spec.name == *name && spec.union.is_empty()).ok_or_else(unknown)?;
            Self::open(&root.join(name), member)
        };
        let members: Vec<Self> = spec.union.iter().map(member).collect::<Result<_>>()?;
        Self::union(&spec.name, root, members, spec.once.as_deref())
    }

    /// Opens a folder by its description, which is none of a union.
    ///
    /// # Errors
    /// A table, an archive or a cell that cannot be read; a file named twice; a patient in two splits.
    pub fn open(folder: &Path, spec: &Spec) -> Result<Self> {
        let (items, extra_names, kind) = match &spec.npz {
            Some(file) => {
                let (items, pixels) = npz::read(&folder.join(file), spec, &spec.name)?;
                (items, vec![], Kind::Pixels(pixels))
            }
            None => {
                let (items, extra_names) = table::read(&folder.join(table::LABELS), spec, &spec.name)?;
                (items, extra_names, Kind::Files)
            }
        };
        let label_names = spec.label_names();
        let name = spec.name.clone();
        let (settings, memory) = (spec.settings()?, Arc::new(MemoryBudget::new(IMAGE_MEMORY)));
        let set = Self { name, root: folder.into(), items, label_names, extra_names, kind, settings, memory };
        set.check()?;
        Ok(set)
    }

    /// The images of all members, whose folders are in `root`. Where an image has a 1 in the column `once`, an earlier member has it too:
    /// it is then left out of all members but the first.
    fn union(name: &str, root: &Path, members: Vec<Self>, once: Option<&str>) -> Result<Self> {
        let mut members = members.into_iter();
        let refuse = |what| Error::Union { name: name.into(), what };
        let mut all = members.next().ok_or_else(|| refuse("labels, and there must be one"))?;
        all.lift();
        for mut member in members {
            if member.label_names != all.label_names || member.extra_names != all.extra_names || member.settings != all.settings {
                return Err(refuse("columns, in the same order, and the same settings"));
            }
            if (&member.kind, &all.kind) != (&Kind::Files, &Kind::Files) {
                return Err(refuse("kind, files"));
            }
            if let Some(once) = once {
                let column = member.extra_names.iter().position(|extra| extra == once);
                let column = column.ok_or_else(|| Error::Column { path: member.root.clone(), column: once.into() })?;
                member.items.retain(|item| item.extra.get(column).is_none_or(|value| value != "1"));
            }
            member.lift();
            all.items.append(&mut member.items);
        }
        let set = Self { name: name.into(), root: root.into(), ..all };
        set.check()?;
        Ok(set)
    }

    /// Makes files relative to the folder that holds the set's own.
    fn lift(&mut self) {
        for item in &mut self.items {
            item.file = format!("{}/{}", self.name, item.file);
        }
    }

    fn check(&self) -> Result<()> {
        let (mut files, mut patients) = (HashMap::new(), HashMap::new());
        for item in &self.items {
            let place = || item.place.clone();
            if let Some(before) = files.insert(&item.file, &item.place) {
                return Err(Error::Twice { place: place(), before: before.clone() });
            }
            let (split, before) = *patients.entry(&item.patient_id).or_insert((item.split, &item.place));
            if split != item.split && !item.patient_id.is_empty() {
                return Err(Error::Leak { place: place(), before: before.clone() });
            }
        }
        Ok(())
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The images of a split with their indices.
    pub fn split(&self, split: Split) -> impl Iterator<Item = (usize, &Item)> {
        self.items.iter().enumerate().filter(move |(_, item)| item.split == split)
    }

    /// How ingest reads its images.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The 8-bit levels of an image that is in memory, row by row.
    pub fn levels(&self, index: usize) -> Option<&[u8]> {
        let Kind::Pixels(pixels) = &self.kind else { return None };
        pixels.levels.chunks_exact(pixels.width * pixels.height).nth(index)
    }

    /// Reads an image to canonical form. One in memory is scaled up and is checked by its pixels alone.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::Ingest`].
    pub fn image(&self, index: usize) -> Result<Loaded> {
        let missing = || Error::NoSuchImage { index, count: self.len() };
        let Kind::Pixels(pixels) = &self.kind else {
            let item = self.items.get(index).ok_or_else(missing)?;
            let read = read_file_within(&self.root.join(&item.file), &self.settings, &self.memory)?;
            return Ok(Loaded { image: read.image, warnings: read.report.warnings });
        };
        let grey = self.levels(index).ok_or_else(missing)?.iter().map(|&level| f32::from(level) / 255.0).collect();
        let picture = Picture::new(pixels.width, pixels.height, grey)?;
        checks::pixels(&picture, &self.settings.checks)?;
        Ok(Loaded { image: Canonical::from_picture(&picture)?.0, warnings: vec![] })
    }

    /// SHA-256, in hexadecimal, of the names, the table and the pixels in memory; an image file's content is not part of it.
    pub fn digest(&self) -> String {
        let levels = match &self.kind {
            Kind::Files => &[][..],
            Kind::Pixels(pixels) => &pixels.levels,
        };
        let mut text = format!("{:?}\n", (&self.name, &self.label_names, &self.extra_names, sha256_hex(levels)));
        for item in &self.items {
            let line = (&item.file, item.split, &item.patient_id, &item.labels, &item.extra);
            text.push_str(&format!("{line:?}\n"));
        }
        sha256_hex(text.as_bytes())
    }
}
