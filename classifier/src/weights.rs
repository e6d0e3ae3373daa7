//! A trained network's numbers by name, outside any tensor library.

mod error;
mod random;
mod tensor;

pub use error::WeightsError;
pub use tensor::Tensor;

use crate::spec::{NetworkSpec, Parameter, Role};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::BTreeMap;
use std::path::Path;

/// Tensors by name; [`Weights::check`] says whether they are a network's.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Weights {
    tensors: BTreeMap<String, Tensor>,
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
