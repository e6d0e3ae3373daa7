//! An exponential moving average of the weights, usually better than the last ones.

use crate::bundle::Bundle;
use crate::error::{Error, Result};
use crate::inplace::update1;
use crate::params::ParamStore;
use crate::state::State;
use candle_core::{Device, Tensor, Var};
use std::collections::BTreeMap;

/// The moving average of a network's parameters and buffers.
#[derive(Debug)]
pub struct Ema {
    decay: f64,
    updates: u64,
    averages: BTreeMap<String, Var>,
    device: Device,
}

impl Ema {
    /// Starts at the present values. `decay` in [0, 1) is what an update keeps once warm; update t keeps at most (1 + t) / (10 + t).
    ///
    /// # Errors
    /// A decay outside [0, 1).
    pub fn new(decay: f64, params: &ParamStore) -> Result<Self> {
        if !(0.0..1.0).contains(&decay) {
            return Err(Error::Setting { what: "decay of the moving average", wanted: "in [0, 1)", found: decay.to_string() });
        }
        // A new variable is a copy: the average shares no memory with the weights.
        let copy = |(name, tensor): (String, Tensor)| Ok((name, Var::from_tensor(&tensor)?));
        let averages = params.tensors().into_iter().map(copy).collect::<Result<_>>()?;
        Ok(Self { decay, updates: 0, averages, device: params.device().clone() })
    }

    /// Moves towards the present values.
    ///
    /// # Errors
    /// A network with other parameters.
    pub fn update(&mut self, params: &ParamStore) -> Result<()> {
        self.updates += 1;
        let t = self.updates as f64;
        let keep = self.decay.min((1.0 + t) / (10.0 + t)) as f32;
        let now = params.tensors();
        for (name, average) in &self.averages {
            let value = now.get(name).ok_or_else(|| Error::MissingTensor { name: name.clone() })?;
            update1(
                average,
                value,
                |a, b| keep * a + (1.0 - keep) * b,
                |a, b| (a * f64::from(keep))? + (b * f64::from(1.0 - keep))?,
            )?;
        }
        Ok(())
    }

    /// The averages as a frozen store that follows later updates: build a network from it to evaluate them.
    pub fn params(&self) -> ParamStore {
        ParamStore::frozen(self.tensors(), &self.device)
    }

    fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.averages.iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect()
    }
}

impl State for Ema {
    fn save(&self, bundle: &mut Bundle, name: &str) -> Result<()> {
        bundle.put(&format!("{name}.updates"), &self.updates)?;
        bundle.put_tensors(name, &self.tensors());
        Ok(())
    }

    fn load(&mut self, bundle: &Bundle, name: &str) -> Result<()> {
        let stored = bundle.tensors(name);
        for (key, var) in &self.averages {
            let tensor = stored.get(key).ok_or_else(|| Error::MissingTensor { name: format!("{name}.{key}") })?;
            var.set(&tensor.to_device(&self.device)?)?;
        }
        self.updates = bundle.get(&format!("{name}.updates"))?;
        Ok(())
    }
}
