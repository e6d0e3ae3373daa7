//! A trained network's numbers by name, outside any tensor library.

use crate::spec::{NetworkSpec, Parameter, Role, SpecError};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use veilray_base::Rng;

/// Extents and values, the last axis fastest.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// Tensors by name; [`Weights::check`] says whether they are a network's.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Weights {
    tensors: BTreeMap<String, Tensor>,
}

/// Why weights were refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// A file that cannot be read or written.
    #[error("cannot {action} the weights {path}: {why}")]
    File {
        /// What was tried.
        action: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// The system's reason.
        why: String,
    },
    /// Bytes that are no safetensors file.
    #[error("not a safetensors file: {why}")]
    Format {
        /// The reader's reason.
        why: String,
    },
    /// A tensor of another number type.
    #[error("{name} holds {found} values; save the weights as F32")]
    Dtype {
        /// The tensor's name.
        name: String,
        /// Its type.
        found: String,
    },
    /// As many values as its extents say belong to a tensor.
    #[error("{name} has {found} values but the extents {shape:?}")]
    Length {
        /// The tensor's name.
        name: String,
        /// Its extents.
        shape: Vec<usize>,
        /// Number of values given.
        found: usize,
    },
    /// A tensor that the network needs is not there.
    #[error("the weights lack {name} {shape:?}; they belong to another network than `{network}`")]
    Missing {
        /// The network's name.
        network: String,
        /// The tensor's name.
        name: String,
        /// Its extents.
        shape: Vec<usize>,
    },
    /// A tensor that the network does not have.
    #[error("the weights hold {name}, which `{network}` does not have; they belong to another network")]
    Unexpected {
        /// The network's name.
        network: String,
        /// The tensor's name.
        name: String,
    },
    /// A tensor of other extents.
    #[error("{name} has the extents {found:?} where `{network}` needs {wanted:?}")]
    Shape {
        /// The network's name.
        network: String,
        /// The tensor's name.
        name: String,
        /// Extents that the network needs.
        wanted: Vec<usize>,
        /// Extents that the tensor has.
        found: Vec<usize>,
    },
    /// A value that is infinite or not a number.
    #[error("{name} holds {value} at index {index}; every weight must be finite: the training run diverged")]
    NotFinite {
        /// The tensor's name.
        name: String,
        /// Index of the value in the tensor.
        index: usize,
        /// The value found.
        value: f32,
    },
    /// A variance below zero.
    #[error("{name} holds the variance {value} at index {index}; variances are at least 0")]
    Variance {
        /// The tensor's name.
        name: String,
        /// Index of the value in the tensor.
        index: usize,
        /// The value found.
        value: f32,
    },
    /// The network itself was refused.
    #[error(transparent)]
    Spec(#[from] SpecError),
}

impl Tensor {
    /// A tensor of those extents; `name` is for the error.
    ///
    /// # Errors
    /// [`WeightsError::Length`].
    pub fn new(name: &str, shape: Vec<usize>, values: Vec<f32>) -> Result<Self, WeightsError> {
        let wanted = shape.iter().try_fold(1usize, |n, extent| n.checked_mul(*extent));
        if wanted != Some(values.len()) {
            return Err(WeightsError::Length { name: name.into(), shape, found: values.len() });
        }
        Ok(Self { shape, values })
    }

    /// Its extents, outermost axis first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its values, the last axis fastest.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

impl Weights {
    /// Weights of those tensors, not yet checked against a network.
    pub fn new(tensors: BTreeMap<String, Tensor>) -> Self {
        Self { tensors }
    }

    /// The tensors of a safetensors file's bytes.
    ///
    /// # Errors
    /// [`WeightsError::Format`], or [`WeightsError::Dtype`] if one is not F32.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, WeightsError> {
        let file = SafeTensors::deserialize(bytes).map_err(|e| WeightsError::Format { why: e.to_string() })?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(WeightsError::Dtype { name: name.into(), found: format!("{:?}", view.dtype()) });
            }
            let (words, _) = view.data().as_chunks::<4>();
            let values = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
            tensors.insert(name.to_owned(), Tensor::new(name, view.shape().to_vec(), values)?);
        }
        Ok(Self { tensors })
    }

    /// Reads a safetensors file.
    ///
    /// # Errors
    /// [`WeightsError::File`], or as [`Weights::from_safetensors`].
    pub fn read(path: &Path) -> Result<Self, WeightsError> {
        let file = |e: std::io::Error| WeightsError::File { action: "read", path: path.into(), why: e.to_string() };
        Self::from_safetensors(&std::fs::read(path).map_err(file)?)
    }

    /// The bytes of a safetensors file.
    ///
    /// # Errors
    /// [`WeightsError::Format`].
    pub fn to_safetensors(&self) -> Result<Vec<u8>, WeightsError> {
        let refuse = |e: safetensors::SafeTensorError| WeightsError::Format { why: e.to_string() };
        let little_endian = |t: &Tensor| t.values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let bytes: BTreeMap<&String, (&Tensor, Vec<u8>)> = self.tensors.iter().map(|(n, t)| (n, (t, little_endian(t)))).collect();
        let view = |(name, (tensor, bytes))| Ok((name, TensorView::new(Dtype::F32, Tensor::shape(tensor).to_vec(), bytes)?));
        let views: Vec<_> =
            bytes.iter().map(|(n, (t, b))| (*n, (*t, b.as_slice()))).map(view).collect::<Result<_, _>>().map_err(refuse)?;
        safetensors::serialize(views, None).map_err(refuse)
    }

    /// All tensors by name.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    /// Refuses weights that are not exactly the network's, finite, with variances of at least 0.
    ///
    /// # Errors
    /// A tensor missing, too many, of other extents or with impossible values; a network that does not fit together.
    pub fn check(&self, spec: &NetworkSpec) -> Result<(), WeightsError> {
        let parameters = spec.parameters()?;
        let network = || spec.name.clone();
        for Parameter { name, shape, role } in &parameters {
            let Some(found) = self.tensors.get(name) else {
                return Err(WeightsError::Missing { network: network(), name: name.clone(), shape: shape.clone() });
            };
            if found.shape != *shape {
                let (name, wanted, found) = (name.clone(), shape.clone(), found.shape.clone());
                return Err(WeightsError::Shape { network: network(), name, wanted, found });
            }
            if let Some((index, value)) = found.values.iter().enumerate().find(|(_, v)| !v.is_finite()) {
                return Err(WeightsError::NotFinite { name: name.clone(), index, value: *value });
            }
            let negative = |(_, v): &(usize, &f32)| *role == Role::Variance && **v < 0.0;
            if let Some((index, value)) = found.values.iter().enumerate().find(negative) {
                return Err(WeightsError::Variance { name: name.clone(), index, value: *value });
            }
        }
        let known: std::collections::BTreeSet<&String> = parameters.iter().map(|p| &p.name).collect();
        match self.tensors.keys().find(|name| !known.contains(name)) {
            Some(name) => Err(WeightsError::Unexpected { network: network(), name: name.clone() }),
            None => Ok(()),
        }
    }

    /// Puts a tensor in the place of the one of that name.
    pub(crate) fn insert(&mut self, name: String, tensor: Tensor) {
        self.tensors.insert(name, tensor);
    }

    /// The values of a tensor.
    ///
    /// # Errors
    /// [`WeightsError::Missing`].
    pub(crate) fn values(&self, name: &str) -> Result<&[f32], WeightsError> {
        let missing = || WeightsError::Missing { network: String::new(), name: name.into(), shape: vec![] };
        Ok(&self.tensors.get(name).ok_or_else(missing)?.values)
    }

    /// Weights as an untrained network might have them, the same for the same seed: values between layers stay of order one, no
    /// coefficient of x² is near zero, means and variances are not trivial.
    ///
    /// # Errors
    /// As [`NetworkSpec::check`].
    pub fn random(spec: &NetworkSpec, seed: u64) -> Result<Self, SpecError> {
        let draw = |p: Parameter| {
            let mut rng = Rng::new(seed, &format!("weights {}", p.name));
            let count: usize = p.shape.iter().product();
            let columns = p.shape.last().copied().unwrap_or(1).max(1);
            let value = |i: usize| random_value(p.role, i / columns, &mut rng) as f32;
            let values = (0..count).map(value).collect();
            (p.name, Tensor { shape: p.shape, values })
        };
        Ok(Self { tensors: spec.parameters()?.into_iter().map(draw).collect() })
    }
}

/// One random value in `row` of a tensor.
fn random_value(role: Role, row: usize, rng: &mut Rng) -> f64 {
    let mut around = |centre: f64, spread: f64| centre + spread * (2.0 * rng.uniform() - 1.0);
    match role {
        // Variance 1 / fan_in.
        Role::Weight { fan_in } => around(0.0, (3.0 / fan_in.max(1) as f64).sqrt()),
        Role::Bias | Role::Mean => around(0.0, 0.2),
        Role::Scale => around(1.0, 0.2),
        Role::Variance => around(1.0, 0.3),
        // As fitted to a ReLU on [-4, 4]: 0.1 x² + 0.5 x + 0.3.
        Role::Polynomial => match row {
            0 => around(0.1, 0.05),
            1 => around(0.5, 0.1),
            _ => around(0.3, 0.1),
        },
        Role::Basis => match row {
            0 => around(0.5, 0.1),
            _ => around(0.28, 0.1),
        },
        Role::Sigmoid => match row {
            0 => around(-1e-5, 0.0),
            1 => around(0.12, 0.02),
            _ => around(0.5, 0.1),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks;

    #[test]
    fn random_weights_are_the_networks_and_survive_the_file() {
        let spec = networks::default_for("resnet20-se").unwrap();
        let weights = Weights::random(&spec, 1).unwrap();
        weights.check(&spec).unwrap();
        assert_eq!(Weights::from_safetensors(&weights.to_safetensors().unwrap()).unwrap(), weights);
        assert_ne!(Weights::random(&spec, 2).unwrap(), weights);
    }

    #[test]
    fn weights_of_another_network_are_refused_by_name() {
        let spec = networks::default_for("veilnet-s").unwrap();
        let weights = Weights::random(&spec, 1).unwrap();
        let change = |f: &dyn Fn(&mut BTreeMap<String, Tensor>)| {
            let mut tensors = weights.tensors().clone();
            f(&mut tensors);
            Weights::new(tensors).check(&spec).unwrap_err()
        };
        let name = "layers.0.conv.bias";
        let put = |shape: Vec<usize>, values: Vec<f32>| Tensor::new(name, shape, values).unwrap();
        assert!(matches!(change(&|t| drop(t.remove(name))), WeightsError::Missing { name: n, .. } if n == name));
        assert!(matches!(change(&|t| drop(t.insert("x".into(), put(vec![1], vec![0.0])))), WeightsError::Unexpected { .. }));
        assert!(matches!(change(&|t| drop(t.insert(name.into(), put(vec![1], vec![0.0])))), WeightsError::Shape { .. }));
        let bad = vec![f32::NAN; 32];
        assert!(matches!(change(&|t| drop(t.insert(name.into(), put(vec![32], bad.clone())))), WeightsError::NotFinite { .. }));
        let variance = "layers.1.activation.variance";
        let negative = vec![-1.0; 64];
        let error = change(&|t| drop(t.insert(variance.into(), put(vec![2, 32], negative.clone()))));
        assert!(matches!(error, WeightsError::Variance { name: n, index: 0, .. } if n == variance));
    }

    #[test]
    fn hostile_bytes_are_errors() {
        let weights = Weights::random(&networks::default_for("tenseal-mnist").unwrap(), 1).unwrap();
        let bytes = weights.to_safetensors().unwrap();
        for cut in [0, 4, 8, 100, bytes.len() - 1] {
            assert!(Weights::from_safetensors(&bytes[..cut]).is_err());
        }
        assert!(Tensor::new("x", vec![usize::MAX, 2], vec![]).is_err());
    }
}
