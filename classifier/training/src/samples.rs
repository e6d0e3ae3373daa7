//! A split of a data set, in memory.

use crate::error::{Error, Result};
use crate::metrics::UNKNOWN;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use veilray_base::digest::hex;

/// What a network is given: images as the 8-bit grey values they are stored in, or latents.
#[derive(Debug, Clone, PartialEq)]
pub enum Inputs {
    /// 8-bit images; the network sees value / 127.5 - 1, in [-1, 1].
    Images(Vec<u8>),
    /// Latents, as the encoder gave them.
    Latents(Vec<f32>),
}

impl Inputs {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Images(values) => values.len(),
            Self::Latents(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// SHA-256, hexadecimal, of some numbers.
pub(crate) fn digest_of(values: &[f32]) -> String {
    let mut hash = Sha256::new();
    floats(&mut hash, values);
    hex(&hash.finalize())
}

fn floats(hash: &mut Sha256, values: &[f32]) {
    for block in values.chunks(4096) {
        hash.update(block.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
    }
}

/// A split: inputs [sample, channel, height, width], labels [sample, label] of 0, 1 or [`UNKNOWN`], and of each sample its patient and
/// its view.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    inputs: Inputs,
    shape: [usize; 3],
    labels: Vec<u8>,
    names: Vec<String>,
    patients: Vec<String>,
    views: Vec<String>,
}

impl Samples {
    /// From columns of one entry per sample; `shape` is [channel, height, width] of one input. A view that is not known is "".
    ///
    /// # Errors
    /// Columns of different length, a label other than 0, 1 and 255, a value that is not finite, a shape of no values.
    pub fn new(
        inputs: Inputs,
        shape: [usize; 3],
        labels: Vec<u8>,
        names: Vec<String>,
        patients: Vec<String>,
        views: Vec<String>,
    ) -> Result<Self> {
        let refuse = |what, wanted: String, found: String| Err(Error::Samples { what, wanted, found });
        let size: usize = shape.iter().product();
        if size == 0 {
            return refuse("shape", "[channel, height, width], none of them zero".into(), format!("{shape:?}"));
        }
        let count = patients.len();
        if inputs.len() != count * size {
            return refuse("inputs", format!("{count} x {shape:?} values"), inputs.len().to_string());
        }
        if names.is_empty() || names.iter().collect::<BTreeSet<_>>().len() != names.len() {
            return refuse("label names", "at least one, each once".into(), format!("{names:?}"));
        }
        if labels.len() != count * names.len() {
            return refuse("labels", format!("{count} x {} values", names.len()), labels.len().to_string());
        }
        if views.len() != count {
            return refuse("views", format!("{count} (empty where unknown)"), views.len().to_string());
        }
        if let Some(label) = labels.iter().find(|label| !matches!(**label, 0 | 1 | UNKNOWN)) {
            return refuse("labels", "0, 1 or 255 for unknown".into(), label.to_string());
        }
        if let Inputs::Latents(values) = &inputs
            && let Some(value) = values.iter().find(|value| !value.is_finite())
        {
            return refuse("latents", "finite values".into(), value.to_string());
        }
        Ok(Self { inputs, shape, labels, names, patients, views })
    }

    /// SHA-256, hexadecimal, of what is learned from: inputs, their shape and the labels.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{:?} {:?} ", self.shape, self.names));
        match &self.inputs {
            Inputs::Images(values) => hash.update(values),
            Inputs::Latents(values) => floats(&mut hash, values),
        }
        hash.update(&self.labels);
        hex(&hash.finalize())
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.patients.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.patients.is_empty()
    }

    /// [channel, height, width] of one input.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// All inputs [sample, channel, height, width].
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// One sample's values as the network sees them, [channel, height, width] row by row; none behind the last sample.
    pub fn values(&self, index: usize) -> Vec<f64> {
        let size: usize = self.shape.iter().product();
        match &self.inputs {
            Inputs::Latents(values) => values.iter().skip(index * size).take(size).map(|v| f64::from(*v)).collect(),
            Inputs::Images(levels) => {
                levels.iter().skip(index * size).take(size).map(|level| f64::from(f32::from(*level) / 127.5 - 1.0)).collect()
            }
        }
    }

    /// The values of at most `count` samples, spread evenly over all.
    pub fn spread_values(&self, count: usize) -> Vec<Vec<f64>> {
        let count = count.min(self.len());
        (0..count).map(|i| self.values(i * self.len() / count.max(1))).collect()
    }

    /// Labels [sample, label].
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The labels of sample `index`; empty beyond the last.
    pub fn labels_of(&self, index: usize) -> &[u8] {
        let count = self.names.len();
        self.labels.get(index * count..(index + 1) * count).unwrap_or_default()
    }

    /// The labels' names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Each sample's patient.
    pub fn patients(&self) -> &[String] {
        &self.patients
    }

    /// Each sample's view, "" where unknown.
    pub fn views(&self) -> &[String] {
        &self.views
    }

    /// The samples at `indices`, in that order.
    ///
    /// # Errors
    /// An index beyond the last sample.
    pub fn select(&self, indices: &[usize]) -> Result<Self> {
        if let Some(index) = indices.iter().find(|index| **index >= self.len()) {
            let wanted = format!("indices below {}", self.len());
            return Err(Error::Samples { what: "selection", wanted, found: index.to_string() });
        }
        Ok(Self {
            inputs: match &self.inputs {
                Inputs::Images(values) => Inputs::Images(rows(values, self.shape.iter().product(), indices)),
                Inputs::Latents(values) => Inputs::Latents(rows(values, self.shape.iter().product(), indices)),
            },
            shape: self.shape,
            labels: rows(&self.labels, self.names.len(), indices),
            names: self.names.clone(),
            patients: rows(&self.patients, 1, indices),
            views: rows(&self.views, 1, indices),
        })
    }

    /// The same samples with the labels `names`, in that order: those that the samples do not have are unknown.
    ///
    /// # Errors
    /// A name given twice, or none.
    pub fn with_labels(self, names: &[String]) -> Result<Self> {
        let places: Vec<Option<usize>> = names.iter().map(|name| self.names.iter().position(|mine| mine == name)).collect();
        let of_row =
            |row: &[u8]| places.iter().map(|at| at.and_then(|at| row.get(at)).copied().unwrap_or(UNKNOWN)).collect::<Vec<_>>();
        let labels = self.labels.chunks(self.names.len().max(1)).flat_map(of_row).collect();
        Self::new(self.inputs, self.shape, labels, names.to_vec(), self.patients, self.views)
    }

    /// Both sets one after the other, with the labels of both: those that one does not have are unknown there.
    ///
    /// # Errors
    /// Inputs of another kind or shape.
    pub fn concat(self, other: Self) -> Result<Self> {
        if self.shape != other.shape {
            let (wanted, found) = (format!("{:?}", self.shape), format!("{:?}", other.shape));
            return Err(Error::Samples { what: "shape", wanted, found });
        }
        let mut names = self.names.clone();
        names.extend(other.names.iter().filter(|name| !self.names.contains(name)).cloned());
        let (mut first, second) = (self.with_labels(&names)?, other.with_labels(&names)?);
        match (&mut first.inputs, second.inputs) {
            (Inputs::Images(mine), Inputs::Images(theirs)) => mine.extend(theirs),
            (Inputs::Latents(mine), Inputs::Latents(theirs)) => mine.extend(theirs),
            _ => {
                let (wanted, found) = ("two sets of images or two of latents".into(), "one of each".into());
                return Err(Error::Samples { what: "inputs", wanted, found });
            }
        }
        first.labels.extend(second.labels);
        first.patients.extend(second.patients);
        first.views.extend(second.views);
        Ok(first)
    }
}

/// The rows of `width` entries at `indices`.
fn rows<T: Clone>(values: &[T], width: usize, indices: &[usize]) -> Vec<T> {
    indices.iter().filter_map(|index| values.get(index * width..(index + 1) * width)).flatten().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn pair(names: &[&str]) -> Samples {
        let labels = (0..2 * names.len()).map(|i| (i % 2) as u8).collect();
        let inputs = Inputs::Latents((0..8).map(|i| i as f32).collect());
        Samples::new(inputs, [1, 2, 2], labels, strings(names), strings(&["p", "q"]), strings(&["PA", ""])).unwrap()
    }

    #[test]
    fn joining_keeps_each_label_and_marks_the_missing_ones_unknown() {
        let joined = pair(&["a", "b", "c"]).concat(pair(&["b", "d"])).unwrap();
        assert_eq!(joined.names(), strings(&["a", "b", "c", "d"]));
        let rows: Vec<&[u8]> = (0..5).map(|i| joined.labels_of(i)).collect();
        let u = UNKNOWN;
        assert_eq!(rows, [&[0, 1, 0, u][..], &[1, 0, 1, u], &[u, 0, u, 1], &[u, 0, u, 1], &[]]);
        let picked = joined.select(&[3, 0]).unwrap();
        assert_eq!((picked.labels_of(0), picked.patients()), (rows[3], &strings(&["q", "p"])[..]));
        assert_eq!(picked.inputs(), &Inputs::Latents(vec![4.0, 5.0, 6.0, 7.0, 0.0, 1.0, 2.0, 3.0]));
        assert!(joined.select(&[4]).is_err());
    }

    #[test]
    fn columns_that_do_not_fit_are_refused_by_name() {
        let good = pair(&["a"]);
        let build = |inputs: &Inputs, labels: &[u8], names: &[&str], views: &[&str]| {
            let made =
                Samples::new(inputs.clone(), [1, 2, 2], labels.to_vec(), strings(names), good.patients.clone(), strings(views));
            made.map_err(|e| e.to_string()).err().unwrap_or_default()
        };
        let inputs = good.inputs();
        assert_eq!(build(inputs, &[0, 1], &["a"], &["", ""]), "");
        assert!(build(&Inputs::Images(vec![0; 7]), &[0, 1], &["a"], &["", ""]).starts_with("inputs"));
        assert!(build(inputs, &[0, 1, 1], &["a"], &["", ""]).starts_with("labels"));
        assert!(build(inputs, &[0, 2], &["a"], &["", ""]).starts_with("labels"));
        assert!(build(inputs, &[0, 1, 0, 1], &["a", "a"], &["", ""]).starts_with("label names"));
        assert!(build(inputs, &[0, 1], &["a"], &[""]).starts_with("views"));
        assert!(build(&Inputs::Latents(vec![f32::NAN; 8]), &[0, 1], &["a"], &["", ""]).starts_with("latents"));
        let images = Samples::new(
            Inputs::Images(vec![0; 8]),
            [1, 2, 2],
            vec![0, 1],
            strings(&["a"]),
            good.patients.clone(),
            good.views.clone(),
        );
        assert!(images.unwrap().concat(good).is_err());
    }
}
