//! Interfaces, key sets, results and configuration: what a user's or an operator's disk holds, and what a server sends.

use super::wire;
use crate::scratch;
use crate::seeds::model::{self, RELEASED};
use crate::target::{Outcome, Seeds, Target, said};
use std::collections::HashSet;
use veilray::client::keyset::{self, KeySet};
use veilray::client::vault::{self, Cost};
use veilray::internals;
use veilray_base::digest::sha256_hex;
use veilray_encoder::vqgan::Config as Encoder;
use veilrayd::Config as Daemon;

pub(crate) const TARGETS: &[Target] = &[
    Target::text("interface-json", interface, || Ok(vec![sound()?.to_vec()]), 40),
    Target::text("key-record", record, || Ok(vec![record_of(sound()?)?.into_bytes()]), 20),
    Target::text("key-interface", |bytes| set(record_of(bytes)?.as_bytes(), bytes), || Ok(vec![sound()?.to_vec()]), 12),
    Target::binary("vault", unseal, || Ok(vec![vault::seal(b"not a key", PASSPHRASE, Cost::MIN, &[0; 32])?]), 1),
    Target::text("results-csv", |bytes| results("r.csv", bytes), || Ok(vec![CSV.into()]), 30),
    Target::text("results-jsonl", |bytes| results("r.jsonl", bytes), || Ok(vec![JSONL.into()]), 30),
    Target::binary("inspect", inspect, anything, 20),
    Target::text("daemon-config", daemon, || Ok(vec![DAEMON.into()]), 50),
    Target::text("params-toml", wire::literal, wire::literals, 30),
    Target::text("encoder-toml", encoder, || Ok(vec![ENCODER.into()]), 40),
];

const PASSPHRASE: &[u8] = b"of a test";
const LABELS: [&str; 2] = ["a", "b"];

const CSV: &str = "path,sha256,model,manifest_sha256,status,reason,warnings,a.logit,a.probability,a.threshold,a.positive,\
b.logit,b.probability,b.threshold,b.positive
x.png,0a,tiny,5f,answered,,,0.25,0.5,0.5,false,1,0.7,0.5,true
\"y, z.png\",0b,tiny,5f,refused,\"two\nlines\",one | two,,,,,,,,
";

const JSONL: &str = r#"{"path":"x.png","sha256":"0a","model":"tiny","manifest_sha256":"5f","status":"answered","reason":"","warnings":[],"labels":[{"name":"a","logit":0.25,"probability":0.5,"threshold":0.5,"positive":false}]}
{"path":"y.png","sha256":"0b","model":"tiny","manifest_sha256":"5f","status":"refused","reason":"too small","warnings":["one"],"labels":[]}
"#;

const DAEMON: &str = "[server]
bind = '127.0.0.1:8480'
data_dir = '/var/lib/veilrayd'
threads = 4
drain_seconds = 30.0
[limits]
memory_bytes = 8589934592
disk_bytes = 68719476736
body_bytes = 268435456
key_bytes = 1073741824
header_seconds = 10.0
idle_seconds = 15.0
min_bytes_per_second = 16384
request_seconds = 120.0
queue_seconds = 10.0
queue_length = 64
evaluations = 1
key_ttl_seconds = 2592000.0
part_ttl_seconds = 86400.0
job_ttl_seconds = 86400.0
max_jobs = 1024
[[models]]
path = 'nih14-f8'
[[tokens]]
hash = '5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f'
tenant = 'clinic-a'
expires = 2027-01-31T12:00:00Z
scopes = ['keys', 'infer']
rate_per_minute = 60
quota_bytes = 1000000000
";

const ENCODER: &str = "image_channels = 1
unshuffle = 2
latent_channels = 4
norm = 'none'
[encoder]
channels = [16, 32, 48]
blocks = [1, 1, 2]
attention = true
early = true
[decoder]
channels = [16, 32, 48]
blocks = [1, 1, 2]
attention = false
[codebook]
size = 1024
projection = 8
";

fn sound() -> Result<&'static [u8], String> {
    RELEASED.as_ref().map(|released| released.interface.as_slice()).map_err(Clone::clone)
}

/// What a server sends, and all that a client does with it but making keys.
fn interface(bytes: &[u8]) -> Outcome {
    let interface = model::interface(bytes)?;
    let params = keyset::checked(&interface, 1 << 30).map_err(said)?;
    let image = vec![0.5; interface.io.input().values()];
    let packed = interface.io.input().pack(&image);
    assert!(packed.iter().all(|slots| slots.len() <= params.slots()), "an image fits its ciphertexts");
    let (logits, stray) = interface.io.logits(&vec![0.1; params.slots()]);
    assert_eq!(logits.len(), interface.io.labels(), "one logit for each label");
    assert!(!stray.is_nan(), "what should be zero is a number");
    let temperature = interface.operating_point.temperature;
    assert!(logits.iter().all(|logit| (0.0..=1.0).contains(&temperature.probability(*logit))), "a probability lies in [0, 1]");
    Ok(())
}

/// `key.toml` as the first release wrote it, of an interface with those bytes.
fn record_of(interface: &[u8]) -> Result<String, String> {
    let known = model::interface(sound()?)?;
    Ok(format!(
        "format = 1\nmodel = '{}'\nmanifest_sha256 = '{}'\nparams = '{}'\ncreated_unix = 1\nevaluation_keys_sha256 = '{}'\n\
         evaluation_keys_bytes = 1000\ninterface_sha256 = '{}'\nstate = 'active'\n",
        known.model,
        known.manifest_sha256,
        known.params,
        "5f".repeat(32),
        sha256_hex(interface)
    ))
}

fn record(bytes: &[u8]) -> Outcome {
    set(bytes, sound()?)
}

/// Opens a key set whose two public files are these.
fn set(record: &[u8], interface: &[u8]) -> Outcome {
    let root = scratch::path("keys")?;
    let folder = root.join("tiny-5f5f5f5f5f5f");
    scratch::write(&folder.join("key.toml"), record)?;
    scratch::write(&folder.join("interface.json"), interface)?;
    let _ = KeySet::select(&root, Some("tiny"));
    let set = KeySet::open(&folder).map_err(said)?;
    let _ = set.secret(PASSPHRASE);
    Ok(())
}

fn unseal(bytes: &[u8]) -> Outcome {
    let _ = vault::inspect(bytes);
    vault::open(bytes, PASSPHRASE, &[0; 32]).map(drop).map_err(said)
}

fn results(name: &str, bytes: &[u8]) -> Outcome {
    let images: HashSet<String> = ["x.png".to_owned()].into();
    let path = scratch::file(name, bytes)?;
    internals::results(&path, &LABELS.map(String::from), &images, bytes.len().is_multiple_of(2)).map_err(said)?;
    // What it left is a results file.
    let again = internals::results(&path, &LABELS.map(String::from), &images, false);
    assert!(again.is_ok(), "a results file that was opened opens again: {again:?}");
    Ok(())
}

/// `veilray inspect` of anything.
fn inspect(bytes: &[u8]) -> Outcome {
    let path = scratch::file("anything", bytes)?;
    let said_of_it = internals::inspect(&path).map_err(said)?;
    assert!(!said_of_it.chars().any(|c| c.is_control() && c != '\n'), "no control character reaches the terminal");
    Ok(())
}

fn anything() -> Seeds {
    let mut seeds =
        vec![record_of(sound()?)?.into_bytes(), sound()?.to_vec(), vault::seal(b"not a key", PASSPHRASE, Cost::MIN, &[0; 32])?];
    for name in ["wire-params", "wire-ciphertext", "vct-container", "png"] {
        if let Some(target) = super::named(name) {
            seeds.extend((target.seeds)()?.into_iter().take(1));
        }
    }
    Ok(seeds)
}

fn daemon(bytes: &[u8]) -> Outcome {
    let config = Daemon::from_toml(std::str::from_utf8(bytes).map_err(said)?).map_err(said)?;
    config.check().map_err(said)
}

fn encoder(bytes: &[u8]) -> Outcome {
    let config = Encoder::from_toml(std::str::from_utf8(bytes).map_err(said)?).map_err(said)?;
    config.latent_shape(256).map(drop).map_err(said)
}
