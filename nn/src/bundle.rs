//! Named tensors and small values in one safetensors file, written so that a crash leaves the old file or the new one.

use crate::error::{Error, Result};
use candle_core::safetensors::Load;
use candle_core::{Device, Tensor};
use safetensors::SafeTensors;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use veilray_base::file::write_atomically;

/// The key of the file's metadata under which the values stand, as one JSON object.
const VALUES: &str = "veilray";

/// Tensors and values by name: what a checkpoint holds.
#[derive(Debug, Clone, Default)]
pub struct Bundle {
    tensors: BTreeMap<String, Tensor>,
    values: BTreeMap<String, serde_json::Value>,
}

impl Bundle {
    /// An empty bundle.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds tensors under `prefix.name`, or `name` where the prefix is empty.
    pub fn put_tensors(&mut self, prefix: &str, tensors: &BTreeMap<String, Tensor>) {
        for (name, tensor) in tensors {
            let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            self.tensors.insert(name, tensor.clone());
        }
    }

    /// The tensors whose names start with `prefix.`, without it.
    pub fn tensors(&self, prefix: &str) -> BTreeMap<String, Tensor> {
        let below = |name: &str| name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.')).map(String::from);
        self.tensors.iter().filter_map(|(name, tensor)| Some((below(name)?, tensor.clone()))).collect()
    }

    /// All tensors by their full names.
    pub fn into_tensors(self) -> BTreeMap<String, Tensor> {
        self.tensors
    }

    /// Adds a value of any serialisable type under `name`, which replaces one of that name.
    ///
    /// # Errors
    /// [`Error::CheckpointEntry`] for a value that JSON cannot hold.
    pub fn put(&mut self, name: &str, value: &impl Serialize) -> Result<()> {
        let value = serde_json::to_value(value).map_err(|e| Error::CheckpointEntry { name: name.into(), why: e.to_string() })?;
        self.values.insert(name.into(), value);
        Ok(())
    }

    /// The value that was put under `name`.
    ///
    /// # Errors
    /// [`Error::CheckpointEntry`] for a name that is missing or a value of another type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let entry = |why: String| Error::CheckpointEntry { name: name.into(), why };
        let value = self.values.get(name).ok_or_else(|| entry("missing; the file is no checkpoint of this task".into()))?;
        T::deserialize(value).map_err(|e| entry(e.to_string()))
    }

    /// Writes the file: first beside it, then synchronised to the disk, then renamed over it.
    ///
    /// # Errors
    /// A tensor that cannot be read back from its device; a file that cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let refuse = |e: &dyn std::fmt::Display| Error::NotACheckpoint { path: path.into(), why: e.to_string() };
        let values = serde_json::to_string(&self.values).map_err(|e| refuse(&e))?;
        let metadata = HashMap::from([(VALUES.to_string(), values)]);
        let tensors: BTreeMap<&String, Tensor> = self
            .tensors
            .iter()
            .map(|(name, tensor)| Ok((name, tensor.to_device(&Device::Cpu)?.contiguous()?)))
            .collect::<Result<_>>()?;
        let bytes = safetensors::serialize(tensors.iter(), Some(metadata)).map_err(|e| refuse(&e))?;
        Ok(write_atomically(path, &bytes)?)
    }

    /// Reads a safetensors file; one of other origin has tensors and no values.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be read, [`Error::NotACheckpoint`] for one that is no safetensors file.
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        Self::from_bytes(path, &fs::read(path).map_err(Error::io("read", path))?, device)
    }

    /// [`Bundle::open`] of a file already read; `path` is what an error names.
    ///
    /// # Errors
    /// [`Error::NotACheckpoint`] for bytes of no safetensors file.
    pub fn from_bytes(path: &Path, bytes: &[u8], device: &Device) -> Result<Self> {
        let refuse = |why: &dyn std::fmt::Display| Error::NotACheckpoint { path: path.into(), why: why.to_string() };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| refuse(&e))?;
        let values = header.metadata().as_ref().and_then(|metadata| metadata.get(VALUES));
        let values = values.map_or(Ok(BTreeMap::new()), |json| serde_json::from_str(json)).map_err(|e| refuse(&e))?;
        let file = SafeTensors::deserialize(bytes).map_err(|e| refuse(&e))?;
        let tensors = file.tensors().into_iter().map(|(name, view)| Ok((name, view.load(device)?))).collect::<Result<_>>()?;
        Ok(Self { tensors, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_and_values_come_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.safetensors");
        let tensor = Tensor::new(&[[1.5f32, -0.0], [f32::MIN_POSITIVE, 3e38]], &Device::Cpu).unwrap();
        let mut bundle = Bundle::new();
        bundle.put_tensors("a.b", &BTreeMap::from([("w".to_string(), tensor.t().unwrap())]));
        bundle.put("step", &7u64).unwrap();
        bundle.save(&path).unwrap();
        fs::write(veilray_base::file::partial(&path), b"torn").unwrap();
        let back = Bundle::open(&path, &Device::Cpu).unwrap();
        assert_eq!(back.get::<u64>("step").unwrap(), 7);
        let bits =
            |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back.tensors("a.b")["w"]), bits(&tensor.t().unwrap()));
        assert!(back.tensors("a").contains_key("b.w") && back.tensors("a.b.w").is_empty());
        assert!(back.get::<String>("step").unwrap_err().to_string().starts_with("checkpoint entry step"));
        assert!(back.get::<u64>("other").unwrap_err().to_string().contains("missing"));
    }

    #[test]
    fn other_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        assert!(matches!(Bundle::open(&path, &Device::Cpu), Err(Error::Io { .. })));
        for bytes in [&b""[..], &b"\xff\xff\xff\xff\xff\xff\xff\x7f{}"[..], &[0; 100][..]] {
            fs::write(&path, bytes).unwrap();
            assert!(matches!(Bundle::open(&path, &Device::Cpu), Err(Error::NotACheckpoint { .. })));
        }
    }
}
