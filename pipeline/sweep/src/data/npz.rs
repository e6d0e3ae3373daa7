//! MedMNIST's `.npz`: a zip archive of NumPy arrays (NEP 1, format versions 1.0 to 3.0).

use super::spec::Spec;
use super::{Error, Item, Pixels, Result};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use veilray_latents::Split;
use zip::ZipArchive;

/// Largest array read, bytes.
const LIMIT: u64 = 4 << 30;
/// Longest array header read, bytes.
const HEADER: usize = 64 << 10;

/// An array of bytes.
struct Array {
    shape: Vec<usize>,
    values: Vec<u8>,
}

/// The items of an archive with arrays `{train,val,test}_images`, u8 `[n, height, width]`, and `_labels`, u8 `[n, labels]`.
pub(super) fn read(path: &Path, spec: &Spec, folder: &str) -> Result<(Vec<Item>, Pixels)> {
    let file = File::open(path).map_err(Error::io(path))?;
    let refuse = |array: &str, why: String| Error::Npz { path: path.into(), array: array.into(), why };
    let mut archive = ZipArchive::new(file).map_err(|e| refuse("the archive", e.to_string()))?;
    let (mut items, mut pixels) = (vec![], Pixels::default());
    for split in Split::ALL {
        let name = format!("{split}_images");
        let images = array(&mut archive, &name).map_err(|why| refuse(&name, why))?;
        let [count, height, width] = images.shape[..] else {
            return Err(refuse(&name, format!("its shape is {:?}; grey images [n, height, width] are wanted", images.shape)));
        };
        if width == 0 || height == 0 || (pixels.width * pixels.height > 0 && (pixels.width, pixels.height) != (width, height)) {
            return Err(refuse(&name, format!("its images are {width} × {height}; all splits need one size, not zero")));
        }
        (pixels.width, pixels.height) = (width, height);
        pixels.levels.extend(images.values);
        let name = format!("{split}_labels");
        let labels = array(&mut archive, &name).map_err(|why| refuse(&name, why))?;
        let [rows, columns] = labels.shape[..] else {
            return Err(refuse(&name, format!("its shape is {:?}; [n, labels] is wanted", labels.shape)));
        };
        if rows != count || columns == 0 {
            return Err(refuse(
                &name,
                format!("it has {rows} rows of {columns} labels for {count} images; one row for each is wanted"),
            ));
        }
        for (index, row) in labels.values.chunks_exact(columns).enumerate() {
            let value = |label: &super::Label| {
                let cell = label.column().parse().ok().and_then(|column: usize| row.get(column));
                let cell = cell.ok_or_else(|| refuse(&name, format!("it has no column {}", label.column())))?;
                spec.value(label, &cell.to_string()).map_err(|wanted| refuse(&name, format!("row {index} must be {wanted}")))
            };
            items.push(Item {
                file: format!("{split}/{index:06}"),
                split,
                patient_id: String::new(),
                labels: spec.labels.iter().map(value).collect::<Result<_>>()?,
                extra: vec![],
                place: format!("{folder}/{} {split} {index}", spec.npz.as_deref().unwrap_or_default()),
            });
        }
    }
    Ok((items, pixels))
}

/// Reads the array `name` of an archive, or says why not.
fn array(archive: &mut ZipArchive<impl Read + Seek>, name: &str) -> Result<Array, String> {
    let mut entry = archive.by_name(&format!("{name}.npy")).map_err(|e| e.to_string())?;
    let mut start = [0; 8];
    entry.read_exact(&mut start).map_err(|e| e.to_string())?;
    let [magic @ .., major, _minor] = start;
    if magic != *b"\x93NUMPY" {
        return Err("it is no NumPy array".into());
    }
    let mut length = [0; 4];
    let bytes = length.get_mut(..if major == 1 { 2 } else { 4 }).unwrap_or_default();
    entry.read_exact(bytes).map_err(|e| e.to_string())?;
    let length = u32::from_le_bytes(length) as usize;
    if !(1..=3).contains(&major) || length > HEADER {
        return Err(format!("its format version {major} with a header of {length} bytes is not read"));
    }
    let mut header = vec![0; length];
    entry.read_exact(&mut header).map_err(|e| e.to_string())?;
    let shape = shape(&String::from_utf8_lossy(&header))?;
    let size = shape.iter().try_fold(1u64, |size, &side| size.checked_mul(side as u64)).filter(|&size| size <= LIMIT);
    let size = size.ok_or_else(|| format!("its shape {shape:?} is above the limit of {LIMIT} bytes"))?;
    let mut values = vec![];
    // Read as it comes: a header that promises more than the archive holds allocates nothing.
    entry.take(size).read_to_end(&mut values).map_err(|e| e.to_string())?;
    if values.len() as u64 != size {
        return Err(format!("its shape {shape:?} needs {size} bytes, {} came", values.len()));
    }
    Ok(Array { shape, values })
}

/// The shape in a header such as `{'descr': '|u1', 'fortran_order': False, 'shape': (4708, 28, 28), }`.
fn shape(header: &str) -> Result<Vec<usize>, String> {
    let after = |key: &str| {
        let (_, value) = header.split_once(&format!("'{key}':"))?;
        Some(value.trim_start())
    };
    if !after("descr").is_some_and(|descr| descr.starts_with("'|u1'")) {
        return Err("its values are not of one unsigned byte ('|u1')".into());
    }
    if !after("fortran_order").is_some_and(|order| order.starts_with("False")) {
        return Err("it is in Fortran order; save it in C order".into());
    }
    let sides = after("shape").and_then(|shape| shape.strip_prefix('(')).and_then(|shape| shape.split_once(')'));
    let (sides, _) = sides.ok_or("its header has no shape")?;
    let sides = sides.split(',').map(str::trim).filter(|side| !side.is_empty());
    sides.map(|side| side.parse().map_err(|_| format!("its header has a side that is no number in ({side})"))).collect()
}

#[cfg(test)]
mod tests {
    use super::shape;

    #[test]
    fn a_header_gives_its_shape() {
        let header = |descr, order, sides| format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {sides}, }}   \n");
        assert_eq!(shape(&header("|u1", "False", "(4708, 28, 28)")), Ok(vec![4708, 28, 28]));
        assert_eq!(shape(&header("|u1", "False", "(3,)")), Ok(vec![3]));
        assert_eq!(shape(&header("|u1", "False", "()")), Ok(vec![]));
        assert!(shape(&header("<f4", "False", "(3,)")).unwrap_err().contains("|u1"));
        assert!(shape(&header("|u1", "True", "(3,)")).unwrap_err().contains("Fortran"));
        assert!(shape(&header("|u1", "False", "(3, -1)")).unwrap_err().contains("no number"));
        assert!(shape("").is_err());
    }
}
