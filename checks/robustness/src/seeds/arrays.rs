//! A data set of arrays, as MedMNIST has them.

use crate::target::SeedError;
use std::io::{Cursor, Write};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// What the arrays mean.
pub(crate) const SPEC: &str = "name = 'drawn'\nnpz = 'drawn.npz'\nlabels = [{ name = 'pneumonia', column = '0' }]\n";

/// A NumPy array of bytes, format version 1.0.
fn npy(shape: &[usize], values: &[u8]) -> Vec<u8> {
    let sides: String = shape.iter().map(|side| format!("{side}, ")).collect();
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({}), }}\n", sides.trim_end());
    [b"\x93NUMPY\x01\x00", (header.len() as u16).to_le_bytes().as_slice(), header.as_bytes(), values].concat()
}

fn archive(method: CompressionMethod) -> Result<Vec<u8>, SeedError> {
    let images = |n: usize| npy(&[n, 8, 8], &(0..n * 64).map(|i| (i * 37 % 251) as u8).collect::<Vec<u8>>());
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (split, labels) in [("train", [0, 1].as_slice()), ("val", &[1]), ("test", &[0])] {
        let labels = npy(&[labels.len(), 1], labels);
        for (name, array) in [("images", images(if split == "train" { 2 } else { 1 })), ("labels", labels)] {
            archive.start_file(format!("{split}_{name}.npy"), SimpleFileOptions::default().compression_method(method))?;
            archive.write_all(&array)?;
        }
    }
    Ok(archive.finish()?.into_inner())
}

/// Deflated and stored.
pub(crate) fn archives() -> Result<Vec<Vec<u8>>, SeedError> {
    [CompressionMethod::Deflated, CompressionMethod::Stored].into_iter().map(archive).collect()
}
