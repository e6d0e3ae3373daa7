//! Data sets for the tests, written by the tests.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use veilray_sweep::data::{Dataset, Error, Spec, Split};

/// A folder with the table `labels` and, for each `file` in it that ends in `.png`, a grey picture of 128 × 128 of its own.
pub(crate) fn folder(labels: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), labels);
    folder
}

pub(crate) fn fill(folder: &Path, labels: &str) {
    fs::create_dir_all(folder.join("images")).unwrap();
    fs::write(folder.join("labels.csv"), labels).unwrap();
    for (seed, line) in labels.lines().skip(1).enumerate() {
        let file = line.split(',').next().unwrap();
        if file.ends_with(".png") {
            fs::write(folder.join(file), png(&picture(seed))).unwrap();
        }
    }
}

/// Twenty images, one of them constant and one of them missing.
pub(crate) fn set() -> (TempDir, Dataset) {
    let mut table = String::from("file,split,patient_id,tb,site\n");
    for i in 0..20 {
        table += &format!("images/{i}.png,{},Doe{i},{},{}\n", Split::ALL[i % 3], i % 2, ["north", "south"][i / 10]);
    }
    let folder = self::folder(&table);
    fs::write(folder.path().join("images/4.png"), png(&[90; 128 * 128])).unwrap();
    fs::remove_file(folder.path().join("images/11.png")).unwrap();
    let set = Dataset::open(folder.path(), &spec("name = 'small'\nlabels = [{ name = 'tb' }]")).unwrap();
    (folder, set)
}

/// Levels with structure, other ones for another seed.
pub(crate) fn picture(seed: usize) -> Vec<u8> {
    let level = |i: usize| {
        let (x, y) = ((i % 128) as f64 / 128.0, (i / 128) as f64 / 128.0);
        (127.5 + 60.0 * (x * (5.0 + seed as f64)).sin() + 60.0 * (y * 7.0).cos()) as u8
    };
    (0..128 * 128).map(level).collect()
}

/// A grey PNG file of 128 × 128.
pub(crate) fn png(levels: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 128, 128);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(levels).unwrap();
    writer.finish().unwrap();
    file
}

pub(crate) fn spec(text: &str) -> Spec {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dataset.toml");
    fs::write(&path, text).unwrap();
    Spec::read(&path).unwrap()
}

/// What opening a folder with this table says.
pub(crate) fn refused(labels: &str, spec: &Spec) -> Error {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("labels.csv"), labels).unwrap();
    Dataset::open(folder.path(), spec).unwrap_err()
}

/// A NumPy array of bytes, format version 1.0.
pub(crate) fn npy(shape: &[usize], values: &[u8]) -> Vec<u8> {
    let sides: String = shape.iter().map(|side| format!("{side}, ")).collect();
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({}), }}\n", sides.trim_end());
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(values);
    file
}

/// A deflated archive of arrays.
pub(crate) fn npz(path: &Path, arrays: &[(&str, Vec<u8>)]) {
    let mut archive = zip::ZipWriter::new(fs::File::create(path).unwrap());
    for (name, bytes) in arrays {
        archive.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
}

/// The folder of real data sets, as `VEILRAY_DATA` says or beside the checkout, where there is one; says so otherwise.
pub(crate) fn real_data() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let given = std::env::var_os("VEILRAY_DATA").map_or_else(beside, PathBuf::from);
    let root = veilray_sweep::data::root(Some(&given));
    root.inspect_err(|error| eprintln!("skipped: {error}")).ok()
}
