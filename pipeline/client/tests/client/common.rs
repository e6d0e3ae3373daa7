//! A small model with random weights, the program in an environment of its own, a daemon in this process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use veilray_classifier::mask::Mask;
use veilray_classifier::networks::UNet;
use veilray_classifier::operating_point::{OperatingPoint, Temperature, Thresholds};
use veilray_classifier::range::RangeContract;
use veilray_classifier::release::{FORMAT, Manifest, Model};
use veilray_classifier::spec::{NetworkSpec, Shape};
use veilray_classifier::weights::{Tensor, Weights};
use veilray_classifier::{networks, reference};
use veilray_encoder::release::Released;
use veilray_imaging::phantom::Phantom;
use veilray_imaging::pixels::Pixels;
use veilrayd::config::ModelPath;
use veilrayd::{Config, Handle};

pub(crate) const MODEL: &str = "tiny-f8";
pub(crate) const MASK_MODEL: &str = "tiny-mask";
pub(crate) const PASSPHRASE: &str = "a passphrase for tests";

/// A folder of released models: the tiny classifier and the encoder it reads, and a tiny network for masks.
pub(crate) static WEIGHTS: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    write_models(folder.path());
    folder
});

fn write_models(folder: &Path) {
    let encoder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights/encoder-f8").canonicalize().unwrap();
    std::os::unix::fs::symlink(&encoder, folder.join("encoder-f8")).unwrap();
    let spec = networks::named("veilnet-xs", Shape::new(4, 32, 32), 4).unwrap();
    let labels = ["Atelectasis", "Effusion", "No finding", "Pneumonia"].map(String::from);
    let manifest = Manifest {
        format: FORMAT,
        name: MODEL.into(),
        encoder: "encoder-f8".into(),
        encoder_sha256: Released::open(&encoder).unwrap().digest().into(),
        params: "n13".into(),
        network_sha256: String::new(),
        weights_sha256: String::new(),
        key_budget: None,
        reply_bits: None,
        data: [("none".to_string(), 0)].into(),
        mask: None,
        operating_point: OperatingPoint {
            temperature: Temperature::try_from(1.5).unwrap(),
            thresholds: Thresholds { labels: labels.into(), values: vec![0.0, 0.1, -0.1, 0.2] },
        },
        // A bound of 9 on the logits: n13 holds no more of four that fill the slots.
        range: RangeContract { images: 1, layers: vec![], logits: 2.25 },
    };
    Model::write(&folder.join(MODEL), manifest.clone(), &spec, &Weights::random(&spec, 1).unwrap()).unwrap();
    write_mask_model(folder, manifest);
}

/// A small U-Net on 32 x 32 pixels, its threshold in the middle of what it gives for a drawn chest.
fn write_mask_model(folder: &Path, manifest: Manifest) {
    let layers = UNet { patch: 2, widths: vec![2, 3] }.layers();
    let spec = NetworkSpec { name: "tiny".into(), labels: 1024, input: Shape::new(1, 32, 32), layers };
    let mut tensors = Weights::random(&spec, 1).unwrap().tensors().clone();
    for (name, tensor) in tensors.iter_mut().filter(|(name, _)| name.ends_with("batch_norm.weight")) {
        let smaller = tensor.values().iter().map(|value| 0.4 * value).collect();
        *tensor = Tensor::new(name, tensor.shape().to_vec(), smaller).unwrap();
    }
    let weights = Weights::new(tensors);
    let pixels = Pixels::new(32).unwrap();
    let chest = Phantom { seed: 3, size: 256, ..Phantom::default() }.canonical().unwrap();
    let values: Vec<f64> = pixels.values(&chest).into_iter().map(f64::from).collect();
    let mut logits = reference::evaluate(&spec, &weights, &values).unwrap();
    logits.sort_by(f64::total_cmp);
    let thresholds = Thresholds { labels: vec!["lung".into()], values: vec![logits[512] as f32] };
    let manifest = Manifest {
        name: MASK_MODEL.into(),
        encoder: pixels.name().into(),
        encoder_sha256: pixels.digest().into(),
        params: "n14".into(),
        mask: Some(Mask { height: 32, width: 32 }),
        operating_point: OperatingPoint { temperature: Temperature::ONE, thresholds },
        range: RangeContract { images: 1, layers: vec![], logits: 16.0 },
        ..manifest
    };
    Model::write(&folder.join(MASK_MODEL), manifest, &spec, &weights).unwrap();
}

pub(crate) fn daemon(data: &Path) -> Handle {
    daemon_of(MODEL, data)
}

pub(crate) fn daemon_of(model: &str, data: &Path) -> Handle {
    let mut config = Config { models: vec![ModelPath { path: WEIGHTS.path().join(model) }], ..Config::default() };
    config.server.bind = "127.0.0.1:0".parse().unwrap();
    config.server.data_dir = data.into();
    // A daemon takes no folder that others can enter.
    #[cfg(unix)]
    if data.exists() {
        std::fs::set_permissions(data, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    }
    let handle = veilrayd::spawn(config).unwrap();
    assert!(handle.wait_ready(std::time::Duration::from_secs(60)));
    handle
}

/// A user: a home folder, and the program run there with nothing of ours in its environment.
pub(crate) struct User {
    home: tempfile::TempDir,
}

impl User {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.path(".veilray/keys")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_veilray"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("VEILRAY_")) {
            command.env_remove(name);
        }
        command.args(arguments).current_dir(self.home.path()).env("HOME", self.home.path()).stdin(Stdio::null());
        command.env("VEILRAY_WEIGHTS", WEIGHTS.path()).env("VEILRAY_PASSPHRASE", PASSPHRASE);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// A chest drawn from a seed, as PNG.
    pub(crate) fn chest(&self, name: &str, seed: u64) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let film = Phantom { seed, size: 256, ..Phantom::default() }.film().unwrap();
        fs::write(&path, film.to_png().unwrap()).unwrap();
        path
    }
}

/// A chest as DICOM, explicit VR, little endian, with the patient's name where it belongs. `pixels` are a square of 16-bit values.
pub(crate) fn dicom(pixels: &[u16], side: u16, patient: &str) -> Vec<u8> {
    let element = |group: u16, number: u16, vr: &str, value: &[u8]| {
        let mut value = value.to_vec();
        if value.len() % 2 == 1 {
            value.push(if vr == "UI" { 0 } else { b' ' });
        }
        let mut out = [group.to_le_bytes(), number.to_le_bytes()].concat();
        out.extend(vr.as_bytes());
        if vr == "OW" || vr == "OB" {
            out.extend([0, 0]);
            out.extend((value.len() as u32).to_le_bytes());
        } else {
            out.extend((value.len() as u16).to_le_bytes());
        }
        out.extend(value);
        out
    };
    let text = |group, number, vr: &str, value: &str| element(group, number, vr, value.as_bytes());
    let short = |number, value: u16| element(0x0028, number, "US", &value.to_le_bytes());
    let bytes: Vec<u8> = pixels.iter().flat_map(|p| p.to_le_bytes()).collect();
    let class = "1.2.840.10008.5.1.4.1.1.1.1";
    let meta = [
        element(0x0002, 0x0001, "OB", &[0, 1]),
        text(0x0002, 0x0002, "UI", class),
        text(0x0002, 0x0003, "UI", "1.2.3.4"),
        text(0x0002, 0x0010, "UI", "1.2.840.10008.1.2.1"),
        text(0x0002, 0x0012, "UI", "1.2.3"),
    ]
    .concat();
    let body = [
        text(0x0008, 0x0016, "UI", class),
        text(0x0008, 0x0018, "UI", "1.2.3.4"),
        text(0x0008, 0x0060, "CS", "DX"),
        text(0x0010, 0x0010, "PN", patient),
        text(0x0018, 0x5101, "CS", "PA"),
        text(0x0020, 0x000d, "UI", "1.2.3.5"),
        text(0x0020, 0x000e, "UI", "1.2.3.6"),
        short(0x0002, 1),
        text(0x0028, 0x0004, "CS", "MONOCHROME2"),
        short(0x0010, side),
        short(0x0011, side),
        short(0x0100, 16),
        short(0x0101, 16),
        short(0x0102, 15),
        short(0x0103, 0),
        element(0x7fe0, 0x0010, "OW", &bytes),
    ]
    .concat();
    let length = element(0x0002, 0x0000, "UL", &(meta.len() as u32).to_le_bytes());
    [vec![0; 128], b"DICM".to_vec(), length, meta, body].concat()
}

/// What a run of the program came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in {:?}", self.err);
        }
        self
    }

    /// The objects of standard output, one per line.
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
