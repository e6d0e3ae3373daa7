//! Files of latents and tables in HDF5: of today's writer, and of earlier ones and the C library, as the latents' tests keep them.
//!
//! What the writer guards against is in them: columns without a text, and the tables of two dimensions that only old files have.

use crate::target::SeedError;
use hdf5::format::checksum::checksum_metadata;
use veilray_latents::tables;
use veilray_latents::{Info, Row, Split, UNKNOWN, Writer};

macro_rules! golden {
    ($($name:literal),*) => { [$(include_bytes!(concat!("../../../../encoder/latents/tests/golden/", $name)).as_slice()),*] };
}

/// With rows and without, with further columns and without, written now and long ago.
pub(crate) fn all() -> Result<Vec<Vec<u8>>, SeedError> {
    let old = golden!("latents-bare.h5", "latents-empty.h5", "latents-v1.h5", "latents-v2.h5", "ledger-empty.h5", "ledger.h5");
    let mut files: Vec<Vec<u8>> = old.map(<[u8]>::to_vec).into();
    for rows in [0, 3] {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("new.h5");
        let info = Info {
            encoder: "f8".into(),
            encoder_digest: "5f".repeat(32),
            dataset: "drawn".into(),
            dataset_digest: "0a".repeat(32),
            shape: [2, 4, 4],
            label_names: vec!["tuberculosis".into()],
            extra_names: vec!["view".into()],
            flips: false,
            variant: String::new(),
        };
        let mut writer = Writer::open(&path, &info)?;
        for number in 0..rows {
            let row = Row {
                file: format!("images/{number}.png"),
                split: Split::Test,
                patient_id: number.to_string(),
                labels: vec![UNKNOWN],
                extra: vec!["PA".into()],
                flipped: false,
            };
            writer.append(&[row], &[0.5; 32])?;
        }
        writer.finish()?;
        files.push(std::fs::read(&path)?);
    }
    files.push(table()?);
    Ok(files)
}

/// A table whose column of texts is empty.
fn table() -> Result<Vec<u8>, SeedError> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("table.h5");
    let mut writer = tables::Writer::create(&path)?;
    writer.attribute("format_version", tables::Attribute::U32(1))?;
    writer.texts::<&str>("network", &[])?;
    writer.numbers("auc", &[2], &[0.71, f64::NAN])?;
    writer.finish()?;
    Ok(std::fs::read(&path)?)
}

/// Sums of superblock and object headers that fit them (HDF5 file format, version 3, II.A and IV.A.1.b).
pub(crate) fn mend(bytes: &mut [u8]) {
    let modern = bytes.get(8).is_some_and(|version| (2..=3).contains(version));
    if modern && let Some(sum) = bytes.get(..44).map(checksum_metadata) {
        bytes.iter_mut().skip(44).zip(sum.to_le_bytes()).for_each(|(to, from)| *to = from);
    }
    let starts: Vec<usize> =
        (0..bytes.len()).filter(|&at| bytes.get(at..).is_some_and(|rest| rest.starts_with(b"OHDR"))).collect();
    for at in starts {
        let Some(end) = bytes.get(at..).and_then(header_length).and_then(|length| at.checked_add(length)) else { continue };
        let Some(sum) = bytes.get(at..end).map(checksum_metadata) else { continue };
        bytes.iter_mut().skip(end).zip(sum.to_le_bytes()).for_each(|(to, from)| *to = from);
    }
}

/// Bytes of a header's first chunk, without its sum.
fn header_length(bytes: &[u8]) -> Option<usize> {
    let flags = *bytes.get(5)?;
    let times = if flags & 0x20 != 0 { 16 } else { 0 };
    let phases = if flags & 0x10 != 0 { 4 } else { 0 };
    let (at, width) = (6 + times + phases, 1usize << (flags & 3));
    let size = bytes
        .get(at..at + width)?
        .iter()
        .rev()
        .try_fold(0usize, |size, &byte| size.checked_mul(256)?.checked_add(byte.into()))?;
    (at + width).checked_add(size)
}
