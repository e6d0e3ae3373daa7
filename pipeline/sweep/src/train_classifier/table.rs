//! From data sets and files of latents to samples.

use super::config::{Experiment, Source};
use crate::command::error::{Error, Result};
use crate::data::{self, Dataset, Derived, Split, UNKNOWN, Variant, known_labels};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use veilray_imaging::pixels::Pixels;
use veilray_latents::Reader;
use veilray_training::{Inputs, Samples};

/// Images decoded at a time.
const BATCH: usize = 256;

/// Where sources lie.
#[derive(Debug, Clone)]
pub struct Roots {
    /// Of data sets; where there is none, they are looked for.
    pub data: Option<PathBuf>,
    /// Of files of latents.
    pub latents: PathBuf,
}

/// Samples of one split, and the name of each.
#[derive(Debug, Clone)]
pub struct Named {
    /// Inputs, labels, patients and views, row by row.
    pub samples: Samples,
    /// `set/file` of each, of a changed image with `@` and its variant behind; the latents of an image and of its mirror image share it.
    pub names: Vec<String>,
    /// Images that ingest refused, by their place in the table, each with the reason.
    pub refused: Vec<String>,
    /// Images by data set, each counted once however often it was mirrored or changed.
    pub sets: BTreeMap<String, usize>,
    /// What the samples were seen through, an encoder or pixels, and its SHA-256.
    pub encoder: (String, String),
}

/// All samples of `split`; images are brought to `side` x `side`. Latents of mirrored or changed images
/// belong to the training split alone.
///
/// # Errors
/// A source that cannot be read, or that holds other shapes; a split without samples.
pub fn load(experiment: &Experiment, roots: &Roots, split: Split, side: usize) -> Result<Named> {
    let mut all: Option<Named> = None;
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut digests: BTreeMap<String, String> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for source in &experiment.data {
        let table = match source {
            Source::Images(name) => images(&Dataset::find(name, roots.data.as_deref())?, split, side, None)?,
            Source::Latents(file) => latents(&Reader::open(&roots.latents.join(file))?, split)?,
        };
        found.extend(known_labels(&table.label_names, &table.extra_names, &experiment.derived));
        if table.rows.is_empty() {
            continue;
        }
        let known = digests.entry(table.set.clone()).or_insert_with(|| table.digest.clone());
        if *known != table.digest {
            return Err(Error::Tables { set: table.set, first: known.clone(), second: table.digest });
        }
        files.entry(table.set.clone()).or_default().extend(table.rows.iter().map(|row| row.file.clone()));
        let more = table.into_named(experiment)?;
        all = Some(match all {
            None => more,
            Some(mut known) => {
                if known.encoder != more.encoder {
                    let name = |(name, digest): (String, String)| name + " " + &digest;
                    return Err(Error::Encoders { first: name(known.encoder), second: name(more.encoder) });
                }
                known.names.extend(more.names);
                known.refused.extend(more.refused);
                Named { samples: known.samples.concat(more.samples)?, ..known }
            }
        });
    }
    // A label that no source has would be unknown everywhere, and a mean over labels silently one of fewer.
    if let Some(label) = experiment.all_labels().into_iter().find(|label| !found.contains(*label)) {
        return Err(Error::unknown_label(label, &found));
    }
    let sets = files.into_iter().map(|(set, files)| (set, files.len())).collect();
    all.map(|all| Named { sets, ..all }).ok_or(Error::EmptySplit { split: split.name() })
}

/// The images of a data set's training split at `side` x `side`, all of them changed by `variant` where there is one. Labels that the set
/// does not have are unknown.
///
/// # Errors
/// An image that cannot be read for another reason than its content, a side outside 1 to 256.
pub fn training_images(experiment: &Experiment, set: &Dataset, side: usize, variant: Option<&Variant>) -> Result<Named> {
    images(set, Split::Train, side, variant)?.into_named(experiment)
}

/// Rows of one source, with what both kinds know of them.
struct Table {
    set: String,
    /// Of the set's own table.
    digest: String,
    /// What images went through; empty for nothing.
    variant: String,
    label_names: Vec<String>,
    extra_names: Vec<String>,
    rows: Vec<Row>,
    inputs: Inputs,
    shape: [usize; 3],
    refused: Vec<String>,
    encoder: (String, String),
}

struct Row {
    file: String,
    patient: String,
    labels: Vec<u8>,
    extra: Vec<String>,
}

impl Table {
    fn into_named(self, experiment: &Experiment) -> Result<Named> {
        let wanted = experiment.all_labels();
        let extra = |column: &str| self.extra_names.iter().position(|name| name == column);
        // Where each label comes from: a column of labels, or a rule on a further column.
        let sources: Vec<_> = wanted
            .iter()
            .map(|label| {
                let rule = experiment.derived.iter().find(|rule| rule.label == **label);
                let index = rule.and_then(|rule| extra(&rule.column));
                (self.label_names.iter().position(|name| name == *label).filter(|_| rule.is_none()), rule.zip(index))
            })
            .collect();
        let cell = |row: &Row, index: usize| row.extra.get(index).map_or("", |text| text.trim()).to_string();
        let value = |row: &Row, (column, rule): &(Option<usize>, Option<(&Derived, usize)>)| match (column, rule) {
            (Some(column), _) => row.labels.get(*column).copied().unwrap_or(UNKNOWN),
            (None, Some((rule, index))) => derive(rule, &cell(row, *index)),
            (None, None) => UNKNOWN,
        };
        let labels =
            self.rows.iter().flat_map(|row| sources.iter().map(|source| value(row, source)).collect::<Vec<_>>()).collect();
        let view = extra("view");
        let views = self.rows.iter().map(|row| view.map_or_else(String::new, |index| cell(row, index))).collect();
        let patients = self.rows.iter().map(|row| row.patient.clone()).collect();
        let ending = if self.variant.is_empty() { String::new() } else { format!("@{}", self.variant) };
        let names: Vec<String> = self.rows.iter().map(|row| format!("{}/{}{ending}", self.set, row.file)).collect();
        let wanted = wanted.into_iter().cloned().collect();
        let samples = Samples::new(self.inputs, self.shape, labels, wanted, patients, views)?;
        let files: BTreeSet<&String> = self.rows.iter().map(|row| &row.file).collect();
        let sets = [(self.set, files.len())].into();
        Ok(Named { samples, names, refused: self.refused, sets, encoder: self.encoder })
    }
}

fn derive(rule: &Derived, cell: &str) -> u8 {
    match rule.at_least {
        _ if cell.is_empty() => UNKNOWN,
        None => u8::from(rule.any_of.iter().any(|text| text == cell)),
        Some(bound) => cell.parse::<f64>().map_or(UNKNOWN, |value| u8::from(value >= bound)),
    }
}

/// The images of a split as 8-bit levels.
fn images(set: &Dataset, split: Split, side: usize, variant: Option<&Variant>) -> Result<Table> {
    let pixels = Pixels::new(side).ok_or(Error::Side { found: side })?;
    let (mut rows, mut levels, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    let chosen: Vec<_> = set.split(split).collect();
    for batch in chosen.chunks(BATCH) {
        let read = |index, item: &data::Item| {
            let image = set.image(index)?.image;
            Ok(pixels.levels(&variant.map(|variant| variant.of(&image, &item.file)).unwrap_or(Ok(image))?))
        };
        let read: Vec<_> = batch.par_iter().map(|(index, item)| (*item, read(*index, item))).collect();
        for (item, image) in read {
            match image {
                Err(data::Error::Ingest(reason)) => {
                    refused.push(format!("{}: {reason}", item.place));
                    continue;
                }
                image => levels.extend(image?),
            }
            let (file, patient) = (item.file.clone(), item.patient_id.clone());
            rows.push(Row { file, patient, labels: item.labels.clone(), extra: item.extra.clone() });
        }
    }
    Ok(Table {
        set: set.name.clone(),
        digest: set.digest(),
        variant: variant.map(ToString::to_string).unwrap_or_default(),
        label_names: set.label_names.clone(),
        extra_names: set.extra_names.clone(),
        rows,
        inputs: Inputs::Images(levels),
        shape: pixels.shape(),
        refused,
        encoder: (pixels.name().into(), pixels.digest().into()),
    })
}

/// The latents of a split.
fn latents(reader: &Reader, split: Split) -> Result<Table> {
    let info = reader.info();
    let (mut rows, mut indices) = (Vec::new(), Vec::new());
    for (index, row) in reader.rows().iter().enumerate() {
        let changed = row.flipped || !info.variant.is_empty();
        if row.split == split && (!changed || split == Split::Train) {
            let (file, patient) = (row.file.clone(), row.patient_id.clone());
            rows.push(Row { file, patient, labels: row.labels.clone(), extra: row.extra.clone() });
            indices.push(index);
        }
    }
    Ok(Table {
        set: info.dataset.clone(),
        digest: info.dataset_digest.clone(),
        variant: info.variant.clone(),
        label_names: info.label_names.clone(),
        extra_names: info.extra_names.clone(),
        rows,
        inputs: Inputs::Latents(reader.read_rows(&indices)?),
        shape: info.shape,
        refused: vec![],
        encoder: (info.encoder.clone(), info.encoder_digest.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_labels_follow_their_rule_and_are_unknown_where_nothing_stands() {
        let old = Derived { label: "old".into(), column: "age".into(), any_of: vec![], at_least: Some(60.0) };
        let front = Derived { label: "ap".into(), column: "view".into(), any_of: vec!["AP".into()], at_least: None };
        assert_eq!(["59", "60", "", "x"].map(|cell| derive(&old, cell)), [0, 1, UNKNOWN, UNKNOWN]);
        assert_eq!(["AP", "PA", ""].map(|cell| derive(&front, cell)), [1, 0, UNKNOWN]);
    }
}
