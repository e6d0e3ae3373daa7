//! A released classifier as a network of this crate.

use crate::error::Result;
use crate::network::Network;
use crate::student::Student;
use crate::trainer::frozen;
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use veilray_classifier::release::Model;

/// The network of a released model as it was trained, in clear: what its encrypted answers are compared with.
///
/// # Errors
/// Weights that candle cannot take.
pub fn network_of(model: &Model) -> Result<Box<dyn Network>> {
    let mut tensors = BTreeMap::new();
    for (name, tensor) in model.weights().tensors() {
        tensors.insert(name.clone(), Tensor::from_slice(tensor.values(), tensor.shape(), &Device::Cpu)?);
    }
    frozen(&Student::new(model.spec().clone())?, &tensors)
}
