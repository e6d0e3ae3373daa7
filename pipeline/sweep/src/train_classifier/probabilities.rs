//! A teacher's probabilities of each sample, in a file that its student's training reads.

use super::Named;
use crate::command::error::{Error, Result};
use candle_core::{Device, Tensor};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use veilray_nn::Bundle;

/// Probabilities [sample, label] by the names of both.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Probabilities {
    samples: Vec<String>,
    labels: Vec<String>,
    values: Vec<f32>,
}

impl Probabilities {
    /// Of the samples of a split, for the labels that they have.
    ///
    /// # Errors
    /// Not one value per sample and label.
    pub fn new(named: &Named, values: Vec<f32>) -> Result<Self> {
        let (samples, labels) = (named.names.clone(), named.samples.names().to_vec());
        if values.len() == samples.len() * labels.len() {
            return Ok(Self { samples, labels, values });
        }
        let why = format!("{} probabilities for {} samples of {} labels", values.len(), samples.len(), labels.len());
        Err(Error::config(Path::new("the teacher"), why))
    }

    /// Number of samples and of labels.
    pub fn shape(&self) -> [usize; 2] {
        [self.samples.len(), self.labels.len()]
    }

    /// Appends those of further samples.
    ///
    /// # Errors
    /// Other labels.
    pub fn extend(&mut self, more: Self) -> Result<()> {
        if self.samples.is_empty() {
            *self = more;
            return Ok(());
        }
        if self.labels != more.labels {
            let why = format!("probabilities for the labels {:?}, then for {:?}", self.labels, more.labels);
            return Err(Error::config(Path::new("the teacher"), why));
        }
        self.samples.extend(more.samples);
        self.values.extend(more.values);
        Ok(())
    }

    /// Writes a safetensors file.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let shape = (self.samples.len(), self.labels.len());
        let tensor = Tensor::from_slice(&self.values, shape, &Device::Cpu).map_err(veilray_nn::Error::from)?;
        let mut bundle = Bundle::new();
        bundle.put_tensors("", &BTreeMap::from([("probabilities".to_string(), tensor)]));
        bundle.put("samples", &self.samples)?;
        bundle.put("labels", &self.labels)?;
        Ok(bundle.save(path)?)
    }

    /// Reads what [`Probabilities::save`] wrote.
    ///
    /// # Errors
    /// Another file.
    pub fn open(path: &Path) -> Result<Self> {
        let bundle = Bundle::open(path, &Device::Cpu)?;
        let (samples, labels) = (bundle.get::<Vec<String>>("samples")?, bundle.get::<Vec<String>>("labels")?);
        let tensor = bundle.into_tensors().remove("probabilities");
        let values = tensor.filter(|tensor| tensor.dims() == [samples.len(), labels.len()]);
        let values = values.ok_or_else(|| Error::config(path, "it holds no probabilities [samples, labels]".into()))?;
        let values = values.flatten_all().and_then(|values| values.to_vec1()).map_err(veilray_nn::Error::from)?;
        Ok(Self { samples, labels, values })
    }

    /// The mean of several files' probabilities, in the order of `named` and its labels. A label that no teacher knows has none: it is
    /// NaN.
    ///
    /// # Errors
    /// A file that cannot be read or lacks a sample.
    pub fn average(paths: &[PathBuf], named: &Named) -> Result<Option<Vec<f32>>> {
        let wanted = named.samples.names();
        let mut sums = vec![(0f32, 0usize); named.names.len() * wanted.len()];
        for path in paths {
            let file = Self::open(path)?;
            let rows: HashMap<&String, &[f32]> = file.samples.iter().zip(file.values.chunks(file.labels.len().max(1))).collect();
            let columns: Vec<Option<usize>> =
                wanted.iter().map(|label| file.labels.iter().position(|known| known == label)).collect();
            for (name, sums) in named.names.iter().zip(sums.chunks_mut(wanted.len().max(1))) {
                let row = rows.get(name).ok_or_else(|| Error::Untaught { path: path.clone(), name: name.clone() })?;
                for ((sum, count), column) in sums.iter_mut().zip(&columns) {
                    if let Some(value) = column.and_then(|column| row.get(column)) {
                        *sum += value;
                        *count += 1;
                    }
                }
            }
        }
        let mean = |(sum, count): (f32, usize)| if count == 0 { f32::NAN } else { sum / count as f32 };
        Ok((!paths.is_empty()).then(|| sums.into_iter().map(mean).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veilray_training::{Inputs, Samples};

    fn named(names: &[&str], labels: &[&str]) -> Named {
        let strings = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (inputs, blank) = (Inputs::Latents(vec![0.0; names.len()]), vec![String::new(); names.len()]);
        let values = vec![0; names.len() * labels.len()];
        let samples = Samples::new(inputs, [1, 1, 1], values, strings(labels), blank.clone(), blank).unwrap();
        Named {
            samples,
            names: strings(names),
            refused: vec![],
            sets: Default::default(),
            encoder: (String::new(), String::new()),
        }
    }

    #[test]
    fn several_teachers_are_averaged_in_the_students_order() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["one", "two"].map(|name| folder.path().join(name));
        Probabilities::new(&named(&["x", "y"], &["a", "b"]), vec![0.0, 0.25, 0.5, 0.75]).unwrap().save(&paths[0]).unwrap();
        Probabilities::new(&named(&["y", "z", "x"], &["b"]), vec![0.25, 0.125, 0.75]).unwrap().save(&paths[1]).unwrap();
        // A latent and that of its mirror image share their name.
        let student = named(&["y", "x", "y"], &["b", "new", "a"]);
        let mean = Probabilities::average(&paths, &student).unwrap().unwrap();
        assert!([1, 4, 7].iter().all(|unknown: &usize| mean[*unknown].is_nan()));
        assert_eq!([0, 2, 3, 5, 6, 8].map(|at: usize| mean[at]), [0.5, 0.5, 0.5, 0.0, 0.5, 0.5]);
        assert_eq!(Probabilities::average(&[], &student).unwrap(), None);
        let refused = Probabilities::average(&paths, &named(&["z"], &["a"])).unwrap_err().to_string();
        assert!(refused.contains("one") && refused.contains('z'), "{refused}");
        assert!(Probabilities::new(&student, vec![0.0]).is_err());
        assert!(Probabilities::open(&folder.path().join("none")).is_err());
    }
}
