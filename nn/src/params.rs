//! Named parameters: created once under a seed, loaded and saved as safetensors, trained or frozen.

use crate::bundle::Bundle;
use crate::error::{Error, Result};
use crate::init::Init;
use candle_core::{DType, Device, Tensor, Var};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use veilray_base::Rng;

/// The parameters (trained) and buffers (kept beside them, such as running means) of one network, by name.
///
/// Layers take theirs through a [`Scope`]. A new parameter's values depend on the seed and its full name alone, so that a layer
/// added elsewhere changes nothing. Clones share the tensors.
#[derive(Debug, Clone)]
pub struct ParamStore {
    inner: Arc<Mutex<Inner>>,
    device: Device,
}

#[derive(Debug)]
struct Inner {
    source: Source,
    parameters: BTreeMap<String, Tensor>,
    variables: BTreeMap<String, Var>,
    buffers: BTreeMap<String, Buffer>,
}

/// Where a layer's tensors come from.
#[derive(Debug)]
enum Source {
    /// Drawn from the seed.
    Seed(u64),
    /// Given; those not yet taken.
    Stored { left: BTreeMap<String, Tensor>, taken: BTreeSet<String> },
}

impl ParamStore {
    /// An empty store whose parameters will be drawn under `seed` and can be trained.
    pub fn seeded(seed: u64, device: &Device) -> Self {
        Self::with_source(Source::Seed(seed), device)
    }

    /// A store of given tensors, for inference: no gradient reaches them. A layer that asks for another name is refused.
    pub fn frozen(tensors: BTreeMap<String, Tensor>, device: &Device) -> Self {
        Self::with_source(Source::Stored { left: tensors, taken: BTreeSet::new() }, device)
    }

    /// As [`ParamStore::frozen`], from a safetensors file.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be read, [`Error::NotACheckpoint`] for one that is no safetensors file.
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        let tensors = Bundle::open(path, device)?.into_tensors();
        Ok(Self::frozen(tensors, device))
    }

    fn with_source(source: Source, device: &Device) -> Self {
        let (parameters, variables, buffers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { inner: Arc::new(Mutex::new(Inner { source, parameters, variables, buffers })), device: device.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The scope without a name, from which layers take theirs.
    pub fn root(&self) -> Scope {
        Scope { params: self.clone(), prefix: String::new() }
    }

    /// The device on which the tensors live.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Parameters that an optimiser moves, by name.
    pub fn variables(&self) -> BTreeMap<String, Var> {
        self.lock().variables.clone()
    }

    /// Number of values in all parameters, those of buffers not counted.
    pub fn count(&self) -> usize {
        self.lock().parameters.values().map(|t| t.elem_count()).sum()
    }

    /// Parameters and buffers by name, outside any gradient; they share memory with the network, and follow its training.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        let inner = self.lock();
        let parameters = inner.parameters.iter().map(|(name, t)| (name.clone(), t.detach()));
        let buffers = inner.buffers.iter().map(|(name, b)| (name.clone(), b.tensor.clone()));
        parameters.chain(buffers).collect()
    }

    /// A frozen store over the same memory: a network built from it evaluates this one's current weights without recording a
    /// graph.
    pub fn freeze(&self) -> Self {
        Self::frozen(self.tensors(), &self.device)
    }

    /// Refuses stored tensors that no layer took: they belong to another network.
    ///
    /// # Errors
    /// [`Error::UnexpectedTensor`] with the first one's name.
    pub fn expect_all_taken(&self) -> Result<()> {
        match &self.lock().source {
            Source::Stored { left, .. } => {
                left.keys().next().map_or(Ok(()), |name| Err(Error::UnexpectedTensor { name: name.clone() }))
            }
            Source::Seed(_) => Ok(()),
        }
    }

    /// Overwrites every parameter and buffer by the tensor of the same name.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::UnexpectedTensor`] or [`Error::TensorShape`] with the first name that does not fit; then nothing was
    /// overwritten.
    pub fn assign(&self, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        let inner = self.lock();
        let buffers = inner.buffers.iter().filter_map(|(name, buffer)| Some((name, buffer.var.as_ref()?)));
        let mine: BTreeMap<&str, &Var> = inner.variables.iter().chain(buffers).map(|(name, var)| (name.as_str(), var)).collect();
        for (&name, var) in &mine {
            let found = tensors.get(name).ok_or_else(|| Error::MissingTensor { name: name.into() })?;
            expect_same_shape(name, var.dims(), found.dims())?;
        }
        if let Some(name) = tensors.keys().find(|name| !mine.contains_key(name.as_str())) {
            return Err(Error::UnexpectedTensor { name: name.clone() });
        }
        for (&name, var) in &mine {
            if let Some(tensor) = tensors.get(name) {
                var.set(&tensor.to_device(&self.device)?.to_dtype(var.dtype())?.contiguous()?)?;
            }
        }
        Ok(())
    }

    /// Writes parameters and buffers to a safetensors file, atomically.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut bundle = Bundle::new();
        bundle.put_tensors("", &self.tensors());
        bundle.save(path)
    }

    /// [`ParamStore::assign`] from a safetensors file.
    ///
    /// # Errors
    /// As [`ParamStore::assign`], and a file that cannot be read.
    pub fn read(&self, path: &Path) -> Result<()> {
        self.assign(&Bundle::open(path, &self.device)?.into_tensors())
    }
}

fn expect_same_shape(name: &str, wanted: &[usize], found: &[usize]) -> Result<()> {
    if wanted == found {
        return Ok(());
    }
    Err(Error::TensorShape { name: name.into(), wanted: wanted.to_vec(), found: found.to_vec() })
}

/// A place in the tree of names: `encoder.block1.conv`.
#[derive(Debug, Clone)]
pub struct Scope {
    params: ParamStore,
    prefix: String,
}

impl Scope {
    /// The scope `name` below this one.
    pub fn enter(&self, name: impl std::fmt::Display) -> Self {
        Self { params: self.params.clone(), prefix: self.full(&name.to_string()) }
    }

    /// The store's device.
    pub fn device(&self) -> &Device {
        &self.params.device
    }

    fn full(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.into() } else { format!("{}.{name}", self.prefix) }
    }

    /// The parameter `name` of this scope: drawn from `init` in a seeded store, taken from a frozen one.
    ///
    /// # Errors
    /// [`Error::DuplicateParameter`] for a name given out before; in a frozen store, [`Error::MissingTensor`] or [`Error::TensorShape`].
    pub fn parameter(&self, name: &str, shape: &[usize], init: Init) -> Result<Tensor> {
        let name = self.full(name);
        let mut inner = self.params.lock();
        let tensor = match inner.take(&name, shape)? {
            Some(tensor) => tensor.to_device(self.device())?.to_dtype(DType::F32)?.detach(),
            None => {
                let var = Var::from_tensor(&inner.draw(&name, shape, init, self.device())?)?;
                let tensor = var.as_tensor().clone();
                inner.variables.insert(name.clone(), var);
                tensor
            }
        };
        inner.parameters.insert(name, tensor.clone());
        Ok(tensor)
    }

    /// The buffer `name` of this scope, not trained: `init` in a seeded store, taken from a frozen one.
    ///
    /// # Errors
    /// As [`Scope::parameter`].
    pub fn buffer(&self, name: &str, shape: &[usize], init: Init) -> Result<Buffer> {
        let name = self.full(name);
        let mut inner = self.params.lock();
        let buffer = match inner.take(&name, shape)? {
            Some(tensor) => Buffer { tensor: tensor.to_device(self.device())?, var: None },
            None => {
                let var = Var::from_tensor(&inner.draw(&name, shape, init, self.device())?)?;
                Buffer { tensor: var.as_detached_tensor(), var: Some(var) }
            }
        };
        inner.buffers.insert(name, buffer.clone());
        Ok(buffer)
    }
}

/// A tensor kept beside the parameters, such as a running mean: written during training, part of the saved weights.
#[derive(Debug, Clone)]
pub struct Buffer {
    tensor: Tensor,
    var: Option<Var>,
}

impl Buffer {
    /// The current values, outside any gradient.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// Overwrites the values; in a frozen store nothing happens.
    ///
    /// # Errors
    /// [`Error::Tensor`] for values of another shape than the buffer's.
    pub fn set(&self, values: &Tensor) -> Result<()> {
        if let Some(var) = &self.var {
            var.set(&values.detach().contiguous()?)?;
        }
        Ok(())
    }
}

impl Inner {
    /// The stored tensor `name`, or `None` in a seeded store.
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Option<Tensor>> {
        let duplicate = || Error::DuplicateParameter { name: name.into() };
        match &mut self.source {
            Source::Seed(_) => {
                let known = self.parameters.contains_key(name) || self.buffers.contains_key(name);
                if known { Err(duplicate()) } else { Ok(None) }
            }
            Source::Stored { left, taken } => {
                if !taken.insert(name.into()) {
                    return Err(duplicate());
                }
                let tensor = left.remove(name).ok_or_else(|| Error::MissingTensor { name: name.into() })?;
                expect_same_shape(name, shape, tensor.dims())?;
                Ok(Some(tensor))
            }
        }
    }

    fn draw(&self, name: &str, shape: &[usize], init: Init, device: &Device) -> Result<Tensor> {
        let seed = match self.source {
            Source::Seed(seed) => seed,
            Source::Stored { .. } => 0,
        };
        let values = init.draw(shape, &mut Rng::new(seed, &format!("parameter {name}")));
        Ok(Tensor::from_vec(values, shape, device)?)
    }
}
