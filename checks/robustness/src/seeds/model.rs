//! A classifier and an encoder, as small as they come, of random weights, in folders as they are released.

use crate::target::SeedError;
use candle_core::Device;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;
use tempfile::TempDir;
use veilray_classifier::interface::Interface;
use veilray_classifier::networks;
use veilray_classifier::release::{Manifest, Model};
use veilray_classifier::served::Served;
use veilray_classifier::spec::{NetworkSpec, Shape};
use veilray_classifier::weights::Weights;
use veilray_encoder::release as encoder;
use veilray_encoder::vqgan::{Codebook, Config, Levels, Norm, Vqgan};
use veilray_imaging::ingest::PREPROCESSING;
use veilray_imaging::ingest::checks::TrainingLimits;
use veilray_nn::ParamStore;

/// The two folders, and what a client must know of the classifier, as JSON.
pub(crate) struct Released {
    _folder: TempDir,
    /// Files of the classifier by name.
    pub classifier: BTreeMap<String, Vec<u8>>,
    /// Files of the encoder by name.
    pub encoder: BTreeMap<String, Vec<u8>>,
    /// The classifier's interface.
    pub interface: Vec<u8>,
}

/// Made once.
pub(crate) static RELEASED: LazyLock<Result<Released, String>> = LazyLock::new(|| Released::make().map_err(|e| e.to_string()));

/// The networks whose files are seeds: a plain one and one with every part.
pub(crate) fn networks() -> Result<Vec<Vec<u8>>, SeedError> {
    let names = ["veilnet-xs", "veilnet-s", "resnet20-se", "tenseal-mnist"];
    names.iter().map(|name| Ok(networks::default_for(name)?.to_toml()?.into_bytes())).collect()
}

impl Released {
    fn make() -> Result<Self, SeedError> {
        let folder = tempfile::tempdir()?;
        let (tiny, small) = (folder.path().join("tiny"), folder.path().join("small"));
        let spec = networks::named("veilnet-xs", Shape::new(4, 16, 16), 3)?;
        Model::write(&tiny, toml::from_str::<Manifest>(MANIFEST)?, &spec, &Weights::random(&spec, 1)?)?;
        write_encoder(&small)?;
        let interface = serde_json::to_vec(&Served::open(&tiny)?.interface)?;
        Ok(Self { classifier: files(&tiny)?, encoder: files(&small)?, interface, _folder: folder })
    }
}

/// What the release writes into the manifest but for the digests of network and weights.
const MANIFEST: &str = "format = 1
name = 'tiny'
encoder = 'encoder-f8'
encoder_sha256 = '5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f'
params = 'n13'
network_sha256 = ''
weights_sha256 = ''
[data]
synthetic = 1
[operating_point]
temperature = 1.0
[operating_point.thresholds]
labels = ['a', 'b', 'c']
values = [0.5, 0.5, 0.5]
[range]
images = 1
layers = []
logits = 1.0
";

fn write_encoder(path: &Path) -> Result<(), SeedError> {
    let levels = || Levels { channels: vec![2, 2], blocks: vec![1, 1], attention: false, early: false };
    let shapes = Config {
        image_channels: 1,
        unshuffle: 8,
        latent_channels: 2,
        norm: Norm::None,
        encoder: levels(),
        decoder: levels(),
        codebook: Codebook { size: 4, projection: None },
    };
    let params = ParamStore::seeded(1, &Device::Cpu);
    Vqgan::new(&params, &shapes)?;
    let manifest = encoder::Manifest {
        format: encoder::FORMAT,
        name: "small".into(),
        preprocessing: PREPROCESSING.into(),
        factor: 16,
        latent: [2, 16, 16],
        weights_sha256: String::new(),
        limits: TrainingLimits { reconstruction_error: 1.0, latent_min: -1.0, latent_max: 1.0 },
        training: encoder::Provenance { data: [].into(), steps: 0, seconds: 0.0, threads: 1, parameters: 0 },
        shapes,
    };
    Ok(encoder::Released::write(path, manifest, &params.tensors())?)
}

fn files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, SeedError> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path())?);
    }
    Ok(files)
}

/// Whether a network is small enough to be drawn weights for.
pub(crate) fn is_small(spec: &NetworkSpec) -> bool {
    let values = |shape: &[usize]| shape.iter().fold(1usize, |product, side| product.saturating_mul(*side));
    let all = spec.parameters().map(|all| all.iter().fold(0usize, |sum, one| sum.saturating_add(values(&one.shape))));
    all.is_ok_and(|all| all <= 1 << 16)
}

/// The interface as the client reads it.
pub(crate) fn interface(bytes: &[u8]) -> Result<Interface, String> {
    serde_json::from_slice(bytes).map_err(|e| e.to_string())
}
