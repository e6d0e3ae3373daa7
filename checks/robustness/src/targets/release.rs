//! Folders of released models: manifest, network and weights, each bent while the others are sound and its digest follows.

use crate::scratch;
use crate::seeds::model::{self, RELEASED, Released};
use crate::target::{Outcome, Seeds, Target, said};
use std::collections::BTreeMap;
use veilray_base::digest::sha256_hex;
use veilray_classifier::fold::{FoldOptions, fold};
use veilray_classifier::release::{MANIFEST, Model, NETWORK, WEIGHTS};
use veilray_classifier::spec::NetworkSpec;
use veilray_classifier::weights::Weights;
use veilray_encoder::release as encoder;

pub(crate) const TARGETS: &[Target] = &[
    Target::text("model-manifest", |bytes| classifier(MANIFEST, bytes), || seed(|r| &r.classifier, MANIFEST), 1),
    Target::text("model-network", |bytes| classifier(NETWORK, bytes), || seed(|r| &r.classifier, NETWORK), 2),
    Target::binary("model-weights", |bytes| classifier(WEIGHTS, bytes), || seed(|r| &r.classifier, WEIGHTS), 1),
    Target::text("network-toml", network, model::networks, 30),
    Target::text("encoder-manifest", |bytes| small(MANIFEST, bytes), || seed(|r| &r.encoder, MANIFEST), 8),
    Target::binary("encoder-weights", |bytes| small(encoder::WEIGHTS, bytes), || seed(|r| &r.encoder, encoder::WEIGHTS), 8),
];

type Files = BTreeMap<String, Vec<u8>>;

fn released() -> Result<&'static Released, String> {
    RELEASED.as_ref().map_err(Clone::clone)
}

fn seed(of: fn(&Released) -> &Files, name: &str) -> Seeds {
    Ok(vec![of(released()?).get(name).ok_or("no such file")?.clone()])
}

/// Writes the folder with `bytes` in the place of the file `name`; the manifest names their digest.
fn folder(into: &str, files: &Files, name: &str, bytes: &[u8]) -> Result<std::path::PathBuf, String> {
    let path = scratch::path(into)?;
    let old = files.get(name).ok_or("no such file")?;
    for (file, sound) in files {
        let manifest;
        let content = if file == name {
            bytes
        } else if file == MANIFEST {
            let text = String::from_utf8_lossy(sound);
            manifest = text.replace(&sha256_hex(old), &sha256_hex(bytes));
            manifest.as_bytes()
        } else {
            sound
        };
        scratch::write(&path.join(file), content)?;
    }
    Ok(path)
}

/// Opens it, and packs its circuit as a server does.
fn classifier(name: &str, bytes: &[u8]) -> Outcome {
    let model = Model::open(&folder("tiny", &released()?.classifier, name, bytes)?).map_err(said)?;
    model.packed().map(drop).map_err(said)
}

fn small(name: &str, bytes: &[u8]) -> Outcome {
    encoder::Released::open(&folder("small", &released()?.encoder, name, bytes)?).map(drop).map_err(said)
}

/// A network as a person writes it, its shapes and parameters; folded where it is small.
fn network(bytes: &[u8]) -> Outcome {
    let spec = NetworkSpec::from_toml(std::str::from_utf8(bytes).map_err(said)?).map_err(said)?;
    spec.parameters().map_err(said)?;
    let again = spec.to_toml().map_err(said)?;
    assert_eq!(NetworkSpec::from_toml(&again).as_ref(), Ok(&spec), "a network survives its own text");
    if !model::is_small(&spec) {
        return Ok(());
    }
    fold(&spec, &Weights::random(&spec, 1).map_err(said)?, &FoldOptions::default()).map(drop).map_err(said)
}
